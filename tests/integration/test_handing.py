"""Files that somebody takes to bring them on by hand: refused and recorded like a delivery."""

import csv
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import processes


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    folder = tmp_path_factory.mktemp("handing")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as running:
        yield running


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "template, file, column",
    [
        ("microsoft-sds", "users.csv", "sourcedId"),
        ("oneroster-1.2", "users.csv", "sourcedId"),
        ("oneroster-1.1", "users.csv", "sourcedId"),
        ("clever", "students.csv", "Student_id"),
        ("apple-school-manager", "students.csv", "person_id"),
    ],
)
def test_the_files_of_each_form_are_written_to_a_folder(
    demo: processes.Demo, template: str, file: str, column: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    done = demo.run(
        *("export", "run", "--application", "everything", "--template", template, "--to", out)
    )

    assert done.status == 0, done.words
    assert rows(out / file)[0][column]
    assert file in done.out
    assert stat.S_IMODE((out / file).stat().st_mode) == 0o600
    assert not [each for each in out.iterdir() if each.name.startswith(".")]


def test_who_took_them_and_whose_records_were_in_them_is_on_record(
    demo: processes.Demo, tmp_path: Path
) -> None:
    words = ("export", "run", "--application", "math-galaxy", "--template", "microsoft-sds")
    done = demo.run(*words, "--to", tmp_path / "out", "--json")
    assert done.status == 0, done.words
    pupil = rows(tmp_path / "out" / "users.csv")[0]["sourcedId"]

    records = json.loads(demo.run("audit", "log", "--kind", "handed", "--json").out)["records"]
    seen = json.loads(demo.run("audit", "student", pupil, "--json").out)

    assert records[0]["entry"]["subject"] == "math-galaxy"
    assert "math-galaxy" in json.dumps(seen)
    assert "by hand" in json.dumps(seen)
    assert pupil not in json.dumps(records)


@pytest.mark.parametrize(
    "words, says",
    [
        (("--application", "nothing"), "its permission says access: none"),
        (("--application", "nobody"), "there is no application nobody"),
        (("--application", "everything", "--template", "clover"), "known here are"),
    ],
)
def test_what_may_not_leave_is_not_handed_out_either(
    demo: processes.Demo, words: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = demo.run("export", "run", *words, "--to", tmp_path / "out")

    assert done.status == 1
    assert says in done.words
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(demo: processes.Demo, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")

    done = demo.run("export", "run", "--application", "everything", "--to", tmp_path)

    assert done.status == 1
    assert "there is something in it already" in done.words
    assert [each.name for each in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize("words", [(), ("--application", "everything"), ("x", "--to", "y")])
def test_half_a_question_is_a_mistake_of_usage(
    demo: processes.Demo, words: tuple[str, ...]
) -> None:
    assert demo.run("export", "run", *words).status == 2

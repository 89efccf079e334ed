"""Sanity checks that run by themselves, and a delivery that waits for what a vendor needs."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rosterd import running
from tests.integration import demo_repository, processes

CHECK = "classes-without-teachers"
LISTING = f"""\
apiVersion: rosterd/v1
kind: Listing
name: warehouse
title: District data warehouse
company: Lakeside Unified School District
needs: {{versions: ["1.2"], zero: [{CHECK}]}}
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    """A demo whose one target waits until every class has a teacher."""
    folder = tmp_path_factory.mktemp("sanity")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as running:
        repository = demo_repository.Repository.of(running)
        repository.write("catalog/warehouse.yaml", LISTING)
        repository.replace(
            "applications/everything.yaml", "owner: {", "listing: warehouse\nowner: {"
        )
        text = (repository.work / "sftp-targets/everything.yaml").read_text(encoding="utf-8")
        text = re.sub(r"^  days: .*\n  time: .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("  mode: bulk\n", "  when: after-import\n  holdUntilNeedsMet: true\n")
        repository.write("sftp-targets/everything.yaml", text)
        commit = repository.commit("Wait for classes that have teachers")
        repository.approve(commit)
        repository.push()
        running.until_applied(commit)
        yield running


def runs(demo: processes.Demo) -> list[dict[str, Any]]:
    """Those of `everything`, the newest first."""
    path = "/v1/applications/everything/sanity/history"
    found: list[dict[str, Any]] = processes.ask_socket(demo.socket, path)["runs"]
    return found


def without_teacher(path: Path) -> tuple[str, str]:
    """(class, the file's text without the enrollments of its teachers)."""
    text = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    name = next(row["classSourcedId"] for row in rows if row["role"] == "teacher")
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(
        row for row in rows if (row["classSourcedId"], row["role"]) != (name, "teacher")
    )
    return name, out.getvalue()


def without_first_student(text: str) -> str:
    """The same with one student's enrollment less: a file that was delivered is not sent again."""
    lines = text.splitlines(keepends=True)
    lines.remove(next(line for line in lines if ",student," in line))
    return "".join(lines)


def test_a_class_that_loses_its_teacher_is_told_and_holds_the_delivery_until_it_has_one(
    demo: processes.Demo,
) -> None:
    path = demo.folder / "roster" / "enrollments.csv"
    whole = path.read_text(encoding="utf-8")
    first = processes.until(lambda: runs(demo), "a run of the first roster")[0]
    demo.until(lambda _: delivered(demo, first["generation"]), "the first roster is delivered")
    name, less = without_teacher(path)

    path.write_text(less, encoding="utf-8")
    demo.until(
        lambda status: [each["target"] for each in status["guards"]["unmet"]] == ["everything"],
        "the delivery waits",
    )
    processes.until(lambda: runs(demo)[0] != first, "a run of the second roster")

    assert first["counts"][CHECK] == 0
    assert [each["counts"][CHECK] for each in runs(demo)[:2]] == [1, 0]
    assert name not in str(processes.ask_socket(demo.socket, "/v1/status"))
    told = demo.run("sanity", "everything", "--check", CHECK)
    assert told.status == 1
    assert f"{CHECK} error 1 0 +1" in told.words
    assert name in told.words
    assert f"needed and not so: {CHECK}: 1" in told.words
    assert "waits" in demo.run("status").words
    listed = demo.run("export", "list")
    assert f"held until its needs are met: {CHECK}: 1" in listed.words
    assert metric(demo) == 1.0

    path.write_text(without_first_student(whole), encoding="utf-8")
    demo.until(lambda status: not status["guards"]["unmet"], "nothing waits any more")
    demo.until(
        lambda status: (
            delivered(demo, status["served"]["generation"])
            and status["served"]["generation"] > first["generation"] + 1
        ),
        "the third roster is delivered",
    )
    processes.until(lambda: runs(demo)[0]["counts"][CHECK] == 0, "a run of the third roster")

    history = demo.run("sanity", "everything", "--check", CHECK, "--history")
    assert history.status == 0
    assert [f"{CHECK} {count}" in history.words for count in (0, 1)] == [True, True]
    assert demo.run("sanity", "everything", "--check", CHECK).status == 0
    assert metric(demo) == 0.0


def delivered(demo: processes.Demo, generation: int) -> bool:
    return any(
        each["state"] == "delivered" and each["slot"].endswith(f"generation-{generation}")
        for each in demo.exports()
    )


def metrics(demo: processes.Demo) -> str:
    told = demo.told
    answer = processes.ask(
        f"{told['console']}/metrics", headers={"Authorization": f"Bearer {told['console_token']}"}
    )
    return answer.body.decode()


def metric(demo: processes.Demo) -> float:
    found = re.search(
        r'^rosterd_export_held\{target="everything"\} (.*)$', metrics(demo), re.MULTILINE
    )
    assert found is not None
    return float(found[1])


def test_every_loop_that_works_by_itself_shows_signs_of_life_to_the_watchdog(
    demo: processes.Demo,
) -> None:
    loops = dict(
        re.findall(r'^rosterd_loop_silent\{loop="(.*)"\} (.*)$', metrics(demo), re.MULTILINE)
    )

    assert loops == dict.fromkeys(running._LOOPS.keys() - {"file events", "watchdog"}, "0.0")


def test_an_unknown_check_is_named_with_those_that_there_are(demo: processes.Demo) -> None:
    done = demo.run("sanity", "everything", "--check", "taechers")

    assert done.status == 1
    assert "the checks are students-without-grades" in done.words


def test_what_nobody_sees_cannot_be_checked(demo: processes.Demo) -> None:
    assert "its permission says access: none" in demo.run("sanity", "nothing").words
    assert "no application has that name" in demo.run("sanity", "nobody").words

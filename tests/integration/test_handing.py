"""Files that somebody takes to bring them on by hand: refused and recorded like a delivery."""

import csv
import json
import re
import signal
import socketserver
import stat
import subprocess
import sys
import threading
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
    assert json.loads(done.out)["left_out"] == [
        "roles.csv leaves out <10 rows (role: no word for the value)"
    ]
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
    assert not (tmp_path / "out").exists()


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Something at the control socket that answers with half a file and then as it is told."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        super().__init__(str(path), Half)


class Half(socketserver.StreamRequestHandler):
    server: Daemon

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 1000\r\n\r\nPK"
        )
        self.server.begun.set()
        self.server.end.wait(30)


@pytest.fixture
def half(demo: processes.Demo, tmp_path: Path) -> Iterator[tuple[Daemon, Path]]:
    """Such a daemon, and settings that name it."""
    settings = Path(demo.told["settings"]).read_text(encoding="utf-8")
    socket = tmp_path / "control"
    pattern = r'(?m)^control_socket = ".*"$'
    assert re.search(pattern, settings)
    path = tmp_path / "rosterd.toml"
    path.write_text(re.sub(pattern, f'control_socket = "{socket}"', settings), encoding="utf-8")
    with Daemon(socket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, path
        server.end.set()
        server.shutdown()


def taking(settings: Path, out: Path) -> "subprocess.Popen[str]":
    words = ("export", "run", "--application", "everything", "--to", out, "--settings", settings)
    return subprocess.Popen(
        [sys.executable, "-m", "rosterd", *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_midway_leaves_nothing(
    half: tuple[Daemon, Path], tmp_path: Path, number: signal.Signals
) -> None:
    server, settings = half
    there = tmp_path / "there"
    there.mkdir()

    for out in (tmp_path / "new", there):
        server.begun.clear()
        with taking(settings, out) as process:
            assert server.begun.wait(30)
            process.send_signal(number)
            assert process.wait(30) != 0

    assert not (tmp_path / "new").exists()
    assert list(there.iterdir()) == []


def test_half_an_answer_is_no_file_and_what_a_killed_run_left_is_told(
    half: tuple[Daemon, Path], tmp_path: Path
) -> None:
    server, settings = half
    out = tmp_path / "out"
    with taking(settings, out) as process:
        assert server.begun.wait(30)
        process.kill()
        process.wait(30)
    (left,) = out.iterdir()
    assert (left.name.startswith(".rosterd-"), stat.S_IMODE(left.stat().st_mode)) == (True, 0o700)
    server.end.set()

    with taking(settings, out) as process:
        _, told = process.communicate(timeout=30)
        assert process.returncode == 1
    with taking(settings, tmp_path / "new") as process:
        _, cut = process.communicate(timeout=30)
        assert process.returncode == 1

    assert "or was killed: then remove it" in told
    assert "cannot understand the daemon's answer" in cut
    assert not (tmp_path / "new").exists()


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

"""kill -9 at every step of a pass: the former config or the new one, whole, and a chain that holds.

Beside `test_crashes`, which kills the daemon as a process at moments that come by chance, here each
step of a pass is a place to die at.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.integration import demo_repository, faults, processes

MATH = "permissions/math-galaxy.yaml"
KILLED = 9
_FIRST = ("before the transaction", "in the transaction")


class Deadly:
    """An installation, and the process that lets its daemon die."""

    def __init__(self, folder: Path) -> None:
        told = json.loads((folder / "demo.json").read_text())
        self.repository = demo_repository.Repository(folder / "work", told, folder / "rosterd.toml")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.faults", str(folder / "rosterd.toml")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def run(self, point: str | None = None) -> dict[str, Any]:
        """One start and one pass of the daemon."""
        given, told = _open(self.process.stdin), _open(self.process.stdout)
        given.write(json.dumps({"point": point}) + "\n")
        given.flush()
        answer: dict[str, Any] = json.loads(told.readline())
        return answer

    def push(self, number: int) -> tuple[str, list[str]]:
        """Another field withheld, or shared again; gives the commit, and what is withheld then."""
        field = ("users.email", "users.middleName", "users.userMasterIdentifier")[number % 3]
        text = (self.repository.work / MATH).read_text()
        if f", {field}" in text:
            self.repository.replace(MATH, f", {field}", "")
        else:
            self.repository.replace(MATH, "users.identifier", f"users.identifier, {field}")
        commit = self.repository.commit("Change what Galaxy gets")
        self.repository.push()
        text = (self.repository.work / MATH).read_text()
        (line,) = [line for line in text.splitlines() if "withhold" in line]
        return commit, sorted(line.partition("[")[2].partition("]")[0].split(", "))


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deadly]:
    """One person is enough here: how people vouch is tested elsewhere."""
    folder = tmp_path_factory.mktemp("faults")
    roster = processes.district(folder / "district")
    done = processes.demo_once(folder / "demo", "--roster", roster)
    assert done.status == 0, done.words
    machine = folder / "demo" / "rosterd.toml"
    text = machine.read_text()
    assert "people = 2" in text
    machine.write_text(text.replace("people = 2", "people = 1"))
    made = Deadly(folder / "demo")
    answer = made.run()
    assert (answer["signal"], answer["exit"]) == (0, 0), answer
    yield made
    _open(made.process.stdin).close()
    _open(made.process.stdout).close()
    assert made.process.wait(30) == 0


def _whole(state: dict[str, Any]) -> None:
    """Everything in a state is of one commit."""
    assert state["served"] == state["applied"] == state["on record"]
    assert state["chain"]["fine"] is True


def _lasting(state: dict[str, Any]) -> dict[str, Any]:
    """What no start changes; each start puts the keys that count on record."""
    return {name: value for name, value in state.items() if name != "chain"}


@pytest.mark.parametrize("point", list(faults.POINTS))
@pytest.mark.parametrize(
    "times", [pytest.param(10, id="ten"), pytest.param(200, id="many", marks=pytest.mark.soak)]
)
def test_a_death_at_any_step_leaves_one_config_whole_and_the_next_start_goes_on(
    deadly: Deadly, point: str, times: int
) -> None:
    before = deadly.run()["last"]
    for number in range(times):
        commit, withheld = deadly.push(number)

        died = deadly.run(point)
        after = deadly.run()

        assert died["signal"] == KILLED, f"nobody came by: {died}"
        first, last = after["first"], after["last"]
        _whole(first)
        _whole(last)
        if first["served"] == before["served"]:
            assert _lasting(first) == _lasting(before)
        else:
            assert (first["served"], first["withheld"]) == (commit, withheld)
            assert not point.startswith(_FIRST)
        assert (last["served"], last["withheld"]) == (commit, withheld)
        assert last["changes"] == before["changes"] + 1, "applied once"
        assert last["credentials"] == before["credentials"]
        assert after["reason"] == "Applied"
        assert before["chain"]["records"] < last["chain"]["records"]
        before = last

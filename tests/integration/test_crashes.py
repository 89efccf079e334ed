"""kill -9 in the middle of things, then start again: the former state or the new one, whole.

The daemon is `rosterd serve` on the installation of a demo. The vendor's SFTP server is in this
process, so that it outlives the daemon as a vendor's does.
"""

import contextlib
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rosterd import chain
from rosterd.demo import installation as installations
from rosterd.demo import receiving
from rosterd.storage import sqlite as sqlite_store
from tests.integration import comparing, demo_repository, processes

MATH = "permissions/math-galaxy.yaml"
USERS = f"{processes.ROSTERING}/users"
Records = dict[str, list[dict[str, Any]]]


@dataclass
class Site:
    """An installation whose daemon dies often."""

    folder: Path
    told: dict[str, Any]
    deliveries: dict[str, dict[str, bytes]]

    @property
    def generations(self) -> Path:
        return self.folder / "state" / "generations"

    @property
    def arrived(self) -> Path:
        return self.folder / "deliveries"

    @property
    def repository(self) -> demo_repository.Repository:
        return demo_repository.Repository(
            self.folder / "work", self.told, self.folder / "rosterd.toml"
        )

    def serve(self) -> contextlib.AbstractContextManager[processes.Daemon]:
        return processes.serve(self.folder / "rosterd.toml", self.folder / "control.sock")

    def vendor(self, name: str) -> processes.Vendor:
        pair = self.told["applications"][name]
        return processes.Vendor(self.told["api"], pair["key"], pair["secret"])

    def bring_another(self) -> None:
        """Put the delivery that does not lie there where the lying one is, the manifest last."""
        roster = self.folder / "roster"
        lying = {file.name: file.read_bytes() for file in roster.iterdir()}
        other = next(files for files in self.deliveries.values() if files != lying)
        for name in sorted(other, key=lambda name: name == "manifest.csv"):
            (roster / name).write_bytes(other[name])

    def names(self) -> set[str]:
        """Of what lies where generations are built."""
        return {each.name for each in self.generations.iterdir()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Exports go out after each import, so that each generation owes exactly one."""
    folder = tmp_path_factory.mktemp("crashes")
    deliveries = {
        name: {
            file.name: file.read_bytes()
            for file in processes.district(folder / name, seed=seed).iterdir()
        }
        for seed, name in enumerate(("one", "another"), 1)
    }
    with processes.demo(folder / "demo", "--roster", folder / "one") as demo:
        repository = demo_repository.Repository.of(demo)
        repository.replace(
            "sftp-targets/everything.yaml",
            "  days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]\n"
            '  time: "05:15"\n',
            "  when: after-import\n",
        )
        commit = repository.commit("Deliver after each import")
        repository.approve(commit)
        repository.push()
        demo.until_applied(commit)
        made = Site(demo.folder, demo.told, deliveries)
    known = json.loads((made.folder / "installation.json").read_text())
    receiver = receiving.Receiver(
        address="127.0.0.1",
        port=known["sftp_port"],
        username=installations.SFTP_USER,
        password=known["sftp_password"],
        folder=made.arrived,
        host_key=paramiko.ECDSAKey.from_private_key_file(str(made.folder / "sftp_host_key")),
    )
    with receiving.listening(receiver):
        yield made


# ------------------------------------------------------------ imports and what follows them

Moment = Callable[[Site, set[str], set[str]], bool]


def _copying(site: Site, before: set[str], arrived: set[str]) -> bool:
    return any(name.startswith(".delivery-") for name in site.names())


def _building(site: Site, before: set[str], arrived: set[str]) -> bool:
    return any(site.generations.glob(".building-*/columns.db"))


def _built(site: Site, before: set[str], arrived: set[str]) -> bool:
    return any(name.startswith("generation-") for name in site.names() - before)


def _delivering(site: Site, before: set[str], arrived: set[str]) -> bool:
    return bool({each.name for each in site.arrived.iterdir()} - arrived)


def _nth_file(number: int) -> Moment:
    """When so many files of the generation are there."""

    def moment(site: Site, before: set[str], arrived: set[str]) -> bool:
        found = sum(1 for _ in site.generations.glob(".building-*/*"))
        return found >= number or _built(site, before, arrived)

    return moment


_MOMENTS: list[Any] = [
    pytest.param(_copying, True, id="copying"),
    pytest.param(_building, True, id="building"),
    pytest.param(_building, False, id="building, the import lives on"),
    pytest.param(_built, True, id="built"),
    pytest.param(_delivering, True, id="delivering"),
    *(
        pytest.param(_nth_file(number), whole, id=f"file {number} {whole}", marks=pytest.mark.soak)
        for number in range(1, 80, 6)
        for whole in (True, False)
    ),
]


@pytest.mark.parametrize("moment, with_import", _MOMENTS)
def test_a_crash_in_an_import_leaves_the_former_or_the_new_roster_whole(
    site: Site, moment: Moment, with_import: bool
) -> None:
    vendor = site.vendor("everything")
    with site.serve() as daemon:
        number = daemon.until_applied()["served"]["generation"]
        _until_delivered(daemon, number)
        former = vendor.everything()
        before, arrived = site.names(), {each.name for each in site.arrived.iterdir()}
        _forget_arrived(site, arrived)
        site.bring_another()
        _spin(lambda: moment(site, before, set()))
        daemon.process.kill(with_children=with_import)

    with site.serve() as daemon:
        first, found = _pages(daemon, vendor)
        status = daemon.until(
            lambda status: status["served"]["generation"] > number, "the delivery is imported"
        )
        last = status["served"]["generation"]
        _until_delivered(daemon, last)
        new = vendor.everything()
        runs = _slots(daemon)
        clean = site.names()
        daemon.process.stop()
    stamps = _stamps(site)
    with site.serve() as daemon:
        daemon.until_applied()
        again = vendor.everything()
        runs_again = _slots(daemon)

    assert (first == number and found == former) or (first == last and found == new)
    assert new == again != former
    assert len(clean) == 1, clean
    assert runs == runs_again
    assert runs[f"generation-{last}"] == ["delivered"]
    assert all(len(states) == 1 for states in runs.values())
    assert _stamps(site) == stamps, "a delivery that was there came again"
    (package,) = site.arrived.iterdir()
    assert comparing.differences(comparing.delivered(package), comparing.served(new)) == []


def _forget_arrived(site: Site, arrived: set[str]) -> None:
    """The vendor takes the files away, as vendors do."""
    for name in arrived:
        (site.arrived / name).unlink()


def _pages(daemon: processes.Daemon, vendor: processes.Vendor) -> tuple[int, Records]:
    """The number of a generation, and all its pages: asked while it was served throughout."""
    daemon.until(lambda status: status["served"]["ready"], "the state of the last run is served")
    while True:
        before = daemon.status()["served"]["generation"]
        found = vendor.everything()
        if daemon.status()["served"]["generation"] == before:
            return before, found


def _until_delivered(daemon: processes.Daemon, number: int) -> None:
    def delivered() -> bool:
        return _slots(daemon).get(f"generation-{number}") in (["delivered"], ["unchanged"])

    daemon.process.until(delivered, f"generation {number} is delivered")


def _slots(daemon: processes.Daemon) -> dict[str, list[str]]:
    """Slot → the states of its runs; by hand ones are the demo's own."""
    found: dict[str, list[str]] = {}
    for run in daemon.exports():
        if not run["slot"].startswith("by-hand"):
            found.setdefault(run["slot"], []).append(run["state"])
    return found


def _stamps(site: Site) -> dict[str, tuple[int, int]]:
    return {
        each.name: (each.stat().st_ino, each.stat().st_mtime_ns) for each in site.arrived.iterdir()
    }


def _spin(condition: Callable[[], bool]) -> None:
    """As soon as a condition is true: what is waited for may be over in a millisecond."""
    end = time.monotonic() + processes.PATIENCE
    while not _seen(condition):
        assert time.monotonic() < end, "the moment never came"
        os.sched_yield()


def _seen(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except FileNotFoundError:  # it went away while it was looked at
        return False


# ------------------------------------------------------------ applies

_NARROWINGS = ("users.email", "users.grades", "users.middleName")
_WRITES = -1.0
"""Instead of a pause: until the state's log is written to, which a transaction does at its end."""


@pytest.mark.parametrize(
    "pauses",
    [
        pytest.param((0.0, _WRITES, 0.2), id="a few"),
        pytest.param(
            tuple(each / 100 for each in range(40)) + 10 * (_WRITES,),
            marks=pytest.mark.soak,
            id="many",
        ),
    ],
)
def test_a_crash_in_an_apply_leaves_the_former_or_the_new_config_whole(
    site: Site, pauses: tuple[float, ...]
) -> None:
    """Pushes and kills in turn: one field less for an application, or one more access to it."""
    vendor = site.vendor("math-galaxy")
    repository = site.repository
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(site.serve())
        served = daemon.until_applied()["served"]["commit"]
        assert vendor.sign_in().status == 200
        fields = _fields(vendor)
        for pause, narrowing in zip(pauses, itertools.cycle(_NARROWINGS), strict=False):
            commit = _push(repository, narrowing)
            _kill_soon_after(site, daemon, commit, pause)
            daemon = stack.enter_context(site.serve())
            first, seen = _whole(daemon, vendor)
            new_fields = _expected(fields, repository, narrowing)
            assert new_fields != fields
            assert (first == served and seen == fields) or (first == commit and seen == new_fields)
            daemon.until_applied(commit)
            assert _fields(vendor) == new_fields
            served, fields = commit, new_fields
        assert daemon.status()["served"]["people"] != []
    _whole_state(site, served, len(pauses))


def _kill_soon_after(site: Site, daemon: processes.Daemon, commit: str, pause: float) -> None:
    """kill -9 a pause in seconds after the commit was fetched, in the middle of what follows."""
    _spin(lambda: _fetched(site, commit))
    log = site.folder / "state" / "state.db-wal"
    written, end = log.stat().st_mtime_ns, time.monotonic() + pause
    if pause == _WRITES:
        _spin(lambda: log.stat().st_mtime_ns != written)
    else:
        _spin(lambda: time.monotonic() >= end)
    daemon.process.kill()


def _push(repository: demo_repository.Repository, field: str) -> str:
    """Withhold a field; when it is withheld already, share it again, with two people."""
    path = repository.work / MATH
    widening = f", {field}" in path.read_text()
    if widening:
        repository.replace(MATH, f", {field}", "")
    else:
        repository.replace(MATH, "users.identifier", f"users.identifier, {field}")
    commit = repository.commit(f"{'Share' if widening else 'Withhold'} {field}")
    if widening:
        repository.approve(commit)
    repository.push()
    return commit


def _fetched(site: Site, commit: str) -> bool:
    mirror = site.folder / "state" / "mirror.git"
    return (mirror / "refs" / "rosterd" / "candidate").read_text().strip() == commit


def _fields(vendor: processes.Vendor) -> frozenset[str]:
    """Those members that any user has, of the fields that the test withholds; the token is the one
    from before the crash.
    """
    users = vendor.walk(USERS)
    assert users
    return frozenset(name for name in _NARROWINGS for user in users if name[6:] in user)


def _expected(
    fields: frozenset[str], repository: demo_repository.Repository, field: str
) -> frozenset[str]:
    withheld = f", {field}" in (repository.work / MATH).read_text()
    return fields - {field} if withheld else fields | {field}


def _whole(daemon: processes.Daemon, vendor: processes.Vendor) -> tuple[str, frozenset[str]]:
    """A commit, and the fields that were given while it was served throughout."""
    daemon.until(lambda status: status["served"]["ready"], "the state of the last run is served")
    while True:
        before = daemon.status()["served"]["commit"]
        seen = _fields(vendor)
        if daemon.status()["served"]["commit"] == before:
            return before, seen


def _whole_state(site: Site, commit: str, least: int) -> None:
    """The database is sound, and the chain of what was applied has neither gap nor doubles."""
    path = site.folder / "state" / "state.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as state:
        (sound,) = state.execute("PRAGMA integrity_check").fetchone()
        state.row_factory = sqlite3.Row
        changes = [dict(row) for row in state.execute("SELECT * FROM changes ORDER BY number")]
    with contextlib.closing(sqlite_store.open_store(path, readonly=True)) as store:
        records = store.recorded(limit=1_000_000)
    commits = [change["commit"] for change in changes]
    applied = [each for each in records if each.kind == "applied"]

    assert sound == "ok"
    assert chain.verify(records).fine
    assert [each.number for each in applied] == [change["record"] for change in changes]
    assert [each.read()["commit"] for each in applied] == commits
    assert commits[-1] == commit
    assert len(set(commits)) == len(commits) > least

"""Imports that change too much, days on which less is imported, and what is kept as received."""

import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rosterd import errors, settings
from rosterd.git import running, signatures
from rosterd.importing import releasing
from tests import packages
from tests.integration import source_machines, sshd

HALF = "thresholds: {users: {removed: {count: 0, percent: 20}}}\n"
EVERYBODY = {"student-1", "student-2", "teacher-1", "parent-1"}
FEWER = EVERYBODY - {"student-2"}


def district(*, without: str = "", also: str = "") -> dict[str, bytes]:
    tables = packages.district()
    if without:
        tables = packages.without(tables, users=without)
        for name in ("roles", "enrollments"):
            tables[name] = [row for row in tables[name] if row["userSourcedId"] != without]
    if also:
        tables["users"].append(packages.user(also))
        tables["roles"].append(packages.role(f"role-{also}", also, "school-1"))
    return packages.contents(tables)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[source_machines.Machine]:
    config = source_machines.config_of(source_machines.directory(tmp_path, HALF))
    async with source_machines.running(tmp_path, config) as machine:
        yield machine


async def deliver(machine: source_machines.Machine, content: dict[str, bytes]) -> None:
    folder = machine.folder / "incoming" / "sis"
    for path in folder.glob("*") if folder.is_dir() else ():
        path.unlink()
    packages.write(folder, content)
    await machine.settled_look()


# ---------------------------------------------------------------- thresholds


async def test_a_first_import_is_never_held(machine: source_machines.Machine) -> None:
    await deliver(machine, district())

    assert machine.users() == EVERYBODY
    assert await machine.held() == []


async def test_an_import_that_removes_too_much_is_kept_aside_and_said(
    machine: source_machines.Machine,
) -> None:
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))

    (held,) = await machine.held()
    assert machine.users() == EVERYBODY
    assert machine.status().state == "held"
    assert "users removed of" in machine.status().reason
    assert held.revision[:12] in machine.status().reason
    assert [dict(each) for each in held.excesses] == [
        {"collection": "users", "change": "removed", "number": 1, "before": 4}
    ]
    assert (await machine.imports())[0].state == "held"
    assert len(machine.generations) == 2, "what is held outlives the cleaning"
    await machine.settled_look()
    assert await machine.held() == [held]


async def test_what_is_held_stays_the_same_over_a_restart(
    machine: source_machines.Machine, tmp_path: Path
) -> None:
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    (held,) = await machine.held()
    await machine.state.close()
    config = machine.served.current.config
    assert config is not None

    async with source_machines.running(tmp_path, config, former=machine) as again:
        await again.settled_look()

        assert await again.held() == [held]
        assert again.status().state == "held"
        assert [each.state for each in await again.imports()] == ["held", "imported"]


async def test_a_later_delivery_that_fits_takes_the_place_of_what_is_held(
    machine: source_machines.Machine,
) -> None:
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    await deliver(machine, district(also="student-3"))

    assert machine.users() == EVERYBODY | {"student-3"}
    assert await machine.held() == []
    assert len(machine.generations) == 1


async def test_the_former_delivery_again_ends_the_hold(machine: source_machines.Machine) -> None:
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    await deliver(machine, district())

    assert await machine.held() == []
    assert machine.status().state == "current"


async def test_days_declared_before_or_after_let_it_go(machine: source_machines.Machine) -> None:
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    expected = "expected: [{from: 2026-10-05, to: 2026-10-05, collections: [%s], reason: so}]\n"
    wrong = source_machines.directory(machine.folder, HALF + expected % "orgs")
    right = source_machines.directory(machine.folder, HALF + expected % "users")

    await machine.reconfigure(source_machines.config_of(wrong))
    await machine.loop.look()
    assert machine.users() == EVERYBODY
    await machine.reconfigure(source_machines.config_of(right))
    await machine.loop.look()

    assert machine.users() == FEWER
    assert await machine.held() == []
    assert machine.status().state == "current"
    assert (await machine.imports())[0].state == "imported"


async def test_what_was_built_on_another_roster_is_built_anew(tmp_path: Path) -> None:
    config = source_machines.config_of(
        source_machines.directory(tmp_path, HALF),
        source_machines.directory(tmp_path, name="other"),
    )
    async with source_machines.running(tmp_path, config) as machine:
        await deliver(machine, district())
        await deliver(machine, district(without="student-2"))
        (before,) = await machine.held()
        tables = {"orgs": [packages.org("far", kind="district")]}
        packages.write(tmp_path / "incoming" / "other", packages.contents(tables))

        await machine.settled_look()
        await machine.settled_look()

        (after,) = await machine.held()
        assert after.revision != before.revision
        assert after.number > machine.number
        assert machine.users() == EVERYBODY


# ---------------------------------------------------------------- letting go


class Desk:
    """People with keys, and what takes their signatures."""

    def __init__(self, machine: source_machines.Machine) -> None:
        folder = machine.folder
        for name in ("ada", "grace"):
            sshd.make_key(folder / name, "ed25519")
        allowed = folder / "allowed_signers"
        allowed.write_text(f"ada@example.org {(folder / 'ada.pub').read_text()}")
        (folder / "revoked_keys").write_text("")
        told = settings.load(
            '[repository]\nurl = "/nowhere.git"\nid = "x"\n[listen]\npublic_url ='
            ' "http://127.0.0.1:1"\n[paths]\nstate = "."\n',
            "rosterd.toml",
            folder,
        )
        self.machine = machine
        self.releases = releasing.Releasing(told, machine.state, lambda: machine.now)

    async def sign(self, payload: bytes, who: str = "ada", space: str = releasing.NAMESPACE) -> str:
        return await signatures.sign(running.personal(), payload, self.machine.folder / who, space)


async def test_a_listed_person_lets_it_go_on_record(machine: source_machines.Machine) -> None:
    desk = Desk(machine)
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    (held,) = await machine.held()
    signed = releasing.payload("sis", held.revision, "the school closed", machine.now)

    await desk.releases.release(signed, await desk.sign(signed), "root (uid 0)")
    await machine.loop.look()

    assert machine.users() == FEWER
    assert await machine.held() == []
    assert machine.status().state == "current"
    record = await machine.state.run(lambda store: store.last_record("roster-released"))
    assert record is not None
    said = record.read()
    assert (said["who"], said["actor"]) == ("ada@example.org", "root (uid 0)")
    assert (said["reason"], said["revision"]) == ("the school closed", held.revision)


async def test_what_is_not_signed_as_it_should_be_lets_nothing_go(
    machine: source_machines.Machine,
) -> None:
    desk = Desk(machine)
    await deliver(machine, district())
    await deliver(machine, district(without="student-2"))
    (held,) = await machine.held()
    good = releasing.payload("sis", held.revision, "so", machine.now)
    stale = releasing.payload("sis", held.revision, "so", machine.now - timedelta(hours=2))
    other = releasing.payload("sis", "0" * 64, "so", machine.now)
    elsewhere = releasing.payload("other", held.revision, "so", machine.now)
    mute = releasing.payload("sis", held.revision, " ", machine.now)
    cases = [
        (good, await desk.sign(good, "grace"), "not listed"),
        (good, await desk.sign(good, space="rosterd-statement"), "not good"),
        (good + b" ", await desk.sign(good + b" "), "as rosterd writes it"),
        (good, await desk.sign(stale), "not good"),
        (stale, await desk.sign(stale), "an hour ago"),
        (other, await desk.sign(other), "what is held"),
        (elsewhere, await desk.sign(elsewhere), "not what is held"),
        (mute, await desk.sign(mute), "no reason"),
        (b"{", await desk.sign(b"{"), "cannot be read"),
        (b"[]", await desk.sign(b"[]"), "cannot be read"),
        (good, "no signature", "no ssh signature"),
    ]

    for signed, signature, words in cases:
        with pytest.raises(errors.InputError, match=words):
            await desk.releases.release(signed, signature, "root")
    await machine.loop.look()

    assert machine.users() == EVERYBODY
    assert await machine.held() == [held]


# ---------------------------------------------------------------- days


@pytest.mark.parametrize(
    "moment, imported",
    [
        ("2026-10-04T14:59:59", True),
        ("2026-10-04T15:00:00", False),  # midnight in Tokyo
        ("2026-10-06T14:59:59", False),
        ("2026-10-06T15:00:00", True),
    ],
)
async def test_nothing_is_imported_on_days_of_blackout(
    tmp_path: Path, moment: str, imported: bool
) -> None:
    more = "blackout: [{from: 2026-10-05, to: 2026-10-06}]\n"
    document = source_machines.directory(tmp_path, more)
    config = source_machines.config_of(document, timezone="Asia/Tokyo")
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC) - timedelta(seconds=2)
    async with source_machines.running(tmp_path, config, moment=at) as machine:
        packages.write(tmp_path / "incoming" / "sis", district())
        await machine.loop.look()
        assert machine.number == 0
        machine.later(timedelta(seconds=2))
        await machine.loop.look()

        if imported:
            # seen before the blackout ended or begun, it has to settle first
            machine.later(timedelta(seconds=0 if machine.number else 2))
            await machine.loop.look()
            assert machine.users() == EVERYBODY
        else:
            assert machine.number == 0
            assert "blackout" in machine.status().reason
            with pytest.raises(errors.InputError, match="blackout"):
                await machine.loop.import_now("sis")


ADDITIONS = "additionsOnly: [{from: 2026-10-05, to: 2026-10-06}]\n"


async def test_nobody_leaves_on_days_of_additions_and_then_they_do(tmp_path: Path) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path, ADDITIONS))
    before = datetime(2026, 10, 4, 12, tzinfo=UTC)
    async with source_machines.running(tmp_path, config, moment=before) as machine:
        await deliver(machine, district())
        machine.later(timedelta(days=1))
        tables = packages.without(packages.district(), users="student-2")
        tables["users"].append(packages.user("student-3"))
        tables["roles"].append(packages.role("role-9", "student-3", "school-1"))
        for name in ("roles", "enrollments"):
            tables[name] = [row for row in tables[name] if row["userSourcedId"] != "student-2"]
        await deliver(machine, packages.contents(tables))

        assert machine.users() == EVERYBODY | {"student-3"}
        machine.later(timedelta(days=1))
        await machine.settled_look()
        assert machine.users() == EVERYBODY | {"student-3"}
        machine.later(timedelta(days=1))  # the range is over; the delivery is the same
        await machine.settled_look()

        assert machine.users() == FEWER | {"student-3"}


async def test_removals_of_a_delta_that_were_kept_back_happen_with_the_next_delivery(
    tmp_path: Path,
) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path, ADDITIONS))
    before = datetime(2026, 10, 4, 12, tzinfo=UTC)
    async with source_machines.running(tmp_path, config, moment=before) as machine:
        await deliver(machine, district())
        machine.later(timedelta(days=1))
        gone = packages.user("student-2", status="tobedeleted", dateLastModified=MODIFIED)
        back = packages.user("parent-1", status="tobedeleted", dateLastModified=MODIFIED)
        await deliver(machine, packages.contents({"users": [gone, back]}, mode="delta"))
        assert machine.users() == EVERYBODY
        again = packages.user("parent-1", status="active", dateLastModified=MODIFIED)
        await deliver(machine, packages.contents({"users": [again]}, mode="delta"))
        assert machine.users() == EVERYBODY
        machine.later(timedelta(days=2))
        orgs = packages.org("school-3", "district-1") | {
            "status": "active", "dateLastModified": MODIFIED,
        }  # fmt: skip
        await deliver(machine, packages.contents({"orgs": [orgs]}, mode="delta"))

        assert machine.users() == FEWER


MODIFIED = "2026-10-05T00:00:00.000Z"


# ---------------------------------------------------------------- as it was received


async def test_what_was_received_is_kept_for_its_owner_alone_and_forgotten_in_time(
    tmp_path: Path,
) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path, "keep: 2d\n"))
    async with source_machines.running(tmp_path, config) as machine:
        await deliver(machine, district())
        (imported,) = await machine.imports()

        with (
            await machine.loop.received.take(imported.number, "root (uid 0)") as file,
            zipfile.ZipFile(file) as packed,
        ):
            assert packed.read("users.csv") == district()["users.csv"]
        (kept,) = (tmp_path / "received").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        note = await machine.state.run(lambda store: store.last_record("received-taken"))
        assert note is not None
        assert note.read()["import"] == imported.number

        machine.later(timedelta(days=2))
        assert await machine.loop.received.forget() == 0
        machine.later(timedelta(minutes=1))
        assert await machine.loop.received.forget() == 1
        assert list((tmp_path / "received").iterdir()) == []
        assert await machine.loop.received.there() == frozenset()
        with pytest.raises(errors.InputError, match="kept no more"):
            await machine.loop.received.take(imported.number, "root")
        with pytest.raises(errors.InputError, match="there is none"):
            await machine.loop.received.take(99, "root")


async def test_a_refused_delivery_is_kept_too(machine: source_machines.Machine) -> None:
    content = district()
    content["users.csv"] = b"nothing,of,the,kind\n1,2,3,4\n"
    await deliver(machine, content)

    (imported,) = await machine.imports()
    assert imported.state == "refused"
    assert (imported.source, imported.delivery) in await machine.loop.received.there()


async def test_the_oldest_go_when_there_is_too_much(tmp_path: Path) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path))
    async with source_machines.running(tmp_path, config, keep_bytes=3000) as machine:
        await deliver(machine, district())
        machine.later(timedelta(minutes=1))
        await deliver(machine, district(also="student-3"))
        sizes = [path.stat().st_size for path in (tmp_path / "received").iterdir()]
        assert max(sizes) < 3000 < sum(sizes), sizes

        assert await machine.loop.received.forget() == 1

        newest, _ = await machine.imports()
        assert await machine.loop.received.there() == {("sis", newest.delivery)}


async def test_a_source_that_brings_nothing_for_too_long_is_named(tmp_path: Path) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path, "staleAfter: 3d\n"))
    async with source_machines.running(tmp_path, config) as machine:
        await deliver(machine, district())
        machine.later(timedelta(days=3) - timedelta(minutes=1))
        await machine.loop.look()
        assert machine.status().stale == ""
        machine.later(timedelta(minutes=2))
        await machine.loop.look()

        assert machine.status().stale.startswith("2026-10-05T12:00")

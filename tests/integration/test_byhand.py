"""What operators ask of sources by hand, and what is kept of an import as it was processed."""

import asyncio
import csv
import getpass
import io
import json
import os
import stat
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rosterd import errors
from tests import packages
from tests.integration import source_machines, sshd

WHO = "root (uid 0)"
LONG_AGO = 1_600_000_000


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[source_machines.Machine]:
    text = source_machines.directory(tmp_path, "keep: 2d\n")
    async with source_machines.running(tmp_path, source_machines.config_of(text)) as machine:
        yield machine


def deliver(machine: source_machines.Machine, content: dict[str, bytes]) -> None:
    folder = machine.folder / "incoming" / "sis"
    packages.write(folder, content)
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))


def district(*ids: str) -> dict[str, bytes]:
    tables = packages.district()
    for each in ids:
        tables["users"].append(packages.user(each))
        tables["roles"].append(packages.role(f"role-{each}", each, "school-1"))
    return packages.contents(tables)


async def noted(machine: source_machines.Machine, kind: str) -> list[str]:
    records = await machine.state.run(lambda store: store.recorded(limit=100))
    return [str(each.read()["actor"]) for each in records if each.kind == kind]


# ---------------------------------------------------------------- an import by hand


async def test_a_source_is_read_at_once_and_on_record(machine: source_machines.Machine) -> None:
    deliver(machine, district())

    imported = await machine.loop.byhand.run("sis", WHO)

    assert imported.state == "imported"
    assert machine.number == 1
    assert await noted(machine, "import-run") == [WHO]


async def test_two_who_ask_at_once_read_it_once(machine: source_machines.Machine) -> None:
    deliver(machine, district())

    ended = await asyncio.gather(
        *(machine.loop.byhand.run("sis", WHO) for _ in range(4)), return_exceptions=True
    )

    refused = [each for each in ended if isinstance(each, errors.TemporaryError)]
    assert len(refused) == 3
    assert machine.number == 1


async def test_a_folder_that_moved_just_now_waits_by_hand_too(
    machine: source_machines.Machine,
) -> None:
    deliver(machine, district())
    now = machine.now.timestamp()
    os.utime(machine.folder / "incoming" / "sis" / "users.csv", (now, now))

    with pytest.raises(errors.TemporaryError, match="settle"):
        await machine.loop.byhand.run("sis", WHO)

    assert machine.number == 0
    assert await noted(machine, "import-run") == []


async def test_a_blackout_and_thresholds_hold_an_import_by_hand(tmp_path: Path) -> None:
    more = (
        "blackout: [{from: 2026-10-07, to: 2026-10-08}]\n"
        "thresholds: {users: {added: {count: 0, percent: 0}}}\n"
    )
    config = source_machines.config_of(source_machines.directory(tmp_path, more))
    async with source_machines.running(tmp_path, config) as machine:
        deliver(machine, district())
        await machine.loop.byhand.run("sis", WHO)
        deliver(machine, district("student-3"))

        held = await machine.loop.byhand.run("sis", WHO)
        machine.later(timedelta(days=2))
        with pytest.raises(errors.InputError, match="blackout"):
            await machine.loop.byhand.run("sis", WHO)

        assert held.state == "held"
        assert machine.number == 1


async def test_a_source_that_is_not_there_is_said_and_not_recorded(
    machine: source_machines.Machine,
) -> None:
    for ask in (machine.loop.byhand.run, machine.loop.byhand.test):
        with pytest.raises(errors.InputError, match="no such"):
            await ask("other", WHO)

    assert await noted(machine, "import-run") == []


async def test_two_who_ask_at_once_and_the_loop_read_it_once(
    machine: source_machines.Machine,
) -> None:
    deliver(machine, district())

    first = asyncio.create_task(machine.loop.byhand.run("sis", WHO))
    while not machine.loop.byhand._underway:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    with pytest.raises(errors.TemporaryError, match="by hand"):
        await machine.loop.byhand.run("sis", WHO)
    await machine.loop.look()

    assert (await first).state == "imported"
    assert machine.number == 1


# ---------------------------------------------------------------- the way to a source


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path_factory.mktemp("byhand") / "sshd") as running:
        packages.write(running.folder, packages.contents(packages.district()))
        yield running


def fetched(server: sshd.Server, key: str = "") -> str:
    return (
        f"name: sis\ntype: sftp\nhost: 127.0.0.1\nport: {server.port}\nsettle: 0s\n"
        f"username: {getpass.getuser()}\ndirectory: {server.folder}\n"
        f"hostKeys: ['{key or server.host_key()}']\nauthentication: {{privateKey: sis-key}}\n"
        "schedule: {every: 1h}\n"
    )


async def test_the_way_to_a_source_is_tried_and_nothing_is_written_there(
    tmp_path: Path, server: sshd.Server
) -> None:
    before = server.files()
    config = source_machines.config_of(fetched(server))
    async with source_machines.running(tmp_path, config) as machine:
        with pytest.raises(errors.InputError, match="sis-key is not set"):
            await machine.loop.byhand.test("sis", WHO)
        key = (server.work / "client").read_text()
        await machine.secrets.set(config, "sis-key", key, "test")
        found = await machine.loop.byhand.test("sis", WHO)

        assert found.steps[-1] == f"listed it: {len(before)} regular files"
        assert found.host_key.startswith("ssh-ed25519 SHA256:")
        assert server.files() == before
        assert await noted(machine, "sftp-test") == [WHO, WHO]

        imported = await machine.loop.byhand.run("sis", WHO)
        assert imported.state == "imported"
        assert not (tmp_path / "fetched" / "sis" / "ready").exists()


async def test_another_host_key_is_told_by_the_test(tmp_path: Path, server: sshd.Server) -> None:
    sshd.make_key(tmp_path / "other", "ed25519")
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    config = source_machines.config_of(fetched(server, key))
    async with source_machines.running(tmp_path, config) as machine:
        await machine.secrets.set(config, "sis-key", (server.work / "client").read_text(), "test")

        with pytest.raises(errors.InputError, match="not pinned"):
            await machine.loop.byhand.test("sis", WHO)


async def test_only_sources_of_sftp_are_tried(machine: source_machines.Machine) -> None:
    with pytest.raises(errors.InputError, match="of type directory, not sftp"):
        await machine.loop.byhand.test("sis", WHO)


# ---------------------------------------------------------------- as it was processed


def rows(packed: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed.read(name).decode())))


async def test_what_an_import_became_is_kept_for_its_owner_alone_and_forgotten_in_time(
    machine: source_machines.Machine,
) -> None:
    content = district("student-3")
    content["users.csv"] = content["users.csv"].replace(b"student-3,", b"student-3 ,", 1)
    content["enrollments.csv"] += (
        content["enrollments.csv"]
        .splitlines()[-1]
        .replace(b"enrollment-", b"lost-")
        .replace(b"class-1", b"no-such-class")
        + b"\n"
    )
    deliver(machine, content)
    imported = await machine.loop.byhand.run("sis", WHO)
    number = (await machine.imports())[0].number
    await machine.loop.keep_processed()

    with (
        await machine.loop.received.take(number, WHO, "processed") as file,
        zipfile.ZipFile(file) as packed,
    ):
        users = {row["sourcedId"] for row in rows(packed, "users.csv")}
        enrollments = {row["sourcedId"] for row in rows(packed, "enrollments.csv")}
        about = json.loads(packed.read("import.json"))
    assert "student-3" in users, "normalized"
    assert not any("lost" in each for each in enrollments), "what had an error is not in it"
    assert about["report"]["files"]["enrollments.csv"]["errors"] == 1
    assert about["import"] == number
    assert about["generation"] == imported.generation
    assert await noted(machine, "processed-taken") == [WHO]
    (kept,) = (machine.folder / "processed").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700

    machine.later(timedelta(days=2))
    assert await machine.loop.received.forget() == 0
    machine.later(timedelta(minutes=1))
    assert await machine.loop.received.forget() == 2, "as received, and as processed"
    assert list((machine.folder / "processed").iterdir()) == []
    with pytest.raises(errors.InputError, match="kept no more"):
        await machine.loop.received.take(number, WHO, "processed")


async def test_what_was_processed_counts_within_the_bytes_that_are_kept(tmp_path: Path) -> None:
    config = source_machines.config_of(source_machines.directory(tmp_path))
    async with source_machines.running(tmp_path, config, keep_bytes=3000) as machine:
        deliver(machine, district())
        await machine.loop.byhand.run("sis", WHO)
        await machine.loop.keep_processed()

        await machine.loop.received.forget()

        left = [path for name in ("received", "processed") for path in (tmp_path / name).iterdir()]
        assert sum(path.stat().st_size for path in left) <= 3000


async def test_what_was_refused_has_nothing_processed(machine: source_machines.Machine) -> None:
    deliver(machine, {**district(), "users.csv": b"nothing,of,the,kind\n1,2,3,4\n"})
    await machine.loop.byhand.run("sis", WHO)
    await machine.loop.keep_processed()
    (imported,) = await machine.imports()

    with pytest.raises(errors.InputError, match="nothing of it went into the roster"):
        await machine.loop.received.take(imported.number, WHO, "processed")
    assert await machine.loop.received.processed_there() == frozenset()


async def test_a_full_disk_costs_what_would_be_kept_and_nothing_else(
    machine: source_machines.Machine,
) -> None:
    (machine.folder / "processed").write_text("no folder")
    deliver(machine, district())
    imported = await machine.loop.byhand.run("sis", WHO)

    await machine.loop.keep_processed()

    assert replace(imported, number=0).state == "imported"
    assert await machine.loop.received.processed_there() == frozenset()


@pytest.mark.parametrize("named", ["inner.zip", "users.csv"])
async def test_a_zip_in_a_zip_brings_nothing(machine: source_machines.Machine, named: str) -> None:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("users.csv", bytes(2**20))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(named, inner.getvalue())
    deliver(machine, {"night.zip": outer.getvalue()})

    imported = await machine.loop.byhand.run("sis", WHO)

    assert imported.state == "refused", imported
    assert machine.number == 0

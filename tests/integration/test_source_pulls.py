"""Sources that are asked: other servers of OneRoster, and folders on SFTP servers."""

import contextlib
import getpass
import io
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests import packages
from tests.integration import source_machines, sshd, vendors
from tests.integration.test_pulling import RECORDS, Server

HOUR = timedelta(hours=1)
EVERYBODY = {"student-1", "student-2", "teacher-1", "parent-1"}


# ---------------------------------------------------------------- REST


@contextlib.asynccontextmanager
async def asked(
    folder: Path, server: Server, more: str = "", max_bytes: int = 2**30
) -> AsyncIterator[source_machines.Machine]:
    """A machine with one source, which is that server; asked every hour."""
    app = web.Application()
    app.router.add_post("/token", server.token)
    app.router.add_get("/v1p2/{name}", server.collection)
    async with vendors.listening(app) as address:
        config = source_machines.config_of(
            f"name: sis\ntype: oneroster\nurl: {address}/v1p2\nversion: '1.2'\n"
            f"authentication: {{key: sis-key, secret: sis-secret, tokenUrl: '{address}/token'}}\n"
            f"schedule: {{every: 1h}}\n{more}"
        )
        async with source_machines.running(folder, config, max_bytes=max_bytes) as machine:
            for name in ("sis-key", "sis-secret"):
                assert await machine.secrets.set(config, name, "x", "test") == "RosterSource/sis"
            yield machine


def student(name: str) -> dict[str, Any]:
    return {**RECORDS["users"][0], "sourcedId": name}


async def test_a_server_is_asked_when_it_is_due_and_then_imported(tmp_path: Path) -> None:
    server = Server()
    async with asked(tmp_path, server) as machine:
        await machine.until(lambda: machine.number == 1, "the first pull is imported")
        assert machine.users() == {f"u{number}" for number in range(25)}
        assert machine.status().state == "current"
        before = len(server.asked)
        machine.later(HOUR - timedelta(minutes=1))
        for _ in range(3):
            await machine.loop.look()
        assert len(server.asked) == before, "it is not due"

        server.records["users"] = [*RECORDS["users"], student("new")]
        server.totals = lambda name: len(server.records.get(name, ()))
        machine.later(timedelta(minutes=2))
        await machine.until(lambda: machine.number == 2, "the second pull is imported")

        assert "new" in machine.users()
        assert not (tmp_path / "fetched" / "sis" / "ready").exists(), "what was read is gone"
        newest = (await machine.imports())[0]
        assert (newest.source, newest.delivery) in await machine.loop.received.there()


async def test_deltas_begin_before_the_last_pull_and_everything_is_read_now_and_then(
    tmp_path: Path,
) -> None:
    server = Server()
    async with asked(tmp_path, server, "mode: delta\nfullEvery: 1d\n") as machine:
        await machine.until(lambda: machine.number == 1, "everything is imported")
        assert "filter" not in server.asked[-1][1]
        began = machine.now
        gone = {**student("u3"), "status": "tobedeleted"}
        gone["dateLastModified"] = "2026-10-05T12:30:00.000Z"
        server.records = {"users": [gone]}
        server.totals = lambda name: len(server.records.get(name, ()))
        machine.later(HOUR + timedelta(minutes=1))
        await machine.until(lambda: machine.number == 2, "the delta is imported")

        since = (began - timedelta(minutes=10)).isoformat(timespec="milliseconds")
        assert server.asked[-1][1]["filter"] == f"dateLastModified>='{since[:-6]}Z'"
        assert machine.users() == {f"u{number}" for number in range(25)} - {"u3"}
        machine.later(timedelta(days=1))
        server.records = dict(RECORDS)
        await machine.until(lambda: machine.number == 3, "everything is imported again")
        assert "filter" not in server.asked[-1][1]
        assert "u3" in machine.users()


async def test_a_pull_that_fails_is_told_and_tried_again_after_a_while(tmp_path: Path) -> None:
    server = Server()
    server.before = lambda name, _: (
        web.json_response({}, status=503, headers={"Retry-After": "7200"})
        if name == "users"
        else None
    )
    async with asked(tmp_path, server) as machine:
        await machine.until(lambda: machine.status().state == "failed", "it is told")
        assert "it answers 503" in machine.status().reason
        assert "tried again in" in machine.status().reason
        before = len(server.asked)
        await machine.loop.look()
        assert len(server.asked) == before
        server.before = lambda _name, _number: None
        machine.later(timedelta(minutes=2))

        await machine.until(lambda: machine.number == 1, "it is imported after all")

        assert machine.status().state == "current"
        assert server.begun("orgs") == 1, "what was whole is not read again"


@pytest.mark.parametrize(
    "answer, words",
    [
        ({"users": RECORDS["users"][:1]}, "again and again"),
        ({"people": []}, "no list of that name"),
        (b"{", "no list of that name"),
        ([1], "no list of that name"),
    ],
)
async def test_a_server_that_lies_or_says_nonsense_changes_nothing(
    tmp_path: Path, answer: Any, words: str
) -> None:
    """It pages for ever, or its pages are no pages."""
    server = Server()
    async with asked(tmp_path, server) as machine:
        await machine.until(lambda: machine.number == 1, "the first pull is imported")
        endless = {"Link": '<x>; rel="next"'}
        server.before = lambda name, _: (
            (
                web.Response(body=answer, content_type="application/json")
                if isinstance(answer, bytes)
                else web.json_response(answer, headers=endless)
            )
            if name == "users"
            else None
        )
        machine.later(HOUR + timedelta(minutes=1))

        await machine.until(lambda: machine.status().state == "failed", "it is told")

        assert words in machine.status().reason
        assert machine.number == 1
        assert len(machine.users()) == 25


async def test_a_page_beyond_all_bounds_is_not_kept(tmp_path: Path) -> None:
    server = Server()
    server.records["users"] = [
        {**student(f"u{n}"), "metadata": {"x": "y" * 4096}} for n in range(25)
    ]
    async with asked(tmp_path, server, max_bytes=65536) as machine:
        await machine.until(lambda: machine.status().state == "failed", "it is told")

        assert "more than 65536 bytes" in machine.status().reason
        assert machine.number == 0


async def test_a_server_that_lost_half_its_pupils_is_held(tmp_path: Path) -> None:
    server = Server()
    server.totals = lambda name: len(server.records.get(name, ()))
    more = "thresholds: {default: {removed: {count: 5, percent: 20}}}\n"
    async with asked(tmp_path, server, more) as machine:
        await machine.until(lambda: machine.number == 1, "the first pull is imported")
        server.records["users"] = RECORDS["users"][:10]
        machine.later(HOUR + timedelta(minutes=1))

        await machine.until(lambda: machine.status().state == "held", "it is held")

        assert len(machine.users()) == 25
        (held,) = await machine.held()
        assert [each["number"] for each in held.excesses] == [15]


async def test_records_that_cannot_be_read_count_as_rows_with_errors(tmp_path: Path) -> None:
    server = Server()
    server.records["users"] = [*RECORDS["users"], 7, {**student("x"), "roles": "student"}]
    server.totals = lambda name: len(server.records.get(name, ()))
    async with asked(tmp_path, server) as machine:
        await machine.until(lambda: machine.number == 1, "the rest is imported")

        (imported,) = await machine.imports()
        assert imported.report is not None
        told: Any = imported.report
        assert told["files"]["users.csv"]["errors"] == told["errors"] == 2
        (problem,) = told["problems"]
        assert problem["code"] == "unread-record"


async def test_a_secret_that_is_not_set_is_said(tmp_path: Path) -> None:
    server = Server()
    async with asked(tmp_path, server) as machine:
        await machine.state.run(lambda store: store.delete_secret("sis-key"))

        await machine.until(lambda: machine.status().state == "failed", "it is told")

        assert "rosterd secret set sis-key" in machine.status().reason
        assert server.asked == []


async def test_a_pull_goes_on_after_a_restart_with_what_is_not_whole_yet(tmp_path: Path) -> None:
    server = Server()
    server.before = lambda name, _: (
        web.json_response({}, status=429, headers={"Retry-After": "600"})
        if name == "users"
        else None
    )
    async with asked(tmp_path, server) as machine:
        # the folder holds what was whole: the rest waits for the server's ten minutes
        await machine.until(lambda: server.times("users") == 1, "it got as far as the users")
        config = machine.served.current.config
        assert config is not None
        await machine.loop.close()
        await machine.state.close()
        server.before = lambda _name, _number: None

        async with source_machines.running(tmp_path, config, former=machine) as again:
            await again.until(lambda: again.number == 1, "the pull is imported")

            assert server.begun("orgs") == 1, "what was whole is not read again"
            assert len(again.users()) == 25


# ---------------------------------------------------------------- SFTP


@pytest.fixture
def server(tmp_path: Path) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path / "sshd") as running:
        yield running


@contextlib.asynccontextmanager
async def fetched(
    folder: Path, server: sshd.Server, more: str = "", *, key: str = "", max_bytes: int = 2**30
) -> AsyncIterator[source_machines.Machine]:
    config = source_machines.config_of(
        f"name: sis\ntype: sftp\nhost: 127.0.0.1\nport: {server.port}\n"
        f"username: {getpass.getuser()}\ndirectory: {server.folder}\nsettle: 0s\n"
        f"hostKeys: ['{key or server.host_key()}']\nauthentication: {{privateKey: sis-key}}\n"
        f"schedule: {{every: 1h}}\n{more}"
    )
    async with source_machines.running(folder, config, max_bytes=max_bytes) as machine:
        await machine.secrets.set(config, "sis-key", (server.work / "client").read_text(), "test")
        yield machine


def zipped(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return packed.getvalue()


async def test_a_folder_is_fetched_once_and_again_when_it_is_another(
    tmp_path: Path, server: sshd.Server
) -> None:
    packages.write(server.folder, packages.contents(packages.district()))
    async with fetched(tmp_path, server) as machine:
        await machine.until(lambda: machine.number == 1, "it is imported")
        assert machine.users() == EVERYBODY
        machine.later(HOUR + timedelta(minutes=1))
        await machine.until(lambda: _idle(machine), "it was asked again")
        assert machine.number == 1
        assert len(await machine.imports()) == 1

        tables = packages.district()
        tables["users"].append(packages.user("student-3"))
        tables["roles"].append(packages.role("role-9", "student-3", "school-1"))
        packages.write(server.folder, packages.contents(tables))
        machine.later(HOUR + timedelta(minutes=1))
        await machine.until(lambda: machine.number == 2, "the other one is imported")

        assert machine.users() == EVERYBODY | {"student-3"}


def _idle(machine: source_machines.Machine) -> bool:
    work = machine.folder / "fetched" / "sis"
    return not (work / "work").exists() and not (work / "ready").exists()


async def test_a_zip_is_fetched_like_a_folder(tmp_path: Path, server: sshd.Server) -> None:
    content = zipped(packages.contents(packages.district()))
    (server.folder / "night.zip").write_bytes(content)
    async with fetched(tmp_path, server) as machine:
        await machine.until(lambda: machine.number == 1, "it is imported")

        assert machine.users() == EVERYBODY


async def test_another_host_key_gets_no_sign_in_and_changes_nothing(
    tmp_path: Path, server: sshd.Server
) -> None:
    sshd.make_key(tmp_path / "other", "ed25519")
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    async with fetched(tmp_path, server, key=key) as machine:
        await machine.until(lambda: machine.status().state == "failed", "it is told")

        assert "not pinned in hostKeys" in machine.status().reason
        assert "cannot fetch from 127.0.0.1" in machine.status().reason


async def test_links_on_the_server_are_not_followed(tmp_path: Path, server: sshd.Server) -> None:
    packages.write(server.folder, packages.contents(packages.district()))
    secret = tmp_path / "private.csv"
    (server.folder / "users.csv").rename(secret)
    (server.folder / "users.csv").symlink_to(secret)
    async with fetched(tmp_path, server) as machine:
        await machine.until(lambda: machine.status().state == "refused", "it is refused")

        (imported,) = await machine.imports()
        assert imported.state == "refused"
        assert machine.number == 0


async def test_a_manifest_that_is_a_link_is_none(tmp_path: Path, server: sshd.Server) -> None:
    packages.write(server.folder, packages.contents(packages.district()))
    (server.folder / "manifest.csv").rename(tmp_path / "manifest.csv")
    (server.folder / "manifest.csv").symlink_to(tmp_path / "manifest.csv")
    async with fetched(tmp_path, server) as machine:
        await machine.until(lambda: machine.status().state == "failed", "it is told")

        assert "manifest.csv is not there yet" in machine.status().reason


async def test_a_zip_bomb_is_refused_and_what_is_too_large_is_not_fetched(
    tmp_path: Path, server: sshd.Server
) -> None:
    (server.folder / "night.zip").write_bytes(zipped({"users.csv": bytes(64 * 2**20)}))
    async with fetched(tmp_path, server) as machine:
        await machine.until(lambda: machine.status().state == "refused", "it is refused")
        assert "times its size" in machine.status().reason

    os.truncate(server.folder / "night.zip", 2**20)
    (tmp_path / "again").mkdir()
    async with fetched(tmp_path / "again", server, max_bytes=2**19) as machine:
        await machine.until(lambda: machine.status().state == "failed", "it is told")
        assert f"more than {2**19} bytes" in machine.status().reason


async def test_a_server_that_hangs_is_left_at_the_deadline(
    tmp_path: Path, server: sshd.Server
) -> None:
    packages.write(server.folder, packages.contents(packages.district()))
    async with fetched(tmp_path, server, "deadline: 2s\n") as machine:
        await machine.loop.look()

        def frozen() -> bool:
            server.stop()  # every connection, as soon as it is there
            return machine.status().state == "failed"

        await machine.until(frozen, "it is told")

        assert machine.number == 0

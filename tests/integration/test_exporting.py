"""Deliveries from a world to a real sshd."""

import asyncio
import contextlib
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import apsw
import pytest

from rosterd import (
    configs,
    documents,
    errors,
    exporting,
    ledger,
    loading,
    sealing,
    sftp,
    storage,
    vault,
    worlds,
)
from rosterd.exporting import bundles, owing
from tests.integration import sshd, vendors

T = TypeVar("T")
NOW = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)  # a Monday
DAILY = "days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]\n  time: '05:30'"
AFTER = "when: after-import"

_TARGET = """\
apiVersion: rosterd/v1
kind: SftpTarget
name: {name}
application: {application}
enabled: {enabled}
host: 127.0.0.1
port: {port}
username: {username}
authentication: {{privateKey: {name}-key}}
hostKeys: ["{host_key}"]
export:
  template: {template}
  {when}
  {more}
publish: posix-rename
verify: size
"""


def config(
    server: sshd.Server,
    *targets: dict[str, str],
    templates: Mapping[str, bytes] | None = None,
    **rules: str,
) -> configs.Config:
    """Applications with these rules, and targets at the server; custom templates by path."""
    files = {"rosterd.yaml": vendors._REPOSITORY.encode(), **(templates or {})}
    for name, rule in {"math": vendors.MATH, "everything": vendors.FULL, **rules}.items():
        enabled = "true"
        application = vendors._APPLICATION.format(name=name, enabled=enabled, rest=vendors.BOTH)
        files[f"applications/{name}.yaml"] = application.encode()
        files[f"permissions/{name}.yaml"] = vendors._PERMISSION.format(
            name=name, rules=rule
        ).encode()
    for target in targets or ({},):
        values = {
            "name": "math-sftp",
            "application": "math",
            "enabled": "true",
            "port": str(server.port),
            "username": server.endpoint().username,
            "host_key": server.host_key(),
            "template": "oneroster-1.2",
            "when": AFTER,
            "more": "",
            **target,
        }
        files[f"sftp-targets/{values['name']}.yaml"] = _TARGET.format(**values).encode()
    made, problems = configs.check(loading.load(files))
    assert made is not None, [str(problem) for problem in problems]
    return made


@dataclass
class House:
    """The daemon's part that exports, without its other loops."""

    exports: exporting.Exporting
    served: worlds.Worlds
    state: storage.Storage
    secrets: sealing.Secrets
    book: ledger.Ledger
    clock: vendors.Clock
    server: sshd.Server
    spool: Path

    async def serve(
        self, config: configs.Config | None = None, pages: worlds.Pages | None = None
    ) -> None:
        async def record(_old: worlds.World, _new: worlds.World) -> None:
            return None

        if config is not None:
            commit = f"{len(self.served.current.commit or '')}" + (self.served.current.commit or "")
            await self.served.propose_config(config, commit[:40], record)
        if pages is not None:
            await self.served.propose_generation(pages, record)

    def let_go(self, pages: worlds.Pages, config: configs.Config | None = None) -> None:
        """As a release leaves the world: the change went through, though nobody is left."""
        now = self.served.current
        published = {**now.published, pages.number: self.clock()}
        self.served._current = worlds.World(
            config or now.config, now.commit, pages, published, now.today
        )

    async def secret(self, *names: str) -> None:
        key = (self.server.work / "client").read_text()
        for name in names or ("math-sftp-key",):
            await self.secrets.set(self.served.current.config, name, key, "test")

    async def runs(self) -> list[storage.Run]:
        return await self.state.run(lambda store: store.export_runs())

    @contextlib.asynccontextmanager
    async def looping(self) -> AsyncIterator[None]:
        """Its loop runs."""
        task = asyncio.create_task(self.exports.run(), name="exporting")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def passed(self) -> None:
        """Once the loop has gone through a whole pass."""
        for _ in range(2):
            before = self.exports.ticked
            self.exports.nudge()
            await eventually(self._ticked_since(before))

    def _ticked_since(self, before: float) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            return self.exports.ticked != before

        return look

    async def until(self, state: str, count: int = 1) -> list[storage.Run]:
        """Runs of a state, once there are so many."""

        async def look() -> list[storage.Run]:
            runs = [run for run in await self.runs() if run.state == state]
            return runs if len(runs) >= count else []

        return await eventually(look)


async def eventually(look: Callable[[], Awaitable[T]]) -> T:
    """What `look` finds, once it finds something. Neither store nor heartbeat tells of changes."""
    async with asyncio.timeout(20):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def hanging(server: sshd.Server) -> Iterator[asyncio.Event]:
    """The server stops as soon as a file is to be written; the event says when."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    put = sftp._put

    def stopping(*arguments: Any) -> None:
        server.stop()
        loop.call_soon_threadsafe(begun.set)
        put(*arguments)

    with mock.patch.object(sftp, "_put", stopping):
        yield begun


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@contextlib.asynccontextmanager
async def housing(
    server: sshd.Server, folder: Path, config: configs.Config
) -> AsyncIterator[House]:
    clock = vendors.Clock()
    clock.now = NOW
    pages = vendors.Pages(vendors.district(), 7)
    world = worlds.World(
        config=config,
        commit="a" * 40,
        generation=pages,
        published={7: NOW - timedelta(hours=1)},
        today=NOW.date(),
    )
    served = worlds.Worlds(world, clock)
    async with storage.open_sqlite(folder / "state.db") as state:
        secrets = sealing.Secrets(state, vault.Vault([bytes(32)]), clock)
        book = ledger.Ledger(state, clock)
        exports = exporting.Exporting(
            spool=folder / "spool",
            served=served,
            state=state,
            named=secrets,
            book=book,
            clock=clock,
        )
        house = House(exports, served, state, secrets, book, clock, server, folder / "spool")
        yield house
        await exports._deliveries.close()


@pytest.fixture
async def house(server: sshd.Server, tmp_path: Path) -> AsyncIterator[House]:
    for path in server.folder.iterdir():
        path.unlink()
    async with housing(server, tmp_path, config(server)) as house:
        await house.secret()
        yield house


def rows(content: bytes, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        text = bundle.read(name).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_what_arrives_are_the_records_of_the_picture(house: House) -> None:
    run = await house.exports.run_now("math-sftp", "test")
    picture = house.served.current.picture("math", "1.2")
    content = house.server.files()["oneroster-math-sftp.zip"]
    users = rows(content, "users.csv")

    assert run.state == "delivered"
    assert (run.generation, run.commit, run.attempt) == (7, "a" * 40, 1)
    assert run.bytes == len(content)
    assert (run.rows or {})["users"] == len(users) == len(picture.view.rows["users"])
    assert {user["sourcedId"] for user in users} == {
        picture.record("users", row)["sourcedId"] for row in picture.view.rows["users"]
    }
    assert {user["phone"] for user in users} == {""}
    assert all(len(user["familyName"]) <= 2 for user in users)
    assert {
        row["school"] if "school" in row else row["schoolSourcedId"]
        for row in rows(content, "enrollments.csv")
    } == {"north"}
    assert not any(house.spool.iterdir())
    assert [access.status for access in await house.book.accesses()] == ["delivered"]


async def test_the_older_version_has_its_own_files(house: House, server: sshd.Server) -> None:
    await house.serve(config(server, {"template": "oneroster-1.1"}))
    await house.exports.run_now("math-sftp", "test")
    content = house.server.files()["oneroster-math-sftp.zip"]

    assert "roles.csv" not in zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert {row["role"] for row in rows(content, "users.csv")} == {"student", "teacher"}


async def test_files_side_by_side_end_with_their_manifest(
    house: House, server: sshd.Server
) -> None:
    await house.serve(config(server, {"more": "packaging: files"}))
    run = await house.exports.run_now("math-sftp", "test")
    files = house.server.files()

    assert run.name == "manifest.csv"
    assert {"manifest.csv", "users.csv", "roles.csv", "orgs.csv"} <= files.keys()
    assert run.bytes == sum(map(len, files.values()))


async def test_a_file_without_rows_is_left_out_or_sent_as_its_header(
    house: House, server: sshd.Server
) -> None:
    await house.exports.run_now("math-sftp", "test")
    name = "oneroster-math-sftp.zip"
    before = zipfile.ZipFile(io.BytesIO(house.server.files()[name]))
    house.clock.pass_by(seconds=1)
    await house.serve(config(server, {"more": "emptyFiles: header-only"}))
    await house.exports.run_now("math-sftp", "test")
    after = zipfile.ZipFile(io.BytesIO(house.server.files()[name]))

    assert "demographics.csv" not in before.namelist()
    assert b"file.demographics,absent" in before.read("manifest.csv")
    assert after.read("demographics.csv").startswith(b"sourcedId,status,dateLastModified,")
    assert after.read("demographics.csv").count(b"\r\n") == 1
    assert b"file.demographics,bulk" in after.read("manifest.csv")


async def test_the_same_world_gives_the_same_bytes(house: House) -> None:
    first = await house.exports.run_now("math-sftp", "test")
    house.clock.pass_by(days=1)
    second = await house.exports.run_now("math-sftp", "test")

    assert first.slot != second.slot
    assert (first.name, first.sha256) == (second.name, second.sha256)


async def test_a_view_that_became_empty_is_never_delivered(
    house: House, server: sshd.Server
) -> None:
    await house.exports.run_now("math-sftp", "test")
    before = house.server.files()
    nobody = {**vendors.district(), "enrollments": [], "users": []}
    await house.serve(pages=vendors.Pages(nobody, 8))
    house.clock.pass_by(hours=1)
    held = await house.exports.run_now("math-sftp", "test")
    house.let_go(vendors.Pages(nobody, 8))
    house.clock.pass_by(hours=1)
    empty = await house.exports.run_now("math-sftp", "test")
    staff = {**vendors.district(), "enrollments": []}
    rules = vendors.MATH + "unenrolledUsers: true\n"
    house.let_go(vendors.Pages(staff, 9), config(server, math=rules))
    house.clock.pass_by(hours=1)
    unenrolled = await house.exports.run_now("math-sftp", "test")

    assert (held.state, empty.state, unenrolled.state) == ("delivered", "refused", "refused")
    assert "no user" in empty.problem
    assert "are gone" in unenrolled.problem
    assert house.server.files() == before


async def test_an_export_by_hand_that_did_not_arrive_is_not_called_superseded(
    house: House, server: sshd.Server
) -> None:
    nobody = {**vendors.district(), "enrollments": [], "users": []}
    house.let_go(vendors.Pages(nobody, 8))
    refused = await house.exports.run_now("math-sftp", "test")
    target = config(server).targets["math-sftp"]

    await owing.wanted(house.state, target, [], now=house.clock.now, acted=house.clock.now)

    kept = {run.slot: run.state for run in await house.runs()}
    assert (refused.state, kept[refused.slot]) == ("refused", "refused")


async def test_a_dead_grant_delivers_nothing(house: House, server: sshd.Server) -> None:
    await house.serve(config(server, math="access: none"))
    run = await house.exports.run_now("math-sftp", "test")

    assert run.state == "refused"
    assert "access: none" in run.problem
    assert house.server.files() == {}


async def test_a_disabled_or_unknown_target_gets_nothing(house: House, server: sshd.Server) -> None:
    with pytest.raises(errors.InputError, match="no such"):
        await house.exports.run_now("other", "test")
    await house.serve(config(server, {"enabled": "false"}))
    with pytest.raises(errors.InputError, match="enabled: false"):
        await house.exports.run_now("math-sftp", "test")
    async with house.looping():
        await house.passed()

    assert await house.runs() == []


async def test_a_missing_secret_is_refused_and_taken_up_when_it_is_set(
    server: sshd.Server, tmp_path: Path
) -> None:
    async with housing(server, tmp_path, config(server)) as house, house.looping():
        refused = await house.until("refused")
        key = (server.work / "client").read_text()
        house.clock.pass_by(seconds=1)
        document = await house.exports.set_secret("math-sftp-key", key, "test")
        delivered = await house.until("delivered")

    assert "rosterd secret set math-sftp-key" in refused[0].problem
    assert document == "SftpTarget/math-sftp"
    assert (delivered[0].slot, delivered[0].attempt) == ("generation-7", 2)


async def test_a_secret_opens_for_its_own_document_only(house: House, server: sshd.Server) -> None:
    stolen = {"name": "math-sftp", "more": ""}
    thief = config(server, {**stolen, "name": "thief"})
    target = thief.targets["thief"].model_copy(
        update={
            "authentication": thief.targets["thief"].authentication.model_copy(
                update={"private_key": "math-sftp-key"}
            )
        }
    )
    with pytest.raises(errors.InputError, match="not set for it"):
        await house.secrets.of(target)
    with pytest.raises(errors.InputError, match="no document"):
        await house.secrets.set(house.served.current.config, "other", "x", "test")
    row = await house.state.run(lambda store: store.secret("math-sftp-key"))
    assert row is not None
    moved = replace(row, document="SftpTarget/thief")
    await house.state.run(lambda store: store.set_secret(moved))
    with pytest.raises(errors.InputError, match="belongs to another row"):
        await house.secrets.of(target)
    named = await house.exports.named_secrets()
    assert [(each.document, each.set_at is not None, each.used) for each in named] == [
        ("SftpTarget/math-sftp", False, True),
        ("SftpTarget/thief", True, False),
    ]


async def test_each_generation_is_delivered_once_and_an_equal_one_not_again(
    house: House,
) -> None:
    async with house.looping():
        first = await house.until("delivered")
        await house.serve(pages=vendors.Pages(vendors.district(), 8))
        unchanged = await house.until("unchanged")
        records = vendors.district()
        records["users"][0]["givenName"] = "Newname"
        await house.serve(pages=vendors.Pages(records, 9))
        await house.until("delivered", 2)
    async with house.looping():
        await house.passed()

    assert first[0].slot == "generation-7"
    assert unchanged[0].slot == "generation-8"
    assert len(await house.runs()) == 3
    assert b"Newname" in zipped(house.server.files()["oneroster-math-sftp.zip"])


def zipped(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        return b"".join(bundle.read(name) for name in bundle.namelist())


async def test_missed_slots_are_caught_up_by_the_latest(server: sshd.Server, house: House) -> None:
    name = "fileName: '{target}-{date}.zip'"
    await house.serve(config(server, {"when": DAILY, "more": name}))
    async with house.looping():
        await house.passed()
    assert await house.runs() == []  # a new schedule owes nothing of the past
    house.clock.pass_by(days=3)
    async with house.looping():
        await house.until("delivered")
        await house.until("superseded", 2)
    house.clock.pass_by(days=1)
    async with house.looping():
        await house.until("delivered", 2)
    runs = {run.slot: run.state for run in await house.runs()}

    assert runs == {
        "2026-09-08/05:30": "superseded",
        "2026-09-09/05:30": "superseded",
        "2026-09-10/05:30": "delivered",
        "2026-09-11/05:30": "delivered",
    }
    assert set(house.server.files()) == {"math-sftp-20260910.zip", "math-sftp-20260911.zip"}


async def test_a_target_that_was_off_does_not_catch_up(server: sshd.Server, house: House) -> None:
    on = config(server, {"when": DAILY})
    await house.serve(on)
    async with house.looping():
        await house.passed()
        await house.serve(config(server, {"when": DAILY, "enabled": "false"}))
        await house.passed()
    house.clock.pass_by(days=3)
    await house.serve(on)
    async with house.looping():
        await house.passed()

    assert await house.runs() == []


async def test_a_run_that_a_crash_left_is_looked_up_before_it_is_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file arrived, and the daemon was killed before it could write that down."""
    async with house.looping():
        (run,) = await house.until("delivered")
    await forget_the_end(house)
    sent: list[str] = []
    deliver = sftp.deliver

    def counted(*arguments: Any, **more: Any) -> None:
        sent.append("again")
        deliver(*arguments, **more)

    monkeypatch.setattr(sftp, "deliver", counted)
    records = vendors.district()
    records["users"][0]["givenName"] = "Newname"
    async with house.looping():
        (found,) = await house.until("delivered")
    assert sent == []
    assert (found.attempt, found.sha256) == (2, run.sha256)

    await forget_the_end(house)
    (house.server.folder / run.name).write_bytes(bytes(run.bytes))  # as long, but something else
    async with house.looping():
        (repeated,) = await house.until("delivered")
    assert sent == ["again"]
    assert (repeated.attempt, repeated.name, repeated.sha256) == (3, run.name, run.sha256)


async def forget_the_end(house: House) -> None:
    """As kill -9 between the rename and the record leaves it."""
    connection = apsw.Connection(str(house.spool.parent / "state.db"))
    connection.execute("DROP TRIGGER IF EXISTS delivered_runs_stay").fetchall()
    connection.execute("UPDATE export_runs SET state='running', ended=NULL").fetchall()
    connection.close()


async def test_a_grant_taken_away_while_files_are_made_holds_them_back(
    house: House, server: sshd.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    build = bundles.build

    def slow(*arguments: Any, **more: Any) -> object:
        made = build(*arguments, **more)
        none = config(server, math="access: none")
        asyncio.run_coroutine_threadsafe(house.serve(none), loop).result()
        return made

    monkeypatch.setattr(bundles, "build", slow)
    run = await house.exports.run_now("math-sftp", "test")

    assert run.state == "refused"
    assert house.server.files() == {}


async def test_a_grant_that_ends_at_midnight_while_files_are_made_holds_them_back(
    house: House, server: sshd.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = f"{vendors.MATH}\nexpires: {NOW.date()}"
    await house.serve(config(server, math=ending))
    loop = asyncio.get_running_loop()
    build = bundles.build

    def slow(*arguments: Any, **more: Any) -> object:
        made = build(*arguments, **more)
        house.clock.pass_by(days=1)
        asyncio.run_coroutine_threadsafe(house.served.turn_day(), loop).result()
        return made

    monkeypatch.setattr(bundles, "build", slow)
    run = await house.exports.run_now("math-sftp", "test")

    assert run.state == "refused"
    assert "expired" in run.problem
    assert house.server.files() == {}


async def test_files_for_the_hand_stay_here_when_the_application_was_blocked_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    zipped = bundles.zipped
    block = worlds.Block("broken into", "ada", NOW)

    async def record(_old: worlds.World, _new: worlds.World) -> None:
        return None

    def slow(*arguments: Any, **more: Any) -> object:
        made = zipped(*arguments, **more)
        blocking = house.served.block("math", block, record)
        asyncio.run_coroutine_threadsafe(blocking, loop).result()
        return made

    (await house.exports.hand("math", "oneroster-1.2", "ada")).close()
    monkeypatch.setattr(bundles, "zipped", slow)
    with pytest.raises(errors.TemporaryError, match="changed while they were made"):
        await house.exports.hand("math", "oneroster-1.2", "ada")


async def test_a_grant_taken_away_while_a_file_is_on_its_way_cuts_it(
    server: sshd.Server, house: House
) -> None:
    with hanging(server) as begun:
        async with house.looping():
            await asyncio.wait_for(begun.wait(), 10)
            await house.serve(config(server, math="access: none"))
            failed = await house.until("failed")

    assert "grant or the target changed" in failed[0].problem


async def test_a_server_away_is_tried_again_after_a_pause(
    house: House, server: sshd.Server
) -> None:
    await house.serve(config(server, {"port": "1"}))
    async with house.looping():
        (failed,) = await house.until("failed")
        await house.serve(config(server))  # the vendor came back under another port
        house.clock.pass_by(minutes=1)
        house.exports.nudge()
        (run,) = await house.until("delivered")

    assert "127.0.0.1:1" in failed.problem
    assert run.attempt == 2


async def test_two_deliveries_to_one_target_never_overlap(house: House) -> None:
    first = asyncio.create_task(house.exports.run_now("math-sftp", "test"))
    await asyncio.sleep(0)
    with pytest.raises(errors.TemporaryError, match="underway"):
        await house.exports.run_now("math-sftp", "test")

    assert (await first).state == "delivered"


async def test_what_a_crash_left_in_the_spool_is_cleared(house: House) -> None:
    (house.spool / "old").mkdir(parents=True)
    (house.spool / "old" / "bundle.zip").write_bytes(b"pupils")
    async with house.looping():
        await house.until("delivered")

    assert not list(house.spool.iterdir())
    assert house.spool.stat().st_mode & 0o777 == 0o700


async def test_stopping_in_the_middle_leaves_a_run_to_take_up(
    server: sshd.Server, house: House
) -> None:
    with hanging(server) as begun:
        async with house.looping():
            await asyncio.wait_for(begun.wait(), 10)
    (run,) = await house.runs()
    async with house.looping():
        (delivered,) = await house.until("delivered")

    assert run.state == "running"
    assert (delivered.slot, delivered.attempt) == (run.slot, 2)
    assert delivered.sha256 == run.sha256


async def test_a_test_of_a_target_says_what_worked(house: House) -> None:
    found = await house.exports.test("math-sftp", "test")
    with pytest.raises(errors.InputError, match="no such"):
        await house.exports.test("other", "test")

    assert found.steps[-1] == "removed it"
    records = await house.state.run(lambda store: store.recorded())
    (record,) = [each for each in records if each.kind == "sftp-test"]
    entry = record.read()
    assert (record.kind, entry["actor"], entry["subject"]) == ("sftp-test", "test", "math-sftp")


async def test_the_heart_beats_while_a_server_hangs(server: sshd.Server, house: House) -> None:
    with hanging(server) as begun:
        async with house.looping():
            await asyncio.wait_for(begun.wait(), 10)
            await house.passed()


async def test_what_is_owed_while_exports_are_suspended_waits_and_is_no_failure(
    house: House, server: sshd.Server
) -> None:
    plain = config(server)
    said = documents.Suspended(reason="the student system moves", since=date(2026, 8, 1))
    repository = plain.repository.model_copy(update={"suspended": said})
    await house.serve(replace(plain, repository=repository))

    async with house.looping():
        await house.passed()
        assert list(house.exports.waiting) == ["math-sftp"]
        assert await house.runs() == []
        with pytest.raises(errors.InputError, match="the student system moves"):
            await house.exports.run_now("math-sftp", "test")

        await house.serve(plain)
        (run,) = await house.until("delivered")

    assert run.attempt == 1
    assert not list(house.exports.waiting)

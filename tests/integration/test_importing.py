import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rosterd import configs, errors, generations, importing, loading, settings, storage, worlds
from rosterd.generations import calling
from tests import packages
from tests.integration import configs_in_git

SETTLE = 60


@dataclass
class Machine:
    """An importing loop over a real store and real folders; only its clocks are the test's."""

    folder: Path
    state: storage.Storage
    served: worlds.Worlds
    loop: importing.Importing
    now: list[float] = field(default_factory=lambda: [1000.0])

    @property
    def source(self) -> Path:
        return self.folder / "incoming" / "sis"

    @property
    def generations(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "generations").iterdir())

    async def settled_look(self) -> None:
        """Two passes with the settle time between them."""
        await self.loop.look()
        self.now[0] += SETTLE + 1
        await self.loop.look()

    def users(self) -> set[str]:
        generation = self.served.current.generation
        assert generation is not None
        roster = generation.roster
        return {roster.sourced_id("users", row) for row in roster.active["users"]}

    async def imports(self) -> list[storage.Import]:
        return await self.state.run(lambda store: store.imports())


def config_of(folder: Path, *names: str, more: str = "") -> configs.Config:
    files: dict[str, bytes] = {"rosterd.yaml": configs_in_git.REPOSITORY.encode()}
    for name in names:
        text = (
            f"{configs_in_git.HEAD}kind: RosterSource\nname: {name}\ntype: directory\n"
            f"directory: {folder / 'incoming' / name}\nsettle: {SETTLE}s\n{more}"
        )
        files[f"sources/{name}.yaml"] = text.encode()
    config, problems = configs.check(loading.load(files))
    assert config is not None, problems
    return config


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    config: configs.Config,
    *,
    generation: generations.Generation | None = None,
    allowed: tuple[Path, ...] | None = None,
) -> AsyncIterator[Machine]:
    async with storage.open_sqlite(folder / "state.db") as state:
        published = await state.run(lambda store: store.publications())
        served = worlds.Worlds(
            worlds.World(config=config, generation=generation, published=published),
            lambda: datetime.now(UTC),
        )
        now = [1000.0]
        (folder / "incoming").mkdir(exist_ok=True)
        loop = importing.Importing(
            folder=folder / "generations",
            limits=settings.Import(
                sources=(folder / "incoming",) if allowed is None else allowed, poll=0.05
            ),
            served=served,
            state=state,
            clock=lambda: datetime.now(UTC),
            monotonic=lambda: now[0],
        )
        (folder / "generations").mkdir(exist_ok=True)
        yield Machine(folder, state, served, loop, now)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with running(tmp_path, config_of(tmp_path, "sis")) as machine:
        yield machine


def district() -> dict[str, bytes]:
    return packages.contents(packages.district())


def other_district() -> dict[str, bytes]:
    tables = packages.district()
    tables["users"].append(packages.user("student-3"))
    tables["roles"].append(packages.role("role-9", "student-3", "school-1"))
    return packages.contents(tables)


EVERYBODY = {"student-1", "student-2", "teacher-1", "parent-1"}


# ---------------------------------------------------------------- when it is read


async def test_a_settled_folder_is_imported_recorded_and_served(machine: Machine) -> None:
    packages.write(machine.source, district())

    await machine.settled_look()

    assert machine.users() == EVERYBODY
    (imported,) = await machine.imports()
    assert (imported.state, imported.generation, imported.source) == ("imported", 1, "sis")
    assert imported.report is not None
    assert imported.report["errors"] == 0
    published = await machine.state.run(lambda store: store.generation())
    assert published is not None
    assert machine.generations == [published.name]
    assert machine.served.current.published[1] == published.time
    assert machine.loop.statuses()["sis"].state == "current"


async def test_a_folder_is_left_alone_until_its_manifest_is_there(machine: Machine) -> None:
    written = district()
    manifest = written.pop("manifest.csv")
    packages.write(machine.source, written)
    await machine.settled_look()
    assert machine.served.current.generation is None
    assert "manifest.csv is not there" in machine.loop.statuses()["sis"].reason

    (machine.source / "manifest.csv").write_bytes(manifest)
    await machine.settled_look()
    assert machine.users() == EVERYBODY


async def test_whatever_moves_in_the_folder_begins_the_settling_anew(machine: Machine) -> None:
    packages.write(machine.source, district())
    await machine.loop.look()
    for size in range(1, 4):
        machine.now[0] += SETTLE - 1
        with (machine.source / "users.csv").open("ab") as file:
            file.write(b"\r\n" * size)
        await machine.loop.look()
        assert machine.served.current.generation is None
        assert machine.loop.statuses()["sis"].reason == "the delivery has not settled yet"

    machine.now[0] += SETTLE + 1
    await machine.loop.look()
    assert machine.users() == EVERYBODY


async def test_a_pass_says_when_the_next_one_makes_sense(machine: Machine) -> None:
    machine.loop._limits = machine.loop._limits.model_copy(update={"poll": 600.0})
    packages.write(machine.source, district())

    assert await machine.loop.look() == pytest.approx(SETTLE)
    machine.now[0] += 20
    assert await machine.loop.look() == pytest.approx(SETTLE - 20)


async def test_a_marker_of_the_source_is_waited_for(tmp_path: Path) -> None:
    config = config_of(tmp_path, "sis", more="marker: done.txt\n")
    async with running(tmp_path, config) as machine:
        packages.write(machine.source, district())
        await machine.settled_look()
        assert "the marker done.txt is not there" in machine.loop.statuses()["sis"].reason

        (machine.source / "done.txt").touch()
        await machine.settled_look()
        assert machine.users() == EVERYBODY


async def test_the_same_delivery_is_not_read_twice(machine: Machine) -> None:
    packages.write(machine.source, district())
    await machine.settled_look()
    first = machine.generations
    packages.write(machine.source, district())  # the same bytes, newly written
    await machine.settled_look()
    await machine.settled_look()

    assert machine.generations == first
    assert [each.state for each in await machine.imports()] == ["unchanged", "imported"]


async def test_of_several_zips_the_newest_is_read(machine: Machine) -> None:
    machine.source.mkdir(parents=True)
    old = packages.zipped(machine.source / "z-old.zip", other_district())
    new = packages.zipped(machine.source / "a-new.zip", district())
    os.utime(old, ns=(10**18, 10**18))
    os.utime(new, ns=(2 * 10**18, 2 * 10**18))

    await machine.settled_look()

    assert machine.users() == EVERYBODY


@pytest.mark.parametrize("allowed", [(), (Path("/srv"),)])
async def test_a_folder_that_the_settings_do_not_allow_is_never_read(
    tmp_path: Path, allowed: tuple[Path, ...]
) -> None:
    async with running(tmp_path, config_of(tmp_path, "sis"), allowed=allowed) as machine:
        packages.write(machine.source, district())
        await machine.settled_look()

        assert machine.served.current.generation is None
        assert "imports.sources" in machine.loop.statuses()["sis"].reason
        with pytest.raises(errors.InputError, match=r"imports\.sources"):
            await machine.loop.import_now("sis")


async def test_a_link_out_of_the_allowed_folder_does_not_help(tmp_path: Path) -> None:
    packages.write(tmp_path / "elsewhere", district())
    async with running(tmp_path, config_of(tmp_path, "sis")) as machine:
        machine.source.symlink_to(tmp_path / "elsewhere")
        await machine.settled_look()

        assert machine.served.current.generation is None


async def test_a_source_that_is_disabled_or_gone_is_not_read(tmp_path: Path) -> None:
    config = config_of(tmp_path, "sis", more="enabled: false\n")
    async with running(tmp_path, config) as machine:
        packages.write(machine.source, district())
        await machine.settled_look()
        assert machine.served.current.generation is None
        with pytest.raises(errors.InputError, match="no such enabled source"):
            await machine.loop.import_now("sis")
        with pytest.raises(errors.InputError, match="no such enabled source"):
            await machine.loop.import_now("other")


async def test_by_hand_a_delivery_is_read_at_once(machine: Machine) -> None:
    packages.write(machine.source, district())

    imported = await machine.loop.import_now("sis")

    assert imported.state == "imported"
    assert machine.users() == EVERYBODY


# ---------------------------------------------------------------- what goes wrong


def _no_column(written: dict[str, bytes]) -> None:
    written["users.csv"] = written["users.csv"].replace(b"sourcedId,", b"", 1)


def _no_file(written: dict[str, bytes]) -> None:
    del written["users.csv"]


def _encoding(written: dict[str, bytes]) -> None:
    written["users.csv"] = written["users.csv"].replace(b"Given", b"Giv\xe9n")


def _manifest(written: dict[str, bytes]) -> None:
    written["manifest.csv"] = b"propertyName,value\r\noneroster.version,7\r\n"


@pytest.mark.parametrize("spoil", [_no_column, _no_file, _encoding, _manifest])
async def test_a_delivery_that_cannot_be_used_leaves_what_is_served(
    machine: Machine, spoil: Callable[[dict[str, bytes]], None]
) -> None:
    packages.write(machine.source, district())
    await machine.settled_look()
    world = machine.served.current
    before = machine.generations

    written = other_district()
    spoil(written)
    packages.write(machine.source, written)
    await machine.settled_look()
    await machine.settled_look()

    assert machine.served.current is world
    assert machine.generations == before
    refused, _ = await machine.imports()  # one line, although it lies there still
    assert refused.state == "refused"
    assert refused.report is not None
    assert refused.report["problems"]
    assert machine.loop.statuses()["sis"].state == "refused"

    packages.write(machine.source, other_district())
    await machine.settled_look()
    assert machine.users() == EVERYBODY | {"student-3"}


async def test_a_zip_that_is_cut_off_is_refused_until_a_whole_one_comes(machine: Machine) -> None:
    machine.source.mkdir(parents=True)
    archive = packages.zipped(machine.source / "roster.zip", district())
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    await machine.settled_look()
    assert machine.served.current.generation is None
    (refused,) = await machine.imports()
    assert (refused.state, refused.problem) == (
        "refused",
        "cannot read the delivery: the zip is damaged, cut off, or no zip at all",
    )

    archive.write_bytes(whole)
    await machine.settled_look()
    assert machine.users() == EVERYBODY


async def test_a_killed_import_is_tried_again_after_a_while(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.write(machine.source, district())
    build = calling.build

    async def killed(request: Any, heard: Any = None, **more: Any) -> calling.Event:
        def kill(event: calling.Event) -> None:
            if event["event"] == "copied":
                os.kill(event["process"], signal.SIGKILL)

        return await build(request, kill, **more)

    with monkeypatch.context() as patch:
        patch.setattr(calling, "build", killed)
        await machine.settled_look()
    assert machine.served.current.generation is None
    assert machine.generations == []
    status = machine.loop.statuses()["sis"]
    assert (status.state, status.reason) == ("failed", "the import was ended by SIGKILL")

    await machine.loop.look()  # too early
    assert machine.served.current.generation is None
    machine.now[0] += 31
    await machine.loop.look()
    assert machine.users() == EVERYBODY


@pytest.mark.parametrize(
    "error, state",
    [
        (errors.UnsafePlan("cannot serve this: too much would be lost"), "refused"),
        (storage.Conflict("somebody else published"), "failed"),
    ],
)
async def test_a_generation_that_is_not_accepted_goes_and_the_former_world_stays(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    packages.write(machine.source, district())
    await machine.settled_look()
    world, before = machine.served.current, machine.generations

    async def refuse(*_: object) -> worlds.World:
        raise error

    packages.write(machine.source, other_district())
    with monkeypatch.context() as patch:
        patch.setattr(machine.served, "propose_generation", refuse)
        await machine.settled_look()

    assert machine.served.current is world
    assert machine.generations == before
    assert (await machine.imports())[0].state == state
    assert (await machine.imports())[0].problem == str(error)


async def test_a_delivery_that_still_changes_is_tried_when_it_has_settled(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.write(machine.source, district())

    async def later(*_: object) -> calling.Event:
        return {"event": "later", "message": "cannot read the delivery yet: it changed"}

    with monkeypatch.context() as patch:
        patch.setattr(calling, "build", later)
        await machine.settled_look()
        with pytest.raises(errors.TemporaryError, match="it changed"):
            await machine.loop.import_now("sis")
    assert machine.loop.statuses()["sis"].state == "waiting"
    assert await machine.imports() == []

    await machine.settled_look()
    assert machine.users() == EVERYBODY


async def test_an_upload_that_begins_while_an_import_waits_is_not_read_half(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look that found it settled and its copy lie other imports, and a process start."""
    packages.write(machine.source, district())
    build = calling.build

    async def overtaken(*words: Any) -> calling.Event:
        whole = other_district()["users.csv"]
        (machine.source / "users.csv").write_bytes(whole[: whole.index(b"teacher-1")])
        return await build(*words)

    with monkeypatch.context() as patch:
        patch.setattr(calling, "build", overtaken)
        await machine.settled_look()
    assert machine.loop.statuses()["sis"].state == "waiting"
    assert await machine.imports() == []

    packages.write(machine.source, other_district())
    await machine.settled_look()
    assert machine.users() == EVERYBODY | {"student-3"}


async def test_a_zip_that_is_replaced_while_an_import_waits_is_not_read(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.source.mkdir()
    packages.zipped(machine.source / "export.zip", district())
    build = calling.build

    async def overtaken(*words: Any) -> calling.Event:
        packages.zipped(machine.source / "export.zip", other_district())
        return await build(*words)

    with monkeypatch.context() as patch:
        patch.setattr(calling, "build", overtaken)
        await machine.settled_look()

    assert machine.loop.statuses()["sis"].state == "waiting"
    assert await machine.imports() == []


# ---------------------------------------------------------------- over time


async def test_each_source_has_its_own_records(tmp_path: Path) -> None:
    async with running(tmp_path, config_of(tmp_path, "sis", "hr")) as machine:
        tables = packages.district()
        own = {"enrollments": tables.pop("enrollments")}
        packages.write(machine.source, packages.contents(tables))
        packages.write(machine.folder / "incoming" / "hr", packages.contents(own))

        await machine.settled_look()

        generation = machine.served.current.generation
        assert generation is not None
        assert len(generation.roster.active["enrollments"]) == 3
        assert set(machine.served.current.published) == {1, 2}
        assert len(machine.generations) == 1


async def test_after_a_restart_what_was_served_is_served_and_nothing_is_read_again(
    tmp_path: Path,
) -> None:
    config = config_of(tmp_path, "sis")
    async with running(tmp_path, config) as machine:
        packages.write(machine.source, district())
        await machine.settled_look()
        (name,) = machine.generations
    # a crash between the building of a generation and its publication, and one in mid-build
    for left in ("generation-00000002-0badc0de", ".building-0badc0de", ".delivery-0badc0de"):
        (tmp_path / "generations" / left).mkdir()

    generation = generations.open_generation(tmp_path / "generations" / name)
    async with running(tmp_path, config, generation=generation) as machine:
        await machine.loop.clean()
        assert machine.generations == [name]
        await machine.settled_look()

        assert machine.served.current.generation is generation
        assert machine.generations == [name]
        packages.write(machine.source, other_district())
        await machine.settled_look()
        assert machine.users() == EVERYBODY | {"student-3"}
        assert set(machine.served.current.published) == {1, 2}


async def test_a_roster_whose_folder_is_lost_is_built_anew(tmp_path: Path) -> None:
    config = config_of(tmp_path, "sis")
    async with running(tmp_path, config) as machine:
        packages.write(machine.source, district())
        await machine.settled_look()
    async with running(tmp_path, config) as machine:  # as if it could not be opened
        await machine.settled_look()

        assert machine.users() == EVERYBODY
        assert set(machine.served.current.published) == {1, 2}


async def test_the_loop_imports_by_itself_and_beats_while_it_does(tmp_path: Path) -> None:
    config = config_of(tmp_path, "sis")
    async with running(tmp_path, config) as machine:
        world = machine.served.current
        ticked = machine.loop.ticked
        clock = itertools.count(0.0, SETTLE / 2)
        machine.loop._monotonic = lambda: next(clock)  # time flies from one look to the next
        packages.write(machine.source, district())
        task = asyncio.create_task(machine.loop.run())
        try:
            await asyncio.wait_for(machine.served.wait(world), 30)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        assert machine.users() == EVERYBODY
        assert machine.loop.ticked > ticked
        assert machine.loop.folders() == [machine.source]


async def test_stopping_in_the_middle_of_an_import_ends_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.write(machine.source, district())
    processes: list[int] = []
    begun = asyncio.Event()
    build = calling.build

    async def watched(request: Any, heard: Any, **more: Any) -> calling.Event:
        def listen(event: calling.Event) -> None:
            processes.append(event["process"])
            begun.set()
            heard(event)

        return await build(request, listen, **more)

    monkeypatch.setattr(calling, "build", watched)
    task = asyncio.create_task(machine.loop.import_now("sis"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)
    assert machine.served.current.generation is None
    await machine.loop.clean()
    assert machine.generations == []

"""Keeping up by deltas over real imports, real generations and a real store, with a restart in the
middle of it.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rosterd import (
    configs,
    generations,
    holdings,
    importing,
    loading,
    settings,
    storage,
    worlds,
)
from rosterd.oneroster import model
from tests import packages
from tests.integration import configs_in_git
from tests.property import nights

START = datetime(2026, 3, 2, 5, 31, tzinfo=UTC)
FULL = "access: full\n"
SCHOOL = "access: basic\norgs: {where: \"sourcedId='school-1'\"}\ncourses: all\n"
NO_PHONES = FULL + "fields: {withhold: [users.phone]}\n"


def config_of(folder: Path, rules: str) -> configs.Config:
    head = configs_in_git.HEAD
    files = {
        "rosterd.yaml": configs_in_git.REPOSITORY,
        "sources/sis.yaml": f"{head}kind: RosterSource\nname: sis\ntype: directory\n"
        f"directory: {folder / 'incoming'}\nsettle: 60s\n",
        "applications/app.yaml": f"{head}kind: Application\nname: app\ntitle: App\n"
        "enabled: true\nrest: {versions: ['1.1', '1.2'], key: 1, overlap: 1d}\n",
        "permissions/app.yaml": f"{head}kind: Permission\nname: app\napplication: app\n{rules}",
    }
    config, problems = configs.check(
        loading.load({path: text.encode() for path, text in files.items()})
    )
    assert config is not None, problems
    return config


@dataclass
class Daemon:
    """The parts of a daemon that a swap goes through; what it knows after a restart is stored."""

    folder: Path
    state: storage.Storage
    served: worlds.Worlds
    loop: importing.Importing
    clock: nights.Clock

    async def deliver(self, tables: packages.Tables) -> None:
        packages.write(self.folder / "incoming", packages.contents(tables))
        imported = await self.loop.import_now("sis")
        assert imported.state == "imported", imported

    async def commit(self, rules: str) -> None:
        await self.served.propose_config(config_of(self.folder, rules), "c", self._hold)

    async def turn_day(self) -> None:
        await self.served.turn_day(self._hold)

    async def _hold(self, old: worlds.World, new: worlds.World) -> None:
        written = holdings.writes(old.held, new.held)
        await self.state.run(lambda store: store.keep_holdings(written))


@contextlib.asynccontextmanager
async def running(folder: Path, rules: str, clock: nights.Clock) -> AsyncIterator[Daemon]:
    async with storage.open_sqlite(folder / "state.db") as state:
        published = await state.run(lambda store: store.generation())
        generation = None
        if published is not None:
            generation = generations.open_generation(folder / "generations" / published.name)
        world = worlds.World(
            config=config_of(folder, rules),
            commit="c",
            generation=generation,
            published=await state.run(lambda store: store.publications()),
            held=holdings.restored(await state.run(lambda store: store.holdings())),
        )
        served = worlds.Worlds(world, clock)
        for name in ("incoming", "generations"):
            (folder / name).mkdir(exist_ok=True)
        loop = importing.Importing(
            folder=folder / "generations",
            limits=settings.Import(sources=(folder,), poll=0.05),
            served=served,
            state=state,
            clock=clock,
        )
        daemon = Daemon(folder, state, served, loop, clock)
        await daemon.turn_day()
        yield daemon


class Consumers:
    """One of each version and way; all pull after each swap, and hold what a full read gives."""

    def __init__(self) -> None:
        self.all = [nights.Consumer(v, own) for v in model.VERSIONS for own in (False, True)]

    def pull(self, daemon: Daemon) -> None:
        world = daemon.served.current
        for consumer in self.all:
            consumer.pull(world, daemon.clock())
            whole = nights.everything(world, consumer.version)
            assert list(nights.differing(consumer, whole)) == []
        daemon.clock.now += timedelta(hours=1)


def tombstones(daemon: Daemon, name: str) -> dict[str, nights.Record]:
    records = nights.served(daemon.served.current, "1.2", name)
    return {each["sourcedId"]: each for each in records if each["status"] == "tobedeleted"}


async def test_deltas_hold_over_imports_commits_and_a_restart(tmp_path: Path) -> None:
    clock, consumers = nights.Clock(START), Consumers()
    tables = packages.district()
    async with running(tmp_path, FULL, clock) as daemon:
        await daemon.deliver(tables)
        consumers.pull(daemon)
        await daemon.deliver(packages.changed(tables, "users", "student-1", givenName="Nova"))
        consumers.pull(daemon)
        await daemon.commit(SCHOOL)
        consumers.pull(daemon)
        left = {name: tombstones(daemon, name) for name in model.COLLECTIONS}
        revision = daemon.served.current.revision("app")
        assert left["orgs"] or left["users"]

    async with running(tmp_path, SCHOOL, clock) as daemon:
        assert {name: tombstones(daemon, name) for name in model.COLLECTIONS} == left
        assert daemon.served.current.revision("app") == revision
        consumers.pull(daemon)
        await daemon.commit(FULL)
        consumers.pull(daemon)
        without = packages.without(tables, users="student-2")
        await daemon.deliver(without)
        consumers.pull(daemon)
        assert "student-2" in tombstones(daemon, "users")
        assert "student-2" in tombstones(daemon, "students")

    async with running(tmp_path, NO_PHONES, clock) as daemon:
        consumers.pull(daemon)
        clock.now += timedelta(days=1)
        await daemon.turn_day()
        await daemon.deliver(tables)  # everybody is back
        consumers.pull(daemon)
        assert tombstones(daemon, "users") == {}


async def test_departures_are_forgotten_after_the_retention_of_their_source(
    tmp_path: Path,
) -> None:
    clock = nights.Clock(START)
    tables = packages.district()
    async with running(tmp_path, FULL, clock) as daemon:
        await daemon.deliver(tables)
        await daemon.deliver(packages.without(tables, users="student-2"))
        assert "student-2" in tombstones(daemon, "users")
        clock.now += timedelta(days=90, hours=1)
        await daemon.turn_day()
        assert tombstones(daemon, "users") == {}
        assert not [
            part
            for _, part in await daemon.state.run(lambda store: store.holdings())
            if part.startswith(("departed", "records", "every"))
        ]

"""An importing loop over a real store, real folders and real servers; its clocks are the test's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rosterd import (
    configs,
    generations,
    importing,
    loading,
    sealing,
    settings,
    storage,
    vault,
    worlds,
)
from rosterd.importing import watches
from tests.integration import configs_in_git

NOON = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
PATIENCE = 60.0


@dataclass
class Machine:
    """What a test looks at and moves."""

    folder: Path
    state: storage.Storage
    served: worlds.Worlds
    loop: importing.Importing
    secrets: sealing.Secrets
    moment: list[datetime]
    ticks: list[float] = field(default_factory=lambda: [1000.0])

    @property
    def now(self) -> datetime:
        return self.moment[0]

    def later(self, step: timedelta) -> None:
        """Both clocks go on."""
        self.moment[0] += step
        self.ticks[0] += step.total_seconds()

    async def settled_look(self) -> None:
        """Two passes with the settle time between them."""
        await self.loop.look()
        self.later(timedelta(seconds=2))
        await self.loop.look()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Look until it is so; the clocks stand still meanwhile."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.loop.look()
                if condition():
                    return
                await asyncio.sleep(0.02)

    def status(self, name: str = "sis") -> watches.Status:
        return self.loop.statuses()[name]

    def users(self) -> set[str]:
        generation = self.served.current.generation
        assert isinstance(generation, generations.Generation)
        roster = generation.roster
        return {roster.sourced_id("users", row) for row in roster.active["users"]}

    @property
    def number(self) -> int:
        generation = self.served.current.generation
        return generation.number if generation is not None else 0

    @property
    def generations(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "generations").iterdir())

    async def imports(self) -> list[storage.Import]:
        """The newest first."""
        return await self.state.run(lambda store: store.imports())

    async def held(self) -> list[storage.Held]:
        return list(await self.state.run(lambda store: store.held_imports()))

    async def reconfigure(self, config: configs.Config) -> None:
        async def record(_old: worlds.World, _new: worlds.World) -> None:
            pass

        await self.served.propose_config(config, "c" * 40, record)


def config_of(*documents: str, timezone: str = "UTC") -> configs.Config:
    """Documents of sources, each from its `name:` on."""
    repository = configs_in_git.REPOSITORY.replace("timezone: UTC", f"timezone: {timezone}")
    files = {"rosterd.yaml": repository.encode()}
    for text in documents:
        name = text.partition("name: ")[2].partition("\n")[0]
        files[f"sources/{name}.yaml"] = f"{configs_in_git.HEAD}kind: RosterSource\n{text}".encode()
    config, problems = configs.check(loading.load(files))
    assert config is not None, problems
    return config


def directory(folder: Path, more: str = "", name: str = "sis") -> str:
    return f"name: {name}\ntype: directory\ndirectory: {folder / 'incoming' / name}\nsettle: 1s\n{more}"


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    config: configs.Config,
    *,
    moment: datetime = NOON,
    former: Machine | None = None,
    keep_bytes: int = 2**30,
    max_bytes: int = 2**30,
) -> AsyncIterator[Machine]:
    """A machine over what lies in `folder`; `former` is the one that ran there before."""
    async with storage.open_sqlite(folder / "state.db") as state:
        clock = former.moment if former is not None else [moment]
        published = await state.run(lambda store: store.publications())
        last = await state.run(lambda store: store.generation())
        generation = None
        if last is not None:
            generation = generations.open_generation(folder / "generations" / last.name)
        served = worlds.Worlds(
            worlds.World(config=config, generation=generation, published=published),
            lambda: clock[0],
        )
        secrets = sealing.Secrets(state, vault.Vault([bytes(32)]), lambda: clock[0])
        for name in ("incoming", "generations"):
            (folder / name).mkdir(exist_ok=True)
        ticks = [1000.0]
        loop = importing.Importing(
            folder=folder / "generations",
            limits=settings.Import(
                sources=(folder / "incoming",),
                poll=0.05,
                keep_bytes=keep_bytes,
                max_bytes=max_bytes,
            ),
            served=served,
            state=state,
            secrets=secrets,
            clock=lambda: clock[0],
            monotonic=lambda: ticks[0],
        )
        try:
            yield Machine(folder, state, served, loop, secrets, clock, ticks)
        finally:
            await loop.close()

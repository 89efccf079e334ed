"""The loop that brings what the sources deliver into the world.

It is level-triggered: each pass looks what lies at every source, and reads it when it is complete,
has not moved for the source's `settle` time, and is not what was read last. Nothing depends on
having seen a file arrive. The import itself runs in a process of its own; here it is only watched,
opened, recorded and proposed. Whatever goes wrong, what was served before is still served.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from rosterd import (
    disclosures,
    documents,
    errors,
    generations,
    guards,
    holdings,
    settings,
    storage,
    worlds,
)
from rosterd.generations import building, calling
from rosterd.importing import sources

_RETRY: Final = (30.0, 120.0, 600.0)
"""Seconds until an import is tried again that failed for a reason which is not the delivery's."""
_FINE: Final = ("imported", "unchanged")

_log = logging.getLogger(__name__)


State = Literal["waiting", "importing", "current", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is. `state` is one of waiting, importing, current, refused, failed."""

    state: State
    reason: str = ""


@dataclass(slots=True)
class _Watch:
    """What is remembered of a source between two passes; losing it costs one look more."""

    sight: sources.Sight | None = None
    since: float = 0.0
    handled: sources.Sight | None = None
    failures: int = 0
    retry: float = 0.0
    status: Status = Status("waiting", "nothing was seen yet")


class Importing:
    """Watches the sources of the served config, and imports one delivery at a time."""

    def __init__(
        self,
        *,
        folder: Path,
        limits: settings.Import,
        served: worlds.Worlds,
        state: storage.Storage,
        clock: Callable[[], datetime],
        watch: disclosures.Watch | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is where generations are kept, the daemon's own."""
        self._folder = folder
        self._limits = limits
        self._served = served
        self._state = state
        self._clock = clock
        self._watch = watch
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._watches: dict[str, _Watch] = {}
        self.ticked = time.monotonic()
        """When the loop last showed a sign of life, by the monotonic clock: its heartbeat."""

    # -- from outside

    async def run(self) -> None:
        """Import until cancelled; an import that is underway is ended then, and begun anew at the
        next start.
        """
        await self.clean()
        watching = asyncio.create_task(self._watch_worlds(), name="importing: worlds")
        try:
            while True:
                self._wake.clear()
                self.ticked = time.monotonic()
                try:
                    pause = await self.look()
                except errors.TemporaryError as error:
                    _log.warning("imports wait: %s", error)
                    pause = self._limits.poll
                # not wait_for: on 3.11 it swallows a cancellation that meets the wake-up
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def wake(self) -> None:
        """Look at the sources now rather than in a while."""
        self._wake.set()

    def folders(self) -> list[Path]:
        """The sources' folders, for whoever watches files."""
        return [
            Path(source.directory)
            for source in self._sources().values()
            if source.type == "directory" and source.directory is not None
        ]

    def statuses(self) -> Mapping[str, Status]:
        """Source -> how it is."""
        return {
            name: self._watches[name].status if name in self._watches else _Watch().status
            for name in self._sources()
        }

    async def clean(self) -> None:
        """Remove what crashes left behind, and generations that are served no more."""
        async with self._turn:
            await self._clean()

    async def look(self) -> float:
        """One pass over all sources; gives the seconds until the next one makes sense."""
        pause = self._limits.poll
        for name, source in self._sources().items():
            watch = self._watches.setdefault(name, _Watch())
            before = watch.status
            try:
                later = await self._consider(source, watch)
            except errors.InputError as error:
                watch.status = Status("waiting", str(error))
                later = None
            except OSError as error:  # the machine's: no process, no space
                watch.status = Status("failed", f"cannot import: {error.strerror}")
                later = None
            if watch.status.state == "waiting" and watch.status != before:
                _log.info("source %s waits: %s", name, watch.status.reason)
            if later is not None:
                pause = min(pause, later)
        return max(0.05, pause)

    async def import_now(self, name: str) -> storage.Import:
        """Read what lies at a source without waiting until it is settled, and read again what was
        refused before; gives what became of it.

        Raises errors.InputError when there is no such source or nothing complete to read, and
        errors.TemporaryError while it is being written.
        """
        source = self._sources().get(name)
        if source is None:
            raise errors.InputError(f"cannot import {name}: there is no such enabled source")
        sight, reason = await asyncio.to_thread(sources.look, source, self._limits.sources)
        if sight is None:
            raise errors.InputError(f"cannot import {name}: {reason}")
        watch = self._watches.setdefault(name, _Watch())
        imported = await self._import(source, sight, watch)
        if imported is None:
            raise errors.TemporaryError(f"cannot import {name} yet: {watch.status.reason}")
        return imported

    # -- what lies at a source

    def _sources(self) -> dict[str, documents.RosterSource]:
        config = self._served.current.config
        if config is None:
            return {}
        return {name: source for name, source in config.sources.items() if source.enabled}

    async def _watch_worlds(self) -> None:
        world = self._served.current
        while True:
            world = await self._served.wait(world)
            self._wake.set()

    async def _consider(self, source: documents.RosterSource, watch: _Watch) -> float | None:
        """Import from a source if its delivery is due; gives the seconds until it may be."""
        now = self._monotonic()
        sight, reason = await asyncio.to_thread(sources.look, source, self._limits.sources)
        if sight != watch.sight:
            watch.sight, watch.since = sight, now
        if sight is None:
            watch.status = Status("waiting", reason)
            return None
        if sight == watch.handled:
            return None
        left = watch.since + source.settle.total_seconds() - now
        if left > 0:
            watch.status = Status("waiting", "the delivery has not settled yet")
            return left
        if watch.failures and watch.retry > now:
            return watch.retry - now
        await self._import(source, sight, watch)
        return None if watch.handled == sight else max(0.0, watch.retry - self._monotonic())

    # -- an import

    async def _import(
        self, source: documents.RosterSource, sight: sources.Sight, watch: _Watch
    ) -> storage.Import | None:
        """Import one delivery; None when it turned out to be changing still."""
        async with self._turn:
            started, watch.status = self._clock(), Status("importing")
            digest = ""

            def heard(event: calling.Event) -> None:
                nonlocal digest
                digest = str(event.get("digest", digest))
                self.ticked = time.monotonic()

            request = await self._request(source, sight)
            event = await self._beating(calling.build(request, heard))
            digest = str(event.get("digest", digest))
            if event["event"] == "later":
                watch.status = Status("waiting", str(event["message"]))
                watch.sight = None  # its settling begins anew
                watch.retry = self._monotonic()
                return None
            imported = await self._conclude(source.name, digest, started, event)
            await self._clean()
        self._remember(watch, sight, imported)
        return imported

    async def _beating(self, work: Any) -> calling.Event:
        """Wait for the import; the loop lives as long as it does, and it has its own deadline."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=1.0)
                self.ticked = time.monotonic()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        event: calling.Event = task.result()
        return event

    async def _request(
        self, source: documents.RosterSource, sight: sources.Sight
    ) -> building.Request:
        world = self._served.current
        served = world.generation if isinstance(world.generation, generations.Generation) else None
        last = await self._state.run(lambda store: store.last_import(source.name))
        published = await self._state.run(lambda store: store.publications())
        known = served.contents.deliveries.get(source.name) if served is not None else None
        if known is not None and last is not None and last.state == "unchanged":
            known = last.delivery
        return building.Request(
            number=max(published, default=0) + 1,
            folder=str(self._folder.resolve()),
            former=served.name if served is not None else None,
            source=source.name,
            sources=tuple(sorted(world.config.sources)) if world.config is not None else (),
            delivery=str(sight.path),
            limit=self._limits.max_bytes,
            known=known,
            default_mode=source.manifest.default if source.manifest is not None else None,
            seen=sight.files,
        )

    async def _conclude(
        self, source: str, digest: str, started: datetime, event: calling.Event
    ) -> storage.Import:
        """Publish what was built, or record why nothing was."""
        state, report = "failed", event.get("report")
        problem = str(event.get("message", ""))
        if event["event"] == "unchanged":
            state = "unchanged"
        elif event["event"] == "refused":
            state, report = "refused", {"problems": event.get("problems", [])}
        elif event["event"] == "built":
            try:
                return await self._publish(source, started, event)
            except (errors.InputError, errors.UnsafePlan) as error:
                state, problem = "refused", str(error)
            except (errors.TemporaryError, OSError) as error:
                problem = str(error)
        imported = storage.Import(
            source=source,
            delivery=digest,
            state=state,  # type: ignore[arg-type] # one of the words above
            started=started,
            ended=self._clock(),
            report=report,
            problem=problem,
        )
        await self._state.run(lambda store: _record_once(store, imported))
        if state not in _FINE:
            _log.error("import of %s %s: %s", source, state, problem)
        return imported

    async def _publish(
        self, source: str, started: datetime, event: calling.Event
    ) -> storage.Import:
        path = self._folder / str(event["name"])
        generation = await asyncio.to_thread(generations.open_generation, path)
        kept: list[storage.Import] = []

        async def record(old: worlds.World, new: worlds.World) -> None:
            time_published = new.published[generation.number]
            imported = storage.Import(
                source=source,
                delivery=str(event["digest"]),
                state="imported",
                started=started,
                ended=self._clock(),
                generation=generation.number,
                report=event["report"],
            )
            published = storage.Published(
                generation.number, generation.name, time_published, event["report"]
            )
            async with disclosures.noticed(self._watch, old, new) as seen:
                await self._state.run(
                    lambda store: store.publish_generation(
                        published,
                        imported=imported,
                        held=holdings.writes(old.held, new.held),
                        seen=seen,
                        guards=guards.kept(new),
                        notes=guards.notes(old, new, imported.ended),
                    )
                )
            kept.append(imported)

        # Once it is recorded it has to be served too, whoever gives up waiting meanwhile.
        await asyncio.shield(self._served.propose_generation(generation, record))
        _log.info(
            "import of %s: generation %d, %d errors, %d warnings",
            source,
            generation.number,
            event["report"]["errors"],
            event["report"]["warnings"],
        )
        return kept[0]

    def _remember(self, watch: _Watch, sight: sources.Sight, imported: storage.Import) -> None:
        if imported.state == "failed":
            pause = _RETRY[min(watch.failures, len(_RETRY) - 1)]
            watch.failures += 1
            watch.retry = self._monotonic() + pause
            watch.status = Status("failed", imported.problem)
            return
        watch.handled, watch.failures = sight, 0
        fine = imported.state in _FINE
        watch.status = Status("current") if fine else Status("refused", imported.problem)

    async def _clean(self) -> None:
        """The served one stays, and those that an application is kept at; of others only names go
        while somebody still has them open.
        """
        published = await self._state.run(lambda store: store.generation())
        world = self._served.current
        served = world.generation
        keep = {published.name} if published is not None else set()
        keep |= {
            each.name
            for each in (served, *(former.generation for former in world.kept.values()))
            if isinstance(each, generations.Generation)
        }
        await asyncio.to_thread(generations.clean, self._folder, keep)


def _record_once(store: storage.Store, imported: storage.Import) -> None:
    """Keep an import unless the last of its source said the same: a refused delivery that lies
    there for a month is one line.
    """
    last = store.last_import(imported.source)
    said = ("delivery", "state", "problem")
    if last is None or any(getattr(last, each) != getattr(imported, each) for each in said):
        store.record_import(imported)

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
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from rosterd import (
    disclosures,
    documents,
    errors,
    generations,
    sealing,
    settings,
    storage,
    worlds,
)
from rosterd.generations import calling
from rosterd.importing import byhand, fetching, holding, publishing, received, sources, watches

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


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
        secrets: sealing.Secrets | None = None,
        watch: disclosures.Watch | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is where generations are kept, the daemon's own; what is fetched and what is
        kept as received lie beside it. Without `secrets` nothing is fetched.
        """
        self._folder = folder
        self._limits = limits
        self._served = served
        self._state = state
        self._clock = clock
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._watches: dict[str, watches.Watch] = {}
        self._publishing = publishing.Publishing(
            folder=folder, served=served, state=state, clock=clock, watch=watch
        )
        self.received = received.Received(
            folder=folder.with_name("received"),
            most_bytes=limits.keep_bytes,
            served=served,
            state=state,
            clock=clock,
        )
        self.byhand = byhand.ByHand(
            read=self.import_now,
            served=served,
            state=state,
            secrets=secrets,
            clock=clock,
            allowed=limits.sources,
        )
        self._fetching = None
        if secrets is not None:
            self._fetching = fetching.Fetching(
                folder=folder.with_name("fetched"),
                most_bytes=limits.max_bytes,
                state=state,
                secrets=secrets,
                turn=self._turn,
                clock=clock,
                wake=self.wake,
                monotonic=monotonic,
            )
        self._stale: Mapping[str, str] = {}
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
                    await self.keep_processed()
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
            await self.close()

    async def close(self) -> None:
        """End what is being fetched, and what somebody asked for."""
        await self.byhand.close()
        if self._fetching is not None:
            await self._fetching.close()

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

    def statuses(self) -> Mapping[str, watches.Status]:
        """Source -> how it is."""
        found = {
            name: self._watches[name].status if name in self._watches else watches.UNSEEN
            for name in self._sources()
        }
        return {
            name: replace(status, stale=self._stale.get(name, "")) for name, status in found.items()
        }

    async def clean(self) -> None:
        """Remove what crashes left behind, and generations that are served no more."""
        async with self._turn:
            await self._clean()

    async def look(self) -> float:
        """One pass over all sources; gives the seconds until the next one makes sense."""
        pause = self._limits.poll
        await self._let_go()
        for name, source in self._sources().items():
            watch = self._watches.setdefault(name, watches.Watch())
            before = watch.status
            try:
                later = await self._consider(source, watch)
            except errors.InputError as error:
                watch.status = watches.Status("waiting", str(error))
                later = None
            except OSError as error:  # the machine's: no process, no space
                watch.status = watches.Status("failed", f"cannot import: {error.strerror}")
                later = None
            if watch.status.state == "waiting" and watch.status != before:
                _log.info("source %s waits: %s", name, watch.status.reason)
            if later is not None:
                pause = min(pause, later)
        await self._judge_age()
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
        if reason := holding.paused(source, self._publishing.today()):
            raise errors.InputError(f"cannot import {name}: {reason}")
        sight: sources.Sight | None
        if source.type == "directory":
            sight, reason = await asyncio.to_thread(sources.look, source, self._limits.sources)
        else:
            sight, reason = await self._fetched_now(source), "nothing new lies there"
        if sight is None:
            raise errors.InputError(f"cannot import {name}: {reason}")
        watch = self._watches.setdefault(name, watches.Watch())
        imported = await self._import(source, sight, watch)
        if imported is None and not sight.path.exists():
            imported = await self._publishing.last(name)
        if imported is None:
            raise errors.TemporaryError(f"cannot import {name} yet: {watch.status.reason}")
        return imported

    async def keep_processed(self) -> None:
        """Write down what imports brought that are served now, for whoever asks later."""
        for name in self._sources():
            async with self._turn:  # so that the generation stays
                await self._beating(self.received.process(name))

    # -- what is held, and what is old

    async def _let_go(self) -> None:
        """Serve what was released; look again at what was built on another roster."""
        async with self._turn:
            before = {each.source for each in await self._held()}
            again = await self._publishing.let_go()
            after = {each.source for each in await self._held()}
            for name in before - after:
                watch, source = self._watches.get(name), self._sources().get(name)
                last = await self._publishing.last(name)
                if name in again and watch is not None:
                    watch.handled = None
                elif source is not None and last is not None:
                    await self._concluded(source, last)
                    if watch is not None:
                        watch.status = watches.Status("current")
            if before - after:
                await self._clean()

    async def _held(self) -> Sequence[storage.Held]:
        return await self._state.run(lambda store: store.held_imports())

    async def _judge_age(self) -> None:
        """Which sources brought nothing for too long."""
        _, read = await self._state.run(lambda store: store.last_successes())
        found = {}
        for name, source in self._sources().items():
            last = read.get(name)
            if source.stale_after is None or last is None:
                continue
            if self._clock() - last > source.stale_after:
                found[name] = last.isoformat(timespec="minutes")
                if name not in self._stale:
                    _log.warning("nothing was read from %s since %s", name, found[name])
        self._stale = found

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

    async def _consider(self, source: documents.RosterSource, watch: watches.Watch) -> float | None:
        """Import from a source if its delivery is due; gives the seconds until it may be."""
        now, today = self._monotonic(), self._publishing.today()
        if reason := holding.paused(source, today):
            watch.status = watches.Status("waiting", reason, paused=True)
            return None
        stay = holding.additions_only(source, today)
        if source.type == "directory":
            sight, reason = await asyncio.to_thread(sources.look, source, self._limits.sources)
        else:
            sight, reason = await self._fetched(source, stay=stay)
        if sight != watch.sight:
            watch.sight, watch.since = sight, now
        if sight is None:
            self._tell_absent(source, watch, reason)
            return None
        if (sight, stay) == watch.handled:
            return None
        left = watch.since + source.settle.total_seconds() - now
        if left > 0 and source.type == "directory":
            watch.status = watches.Status("waiting", "the delivery has not settled yet")
            return left
        if watch.failures and watch.retry > now:
            return watch.retry - now
        await self._import(source, sight, watch)
        if watch.handled == (sight, stay):
            return None
        return max(0.0, watch.retry - self._monotonic())

    def _tell_absent(
        self, source: documents.RosterSource, watch: watches.Watch, reason: str
    ) -> None:
        """What a source is while nothing lies there."""
        if source.type == "directory":
            watch.status = watches.Status("waiting", reason)
        elif self._fetching is not None and self._fetching.failing(source.name):
            watch.status = watches.Status("failed", reason)
        else:
            watch.absent(reason)

    async def _fetched(
        self, source: documents.RosterSource, *, stay: bool
    ) -> tuple[sources.Sight | None, str]:
        config = self._served.current.config
        if self._fetching is None or config is None:
            return None, "nothing is fetched here"
        return await self._fetching.look(source, config.repository.timezone, stay=stay)

    async def _fetched_now(self, source: documents.RosterSource) -> sources.Sight | None:
        if self._fetching is None:
            raise errors.InputError(f"cannot import {source.name}: nothing is fetched here")
        stay = holding.additions_only(source, self._publishing.today())
        return await self._fetching.now(source, stay=stay)

    # -- an import

    async def _import(
        self, source: documents.RosterSource, sight: sources.Sight, watch: watches.Watch
    ) -> storage.Import | None:
        """Import one delivery; None when it turned out to be changing still."""
        async with self._turn:
            if source.type != "directory" and not sight.path.exists():
                return None  # whoever had the turn before has read it
            started, watch.status = self._clock(), watches.Status("importing")
            digest, kept = "", None

            def heard(event: calling.Event) -> None:
                nonlocal digest, kept
                digest = str(event.get("digest", digest))
                kept = event if event["event"] == "kept" else kept
                self.ticked = time.monotonic()

            request = await self._publishing.request(
                source, sight, limit=self._limits.max_bytes, keep=self.received.folder
            )
            event = await self._beating(calling.build(request, heard))
            digest = str(event.get("digest", digest))
            if kept is not None:
                await self.received.note(source.name, digest, kept["file"], kept["bytes"])
            if event["event"] == "later":
                watch.changing(str(event["message"]), self._monotonic())
                return None
            imported = await self._publishing.conclude(source, digest, started, event)
            await self._concluded(source, imported)
            await self._clean()
        watch.concluded(sight, imported, self._monotonic(), stay=request.additions_only)
        return imported

    async def _concluded(self, source: documents.RosterSource, imported: storage.Import) -> None:
        if self._fetching is not None and source.type != "directory":
            await self._fetching.read(source, imported)

    async def _beating(self, work: Coroutine[Any, Any, _Result]) -> _Result:
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
        return task.result()

    async def _clean(self) -> None:
        """The served one stays, and those that an application is kept at; of others only names go
        while somebody still has them open.
        """
        published = await self._state.run(lambda store: store.generation())
        world = self._served.current
        served = world.generation
        keep = {published.name} if published is not None else set()
        keep |= {each.name for each in await self._held()}
        keep |= {
            each.name
            for each in (served, *(former.generation for former in world.kept.values()))
            if isinstance(each, generations.Generation)
        }
        await asyncio.to_thread(generations.clean, self._folder, keep)

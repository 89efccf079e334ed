"""The loop that brings each target what it is owed.

It is level-triggered: a pass compares what is owed by now with what is on record, for every target,
and starts what is missing. Alarms, new worlds and people only wake it; a pass that nobody woke, half
a minute later, would find the same. So nothing is lost by a missed alarm, a crash or a clock that
jumps.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from rosterd import (
    disclosures,
    documents,
    errors,
    ledger,
    scheduling,
    sealing,
    sftp,
    storage,
    worlds,
)
from rosterd.exporting import delivering, handing, meeting, owing

__all__ = ["Exporting"]

PASS_SECONDS = 30.0
"""The longest time between two passes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Underway:
    """A delivery in its task, and the world and target it was started for."""

    task: asyncio.Task[storage.Run]
    underway: delivering.Underway
    world: worlds.World
    target: documents.SftpTarget


class Exporting:
    """Delivers by days and time, after imports, and when somebody asks."""

    def __init__(
        self,
        *,
        spool: Path,
        served: worlds.Worlds,
        state: storage.Storage,
        named: sealing.Secrets,
        book: ledger.Ledger,
        clock: Callable[[], datetime],
        leaving: disclosures.Disclosures | None = None,
    ) -> None:
        """`spool` is the daemon's own folder for files on their way; it is emptied at the start."""
        self._served = served
        self._state = state
        self._clock = clock
        self._secrets = named
        self._deliveries = delivering.Deliveries(
            spool=spool,
            served=served,
            state=state,
            named=named,
            book=book,
            clock=clock,
            leaving=leaving,
        )
        self._handing = handing.Handing(
            spool=spool.with_name("handing"),
            served=served,
            state=state,
            clock=clock,
            leaving=leaving,
        )
        self._scheduler = scheduling.Scheduler(lambda _target: self._wake.set())
        self._wake = asyncio.Event()
        self._underway: dict[str, _Underway] = {}
        self._seen: worlds.World | None = None
        self._acted = clock()
        self.waiting: tuple[str, ...] = ()
        """Targets that are owed a delivery which waits while exports are suspended."""
        self.ticked = time.monotonic()
        """When the loop last passed, by the monotonic clock: its heartbeat."""

    async def run(self) -> None:
        """Deliver until cancelled. What is underway then is cut, and taken up at the next start."""
        self._deliveries.open()
        self._scheduler.start()
        watching = asyncio.create_task(self._watch_worlds(), name="exporting: worlds")
        try:
            while True:
                self._wake.clear()
                self.ticked = time.monotonic()
                pause = PASS_SECONDS
                try:
                    pause = await self._pass(self._served.current)
                except errors.TemporaryError as error:
                    _log.warning("deliveries wait: %s", error)
                # not wait_for: in Python 3.11 it swallows a cancellation that meets the wake-up
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            self._scheduler.stop()
            tasks = [watching, *(one.task for one in self._underway.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._deliveries.close()

    def nudge(self) -> None:
        """Somebody acted (set a secret, mended a server): try what was refused again."""
        self._acted = self._clock()
        self._wake.set()

    async def run_now(self, target: str, who: str) -> storage.Run:
        """Deliver at once, on record under `who`; gives the run, whatever became of it.

        Raises errors.InputError when nothing may leave there, errors.TemporaryError while another
        delivery to the same target is underway.
        """
        world = self._served.current
        document = meeting.wanted(world, target)
        if target in self._underway:
            raise errors.TemporaryError(f"cannot deliver to {target}: a delivery is underway")
        now = self._clock()
        # On record before anything leaves; whoever was quicker meanwhile goes first.
        details = {"application": document.application}
        note = storage.Note("export-run", who, target, now, details)
        await self._state.run(lambda store: store.note(note))
        if target in self._underway:
            raise errors.TemporaryError(f"cannot deliver to {target}: a delivery is underway")
        timezone = world.config.repository.timezone if world.config is not None else "UTC"
        slot = scheduling.by_hand(now, document.export.timezone or timezone)
        task = self._start(world, document, slot)
        return await asyncio.shield(task)

    async def hand(self, application: str, form: str, who: str) -> BinaryIO:
        """A zip of an application's files for somebody who brings them on; see Handing.hand."""
        return await self._handing.hand(application, form, who)

    async def test(self, target: str, who: str) -> sftp.Probe:
        """Sign in at a target, write a hidden file and remove it; a disabled target too.

        Raises errors.InputError, errors.TemporaryError.
        """
        config = self._served.current.config
        document = config.targets.get(target) if config is not None else None
        if document is None:
            raise errors.InputError(f"cannot test {target}: there is no such SFTP target")
        details = {"application": document.application}
        note = storage.Note("sftp-test", who, target, self._clock(), details)
        await self._state.run(lambda store: store.note(note))
        return await self._deliveries.probe(document)

    def has(self, target: str) -> bool:
        """Whether the config has such a target."""
        config = self._served.current.config
        return config is not None and target in config.targets

    async def set_secret(self, name: str, value: str, who: str) -> str:
        """Keep a secret; gives the document it belongs to. Raises errors.InputError."""
        document = await self._secrets.set(self._served.current.config, name, value, who)
        self.nudge()
        return document

    async def named_secrets(self) -> list[sealing.Named]:
        """Names that documents use or values are kept under."""
        return await self._secrets.names(self._served.current.config)

    def unmet(self) -> Mapping[str, tuple[str, ...]]:
        """Target -> what the application needs and does not get, where a delivery waits for it."""
        return dict(self._deliveries.unmet)

    def upcoming(self) -> Mapping[str, datetime]:
        """Target -> its next slot, for those that deliver by days and time."""
        return self._scheduler.upcoming()

    # -- a pass

    async def _watch_worlds(self) -> None:
        world = self._served.current
        while True:
            world = await self._served.wait(world)
            self._wake.set()

    async def _pass(self, world: worlds.World) -> float:
        """Start what is missing; gives the seconds until the next pass at the latest."""
        if world.config is None or world.generation is None:
            return PASS_SECONDS
        now = self._clock()
        if world is not self._seen:
            self._seen, self._acted = world, now
            self._deliveries.unmet.clear()  # whoever is still held finds out anew
            await owing.forget_bases(self._state, world.config.targets.values())
        for one in self._underway.values():
            if not meeting.same_grant(one.world, world, one.target):
                one.underway.cut("the application's grant or the target changed")
        targets = {name: one for name, one in world.config.targets.items() if one.enabled}
        timezone = world.config.repository.timezone
        schedules = {
            name: schedule
            for name, target in targets.items()
            if (schedule := scheduling.schedule(target.export, timezone)) is not None
        }
        self._scheduler.arrange(schedules)
        await owing.drop(self._state, {*targets, *self._underway}, schedules, now)
        moments = [now + timedelta(seconds=PASS_SECONDS)]
        suspended = world.config.repository.suspended is not None
        waiting = []
        for name, target in targets.items():
            if name in self._underway:
                continue
            if suspended:  # what is owed stays owed: it is no failure, and waits for the commit
                waiting += [name] if await self._owes(world, target, now) else []
            else:
                moments += await self._take_up(world, target, now)
        self.waiting = tuple(waiting)
        return max(0.1, (min(moments) - now).total_seconds())

    async def _owes(self, world: worlds.World, target: documents.SftpTarget, now: datetime) -> bool:
        slots = await owing.slots(self._state, world, target, now)
        wanted = await owing.wanted(self._state, target, slots, now=now, acted=self._acted)
        return wanted.slot is not None or wanted.later is not None

    async def _take_up(
        self, world: worlds.World, target: documents.SftpTarget, now: datetime
    ) -> list[datetime]:
        """Start what one target wants; gives when to look again, if that is known."""
        slots = await owing.slots(self._state, world, target, now)
        wanted = await owing.wanted(self._state, target, slots, now=now, acted=self._acted)
        if wanted.slot is not None and target.name not in self._underway:
            _ = self._start(world, target, wanted.slot)  # kept underway, awaited at the end
        return [] if wanted.later is None else [wanted.later]

    def _start(
        self, world: worlds.World, target: documents.SftpTarget, slot: scheduling.Slot
    ) -> asyncio.Task[storage.Run]:
        underway = delivering.Underway()
        delivery = self._deliveries.deliver(target.name, slot, underway)
        task = asyncio.create_task(delivery, name=f"exporting: {target.name}")
        self._underway[target.name] = _Underway(task, underway, world, target)
        task.add_done_callback(lambda task: self._ended(target.name, task))
        return task

    def _ended(self, name: str, task: asyncio.Task[storage.Run]) -> None:
        del self._underway[name]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("cannot record a delivery to %s: %s", name, error)

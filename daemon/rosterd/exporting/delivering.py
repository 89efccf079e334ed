"""One slot of one target, from the world as it is now to a file on the vendor's server.

The run is on record before its file leaves, with the file's name, size and digest: whoever starts
again after a crash first looks whether that very file arrived. A run takes one world and keeps it;
only when the application's grant or the target changed while the files were made does it begin
again, since what was taken away must not leave because it was late.
"""

import asyncio
import functools
import logging
import shutil
import traceback
from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pyroaring import AbstractBitMap

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
from rosterd.exporting import bundles, customs, deltas, meeting, standing

_log = logging.getLogger(__name__)

LEAST_SECONDS = 300.0
SLOWEST = 50_000
"""Bytes in a second that a server has to take; together they bound each upload."""
PROBE_SECONDS = 60.0
FIND_SECONDS = 300.0
_AT_ONCE = 4

T = TypeVar("T")


class Underway:
    """A delivery that somebody may have to end before it is through."""

    def __init__(self) -> None:
        self.reason = ""
        self._watch: sftp.Watch | None = None

    def cut(self, reason: str) -> None:
        """End it; the first reason stays."""
        self.reason = self.reason or reason
        if self._watch is not None:
            self._watch.cut(reason)

    def stopped(self) -> bool:
        return bool(self.reason)

    def watch(self, seconds: float) -> sftp.Watch:
        """For the next conversation; already cut when this is."""
        self._watch = sftp.Watch(seconds)
        if self.reason:
            self._watch.cut(self.reason)
        return self._watch


@dataclass(frozen=True, slots=True)
class _Made:
    """Files of one world. No bundle when there is nothing new for a delta to tell."""

    world: worlds.World
    target: documents.SftpTarget
    bundle: bundles.Bundle | None
    base: deltas.Base | None
    """What the target holds when they have arrived, for targets of deltas."""
    delta: deltas.Delta | None = None
    """What is new, where not all of the view is in the files."""


class Deliveries:
    """Delivers slots, at most a few at once; files are made one after the other."""

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
        self._spool = spool
        self._served = served
        self._state = state
        self._secrets = named
        self._book = book
        self._clock = clock
        self._leaving = leaving
        self._making = asyncio.Lock()
        self.unmet: dict[str, tuple[str, ...]] = {}  # target -> what its last try waited for
        self._threads = _threads()

    def open(self) -> None:
        """Clear what a crash left: nobody needs it, and it names pupils."""
        shutil.rmtree(self._spool, ignore_errors=True)
        self._spool.mkdir(mode=0o700, parents=True)

    async def close(self) -> None:
        """Wait for the threads, whose deliveries have to be cut before."""
        ending, self._threads = self._threads, _threads()
        await asyncio.to_thread(ending.shutdown)

    async def deliver(self, target: str, slot: scheduling.Slot, underway: Underway) -> storage.Run:
        """Try once; gives the run as it is kept. Raises only when it cannot be kept."""
        previous = await self._state.run(lambda store: store.export_run(target, slot.key))
        run = storage.Run(
            target=target,
            slot=slot.key,
            state="running",
            attempt=1 if previous is None else previous.attempt + 1,
            started=self._clock(),
        )
        try:
            run = await self._attempt(run, previous, slot, underway)
        except errors.TemporaryError as error:
            run = await self._reload(run, "failed", str(error))
        except errors.RosterdError as error:
            if isinstance(error, meeting.Unmet):
                self.unmet[target] = error.broken
            run = await self._reload(run, "refused", str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the other deliveries
            # where it happened, without the values: they may name a pupil
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a delivery to %s failed: %s\n%s", target, type(error).__name__, place)
            run = await self._reload(run, "failed", f"internal error ({type(error).__name__})")
        run = await self._keep(replace(run, ended=self._clock()))
        self._book.note(run.application or "-", "sftp", run.state)
        _log.info("delivery to %s (%s): %s", target, slot.key, run.state)
        return run

    async def probe(self, target: documents.SftpTarget) -> sftp.Probe:
        """Test the connection as deliveries make it."""
        endpoint = _endpoint(target, await self._secrets.of(target))
        watch = sftp.Watch(PROBE_SECONDS)
        probe = functools.partial(sftp.probe, endpoint, watch=watch, publish=target.publish)
        try:
            return await self._in_thread(probe)
        except asyncio.CancelledError:
            watch.cut("nobody waits for it any more")
            raise

    # -- one attempt

    async def _attempt(
        self,
        run: storage.Run,
        previous: storage.Run | None,
        slot: scheduling.Slot,
        underway: Underway,
    ) -> storage.Run:
        world, target = self._now(run.target)
        run = replace(run, **_source(world, target))
        if previous is not None and await self._arrived(previous, target, underway):
            return replace(previous, state="delivered", attempt=run.attempt, problem="")
        run = await self._keep(run)
        before = await standing.look(self._state, run.target)
        folder = self._spool / sha256(f"{run.target}/{run.slot}".encode()).hexdigest()[:16]
        try:
            made = await self._made(run.target, slot, folder, before, underway)
            world, target, bundle = made.world, made.target, made.bundle
            run = replace(
                run,
                **_source(world, target),
                mode="bulk" if bundle is not None and bundle.mode == "bulk" else "delta",
            )
            if bundle is None:  # no file: a manifest alone would say the same
                return replace(run, state="unchanged")
            run = replace(
                run,
                name=bundle.name,
                sha256=bundle.sha256,
                bytes=bundle.bytes,
                rows=bundle.rows,
            )
            if _is_old_news(before.run, run, target, slot):
                return replace(run, state="unchanged")
            if made.base is not None:
                await standing.keep(self._state, run.target, made.base, before)
            run = await self._keep(run)
            await self._leave(made)
            await self._upload(target, bundle, underway)
        finally:
            await self._in_thread(functools.partial(shutil.rmtree, folder, ignore_errors=True))
        return replace(run, state="delivered", problem=bundle.losses)

    async def _made(
        self,
        name: str,
        slot: scheduling.Slot,
        folder: Path,
        before: standing.Standing,
        underway: Underway,
    ) -> _Made:
        """The files of one world, begun again when the grant changed meanwhile."""
        async with self._making:
            while True:
                world, target = self._now(name)
                await meeting.meet(world, target, before.counts(), self._in_thread)
                self.unmet.pop(name, None)
                delta, noted = standing.content(world, target, slot, before)
                if delta is not None and delta.empty:
                    return _Made(world, target, None, None)
                picture = world.picture(target.application, target.export.version)
                template, given = meeting.template_of(world, target), (target, slot, folder)
                build = (
                    functools.partial(bundles.build, picture, *given, delta=delta, noted=noted)
                    if template is None
                    else functools.partial(customs.build, picture, template, *given)
                )
                bundle = await self._cuttable(
                    underway, functools.partial(build, stopped=underway.stopped)
                )
                if meeting.same_grant(world, self._served.current, target):
                    base = standing.after(world, target, slot, noted, before)
                    return _Made(world, target, bundle, base, delta)

    async def _upload(
        self, target: documents.SftpTarget, bundle: bundles.Bundle, underway: Underway
    ) -> None:
        endpoint = _endpoint(target, await self._secrets.of(target))
        watch = underway.watch(LEAST_SECONDS + bundle.bytes / SLOWEST)
        await self._cuttable(
            underway,
            functools.partial(
                sftp.deliver,
                endpoint,
                bundle.uploads,
                run=sha256(target.name.encode()).hexdigest()[:8],
                watch=watch,
                publish=target.publish,
                verify=target.verify,
            ),
        )

    async def _leave(self, made: "_Made") -> None:
        """Have it recorded, on the disk, what the files hold: before any of it leaves."""
        if self._leaving is None:
            return
        world, target = made.world, made.target
        rows: Mapping[str, AbstractBitMap] = world.view(target.application).rows
        gone: Mapping[str, AbstractBitMap] = {}
        if made.delta is not None:
            rows, gone = made.delta.rows(), made.delta.gone()
        await self._leaving.bundle(
            world,
            target.application,
            target=target.name,
            version=target.export.version,
            rows=rows,
            gone=gone,
        )

    async def _arrived(
        self, previous: storage.Run, target: documents.SftpTarget, underway: Underway
    ) -> bool:
        """Whether the file of an unfinished run is at the target. Files side by side have no one
        digest there; they are brought again, which changes nothing when they are the same.
        """
        unfinished = previous.state in ("running", "failed") and previous.sha256
        if not unfinished or target.export.packaging != "zip":
            return False
        expected = sftp.Upload(Path(), previous.name, previous.bytes, previous.sha256)
        endpoint = _endpoint(target, await self._secrets.of(target))
        watch = underway.watch(FIND_SECONDS)
        return await self._cuttable(
            underway, functools.partial(sftp.find, endpoint, expected, watch=watch)
        )

    def _now(self, name: str) -> tuple[worlds.World, documents.SftpTarget]:
        world = self._served.current
        if world.config is None or world.generation is None:
            raise errors.TemporaryError("cannot deliver before there are a config and a roster")
        return world, meeting.wanted(world, name)

    # -- threads and records

    async def _cuttable(self, underway: Underway, work: Callable[[], T]) -> T:
        try:
            return await self._in_thread(work)
        except asyncio.CancelledError:
            underway.cut("the daemon stops")
            raise

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _keep(self, run: storage.Run) -> storage.Run:
        await self._state.run(lambda store: store.save_run(run))
        return run

    async def _reload(self, run: storage.Run, state: storage.RunState, problem: str) -> storage.Run:
        """The run as the attempt left it on record, with how it ended."""
        kept = await self._state.run(lambda store: store.export_run(run.target, run.slot))
        if kept is not None and kept.attempt == run.attempt:
            run = kept
        return replace(run, state=state, problem=problem)


def _threads() -> futures.ThreadPoolExecutor:
    return futures.ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="export")


def _source(world: worlds.World, target: documents.SftpTarget) -> dict[str, Any]:
    """Where a run's files come from: a held application is delivered what it is served."""
    source = world.of(target.application)
    number = source.generation.number if source.generation is not None else None
    return {
        "application": target.application,
        "commit": source.commit or "",
        "generation": number,
    }


def _is_old_news(
    before: storage.Run | None,
    run: storage.Run,
    target: documents.SftpTarget,
    slot: scheduling.Slot,
) -> bool:
    """Whether an import changed nothing for this target since its last delivery. Another commit may
    have changed where files go, so after one they are brought anyway.
    """
    return (
        target.export.when == "after-import"
        and target.export.mode == "bulk"
        and not scheduling.is_by_hand(slot.key)
        and before is not None
        and (before.sha256, before.commit) == (run.sha256, run.commit)
    )


def _endpoint(target: documents.SftpTarget, found: dict[str, str]) -> sftp.Endpoint:
    return sftp.Endpoint(
        host=target.host,
        port=target.port,
        username=target.username,
        host_keys=target.host_keys,
        password=found.get("password"),
        private_key=found.get("privateKey"),
        passphrase=found.get("passphrase"),
        directory=target.directory,
    )

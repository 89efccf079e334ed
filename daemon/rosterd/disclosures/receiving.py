"""What leaves is recorded before it leaves.

This stands on the way of every page, so it does as little as it can: most pages hold what the same
application was sent before under the same commit and out of the same roster, and for those a
bitmap's answer is all. Only rows that are new there are written. What cannot be written does not
leave: a vendor asks again in a moment, but what nobody recorded nobody can ever tell.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import errors, sightings, storage, worlds
from rosterd.disclosures import journal
from rosterd.storage import shown

SYNC: Final = 1.0
"""Seconds between two times that the disk is waited for: what a power cut can lose of REST."""
_TOUCH: Final = 30.0
"""Seconds between two times that it is written when the last of known pages left."""
_LOOK: Final = 60.0
"""Seconds between two looks at what could go into the store."""
QUIET: Final = 1800.0
"""Seconds without a page until a roster that is served no more is taken to be through: walks go on
in it for a while."""
_MOST: Final = 32 * 1024 * 1024
"""Bytes of a journal's file until it is put together."""

_log = logging.getLogger(__name__)

_Way = tuple[str | None, int, str, str, str, str, frozenset[str] | None, bool]


class Disclosures:
    """What left since it was last put into the store, and the way to add to it."""

    def __init__(
        self,
        folder: Path,
        served: worlds.Worlds,
        state: storage.Storage,
        line: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`folder` is the daemon's own; what it holds of the last run is read. `line` is that of
        the roster that is served. Raises errors.InputError when the folder cannot be used.
        """
        self._served = served
        self._state = state
        self._line = line
        self._clock = clock
        self._outflows = journal.read(folder)
        self._journal = journal.Journal(folder)
        self._folder = folder
        self._ways: dict[_Way, journal.Outflow] = {}
        self._dirty = False
        self._turning = asyncio.Lock()

    def close(self) -> None:
        """Write what is left to be written, and let go of the file."""
        with contextlib.suppress(errors.TemporaryError):
            self._touch()
        self._journal.close()

    # -- what leaves

    def page(
        self,
        world: worlds.World,
        application: str,
        version: str,
        collection: str,
        rows: Sequence[int],
        *,
        picked: frozenset[str] | None,
    ) -> None:
        """Rows of one page; `picked` are the members that were asked for, None for all.

        Raises errors.TemporaryError when it cannot be recorded: then it must not leave.
        """
        if not rows:
            return
        source = world.of(application)
        way = (source.commit, _number(source), application, "rest", version, collection)
        gone = world.dated(application).gone(collection)
        if not gone and isinstance(rows, range) and self._known((*way, picked, False), rows):
            return
        asked = BitMap(rows)
        if gone and (left := asked & gone):
            self._leave(world, (*way, picked, True), left)
            asked -= gone
        if asked:
            self._leave(world, (*way, picked, False), asked)

    def _known(self, way: _Way, rows: range) -> bool:
        """Whether neighbours, as nearly every page has them, all left by this way before."""
        outflow = self._ways.get(way)
        if outflow is None or not outflow.rows.contains_range(rows.start, rows.stop):
            return False
        outflow.last = self._clock()
        self._dirty = True
        return True

    async def bundle(
        self,
        world: worlds.World,
        application: str,
        *,
        target: str,
        version: str,
        rows: Mapping[str, AbstractBitMap],
        gone: Mapping[str, AbstractBitMap],
    ) -> None:
        """Rows of the files of one delivery, and those in it that only tell of a departure. It is
        on the disk when this returns. Raises errors.TemporaryError when it cannot be recorded.
        """
        source = world.of(application)
        for sets, departed in ((rows, False), (gone, True)):
            for collection, found in sets.items():
                if found:
                    form = f"csv {target}"
                    way = (source.commit, _number(source), application, form, version, collection)
                    self._leave(world, (*way, None, departed), BitMap(found))
        try:
            await asyncio.to_thread(self._journal.syncing())
        except OSError as error:
            raise errors.TemporaryError(
                f"cannot record what leaves: {error.strerror or error}"
            ) from error

    def _leave(self, world: worlds.World, way: _Way, rows: BitMap) -> None:
        outflow = self._ways.get(way)
        if outflow is None:
            outflow = self._ways[way] = self._begun(world, way)
        moment = self._clock()
        if not rows.issubset(outflow.rows):
            self._journal.append(outflow, rows - outflow.rows, moment)
            outflow.rows |= rows
            outflow.first = outflow.first or moment
            outflow.told = moment
        outflow.last = moment
        self._dirty = True

    def _begun(self, world: worlds.World, way: _Way) -> journal.Outflow:
        commit, generation, application, form, version, collection, picked, departed = way
        grant = world.grant(application)
        if grant is None:
            raise LookupError(f"nothing may leave to {application}: nothing grants it")
        if departed:
            fields = sightings.departed(collection, version, picked)
        else:
            fields = sightings.served(grant, collection, version, picked)
        key = journal.Key(
            commit=commit or "",
            generation=generation,
            line=self._line(),
            application=application,
            form=form,
            version=version,
            collection=collection,
            fields=json.dumps(fields.document(), sort_keys=True),
        )
        return self._outflows.setdefault(key, journal.Outflow(key, 0.0, 0.0))

    # -- what becomes of it

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Bring it to the disk every second, and into the store once its time is over."""
        touched = looked = time.monotonic()
        await self._put_together(())
        while True:
            beat()
            await asyncio.sleep(SYNC)
            try:
                if self._dirty:
                    self._dirty = False
                    await asyncio.to_thread(self._journal.syncing())
                now = time.monotonic()
                if now - touched >= _TOUCH:
                    touched = now
                    self._touch()
                if now - looked >= _LOOK:
                    looked = now
                    await self.keep()
            except (errors.TemporaryError, OSError) as error:
                _log.warning("what left waits to be kept: %s", error)

    async def keep(self, quiet: float = QUIET) -> int:
        """Put into the store what left out of former rosters and commits, once nothing has come
        out of them for `quiet` seconds; gives how many outflows.
        """
        async with self._turning:
            world, oldest = self._served.current, self._clock() - quiet
            now = (world.commit or "", _number(world))
            groups: dict[tuple[str, int], list[journal.Outflow]] = {}
            for outflow in self._outflows.values():
                period = outflow.key.commit, outflow.key.generation
                groups.setdefault(period, []).append(outflow)
            over = [
                (outflow, outflow.last, len(outflow.rows))
                for period, found in groups.items()
                if period != now and all(outflow.last <= oldest for outflow in found)
                for outflow in found
            ]
            if over:
                receipts = [receipt(outflow) for outflow, _, _ in over]
                await self._state.run(lambda store: store.keep_receipts(receipts))
                same = [
                    outflow.key
                    for outflow, last, count in over
                    if (outflow.last, len(outflow.rows)) == (last, count)
                ]
                self._forget(same)
                await self._put_together(same)
            elif self._journal.size > _MOST:
                await self._put_together(())
            return len(over)

    def _forget(self, keys: Collection[journal.Key]) -> None:
        gone = {id(self._outflows.pop(key)) for key in keys}
        self._ways = {way: each for way, each in self._ways.items() if id(each) not in gone}

    def _touch(self) -> None:
        for outflow in self._outflows.values():
            if outflow.last > outflow.told:
                self._journal.touch(outflow)

    async def _put_together(self, gone: Collection[journal.Key]) -> None:
        before = self._journal.turn(self._outflows)
        await asyncio.to_thread(journal.put_together, before, gone)


def receipt(outflow: journal.Outflow) -> shown.Receipt:
    """An outflow as the store keeps it."""
    key = outflow.key
    return shown.Receipt(
        period=shown.Period(key.commit, key.generation, key.line),
        channel=shown.Channel(key.application, key.form, key.version, key.fields),
        collection=key.collection,
        first=datetime.fromtimestamp(outflow.first, UTC),
        last=datetime.fromtimestamp(outflow.last, UTC),
        rows=FrozenBitMap(outflow.rows),
    )


def _number(world: worlds.World) -> int:
    return world.generation.number if world.generation is not None else 0

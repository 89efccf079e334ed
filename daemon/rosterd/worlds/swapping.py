"""Proposals, one at a time.

Each is decided against the other half as it is now, is recorded, and only then does one reference
move. With each swap goes one step of what every application holds (`holdings`), under one moment
that comes never twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from rosterd import configs, documents, errors, holdings
from rosterd.worlds import deciding
from rosterd.worlds.paging import Pages
from rosterd.worlds.world import Block, Hold, World

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")

Record = Callable[[World, World], Awaitable[None]]
"""Makes a proposal lasting: called with (current, proposed) before the swap; raising refuses it."""


class Worlds:
    """Holds the current World and swaps it."""

    def __init__(
        self, world: World, clock: Callable[[], datetime], lead: timedelta = timedelta(0)
    ) -> None:
        """`lead` is how far the moment of a swap lies ahead of the clock when its recording begins.

        A consumer may ask for all that changed since just before it last asked. So no date may lie
        before the swap that made it true, and recording takes its time.
        """
        self._current = world
        self._clock = clock
        self._lead = lead
        self._turn = asyncio.Lock()
        self._swapped = asyncio.Condition()
        self._last = max(holdings.newest(world.held), *world.published.values(), _EPOCH, _EPOCH)

    @property
    def current(self) -> World:
        """What is served now. Take it once and keep it to the end of what you do."""
        return self._current

    async def propose_config(self, config: configs.Config, commit: str, record: Record) -> World:
        """Serve `config` from now on, once `record` has planned, judged and stored it."""
        async with self._turn:
            old = self._current
            today = self._today(config)
            new = self._proposed(old, config=config, commit=commit, today=today)
            names = {} if old.config is None else configs.renames(old.config, config)
            new = new.derived(blocks=old.renamed(names).blocks)
            return await self._proceed(old, new, record, names)

    async def propose_generation(self, generation: Pages, record: Record) -> World:
        """Serve `generation` from now on; its publication time is the moment of the proposal."""
        async with self._turn:
            old, now = self._current, self._clock()
            today = self._today(old.config)
            new = self._proposed(old, generation=generation, today=today)
            seen = deciding.before(old, new)
            new = await asyncio.to_thread(_decided, old, new, seen, now)
            ended = holdings.ended(old, new)  # asks the old roster, which is at home here
            found = await asyncio.to_thread(lambda: _all_of(holdings.steps(old, new, ended)))
            return await self._swap(old, new, found, record)

    async def turn_day(self, record: Record | None = None) -> bool:
        """Begin a new World when the date in the repository's timezone has changed, or when an
        application was held for too long.
        """
        async with self._turn:
            old = self._current
            today = self._today(old.config)
            if today == old.today and not deciding.overdue(old, self._clock()):
                return False
            try:
                await self._proceed(old, self._proposed(old, today=today), record)
            except errors.RosterdError:
                await self._end(old, today)
                raise
            return True

    async def block(self, application: str, block: Block | None, record: Record) -> World:
        """Stop an application, or with None let it go on as its documents say."""
        async with self._turn:
            old = self._current
            blocks = {name: each for name, each in old.blocks.items() if name != application}
            if block is not None:
                blocks[application] = block
            new = old.derived(blocks=blocks)
            found = await self._found(holdings.steps(old, new, holdings.ended(old, new)))
            return await self._swap(old, new, found, record)

    async def wait(self, seen: World) -> World:
        """Wait until something other than `seen` is served, and return that."""
        async with self._swapped:
            await self._swapped.wait_for(lambda: self._current is not seen)
        return self._current

    async def _end(self, old: World, today: date) -> None:
        """Refuse those whose last day is over, although nothing can be kept: a full disk gives
        nobody another day. After a restart it is found out anew.
        """
        ended = {}
        for name in old.config.applications if old.config is not None else ():
            config = old.of(name).config
            refusal = config.grant(name).refusal(today) if config is not None else None
            if refusal is not None:
                ended[name] = refusal
        if ended != old.ended:
            await self._serve(old.derived(ended=ended))

    def _proposed(self, old: World, **changes: Any) -> World:
        """A World that differs, with the holds and blocks that there are."""
        return old.derived(**changes, held={}, ended={}, _views={})

    async def _proceed(
        self, old: World, new: World, record: Record | None, names: Mapping[str, str] = {}
    ) -> World:
        """Decide, find the steps and swap, on the event loop, as the rosters are in use there:
        requests go on in between. `names` are those of applications that are called otherwise now.
        """
        was = old.renamed(names)
        formers = {name: former for former, name in names.items()}
        seen = deciding.before(was, new)
        holds = await self._found(deciding.decide(was, new, seen, self._clock(), formers))
        new = new.derived(holds=holds)
        found = await self._found(holdings.steps(was, new, holdings.ended(was, new)))
        return await self._swap(old, new, found, record)

    async def _found(self, steps: Generator[None, None, _T]) -> _T:
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: _T = done.value
                return found
            await asyncio.sleep(0)

    async def _swap(
        self, old: World, new: World, found: holdings.Next, record: Record | None
    ) -> World:
        moment = self._moment()
        published = dict(new.published)
        if new.generation is not None and new.generation is not old.generation:
            published[new.generation.number] = moment
        held = holdings.settled(found, moment, lambda source: _retention(new.config, source))
        new = new.derived(published=published, held=held, holds=_holding(new.holds, held))
        if record is not None:
            await record(old, new)
        if self._lead and self._clock() > moment:
            _log.warning("recording a change took longer than %s: dates lie before it", self._lead)
        self._last = moment
        await self._serve(new)
        return new

    async def _serve(self, new: World) -> None:
        self._current = new
        async with self._swapped:
            self._swapped.notify_all()

    def _moment(self) -> datetime:
        """The next one: in whole milliseconds, as it is served, and later than every one before."""
        ahead = self._clock().astimezone(UTC) + self._lead
        rounded = ahead + timedelta(microseconds=-ahead.microsecond % 1000)
        return max(rounded, self._last + timedelta(milliseconds=1))

    def _today(self, config: configs.Config | None) -> date:
        zone = ZoneInfo(config.repository.timezone) if config is not None else UTC
        return self._clock().astimezone(zone).date()


def _decided(old: World, new: World, seen: deciding.Before, now: datetime) -> World:
    """With every view made, and its holds. On a thread of its own."""
    new.warm()
    return new.derived(holds=_all_of(deciding.decide(old, new, seen, now)))


def _all_of(steps: Generator[None, None, _T]) -> _T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: _T = done.value
            return found


def _holding(holds: Mapping[str, Hold], held: Mapping[str, holdings.Holding]) -> dict[str, Hold]:
    """The same holds, each with what its application holds now."""
    found = {}
    for name, hold in holds.items():
        mine = {name: held[name]} if name in held else {}
        same = hold.kept.held.get(name) is mine.get(name)
        found[name] = hold if same else replace(hold, kept=hold.kept.derived(held=mine))
    return found


def _retention(config: configs.Config | None, source: str) -> timedelta:
    """For how long departures of a source are told; of one that is declared no more, as long as
    when nobody says anything else.
    """
    declared = config.sources.get(source) if config is not None else None
    return declared.retention if declared is not None else documents.RETENTION

"""What is served now, and the one place where it is replaced.

A World is the frozen pair of an accepted config and a generation of the roster. A request, an
export or a plan takes the current one once and keeps it to its end, so nobody ever sees half a
change. Proposals come one at a time: each is planned against the other half as it is now, is
recorded, and only then does one reference move. With each swap goes one step of what every
application holds (`holdings`), under one moment that comes never twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import access, configs, documents, holdings, pictures, rosters
from rosterd.oneroster import rendering

_log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Pages(Protocol):
    """A generation, as far as serving needs it."""

    @property
    def number(self) -> int:
        """Counts up with each generation built."""
        ...

    @property
    def roster(self) -> rosters.Roster:
        """The records' relations and leaves."""
        ...

    def fragments(
        self, collection: str, rows: Sequence[int], version: str
    ) -> Sequence[rendering.Part]:
        """Stored JSON of the rows, each without its opening brace and dateLastModified."""
        ...

    def changed(self, collection: str, row: int) -> int:
        """Number of the generation in which the row's record last changed."""
        ...

    def changes(self, collection: str, rows: Sequence[int]) -> Sequence[int]:
        """The same of many rows at once."""
        ...

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        """Number of a generation -> active rows that last changed in it."""
        ...

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        """Name of a source -> those of the rows that it brought."""
        ...


@dataclass(frozen=True, eq=False)
class World:
    """(config, generation) at one moment; either may be missing before there is a first one.

    `published` maps the number of each generation to the moment it began to be served, which is
    what dateLastModified says, unless the record came to an application later: `held` has what each of them
    holds. `today` is the date in the repository's timezone: grants and dates are judged by it, and
    a new day is a new World.
    """

    config: configs.Config | None = None
    commit: str | None = None
    generation: Pages | None = None
    published: Mapping[int, datetime] = field(default_factory=dict)
    today: date = date.min
    held: Mapping[str, holdings.Holding] = field(default_factory=dict)
    _dated: dict[str, holdings.Dated] = field(default_factory=dict)
    _views: dict[str, access.View] = field(default_factory=dict)
    _pictures: dict[tuple[str, str], pictures.Picture] = field(default_factory=dict)
    _openings: dict[int, bytes] = field(default_factory=dict)
    _rendered: pictures.Rendered = field(default_factory=pictures.Rendered)

    @property
    def ready(self) -> bool:
        """Whether there is both an accepted config and a roster."""
        return self.config is not None and self.generation is not None

    def grant(self, application: str) -> configs.Grant | None:
        """What the accepted config grants, or None for an application it does not know."""
        if self.config is None or application not in self.config.applications:
            return None
        return self.config.grant(application)

    def view(self, application: str) -> access.View:
        """What the application may see; computed when first asked for, then kept."""
        view = self._views.get(application)
        if view is None:
            if self.config is None or self.generation is None:
                raise LookupError("cannot make a view before there are a config and a roster")
            grant = self.config.grant(application)
            view = access.view(self.generation.roster, grant, self.today)
            self._views[application] = view
        return view

    def warm(self) -> None:
        """Make every view now, so that nobody's first request waits for it.

        On another thread only while nobody else has this roster: what a roster remembers is not
        shared between threads.
        """
        if self.config is not None and self.generation is not None:
            for application in self.config.applications:
                self.view(application)

    def picture(self, application: str, version: str) -> pictures.Picture:
        """The view as records of one OneRoster version."""
        picture = self._pictures.get((application, version))
        if picture is None:
            picture = pictures.Picture(self.view(application), version, self.dated(application))
            self._pictures[application, version] = picture
        return picture

    def page(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """The rows' records as JSON objects with commas between them, in parts that only have to
        be joined; hrefs still begin with rendering's markers.
        """
        gone = self.dated(application).gone(collection)
        if gone and gone.intersect(BitMap(rows)):
            parts = self._with_gone(application, version, collection, rows)
        else:
            parts = self._records(application, version, collection, rows)
        if parts:
            parts[0] = parts[0][1:]  # no comma before the first
        return parts

    def _records(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """For each row a comma with its date, and its fragment."""
        if self.generation is None:
            raise LookupError("cannot make a page before there is a roster")
        generation = self.generation
        picture = self.picture(application, version)
        plain = picture.plain(collection)
        fragments: Sequence[rendering.Part]
        if len(plain) == len(picture.view.rows[collection]):
            fragments = generation.fragments(collection, rows, version)
        else:
            fragments = self._mixed(generation, picture, application, collection, rows)
        parts: list[rendering.Part] = [b""] * (2 * len(rows))
        parts[0::2] = self._begun(generation, application, collection, rows)
        parts[1::2] = fragments
        return parts

    def _mixed(
        self,
        generation: Pages,
        picture: pictures.Picture,
        application: str,
        collection: str,
        rows: Sequence[int],
    ) -> Sequence[rendering.Part]:
        """Stored fragments as they are where they may go out so, others with members cut out of
        them, and the rest rendered again.
        """
        stored = generation.fragments(collection, rows, picture.version)
        others = BitMap(rows) - picture.plain(collection)
        if not others:
            return stored
        trims, page = picture.trims(collection), list(stored)
        for place, row in enumerate(rows):
            if row not in others:
                continue
            for trim, trimmed in trims:
                if row in trimmed:
                    page[place] = trim(page[place])
                    break
            else:
                page[place] = self._again(picture, application, collection, row)
        return page

    def _again(
        self, picture: pictures.Picture, application: str, collection: str, row: int
    ) -> bytes:
        """A fragment that is nowhere stored, unless somebody has asked for it before."""
        key = (application, picture.version, collection, row)
        fragment = self._rendered.get(key)
        if fragment is None:
            record = picture.record(collection, row)
            fragment = rendering.fragment(collection, record, picture.version)
            self._rendered.put(key, fragment)
        return fragment

    def dated(self, application: str) -> holdings.Dated:
        """Since when the application has what it has, and what it had before."""
        dated = self._dated.get(application)
        if dated is None:
            if self.generation is None:
                raise LookupError("cannot date records before there is a roster")
            rows, holding = self.view(application).rows, self.held.get(application)
            dated = holdings.Dated(holding, rows, self.published, self.generation.by_change)
            self._dated[application] = dated
        return dated

    def _begun(
        self, generation: Pages, application: str, collection: str, rows: Sequence[int]
    ) -> list[bytes]:
        """How each record begins: with the date of its last change, or with the one on which it
        came to the application when that was later.
        """
        dated = self.dated(application)
        if (opening := dated.at_once(collection)) is not None:
            return [opening] * len(rows)
        numbers = generation.changes(collection, rows)
        openings = self._openings
        for number in {*numbers}.difference(openings):
            openings[number] = self._opening(number)
        begun = [openings[number] for number in numbers]
        if entered := dated.entered(collection):
            asked = BitMap(rows)
            for opening, found in entered:
                hit = found & asked
                for place, row in enumerate(rows) if hit else ():
                    if row in hit:
                        begun[place] = opening
        return begun

    def _with_gone(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """A page that has tombstones among its records."""
        picture, gone = self.picture(application, version), self.dated(application).gone(collection)
        records = iter(
            self._records(application, version, collection, [r for r in rows if r not in gone])
        )
        parts: list[rendering.Part] = []
        for row in rows:
            if row in gone:
                record = picture.departed.record(collection, row)
                parts.append(b"," + rendering.dated(record["dateLastModified"]))
                parts.append(rendering.fragment(collection, record, version))
            else:
                parts += (next(records), next(records))
        return parts

    def _opening(self, number: int) -> bytes:
        """What stands before the fragment of a record that last changed in that generation."""
        moment = holdings.timestamp(self.published.get(number, _EPOCH))
        return b"," + rendering.dated(moment)

    def revision(self, application: str) -> str:
        """Names what the application is served; equal revisions mean equal answers."""
        holding = self.held.get(application)
        return str(holding.revision) if holding is not None else "0"


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
            new = World(config, commit, old.generation, old.published, today)
            return await self._swap(old, new, await self._steps(old, new), record)

    async def propose_generation(self, generation: Pages, record: Record) -> World:
        """Serve `generation` from now on; its publication time is the moment of the proposal."""
        async with self._turn:
            old = self._current
            new = World(old.config, old.commit, generation, old.published, self._today(old.config))
            ended = holdings.ended(old, new)
            found = await asyncio.to_thread(_made, old, new, ended)
            return await self._swap(old, new, found, record)

    async def turn_day(self, record: Record | None = None) -> bool:
        """Begin a new World when the date in the repository's timezone has changed."""
        async with self._turn:
            old = self._current
            today = self._today(old.config)
            if today == old.today:
                return False
            new = World(old.config, old.commit, old.generation, old.published, today)
            await self._swap(old, new, await self._steps(old, new), record)
            return True

    async def wait(self, seen: World) -> World:
        """Wait until something other than `seen` is served, and return that."""
        async with self._swapped:
            await self._swapped.wait_for(lambda: self._current is not seen)
        return self._current

    async def _steps(self, old: World, new: World) -> holdings.Next:
        """On the event loop, as the roster is in use there: requests go on in between."""
        steps = holdings.steps(old, new, holdings.ended(old, new))
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: holdings.Next = done.value
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
        new = replace(new, published=published, held=held)
        if record is not None:
            await record(old, new)
        if self._lead and self._clock() > moment:
            _log.warning("recording a change took longer than %s: dates lie before it", self._lead)
        self._last = moment
        self._current = new
        async with self._swapped:
            self._swapped.notify_all()
        return new

    def _moment(self) -> datetime:
        """The next one: in whole milliseconds, as it is served, and later than every one before."""
        ahead = self._clock().astimezone(UTC) + self._lead
        rounded = ahead + timedelta(microseconds=-ahead.microsecond % 1000)
        return max(rounded, self._last + timedelta(milliseconds=1))

    def _today(self, config: configs.Config | None) -> date:
        zone = ZoneInfo(config.repository.timezone) if config is not None else UTC
        return self._clock().astimezone(zone).date()


def _made(old: World, new: World, ended: Mapping[str, holdings.Holding]) -> holdings.Next:
    """All at once, on a thread of its own."""
    new.warm()
    steps = holdings.steps(old, new, ended)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: holdings.Next = done.value
            return found


def _retention(config: configs.Config | None, source: str) -> timedelta:
    """For how long departures of a source are told; of one that is declared no more, as long as
    when nobody says anything else.
    """
    declared = config.sources.get(source) if config is not None else None
    return declared.retention if declared is not None else documents.RETENTION

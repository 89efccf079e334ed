"""What is served now, and the one place where it is replaced.

A World is the frozen pair of an accepted config and a generation of the roster. A request, an
export or a plan takes the current one once and keeps it to its end, so nobody ever sees half a
change. Proposals come one at a time: each is planned against the other half as it is now, is
recorded, and only then does one reference move.
"""

import asyncio
import collections
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Protocol
from zoneinfo import ZoneInfo

from rosterd import access, configs, pictures, rosters
from rosterd.oneroster import rendering

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RENDERED_BYTES = 48 * 2**20
"""Most bytes of records rendered again for views with field rules or pruned references."""


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


class Rendered:
    """Records rendered again, bounded in bytes; the oldest go first."""

    def __init__(self, limit: int = RENDERED_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: collections.OrderedDict[tuple[str, str, str, int], bytes] = (
            collections.OrderedDict()
        )

    def get(self, key: tuple[str, str, str, int]) -> bytes | None:
        """The fragment kept under (application, version, collection, row), if it still is."""
        return self._kept.get(key)

    def put(self, key: tuple[str, str, str, int], fragment: bytes) -> None:
        """Keep a fragment, letting go of the oldest ones beyond the limit."""
        self._kept[key] = fragment
        self._bytes += len(fragment)
        while self._bytes > self._limit:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone)


@dataclass(frozen=True, eq=False)
class World:
    """(config, generation) at one moment; either may be missing before there is a first one.

    `published` maps the number of each generation to the moment it began to be served, which is
    what dateLastModified says. `today` is the date in the repository's timezone: grants and dates
    are judged by it, and a new day is a new World.
    """

    config: configs.Config | None = None
    commit: str | None = None
    generation: Pages | None = None
    published: Mapping[int, datetime] = field(default_factory=dict)
    today: date = date.min
    _views: dict[str, access.View] = field(default_factory=dict)
    _pictures: dict[tuple[str, str], pictures.Picture] = field(default_factory=dict)
    _openings: dict[int, bytes] = field(default_factory=dict)
    _rendered: Rendered = field(default_factory=Rendered)

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
            picture = pictures.Picture(self.view(application), version, self._dated)
            self._pictures[application, version] = picture
        return picture

    def page(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """The rows' records as JSON objects with commas between them, in parts that only have to
        be joined; hrefs still begin with rendering's markers.
        """
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
        numbers = generation.changes(collection, rows)
        openings = self._openings
        for number in {*numbers}.difference(openings):
            openings[number] = self._opening(number)
        parts: list[rendering.Part] = [b""] * (2 * len(rows))
        parts[0::2] = map(openings.__getitem__, numbers)
        parts[1::2] = fragments
        if parts:
            parts[0] = parts[0][1:]  # no comma before the first
        return parts

    def _mixed(
        self,
        generation: Pages,
        picture: pictures.Picture,
        application: str,
        collection: str,
        rows: Sequence[int],
    ) -> list[rendering.Part]:
        """Stored fragments where they may go out as they are, the others rendered again."""
        version = picture.version
        plain = picture.plain(collection)
        stored = [row for row in rows if row in plain]
        fragments = dict(
            zip(stored, generation.fragments(collection, stored, version), strict=True)
        )
        page: list[rendering.Part] = []
        for row in rows:
            fragment = fragments.get(row)
            if fragment is None:
                key = (application, version, collection, row)
                fragment = self._rendered.get(key)
                if fragment is None:
                    record = picture.record(collection, row)
                    fragment = rendering.fragment(collection, record, version)
                    self._rendered.put(key, fragment)
            page.append(fragment)
        return page

    def modified(self, collection: str, row: int) -> datetime:
        """When the record last changed for those who are served."""
        if self.generation is None:
            return _EPOCH
        return self.published.get(self.generation.changed(collection, row), _EPOCH)

    def _dated(self, collection: str, row: int) -> str:
        return timestamp(self.modified(collection, row))

    def _opening(self, number: int) -> bytes:
        """What stands before the fragment of a record that last changed in that generation."""
        moment = timestamp(self.published.get(number, _EPOCH))
        return b"," + rendering.dated(moment)

    def revision(self, application: str) -> str:
        """Names what the application is served; equal revisions mean equal answers."""
        number = self.generation.number if self.generation else 0
        text = f"{self.commit}:{number}:{self.today}:{application}"
        return sha256(text.encode()).hexdigest()[:16]


def timestamp(moment: datetime) -> str:
    """`moment` as the standard writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


Record = Callable[[World, World], Awaitable[None]]
"""Makes a proposal lasting: called with (current, proposed) before the swap; raising refuses it."""


class Worlds:
    """Holds the current World and swaps it."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        self._current = world
        self._clock = clock
        self._turn = asyncio.Lock()
        self._swapped = asyncio.Condition()

    @property
    def current(self) -> World:
        """What is served now. Take it once and keep it to the end of what you do."""
        return self._current

    async def propose_config(self, config: configs.Config, commit: str, record: Record) -> World:
        """Serve `config` from now on, once `record` has planned, judged and stored it."""
        async with self._turn:
            old = self._current
            new = World(
                config=config,
                commit=commit,
                generation=old.generation,
                published=old.published,
                today=self._today(config),
            )
            return await self._swap(old, new, record)

    async def propose_generation(self, generation: Pages, record: Record) -> World:
        """Serve `generation` from now on; its publication time is the moment of the proposal."""
        async with self._turn:
            old = self._current
            new = World(
                config=old.config,
                commit=old.commit,
                generation=generation,
                published={**old.published, generation.number: self._clock()},
                today=self._today(old.config),
            )
            await asyncio.to_thread(new.warm)
            return await self._swap(old, new, record)

    async def turn_day(self) -> bool:
        """Begin a new World when the date in the repository's timezone has changed."""
        async with self._turn:
            old = self._current
            today = self._today(old.config)
            if today == old.today:
                return False
            new = World(old.config, old.commit, old.generation, old.published, today)
            await self._swap(old, new, None)
            return True

    async def wait(self, seen: World) -> World:
        """Wait until something other than `seen` is served, and return that."""
        async with self._swapped:
            await self._swapped.wait_for(lambda: self._current is not seen)
        return self._current

    async def _swap(self, old: World, new: World, record: Record | None) -> World:
        if record is not None:
            await record(old, new)
        self._current = new
        async with self._swapped:
            self._swapped.notify_all()
        return new

    def _today(self, config: configs.Config | None) -> date:
        zone = ZoneInfo(config.repository.timezone) if config is not None else UTC
        return self._clock().astimezone(zone).date()

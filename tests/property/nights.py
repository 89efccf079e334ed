"""A district that changes every night, an application whose permission changes in between, and
consumers that keep up with it each in its own way.

Everything that answers is real: worlds, views, pictures, listings, pages. Only the generations are
in memory, with rows that live as long as those on disk.
"""

import asyncio
import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
from hypothesis import strategies as st
from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import configs, documents, holdings, listings, rosters, worlds
from rosterd.oneroster import filters, model, rendering
from tests.property import rosters_strategies as made

Record = dict[str, Any]
APPLICATION = "app"
MOMENT = timedelta(milliseconds=1)
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
REPOSITORY = documents.Repository.model_validate_json(b'{"title": "D", "timezone": "UTC"}')
SOURCE = documents.RosterSource.model_validate_json(
    b'{"name": "sis", "type": "directory", "directory": "/srv/sis"}'
)


class Pages:
    """A generation in memory."""

    def __init__(
        self,
        number: int,
        records: Mapping[str, Sequence[Record]],
        gone: Mapping[str, set[str]],
        changed: Mapping[str, Sequence[int]],
    ) -> None:
        self.number = number
        self.roster = rosters.from_records(copy.deepcopy(dict(records)), gone)
        self._changed = {name: list(numbers) for name, numbers in changed.items()}

    def fragments(self, collection: str, rows: Sequence[int], version: str) -> list[bytes]:
        bare = (rosters.bare(collection, self.roster.record(collection, row)) for row in rows)
        return [rendering.fragment(collection, record, version) for record in bare]

    def stretches(self, collection: str, rows: range, version: str) -> list[bytes]:
        return [rendering.NEXT_BYTE.join(self.fragments(collection, rows, version))]

    def changed(self, collection: str, row: int) -> int:
        return self._changed[collection][row]

    def changes(self, collection: str, rows: Sequence[int]) -> Sequence[int]:
        return [self._changed[collection][row] for row in rows]

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        found: dict[int, BitMap] = {}
        for row in self.roster.active[collection]:
            found.setdefault(self._changed[collection][row], BitMap()).add(row)
        return {number: FrozenBitMap(rows) for number, rows in found.items()}

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        halves = {"sis": BitMap([r for r in rows if r % 2]), "hr": BitMap(rows)}
        halves["hr"] -= halves["sis"]
        return {name: found for name, found in halves.items() if found}


class District:
    """Records that come, change, go and come back."""

    def __init__(
        self, records: made.Records, gone: Mapping[str, Sequence[str]], dice: Random
    ) -> None:
        self._maker = made.Maker(dice)
        self._maker.records = records
        self._maker.serial = 500
        self._dice = dice
        self.records = records
        self.gone = {name: set(gone.get(name, ())) for name in model.COLLECTIONS}
        self.changed = {name: [1] * len(records[name]) for name in model.COLLECTIONS}
        self.number = 1

    def pages(self) -> Pages:
        return Pages(self.number, self.records, self.gone, self.changed)

    def night(self) -> Pages:
        self.number += 1
        for _ in range(self._dice.randint(0, 5)):
            collection = self._dice.choice(tuple(model.COLLECTIONS))
            act = self._dice.choice((self._come, self._change, self._go, self._go, self._back))
            act(collection)
        return self.pages()

    def _fresh(self, collection: str) -> Record | None:
        makers = {
            "orgs": self._maker.org,
            "academicSessions": self._maker.session,
            "resources": self._maker.resource,
            "courses": self._maker.course,
            "classes": self._maker.a_class,
            "users": self._maker.user,
            "enrollments": self._maker.enrollment,
        }
        return makers[collection]() if collection in makers else None

    def _come(self, collection: str) -> None:
        fresh = self._fresh(collection)
        if fresh is not None:
            self._maker.add(collection, fresh)
            self.changed[collection].append(self.number)

    def _change(self, collection: str) -> None:
        fresh = self._fresh(collection)
        rows = range(len(self.records[collection]))
        if fresh is None or not rows:
            return
        row = self._dice.choice(rows)
        record = self.records[collection][row]
        some = {name: value for name, value in fresh.items() if self._dice.random() < 0.5}
        if some and {**record, **some} != record:
            self.records[collection][row] = {**record, **some}
            self.changed[collection][row] = self.number

    def _go(self, collection: str) -> None:
        self._turn(collection, away=True)

    def _back(self, collection: str) -> None:
        if self._dice.random() < 0.3:
            self._change(collection)
        self._turn(collection, away=False)

    def _turn(self, collection: str, *, away: bool) -> None:
        ids = [each["sourcedId"] for each in self.records[collection]]
        some = [each for each in ids if (each in self.gone[collection]) != away]
        if not some or (away and len(some) < 2):
            return
        turned = self._dice.choice(some)
        self.gone[collection] ^= {turned}
        self.changed[collection][ids.index(turned)] = self.number


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


def config_of(grant: configs.Grant) -> configs.Config:
    return configs.Config(
        applications={APPLICATION: grant.application},
        permissions={},
        targets={},
        listings={},
        sources={"sis": SOURCE},
        repository=REPOSITORY,
        grants={APPLICATION: grant},
    )


class Place:
    """The worlds of one application, and what a store would have kept."""

    def __init__(self, config: configs.Config, pages: Pages, clock: Clock) -> None:
        self.clock = clock
        self.stored: dict[tuple[str, str], bytes] = {}
        published = {pages.number: clock()}
        self.worlds = worlds.Worlds(worlds.World(config, "c", pages, published), clock)

    async def record(self, old: worlds.World, new: worlds.World) -> None:
        for key, content in holdings.writes(old.held, new.held).items():
            if content is None:
                del self.stored[key]
            else:
                self.stored[key] = content

    async def turn_day(self) -> None:
        await self.worlds.turn_day(self.record)

    async def restart(self) -> None:
        """What a new process makes of config, generation and store."""
        last = self.worlds.current
        held = holdings.restored(self.stored)
        holds = {
            name: dataclasses.replace(hold, kept=hold.kept.derived(held={name: held[name]}))
            for name, hold in last.holds.items()
        }
        world = last.derived(held=held, holds=holds, _views={})
        self.worlds = worlds.Worlds(world, self.clock)
        await self.turn_day()


def served(world: worlds.World, version: str, name: str, where: str | None = None) -> list[Record]:
    """A whole walk, page by page, as records."""
    collection = model.LISTINGS[name].collection
    tree = None if where is None else filters.parse(where, collection, version)
    listing = listings.make(world.picture(APPLICATION, version), name, where=tree)
    found: list[Record] = []
    for offset in range(0, listing.total, 7):
        rows = listing.page(offset, 7)
        body = _body(world.page(APPLICATION, version, collection, rows))
        # neighbours are taken in pieces, a list of rows one by one
        assert body == _body(world.page(APPLICATION, version, collection, list(rows)))
        found += orjson.loads(body.replace(rendering.RESOURCES_BYTE, b"r"))
    assert len(found) == listing.total
    return found


def _body(page: rendering.Records) -> bytes:
    body = b"[" + page.between.join(page.parts) + b"]"
    return body.replace(rendering.NEXT_BYTE, page.following)


def refused(world: worlds.World) -> bool:
    return world.view(APPLICATION).refusal is not None


NAMES = tuple(model.LISTINGS)
Held = dict[str, dict[str, Record]]


def everything(world: worlds.World, version: str) -> Held:
    """What a consumer holds that reads all of it."""
    return {
        name: {
            each["sourcedId"]: _undated(each)
            for each in served(world, version, name)
            if each["status"] == "active"
        }
        for name in NAMES
    }


@dataclass
class Consumer:
    """Asks for what changed since T, and for nothing else.

    With `own_clock` T is the moment before its last pull, else the greatest date that it saw.
    """

    version: str
    own_clock: bool
    held: Held = field(default_factory=lambda: {name: {} for name in NAMES})
    since: str = "1970-01-01T00:00:00.000Z"

    def pull(self, world: worlds.World, now: datetime) -> None:
        where = f"dateLastModified>'{self.since}'"
        dates = [self.since]
        for name in NAMES:
            for record in served(world, self.version, name, where):
                dates.append(record["dateLastModified"])
                if record["status"] == "tobedeleted":
                    self.held[name].pop(record["sourcedId"], None)
                else:
                    self.held[name][record["sourcedId"]] = _undated(record)
        self.since = holdings.timestamp(now - MOMENT) if self.own_clock else max(dates)
        for kept in self._gone_with_their_users():
            del self.held["demographics"][kept]

    def _gone_with_their_users(self) -> list[str]:
        return [each for each in self.held["demographics"] if each not in self.held["users"]]


def _undated(record: Record) -> Record:
    """The dates of old entries are put together some day: they may move while nothing else does."""
    return {name: value for name, value in record.items() if name != "dateLastModified"}


def differing(consumer: Consumer, all_of_it: Held) -> Iterator[str]:
    """Where it does not hold the same. Demographics leave no tombstones: it may keep some longer."""
    for name in NAMES:
        one, other = consumer.held[name], all_of_it[name]
        for each in one.keys() | other.keys():
            left_over = name == "demographics" and each not in other
            if (
                one.get(each) != other.get(each)
                and not left_over
                and not _narrowed(name, one, other, each)
            ):
                yield f"{name} {each}: {one.get(each)} is not {other.get(each)}"


def _narrowed(name: str, one: Mapping[str, Record], other: Mapping[str, Record], each: str) -> bool:
    """A record that is still shared but fits a narrower listing no more: it is no departure."""
    return model.LISTINGS[name].field is not None and each in one and each not in other


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


def next_night(now: datetime) -> datetime:
    return now.replace(hour=2) + timedelta(days=1)


def later(clock: Clock, dice: Random) -> None:
    clock.now += timedelta(milliseconds=dice.choice((0, 1, 1000, 3_600_000)))


async def something(
    place: Place, district: District, rules: Sequence[configs.Grant | None], dice: Random
) -> None:
    """One swap: mostly a night's import, sometimes a commit, a new day, a restart."""
    act = dice.choice(("import", "import", "import", "commit", "day", "restart"))
    if act == "import":
        await place.worlds.propose_generation(district.night(), place.record)
    elif act == "commit":
        grant = dice.choice(rules)
        config = place.worlds.current.config
        assert config is not None
        if grant is None:
            now = config.grant(APPLICATION)
            off = now.application.model_copy(update={"enabled": False})
            grant = copy.copy(now)
            object.__setattr__(grant, "application", off)
        await place.worlds.propose_config(config_of(grant), "c", place.record)
    elif act == "day":
        await place.turn_day()
    else:
        await place.restart()


@st.composite
def lives(draw: st.DrawFn) -> tuple[District, list[configs.Grant | None], Random]:
    district = draw(made.any_district())
    rules: list[configs.Grant | None] = [
        made.grant_of(draw(made.any_rules(district)), draw(made.EXCLUDES))
        for _ in range(draw(st.integers(1, 4)))
    ]
    if draw(st.booleans()):
        rules.append(None)
    dice = draw(made.DICE)
    return District(district.records, district.inactive, dice), rules, dice

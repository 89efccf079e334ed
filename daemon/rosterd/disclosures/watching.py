"""What each swap of the world changes of who could see what.

It is found before the swap is recorded, and goes into the same transaction: no world is served of
which the store does not say what it let be seen. Compared is with what was recorded last, never
with the former world: a swap that failed half-way is told again, and telling twice changes nothing.
"""

import asyncio
import contextlib
import json
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import access, configs, holdings, sightings, storage, worlds
from rosterd.disclosures import pseudonyms
from rosterd.oneroster import model
from rosterd.storage import shown

_PEOPLE: Final = ("users", "demographics")
"""Collections whose records are a person's own, and carry that person's sourcedId."""
_NONE: Final = FrozenBitMap()
Views = Mapping[str, Mapping[str, FrozenBitMap]]


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What goes into the store with a swap, and what is on record after it."""

    seen: tuple[shown.Seen, ...]
    views: Views
    standings: Mapping[str, shown.Standing]
    period: shown.Period
    known: Mapping[str, FrozenBitMap]


class Watch:
    """Knows what was recorded last. One swap at a time: drafted, stored, adopted."""

    def __init__(self, named: pseudonyms.Pseudonyms, clock: Callable[[], datetime]) -> None:
        self._named = named
        self._clock = clock
        self._views: Views = {}
        self._standings: Mapping[str, shown.Standing] = {}
        self._period: shown.Period | None = None
        self._known: Mapping[str, FrozenBitMap] = {}
        self._used = False  # whether there was a roster in this line

    @property
    def line(self) -> int:
        """Of the roster that is served."""
        return self._period.line if self._period is not None else 1

    async def load(self, store: storage.Storage, held: Mapping[str, holdings.Holding]) -> None:
        """Know what the last run recorded; `held` is what applications hold by the store."""

        def read(kept: storage.Store) -> None:
            told = kept.sights()
            if not told:
                return
            periods = kept.periods()
            self._period = last = periods[told[-1].period]
            self._used = any(each.generation for each in periods.values() if each.line == last.line)
            self._standings = {each.application: each for _, each in kept.standings()}
            self._known = kept.known_people(self._period.line)

        await store.run(read)
        # What is held was written with the sight, and is what was seen, where anything was.
        self._views = {
            name: holding.rows
            for name, holding in held.items()
            if name in self._standings and not self._standings[name].refusal
        }

    async def draft(self, old: worlds.World, new: worlds.World) -> Draft:
        """What this swap changes; nothing is on record before `adopt`."""
        cases = [
            _Case(name, new.grant(name), new.view(name) if new.generation is not None else None)
            for name in (new.config.applications if new.config is not None else ())
        ]
        return await asyncio.to_thread(self._drafted, old, new, cases)

    def adopt(self, draft: Draft) -> None:
        """The draft is in the store."""
        self._views, self._standings = draft.views, draft.standings
        self._period, self._known = draft.period, draft.known
        self._used = self._used or bool(draft.period.generation)

    def _drafted(self, old: worlds.World, new: worlds.World, cases: Sequence["_Case"]) -> Draft:
        standings = {case.application: _standing(new, case) for case in cases}
        views: Views = {
            case.application: case.view.rows
            for case in cases
            if case.view is not None and case.view.refusal is None
        }
        before, time = self._period, self._clock()
        number = new.generation.number if new.generation is not None else 0
        line = before.line if before is not None else 1
        built_anew = bool(number) and old.generation is None and self._used
        seen: list[shown.Seen] = []
        former, known = self._views, self._known
        if built_anew:  # the rows of before mean nothing any more
            if changes := _changes(former, {}):
                gone = shown.Period(new.commit or "", 0, line)
                seen.append(shown.Seen(time, _cause(before, gone), gone, changes))
            line, former, known = line + 1, {}, {}
        period = shown.Period(new.commit or "", number, line)
        changes = _changes(former, views)
        standings = {**_removed(self._standings, standings), **standings}
        moved = [each for name, each in standings.items() if each != self._standings.get(name)]
        if changes or moved or period != before:
            people = _persons(self._named, new, changes, known)
            grown = {name: known.get(name, _NONE) | rows for name, rows in people.rows.items()}
            known = {**known, **grown}
            seen.append(
                shown.Seen(
                    time,
                    _cause(before, period),
                    period,
                    changes,
                    moved,
                    people.digests,
                    grown,
                    _belongings(new, changes, views),
                )
            )
        return Draft(tuple(seen), views, standings, period, known)


def _cause(before: shown.Period | None, after: shown.Period) -> shown.Cause:
    if before is None:
        return "start"
    if before.commit != after.commit:
        return "commit"
    return "import" if before != after else "day"


def _changes(old: Views, new: Views) -> dict[str, shown.Change]:
    found = {}
    for collection, groups in sightings.differences(old, new, model.COLLECTIONS):
        partition = sightings.Partition.of(dict(enumerate(groups.values())))
        found[collection] = shown.Change(tuple(groups), partition)
    return found


@dataclass(frozen=True, slots=True)
class _Case:
    """What one application is granted and sees in a new world."""

    application: str
    grant: configs.Grant | None
    view: access.View | None


def _standing(world: worlds.World, case: _Case) -> shown.Standing:
    name, grant, view = case.application, case.grant, case.view
    if grant is None or view is None:
        return shown.Standing(name, "there is no roster yet", "{}", "{}")
    if view.refusal is not None:
        return shown.Standing(name, view.refusal, "{}", "{}")
    rules = {
        version: {
            each: sightings.served(grant, each, version).document() for each in model.COLLECTIONS
        }
        for version in model.VERSIONS
    }
    levels = {each: list(level) for each, level in access.levels(view).items()}
    source = world.of(name)
    if source is world:
        return shown.Standing(name, "", _text(rules), _text(levels))
    number = source.generation.number if source.generation is not None else 0
    return shown.Standing(name, "", _text(rules), _text(levels), source.commit or "", number)


def _removed(
    old: Mapping[str, shown.Standing], new: Mapping[str, shown.Standing]
) -> dict[str, shown.Standing]:
    gone = "it is not declared any more"
    return {name: shown.Standing(name, gone, "{}", "{}") for name in old if name not in new}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@contextlib.asynccontextmanager
async def noticed(
    watch: Watch | None, old: worlds.World, new: worlds.World
) -> AsyncIterator[tuple[shown.Seen, ...]]:
    """What has to be stored with a swap, in the block that stores it. Nothing without a watch."""
    if watch is None:
        yield ()
        return
    draft = await watch.draft(old, new)
    yield draft.seen
    watch.adopt(draft)


# ---------------------------------------------------------------- persons


@dataclass(frozen=True, slots=True)
class _People:
    digests: Sequence[tuple[bytes, str, int]]
    rows: Mapping[str, FrozenBitMap]


def _persons(
    named: pseudonyms.Pseudonyms,
    world: worlds.World,
    changes: Mapping[str, shown.Change],
    known: Mapping[str, FrozenBitMap],
) -> _People:
    """Persons whom somebody sees and nobody saw before: of others nothing is kept."""
    digests: list[tuple[bytes, str, int]] = []
    rows: dict[str, FrozenBitMap] = {}
    for name in _PEOPLE:
        if name not in changes or world.generation is None:
            continue
        new = _with_audience(changes[name]) - known.get(name, _NONE)
        roster = world.generation.roster
        digests += [(named.digest(roster.sourced_id(name, row)), name, row) for row in new]
        if new:
            rows[name] = FrozenBitMap(new)
    return _People(digests, rows)


def _belongings(
    world: worlds.World, changes: Mapping[str, shown.Change], views: Views
) -> sightings.Partition | None:
    """Whose the enrollments are that came into a view, or are in one and changed."""
    generation = world.generation
    if generation is None:
        return None
    seen = BitMap.union(BitMap(), *(BitMap(rows["enrollments"]) for rows in views.values()))
    fresh = _with_audience(changes["enrollments"]) if "enrollments" in changes else BitMap()
    fresh |= generation.by_change("enrollments").get(generation.number, _NONE) & seen
    users = generation.roster.relation("enrollments", "user")
    rows, ends = array("I"), array("I")  # a million at a first import
    for row in fresh:
        end = users.of(row)
        if len(end):
            rows.append(row)
            ends.append(end[0])
    return sightings.Partition.of_values(FrozenBitMap(rows), ends) if rows else None


def _with_audience(change: shown.Change) -> AbstractBitMap:
    """Rows that somebody sees from now on."""
    marks = {mark for mark, audience in enumerate(change.audiences) if audience}
    return change.rows.having(marks)

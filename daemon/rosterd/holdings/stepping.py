"""From what an application held to what it holds now.

A step is found first, without a moment, and given one afterwards: finding it can take seconds, and
a date must not lie before the swap that makes it true. It is a generator that yields now and then,
so that whoever runs the event loop can let requests pass in between.

Whatever cannot be told exactly is dated anew: a consumer that reads a record once more loses
nothing, one that is not told of a change keeps a wrong record.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import orjson
from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import access, pictures, rosters
from rosterd.holdings import held, tombstones
from rosterd.pictures import pruning, rules

KEEP_LATE: Final = timedelta(days=90)
"""For how long the moments at which records entered are told apart."""
REMEMBERED: Final = 200_000
"""Most tombstones that are remembered while one swap is prepared; some 150 bytes each."""
MERGE: Final = 32
"""Older ones that are put together at once: each time they are, dates move, and so does the
revision."""

Rows = Mapping[str, AbstractBitMap]
Steps = Generator[None, None, "Change"]
Retention = Callable[[str], timedelta]


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What was served until now, for making tombstones of it."""

    view: access.View
    sources: Callable[[str, AbstractBitMap], Mapping[str, AbstractBitMap]]
    """Rows of a collection -> the sources that brought them."""
    memory: dict[tuple[str, str, int], bytes]
    """Tombstones that were made in this swap, by collection, field rules and row: the same for all
    applications with these rules, as long as no reference is cut.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """Rows that leave, with their minimal records compressed."""

    source: str
    rows: FrozenBitMap
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A step without its moment."""

    old: held.Holding | None
    rows: Mapping[str, FrozenBitMap]
    rules: Mapping[str, str]
    dated: Mapping[str, FrozenBitMap]
    """Rows that need a date of their own, since their record says an older one."""
    left: Mapping[str, tuple[Left, ...]]
    moved: bool
    """Whether anything is served differently."""


def frozen(old: held.Holding, before: access.View) -> held.Holding:
    """The holding of a grant that has ended: what is refused is neither lost nor gained.

    When it lives again, what it does not get any more departs then. Which of it a narrower listing
    held is noted now, as nobody can say it later.
    """
    if old.kinds is not None:
        return old
    picture = pictures.Picture(before, "1.2")
    return replace(old, kinds={name: picture.rows(name) for name in tombstones.KINDS})


def first(view: access.View, changed: Rows) -> Steps:
    """The first step of an application. `changed` are rows whose record says the same moment."""
    yield
    dated = {name: FrozenBitMap(view.rows[name] - _of(changed, name)) for name in view.rows}
    return Change(None, view.rows, _signatures(view), dated, {}, moved=True)


def revived(old: held.Holding, view: access.View, before: Before) -> Steps:
    """The step of an application whose grant lives again.

    All that it still gets is dated anew, for nobody knows how it looked when it was last sent.
    `before` has the rows' ids.
    """
    left = {}
    for name in held.COLLECTIONS:
        roster = before.view.roster

        def made(row: int, name: str = name, roster: rosters.Roster = roster) -> bytes:
            sourced_id = roster.sourced_id(name, row)
            return orjson.dumps(tombstones.blank(name, sourced_id, row, old.kinds or {}))

        left[name] = yield from _leaving(name, old.rows[name] - view.rows[name], before, made)
    return Change(old, view.rows, _signatures(view), view.rows, left, moved=True)


def step(
    old: held.Holding, before: Before, view: access.View, changed: Rows, meanwhile: Rows
) -> Steps:
    """The step from one living grant to another, or to the same over another roster or day.

    `changed` are rows whose record changed with this very step, `meanwhile` those whose record
    changed before it and is only told now.
    """
    was, now = pictures.Picture(before.view, "1.2"), pictures.Picture(view, "1.2")
    signatures = _signatures(view)
    rows, gained, lost = {}, {}, {}
    for name in held.COLLECTIONS:
        gained[name] = view.rows[name] - old.rows[name]
        lost[name] = old.rows[name] - view.rows[name]
        same = not gained[name] and not lost[name]
        rows[name] = old.rows[name] if same else view.rows[name]
    moved = any(map(len, gained.values())) or any(map(len, lost.values()))
    both_changed = {name: _of(changed, name) | _of(meanwhile, name) for name in held.COLLECTIONS}
    touched = yield from _touched(was, now, _Sets(gained, lost, both_changed))
    dated, left = {}, {}
    for name in held.COLLECTIONS:
        both = old.rows[name] & view.rows[name]
        again = both if old.rules.get(name) != signatures[name] else touched[name] & both
        again = again | (_of(meanwhile, name) & both)
        own = _of(changed, name)
        moved = moved or bool(again) or bool(own & rows[name])
        dated[name] = FrozenBitMap((gained[name] | again) - own)

        made = _maker(was, name, old.rules.get(name, ""), before)
        left[name] = yield from _leaving(name, lost[name], before, made)
    return Change(old, rows, signatures, dated, left, moved)


def taken(change: Change, moment: datetime, retention: Retention) -> held.Holding:
    """The holding after a step that is made true at `moment`.

    `retention` says for how long departures of a source are told.
    """
    old = change.old
    late: dict[str, tuple[held.Late, ...]] = {}
    departed: dict[str, tuple[held.Departure, ...]] = {}
    moved = change.moved
    for name, rows in change.rows.items():
        batches = old.late.get(name, ()) if old is not None else ()
        if fresh := change.dated[name]:
            batches = (held.Late(moment, fresh), *batches)
        late[name] = _merged(batches, moment, rows)
        moved = moved or late[name] != batches
        before = old.departed.get(name, ()) if old is not None else ()
        kept = _kept(before, rows, moment, retention)
        moved = moved or kept != before
        new = tuple(
            held.Departure(moment, each.source, each.rows, each.rows, each.chunks)
            for each in change.left.get(name, ())
        )
        departed[name] = new + kept
    if old is not None and not moved and old.kinds is None:
        return old
    return held.Holding(
        revision=held.milliseconds(moment),
        rules=change.rules,
        rows=change.rows,
        late=late,
        departed=departed,
        begun=moment if old is None else old.begun,
    )


# ---------------------------------------------------------------- what looks otherwise


@dataclass(frozen=True, slots=True)
class _Sets:
    gained: Rows
    lost: Rows
    changed: Rows


def _touched(
    was: pictures.Picture, now: pictures.Picture, sets: _Sets
) -> Generator[None, None, Rows]:
    """Rows that may look otherwise although their record is the same."""
    touched = {name: BitMap() for name in held.COLLECTIONS}
    for (name, field), target in rosters.RELATIONS.items():
        if (name, field) in _NEEDED:
            continue
        gained, lost = sets.gained[target], sets.lost[target]
        if gained:  # a reference to it is there now
            touched[name] |= now.view.roster.inverse(name, field).gather(gained)
        if lost:
            touched[name] |= was.view.roster.inverse(name, field).gather(lost)
        yield
    for name in ("orgs", "academicSessions"):
        touched[name] |= _parents(was, now, name, sets)
    for name, differs in _SUBSTITUTES.items():
        made = pruning.substituted(was.view, name) | pruning.substituted(now.view, name)
        made &= was.view.rows[name] & now.view.rows[name]
        made -= touched[name] | _of(sets.changed, name)
        for number, row in enumerate(made):
            if number % held.CHUNK == 0:
                yield
            if differs(was, now, row):
                touched[name].add(row)
    return touched


_NEEDED: Final = frozenset(
    {
        ("classes", "course"),
        ("classes", "school"),
        ("enrollments", "user"),
        ("enrollments", "class"),
        ("demographics", "user"),
    }
)
"""References without which a record is not in a view: it comes and goes with what it names."""


def _parents(was: pictures.Picture, now: pictures.Picture, name: str, sets: _Sets) -> BitMap:
    """Those whose `children` may be others: a child came, went, or has another parent."""
    above = was.view.roster.relation(name, "parent"), now.view.roster.relation(name, "parent")
    found: BitMap = above[0].gather(sets.lost[name]) | above[1].gather(sets.gained[name])
    both = was.view.rows[name] & now.view.rows[name]
    for row in _of(sets.changed, name) & both:
        before, after = set(above[0].of(row)), set(above[1].of(row))
        found |= BitMap(before ^ after)
    return found


def _other_school(was: pictures.Picture, now: pictures.Picture, row: int) -> bool:
    """The school of an enrollment whose own one is not shared: found without its record, as there
    may be hundreds of thousands of them.
    """
    return pruning.stand_in_school(was.view, row) != pruning.stand_in_school(now.view, row)


def _other(name: str) -> Callable[[pictures.Picture, pictures.Picture, int], bool]:
    def differs(was: pictures.Picture, now: pictures.Picture, row: int) -> bool:
        return was.canonical(name, row) != now.canonical(name, row)

    return differs


_SUBSTITUTES: Final = {
    "courses": _other("courses"),
    "users": _other("users"),
    "enrollments": _other_school,
}
"""Collections in which something required can be made from other records; how to compare it."""


def _signatures(view: access.View) -> dict[str, str]:
    return {name: rules.signature(view.grant, name) for name in held.COLLECTIONS}


# ---------------------------------------------------------------- what leaves


def _maker(
    was: pictures.Picture, name: str, signature: str, before: Before
) -> Callable[[int], bytes]:
    """Makes the tombstone of a row as a line of JSON."""
    whole, memory = was.whole(name), before.memory

    def made(row: int) -> bytes:
        key = (name, signature, row)
        line = memory.get(key)
        if line is None or row not in whole:
            line = orjson.dumps(tombstones.minimal(name, was.canonical(name, row)))
            if row in whole and len(memory) < REMEMBERED:
                memory[key] = line
        return line

    return made


def _leaving(
    name: str, rows: AbstractBitMap, before: Before, made: Callable[[int], bytes]
) -> Generator[None, None, tuple[Left, ...]]:
    """Tombstones, by source. Demographics leave none: nothing of them has to stay."""
    if not rows or name == "demographics":
        return ()
    found = []
    for source, theirs in before.sources(name, rows).items():
        chunks, lines = [], []
        for row in theirs:
            lines.append(made(row))
            if len(lines) == held.CHUNK:
                chunks.append(held.compressed(lines))
                lines = []
                yield
        if lines:
            chunks.append(held.compressed(lines))
        found.append(Left(source, FrozenBitMap(theirs), tuple(chunks)))
    return tuple(found)


def _kept(
    batches: tuple[held.Departure, ...], rows: AbstractBitMap, now: datetime, retention: Retention
) -> tuple[held.Departure, ...]:
    """Departures that are still told: not those that came back, nor those of long ago."""
    kept = []
    for each in batches:
        if each.moment + retention(each.source) <= now:
            continue
        away = each.rows - rows
        if len(away) == len(each.rows):
            kept.append(each)
        elif away:
            kept.append(replace(each, rows=FrozenBitMap(away)))
    return batches if kept == list(batches) else tuple(kept)


def _merged(
    batches: tuple[held.Late, ...], now: datetime, rows: AbstractBitMap
) -> tuple[held.Late, ...]:
    """The same, old ones put together under the newest of their moments once they are many: dates
    may move later, never back.
    """
    young = [each for each in batches if each.moment > now - KEEP_LATE]
    old = batches[len(young) :]
    if len(old) < MERGE:
        return batches
    union = BitMap.union(*(BitMap(each.rows) for each in old)) & rows
    return (*young, held.Late(old[0].moment, FrozenBitMap(union)))


def _of(rows: Rows, name: str) -> AbstractBitMap:
    return rows.get(name, held.NONE)

"""The work of looking at records: whole columns are read for it, so it is done on a thread.

Each function gets rosters apart, with memories of their own, and asks nothing else: what a roster
remembers is not shared between threads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pyroaring import AbstractBitMap, BitMap

from rosterd import access, finding, pictures, rosters
from rosterd.oneroster import filters, model
from rosterd.operating import picking
from rosterd.web import desk

HITS: Final = 50
"""How many records of each collection are named."""
FIRST: Final = 20
"""How many rows of a selection are shown."""
STATUSES: Final = ("active", "departed", "all")

Source = rosters.Roster | pictures.Picture
"""Records as they are, or as one application gets them."""


def select(
    roster: rosters.Roster, collection: str, picked: picking.Read, today: date
) -> desk.Picked:
    """What a selection picks."""
    rows = picking.rows(roster, picked, today)
    return {
        "collection": collection,
        "count": len(rows),
        "of": len(roster.active[collection]),
        "rows": [_row(roster, collection, row) for row in rows[:FIRST]],
    }


def find(
    source: Source, words: Sequence[str], views: Mapping[str, access.View]
) -> tuple[dict[str, int], list[desk.Hit]]:
    """How many users and classes hold every word; the first of them, with whose `views` have them."""
    totals, hits = {}, []
    for collection in ("users", "classes"):
        rows = _all_words(words, collection, source)
        totals[collection] = len(rows)
        for row in rows[:HITS]:
            shown = finding.summary(collection, source.record(collection, row))
            hits.append(_hit(collection, shown, views))
    return totals, hits


@dataclass(frozen=True, slots=True)
class Browsed:
    """Which page of a collection; `words` none for all of it, `path` None for the order of rows."""

    collection: str
    words: Sequence[str]
    status: str
    path: model.FieldPath | None
    descending: bool
    offset: int
    limit: int


def browse(roster: rosters.Roster, asked: Browsed) -> desk.Page:
    """A page of the roster."""
    collection, words, offset = asked.collection, asked.words, asked.offset
    active: Sequence[int] = ()
    if asked.status != "departed":
        found = _all_words(words, collection, roster) if words else roster.active[collection]
        active = found  # type: ignore[assignment]  # bitmaps can be sliced
        if asked.path is not None:
            order = roster.order(collection, asked.path, descending=asked.descending)
            active = [row for row in order if row in found] if words else order
    gone: Sequence[int] = ()
    if asked.status != "active":
        gone = _departed(roster, collection, words)
    rows = list(active[offset : offset + asked.limit])
    if len(rows) < asked.limit:
        start = max(0, offset - len(active))
        rows += gone[start : start + asked.limit - len(rows)]
    return {
        "collection": collection,
        "total": len(active) + len(gone),
        "offset": offset,
        "rows": [_row(roster, collection, row) for row in rows],
    }


@dataclass(frozen=True, slots=True)
class Case:
    """One application to explain something of."""

    application: str
    view: access.View
    held: bool
    """Whether it is served from a former world."""


def why(case: Case, collection: str, sourced_id: str) -> desk.Why | None:
    """None when the roster that it is served from has no such record."""
    view = case.view
    row = view.roster.row(collection, sourced_id)
    if row is None:
        return None
    return {
        "application": case.application,
        "collection": collection,
        "id": sourced_id,
        "name": finding.summary(collection, view.roster.record(collection, row)).name,
        "sees": row in view.rows[collection],
        "held": case.held,
        "reason": _reason(access.explain(view, collection, row)),
    }


def roles(view: access.View) -> dict[str, int]:
    """How many users of a view hold each role at any org."""
    roster, users = view.roster, view.rows["users"]
    orgs = roster.active["orgs"]
    counts = {
        role: roster.role_holders([role], orgs, None).intersection_cardinality(users)
        for role in sorted(roster.roles())
    }
    return {role: count for role, count in counts.items() if count}


# ---------------------------------------------------------------- rows


def _all_words(words: Sequence[str], collection: str, source: Source) -> AbstractBitMap:
    """Rows in which every word is, in any of a few members."""
    ask: Callable[[filters.Leaf], AbstractBitMap] = (
        (lambda leaf: source.leaf(collection, leaf))
        if isinstance(source, pictures.Picture)
        else (lambda leaf: source.leaf(collection, leaf, missing=False))
    )
    every = (
        BitMap.union(*map(BitMap, map(ask, finding.leaves(collection, word)))) for word in words
    )
    return BitMap.intersection(*every)


def _departed(roster: rosters.Roster, collection: str, words: Sequence[str]) -> Sequence[int]:
    """Departed rows in which every word is; leaves know active ones alone, so they are read."""
    gone = roster.gone(collection)
    if not words:
        return gone  # type: ignore[return-value]  # bitmaps can be sliced
    return [row for row in gone if _meant(words, collection, roster.record(collection, row))]


def _meant(words: Sequence[str], collection: str, record: Mapping[str, Any]) -> bool:
    return all(finding.meant(collection, word, record) for word in words)


def _row(roster: rosters.Roster, collection: str, row: int) -> desk.Row:
    shown = finding.summary(collection, roster.record(collection, row))
    status = "active" if row in roster.active[collection] else "departed"
    return {
        "id": shown.id,
        "name": shown.name,
        "status": status,
        "details": dict(shown.details),
    }


def _hit(collection: str, shown: finding.Summary, views: Mapping[str, access.View]) -> desk.Hit:
    """With those who see it; a held application may have another roster, so ids decide."""
    seeing = []
    for name, view in views.items():
        row = view.roster.row(collection, shown.id)
        if row is not None and row in view.rows[collection]:
            seeing.append(name)
    return {
        "collection": collection,
        "id": shown.id,
        "name": shown.name,
        "details": dict(shown.details),
        "applications": seeing,
    }


def _reason(reason: access.Reason) -> desk.Reason:
    return {
        "holds": reason.holds,
        "says": reason.says,
        "either": reason.either,
        "parts": [_reason(part) for part in reason.parts],
    }

"""Which rows a selection of a document picks.

The leaves are answered by the roster; everything else is sets. A record that lacks a field matches
no comparison of it wherever matching gives access.
"""

from array import array
from collections.abc import Iterable
from datetime import date
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import selections
from rosterd.oneroster import filters, model
from rosterd.rosters import reading, relations

_NONE: Final = FrozenBitMap()


def select(
    roster: reading.Roster, selection: selections.Selection | None, today: date
) -> AbstractBitMap:
    """The active rows that a selection picks. None, and a selection without parts, pick none."""
    if selection is None:
        return _NONE
    active = roster.active[selection.collection]
    if selection.everything:
        return active
    parts: list[AbstractBitMap] = []
    if selection.ids is not None:
        parts.append(roster.rows(selection.collection, selection.ids))
    if selection.under is not None:
        parts.append(below(roster, "orgs", roster.rows("orgs", selection.under)))
    if selection.where is not None:
        parts.append(matching(roster, selection.collection, selection.where, missing=False))
    if selection.current:
        parts.append(_current_classes(roster, today))
    return all_of([active, *parts]) if parts else _NONE


def matching(
    roster: reading.Roster, collection: str, tree: filters.Tree, *, missing: bool
) -> AbstractBitMap:
    """The active rows that a tree accepts, on the records as they are stored.

    `missing` is what `!=` says of a missing field: False wherever matching gives access.
    """
    if isinstance(tree, filters.Leaf):
        return roster.leaf(collection, tree, missing=missing)
    parts = [matching(roster, collection, part, missing=missing) for part in tree.parts]
    return all_of(parts) if isinstance(tree, filters.And) else BitMap.union(*map(BitMap, parts))


def _current_classes(roster: reading.Roster, today: date) -> AbstractBitMap:
    # the first day counts and the last one does not, as the standard has it
    begun = leaf(roster, "academicSessions", "startDate", "<=", today.isoformat())
    running = begun & leaf(roster, "academicSessions", "endDate", ">", today.isoformat())
    return roster.inverse("classes", "terms").gather(running)


def leaf(
    roster: reading.Roster, collection: str, field: str, operator: str, value: str
) -> FrozenBitMap:
    path = model.path(collection, field, selections.VERSION)
    if path is None:
        raise LookupError(f"{collection} have no field {field}")
    return roster.leaf(collection, filters.Leaf(path, operator, value), missing=False)


def above(roster: reading.Roster, collection: str, rows: AbstractBitMap) -> BitMap:
    """These rows and all they are parts of; a circle of parents ends too."""
    return _closed(rows, roster.relation(collection, "parent"))


def below(roster: reading.Roster, collection: str, rows: AbstractBitMap) -> BitMap:
    return _closed(rows, roster.inverse(collection, "parent"))


def _closed(rows: AbstractBitMap, relation: relations.Relation) -> BitMap:
    found, new = BitMap(rows), BitMap(rows)
    while new:
        new = relation.gather(new) - found
        found |= new
    return found


def leading(
    relation: relations.Relation, candidates: AbstractBitMap, rows: AbstractBitMap
) -> BitMap:
    """The candidates that the relation leads from to any of these rows."""
    return BitMap(
        [each for each in candidates if not rows.isdisjoint(BitMap(array("I", relation.of(each))))]
    )


def all_of(parts: Iterable[AbstractBitMap]) -> AbstractBitMap:
    first, *rest = sorted(parts, key=len)
    for part in rest:
        first = first & part  # in place it would change a part
    return first

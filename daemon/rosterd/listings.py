"""What a collection request lists: which rows, in which order, and any page of it.

A listing is made once and then only sliced, so a page at the end costs what the first one costs.
Everything is decided on the picture: a filter can tell nothing that the answer would not show.
What an application held and holds no longer is listed too, as tombstones: behind the records while
nothing is sorted, and among them otherwise.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd import pictures
from rosterd.oneroster import filters, model

_NONE = FrozenBitMap()


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Rows of one collection, in the order in which they are served; `gone` come after `rows`."""

    collection: str
    rows: "FrozenBitMap | array[int]"
    gone: FrozenBitMap = _NONE

    @property
    def total(self) -> int:
        """How many records there are in all pages together."""
        return len(self.rows) + len(self.gone)

    def page(self, offset: int, limit: int) -> Sequence[int]:
        """The rows from `offset` on, at most `limit`; none beyond the end.

        Most pages are of neighbours. These are given as a range, and whoever looks something up for
        each row can take it in one piece.
        """
        rows, end = self.rows, offset + limit
        if offset < end <= len(rows) and isinstance(rows, FrozenBitMap):
            first, last = rows[offset], rows[end - 1]
            if last - first == limit - 1:
                return range(first, last + 1)
        found = list(rows[offset:end])
        if self.gone and len(found) < limit:
            start = max(0, offset - len(rows))
            found += self.gone[start : start + limit - len(found)]
        return found


def make(
    picture: pictures.Picture,
    name: str,
    *,
    within: AbstractBitMap | None = None,
    where: filters.Tree | None = None,
    sort: model.FieldPath | None = None,
    descending: bool = False,
) -> Listing:
    """The listing of one of `model.LISTINGS`.

    `within` narrows it to the rows that a relation leads to, and leaves out what is gone: relations
    are of the present. `where` narrows it to those that a filter accepts. Unsorted, it is in the
    order of the rows, which stays the same for a record's life; sorted, by first value and then
    sourcedId, records without a value last in both directions.
    """
    collection = model.LISTINGS[name].collection
    rows: AbstractBitMap = picture.rows(name)
    gone: AbstractBitMap = picture.departed.rows(name) if within is None else _NONE
    if within is not None:
        rows = rows & within
    if where is not None:
        rows = rows & picture.tree(collection, where)
        gone = picture.departed.tree(collection, where, gone)
    if sort is None:
        return Listing(collection, FrozenBitMap(rows), FrozenBitMap(gone))
    order = picture.order(collection, sort, descending=descending)
    if len(rows) != len(order):
        order = array("I", [row for row in order if row in rows])
    if gone:
        order = _merged(picture, sort, order, gone, descending=descending)
    return Listing(collection, order)


def _merged(
    picture: pictures.Picture,
    sort: model.FieldPath,
    order: "array[int]",
    gone: AbstractBitMap,
    *,
    descending: bool,
) -> "array[int]":
    """The order with tombstones where they belong: each finds its place by halving."""
    collection = sort.collection
    before = _Before(descending=descending)
    records = ((row, picture.departed.record(collection, row)) for row in gone)
    keys = {row: (model.values(record, sort)[:1], record["sourcedId"]) for row, record in records}
    present = sorted((row for row in gone if keys[row][0]), key=lambda row: keys[row][1])
    present.sort(key=lambda row: keys[row][0], reverse=descending)
    absent = sorted((row for row in gone if not keys[row][0]), key=lambda row: keys[row][1])

    def key(row: int) -> _Key:
        known = keys.get(row)
        if known is None:
            sourced_id = picture.view.roster.sourced_id(collection, row)
            known = keys[row] = (picture.values(collection, row, sort)[:1], sourced_id)
        return known

    merged, start = array("I"), 0
    for row in (*present, *absent):
        low, high, wanted = start, len(order), keys[row]
        while low < high:
            middle = (low + high) // 2
            if before(key(order[middle]), wanted):
                low = middle + 1
            else:
                high = middle
        merged.extend(order[start:low])
        merged.append(row)
        start = low
    merged.extend(order[start:])
    return merged


_Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class _Before:
    """Whether one (value, sourcedId) is listed before another."""

    descending: bool

    def __call__(self, one: _Key, other: _Key) -> bool:
        (value, sourced_id), (another, other_id) = one, other
        if value == another:
            return sourced_id < other_id
        if not value or not another:
            return bool(value)  # without a value: last, in both directions
        return value > another if self.descending else value < another

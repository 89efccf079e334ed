"""What a collection request lists: which rows, in which order, and any page of it.

A listing is made once and then only sliced, so a page at the end costs what the first one costs.
Everything is decided on the picture: a filter can tell nothing that the answer would not show.
"""

from array import array
from dataclasses import dataclass

from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd import pictures
from rosterd.oneroster import filters, model


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Rows of one collection, in the order in which they are served."""

    collection: str
    rows: "FrozenBitMap | array[int]"

    @property
    def total(self) -> int:
        """How many records there are in all pages together."""
        return len(self.rows)

    def page(self, offset: int, limit: int) -> list[int]:
        """The rows from `offset` on, at most `limit`; none beyond the end."""
        return list(self.rows[offset : offset + limit])


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

    `within` narrows it to the rows that a relation leads to, `where` to those that a filter
    accepts. Unsorted, it is in the order of the rows, which stays the same for a record's life;
    sorted, by first value and then sourcedId, records without a value last in both directions.
    """
    collection = model.LISTINGS[name].collection
    rows: AbstractBitMap = picture.rows(name)
    if within is not None:
        rows = rows & within
    if where is not None:
        rows = rows & picture.tree(collection, where)
    if sort is None:
        return Listing(collection, FrozenBitMap(rows))
    order = picture.order(collection, sort, descending=descending)
    if len(rows) == len(order):
        return Listing(collection, order)
    return Listing(collection, array("I", [row for row in order if row in rows]))

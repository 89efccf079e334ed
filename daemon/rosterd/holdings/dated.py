"""A holding over the roster that is served: when each record came to be as this application has it.

Made once for each world and application, and asked by pictures, pages and filters. A date is a
bitmap under a moment, so that `dateLastModified>T` looks at a few bitmaps and at no record.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd.holdings import held
from rosterd.oneroster import rendering

Changes = Callable[[str], Mapping[int, AbstractBitMap]]
"""Collection -> generation -> active rows whose record last changed in it."""
Openings = list[tuple[bytes, FrozenBitMap]]
"""A comma and what stands before the fragment of a record -> rows."""


class Dated:
    """Implements pictures.Held. Without a holding every record is as old as its last change."""

    def __init__(
        self,
        holding: held.Holding | None,
        rows: Mapping[str, FrozenBitMap],
        published: Mapping[int, datetime],
        changes: Changes,
    ) -> None:
        """`rows` are those of the view, `published` the moments of generations."""
        self.holding = holding
        self._rows = rows
        self._published = published
        self._changes = changes
        self._dates: dict[str, held.Dates] = {}
        self._entered: dict[str, Openings] = {}
        self._usual: dict[str, tuple[bytes, FrozenBitMap]] = {}

    def dates(self, collection: str) -> Sequence[tuple[str, AbstractBitMap]]:
        """Each dateLastModified as it is served -> rows of the view."""
        self._look(collection)
        return [(held.timestamp(moment), rows) for moment, rows in self._dates[collection]]

    def entered(self, collection: str) -> Openings:
        """Rows whose date is not just that of their record's last change."""
        if self.holding is None or not self.holding.late.get(collection):
            return []
        self._look(collection)
        return self._entered[collection]

    def usual(self, collection: str) -> tuple[bytes, FrozenBitMap]:
        """How most records begin, and the rows of those that begin otherwise: most pages need no
        look at each of their rows.
        """
        found = self._usual.get(collection)
        if found is None:
            self._look(collection)
            rows = self._rows[collection]
            moment, most = max(
                self._dates[collection],
                key=lambda each: len(each[1]),
                default=(held.EPOCH, held.NONE),
            )
            found = self._usual[collection] = (_opening(moment), FrozenBitMap(rows - most))
        return found

    def departures(self, collection: str) -> Sequence[held.Departure]:
        """What left and is still told, the newest first."""
        return self.holding.departed.get(collection, ()) if self.holding is not None else ()

    def gone(self, collection: str) -> FrozenBitMap:
        """All rows of these departures."""
        if self.holding is None:
            return held.NONE
        return self.holding.gone.get(collection, held.NONE)

    def _look(self, collection: str) -> None:
        if collection in self._dates:
            return
        changes = [
            (self._published.get(number, held.EPOCH), rows)
            for number, rows in self._changes(collection).items()
        ]
        dates, entered = held.dates(self.holding, collection, self._rows[collection], changes)
        self._entered[collection] = [(_opening(moment), rows) for moment, rows in entered]
        self._dates[collection] = dates


def _opening(moment: datetime) -> bytes:
    return b"," + rendering.dated(held.timestamp(moment))

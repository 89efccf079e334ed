"""Tombstones as one application gets them, and the questions about them.

A tombstone is a record like any other to a filter or a sort: it has a status, a date, and the
members that its version requires. There can be many after a school was taken away, so what can be
told of a whole batch (its date, its status) is never asked of each.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final, Protocol

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd.oneroster import filters, model, vocabularies

Record = dict[str, Any]
GONE: Final = "tobedeleted"
_NONE: Final = FrozenBitMap()


class Departure(Protocol):
    """Rows that left a view at one moment."""

    @property
    def dated(self) -> str:
        """DateLastModified of all of them."""
        ...

    @property
    def rows(self) -> FrozenBitMap:
        """Those that are still away."""
        ...

    @property
    def memory(self) -> dict[Hashable, FrozenBitMap]:
        """For what was found out about its records."""
        ...

    def record(self, row: int) -> Record:
        """What was last sent of a row, as a canonical record with the fewest members."""
        ...

    def records(self) -> Iterator[tuple[int, Record]]:
        """All of them, of rows that came back too."""
        ...


class Held(Protocol):
    """What an application holds of one roster."""

    def dates(self, collection: str) -> Sequence[tuple[str, AbstractBitMap]]:
        """DateLastModified as it is served -> rows of the view; each row stands under one."""
        ...

    def departures(self, collection: str) -> Sequence[Departure]:
        """What left and is still told."""
        ...


class Departed:
    """What left, in one version."""

    def __init__(self, version: str, held: Held | None) -> None:
        self._version = version
        self._held = held
        self._rows: dict[str, FrozenBitMap] = {}

    def rows(self, name: str) -> FrozenBitMap:
        """Rows of one of `model.LISTINGS`: those whose tombstone fits it."""
        found = self._rows.get(name)
        if found is None:
            collection = model.LISTINGS[name].collection
            fitting = [self._fitting(each, name) for each in self._batches(collection)]
            found = FrozenBitMap(BitMap.union(BitMap(), *map(BitMap, fitting)))
            self._rows[name] = found
        return found

    def record(self, collection: str, row: int) -> Record:
        """The tombstone of a row, with status and dateLastModified; LookupError without one."""
        for batch in self._batches(collection):
            if row in batch.rows:
                return self._given(collection, batch, batch.record(row))
        raise LookupError("there is no tombstone for this row")

    def tree(self, collection: str, tree: filters.Tree, among: AbstractBitMap) -> AbstractBitMap:
        """Those of `among` that a filter accepts; what is cheap to tell is told first."""
        if not among:
            return _NONE
        if isinstance(tree, filters.Leaf):
            return self._leaf(collection, tree, among)
        if isinstance(tree, filters.And):
            for part in sorted(tree.parts, key=_cost):
                among = self.tree(collection, part, among)
            return among
        found: AbstractBitMap = BitMap()
        for part in sorted(tree.parts, key=_cost):
            found = found | self.tree(collection, part, among - found)
        return found

    def _leaf(self, collection: str, leaf: filters.Leaf, among: AbstractBitMap) -> AbstractBitMap:
        accepts = filters.predicate(leaf, missing=True)
        if leaf.path.dotted == "status":
            return among if accepts((GONE,)) else _NONE
        found = BitMap()
        for batch in self._batches(collection):
            rows = batch.rows & among
            if leaf.path.dotted == "dateLastModified":
                found |= rows if accepts((batch.dated,)) else _NONE
                continue
            for row in rows:
                record = self._given(collection, batch, batch.record(row))
                if accepts(leaf.path.read(record)):
                    found.add(row)
        return found

    def _batches(self, collection: str) -> Sequence[Departure]:
        return self._held.departures(collection) if self._held is not None else ()

    def _fitting(self, batch: Departure, name: str) -> AbstractBitMap:
        listing = model.LISTINGS[name]
        condition = listing.condition(self._version)
        if condition is None:
            return batch.rows
        key = (name, self._version)
        found = batch.memory.get(key)
        if found is None:
            path, value = condition
            accepts = filters.predicate(filters.Leaf(path, "=", value), missing=True)
            fitting = [
                row
                for row, record in batch.records()
                if accepts(path.read(self._given(listing.collection, batch, record)))
            ]
            found = batch.memory[key] = FrozenBitMap(fitting)
        return found & batch.rows

    def _given(self, collection: str, batch: Departure, record: Record) -> Record:
        given = vocabularies.as_given(collection, record, self._version)
        names = model.required(collection, self._version)
        left = {name: value for name, value in given.items() if name in names}
        return {**left, "status": GONE, "dateLastModified": batch.dated}


def _cost(tree: filters.Tree) -> int:
    """0 for what one look at each batch answers, 1 for what needs the records."""
    cheap = ("status", "dateLastModified")
    return int(any(leaf.path.dotted not in cheap for leaf in filters.leaves(tree)))

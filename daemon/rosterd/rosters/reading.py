"""The roster that views are made of, and what it is read from.

`Roster` is one class for every backing: it remembers answers, within bounds, and knows nothing of
where they come from. `Backing` is the whole of what a store has to be able to say.
"""

from array import array
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, Protocol

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd.oneroster import filters, model
from rosterd.rosters import remembering
from rosterd.rosters.relations import Edge, Record, Relation

LEAVES_KEPT: Final = 512  # bitmaps of some kilobytes: permissions ask the same ones again and again
ORDERS_KEPT: Final = 12  # 4 bytes a row
COLUMNS_KEPT: Final = 8  # what was found in whole columns, few rows mostly
DAYS_KEPT: Final = 2  # roles as of today, and of yesterday for a world that is still held


class Backing(Protocol):
    """What a roster is read from. All of it is about active records, and nothing is ever written.

    A `FieldPath` may name a member that only one version has (1.1 `role`, `orgs`): its values are
    always those that `model.values` gives for the canonical record.
    """

    def active(self, collection: str) -> FrozenBitMap: ...

    def size(self, collection: str) -> int:
        """How many rows there ever were, active or not: the rows are the numbers below it."""
        ...

    def dangling(self, collection: str) -> FrozenBitMap:
        """Active rows whose record names, in any member of RELATIONS, a record that is not active
        or not there. No edge stands for such a reference, so nothing else would tell of it.
        """
        ...

    def relation(self, collection: str, field: str) -> Relation: ...

    def inverse(self, collection: str, field: str) -> Relation:
        """E.g. ("classes", "course"): from a course's row to the rows of its classes, ascending."""
        ...

    def class_users(self) -> Relation:
        """From a class's row to the rows of the users of its enrollments."""
        ...

    def row(self, collection: str, sourced_id: str) -> int | None:
        """The row of a record, active or not."""
        ...

    def sourced_id(self, collection: str, row: int) -> str: ...

    def record(self, collection: str, row: int) -> Record:
        """The canonical record, hidden members included; the caller may change it."""
        ...

    def leaf(self, collection: str, leaf: filters.Leaf, *, missing: bool) -> BitMap:
        """Active rows whose values `filters.predicate(leaf, missing=missing)` accepts."""
        ...

    def column(
        self, collection: str, path: model.FieldPath
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """(row, values) of active rows in any order; rows without a value may be left out."""
        ...

    def order(self, collection: str, path: model.FieldPath, *, descending: bool) -> "array[int]":
        """All active rows by the first value of each, by code points. Rows without a value come
        last and rows with the same value by sourcedId, both of them in either direction.
        """
        ...

    def holdings(self, today: date | None) -> Iterable[Edge]:
        """Every role that an active user holds at an active org, any order; with `today` only those
        begun (beginDate is included) and not ended (endDate is not).
        """
        ...


class Roster:
    """Rows, relations and leaves of one roster; immutable, with bounded memories of answers."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self.active: Mapping[str, FrozenBitMap] = {
            collection: backing.active(collection) for collection in model.COLLECTIONS
        }
        self.class_users = backing.class_users()
        self._leaves: dict[Hashable, FrozenBitMap] = {}
        self._orders: dict[Hashable, array[int]] = {}
        self._holdings: dict[Hashable, Mapping[str, Relation]] = {}
        self._alike: dict[Hashable, Sequence[Sequence[int]]] = {}
        self._strange: dict[Hashable, FrozenBitMap] = {}
        self._roleless: FrozenBitMap | None = None
        self._behind: dict[tuple[str, str, int], FrozenBitMap] = {}

    def apart(self) -> "Roster":
        """The same roster with memories of its own, for long work on another thread."""
        return Roster(self._backing)

    def gone(self, collection: str) -> FrozenBitMap:
        """Rows of records that were delivered once and are not active any more."""
        every = BitMap(range(self._backing.size(collection)))
        return FrozenBitMap(every - self.active[collection])

    def dangling(self, collection: str) -> FrozenBitMap:
        """Active rows that name a record which is not active: what is stored of them is not what
        may be shown.
        """
        return self._backing.dangling(collection)

    @property
    def roleless(self) -> FrozenBitMap:
        """Active users without a role at any active org."""
        if self._roleless is None:
            placed = self.inverse("users", "roles.org").gather(self.active["orgs"])
            self._roleless = FrozenBitMap(self.active["users"] - placed)
        return self._roleless

    def relation(self, collection: str, field: str) -> Relation:
        return self._backing.relation(collection, field)

    def inverse(self, collection: str, field: str) -> Relation:
        """The relation from the other end: ("classes", "course") leads from courses to classes."""
        return self._backing.inverse(collection, field)

    def row(self, collection: str, sourced_id: str) -> int | None:
        """The row of a record, active or not; None when there never was one."""
        return self._backing.row(collection, sourced_id)

    def sourced_id(self, collection: str, row: int) -> str:
        return self._backing.sourced_id(collection, row)

    def rows(self, collection: str, ids: Iterable[str]) -> BitMap:
        """The active rows among these ids; ids that nobody has are ignored."""
        found = (self._backing.row(collection, each) for each in ids)
        return BitMap([row for row in found if row is not None]) & self.active[collection]

    def record(self, collection: str, row: int) -> Record:
        """A fresh canonical record, hidden members included."""
        return self._backing.record(collection, row)

    def leaf(self, collection: str, leaf: filters.Leaf, *, missing: bool) -> FrozenBitMap:
        """Active rows that a leaf accepts; `missing` is what `!=` says of a missing field."""
        return remembering.kept(
            self._leaves,
            (collection, leaf.path, leaf.operator, leaf.value, missing),
            LEAVES_KEPT,
            lambda: FrozenBitMap(self._backing.leaf(collection, leaf, missing=missing)),
        )

    def column(
        self, collection: str, path: model.FieldPath
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """(row, values) of active rows; rows without a value may be left out."""
        return self._backing.column(collection, path)

    def alike(self, collection: str, path: model.FieldPath) -> Sequence[Sequence[int]]:
        """Groups of active rows that have a value in common, letters' case aside. They are looked
        for among all rows once, for all who want to know it of some of them.
        """
        return remembering.kept(
            self._alike, (collection, path), COLUMNS_KEPT, lambda: self._grouped(collection, path)
        )

    def _grouped(self, collection: str, path: model.FieldPath) -> Sequence[Sequence[int]]:
        first: dict[str, int] = {}
        groups: dict[str, list[int]] = {}
        for row, values in self.column(collection, path):
            for value in set(map(filters.fold, values)):
                other = first.setdefault(value, row)
                if other != row:
                    groups.setdefault(value, [other]).append(row)
        return tuple(groups.values())

    def strange(
        self, collection: str, path: model.FieldPath, known: frozenset[str]
    ) -> FrozenBitMap:
        """Active rows that have a value beside the known ones; found once, too."""

        def find() -> FrozenBitMap:
            column = self.column(collection, path)
            return FrozenBitMap([row for row, values in column if not known.issuperset(values)])

        return remembering.kept(self._strange, (collection, path, known), COLUMNS_KEPT, find)

    def order(
        self, collection: str, path: model.FieldPath, *, descending: bool = False
    ) -> "array[int]":
        """All active rows by first value, then sourcedId; those without a value last."""
        return remembering.kept(
            self._orders,
            (collection, path, descending),
            ORDERS_KEPT,
            lambda: self._backing.order(collection, path, descending=descending),
        )

    def behind(self, field: str, rows: AbstractBitMap, what: str) -> BitMap:
        """What lies behind the classes of these schools or courses.

        `field` is "school" or "course", `what` "enrollments" or "users". The sets of each school
        and course are made once and stay: putting sets together is ten times as fast as gathering
        what is in them, and nearly every permission goes by school and course.
        """
        of_class = self.class_users
        if what == "enrollments":
            of_class = self.inverse("enrollments", "class")
        classes = self.inverse("classes", field)
        found = []
        for row in rows:
            key = (field, what, row)
            if key not in self._behind:
                reached = of_class.gather(BitMap(classes.of(row)))
                self._behind[key] = FrozenBitMap(reached)
            found.append(self._behind[key])
        return BitMap.union(BitMap(), *found)

    def role_holders(
        self, roles: Collection[str] | None, orgs: AbstractBitMap, today: date | None
    ) -> BitMap:
        """Users who hold one of these roles (None: any) at one of these orgs; with `today` on
        that day.
        """
        holdings = remembering.kept(self._holdings, today, DAYS_KEPT, lambda: self._by_role(today))
        found = BitMap()
        for role in holdings if roles is None else roles:
            if role in holdings:
                found |= holdings[role].gather(orgs)
        return found

    def roles(self) -> frozenset[str]:
        """Every role that somebody holds, `ext:` ones included."""
        held = remembering.kept(self._holdings, None, DAYS_KEPT, lambda: self._by_role(None))
        return frozenset(held)

    def _by_role(self, today: date | None) -> Mapping[str, Relation]:
        orgs = self.active["orgs"]
        size = orgs.max() + 1 if orgs else 0
        # Not lists of pairs: to let go of half a million tuples at once keeps everybody waiting.
        edges: dict[str, tuple[array[int], array[int]]] = {}
        for role, org, user in self._backing.holdings(today):
            held = edges.get(role)
            if held is None:
                held = edges[role] = array("I"), array("I")
            held[0].append(org)
            held[1].append(user)
        return {
            role: Relation.of_pairs(size, zip(*each, strict=True)) for role, each in edges.items()
        }

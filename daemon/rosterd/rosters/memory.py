"""Records in memory as a roster: for tests, and for plans where no store is.

Nothing here is meant for a million records; it says in the plainest way what a backing answers,
and generations are tested against it.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pyroaring import BitMap, FrozenBitMap

from rosterd.oneroster import filters, model
from rosterd.rosters import reading, relations
from rosterd.rosters.relations import Edge, Record, Relation


def from_records(
    records: Mapping[str, Sequence[Mapping[str, Any]]],
    inactive: Mapping[str, Collection[str]] | None = None,
) -> reading.Roster:
    """A roster in memory: rows in the order of the lists, all active but the ids of `inactive`."""
    return reading.Roster(_Memory(records, inactive or {}))


class _Memory:
    """The backing of `from_records`: canonical records in lists."""

    def __init__(
        self,
        records: Mapping[str, Sequence[Mapping[str, Any]]],
        inactive: Mapping[str, Collection[str]],
    ) -> None:
        self._records = {name: list(records.get(name, ())) for name in model.COLLECTIONS}
        self._rows = {
            name: {each["sourcedId"]: row for row, each in enumerate(held)}
            for name, held in self._records.items()
        }
        self._active = {
            name: FrozenBitMap(
                [row for each, row in rows.items() if each not in inactive.get(name, ())]
            )
            for name, rows in self._rows.items()
        }
        self._dangling: dict[str, BitMap] = {name: BitMap() for name in model.COLLECTIONS}
        self._relations = {key: self._relate(*key) for key in relations.RELATIONS}
        self._inverses = {
            key: relation.inverted(len(self._records[relations.RELATIONS[key]]))
            for key, relation in self._relations.items()
        }

    def _relate(self, collection: str, field: str) -> Relation:
        target = relations.RELATIONS[collection, field]
        lists: list[list[int]] = []
        for row, record in enumerate(self._records[collection]):
            found: list[int] = []
            for each in relations.references(collection, record, field):
                end = self._rows[target].get(each)
                if end is None or end not in self._active[target]:
                    self._dangling[collection].add(row)
                else:
                    found.append(end)
            lists.append(found if row in self._active[collection] else [])
        return Relation.of_lists(lists)

    def active(self, collection: str) -> FrozenBitMap:
        return self._active[collection]

    def size(self, collection: str) -> int:
        return len(self._records[collection])

    def dangling(self, collection: str) -> FrozenBitMap:
        return FrozenBitMap(self._dangling[collection] & self._active[collection])

    def relation(self, collection: str, field: str) -> Relation:
        return self._relations[collection, field]

    def inverse(self, collection: str, field: str) -> Relation:
        return self._inverses[collection, field]

    def class_users(self) -> Relation:
        user = self._relations["enrollments", "user"]
        members = self._inverses["enrollments", "class"]
        return Relation.of_lists(
            [end for enrollment in members.of(row) for end in user.of(enrollment)]
            for row in range(len(self._records["classes"]))
        )

    def row(self, collection: str, sourced_id: str) -> int | None:
        return self._rows[collection].get(sourced_id)

    def sourced_id(self, collection: str, row: int) -> str:
        return str(self._records[collection][row]["sourcedId"])

    def record(self, collection: str, row: int) -> Record:
        return {member: _copied(value) for member, value in self._records[collection][row].items()}

    def leaf(self, collection: str, leaf: filters.Leaf, *, missing: bool) -> BitMap:
        accepts = filters.predicate(leaf, missing=missing)
        return BitMap(
            [row for row, values in self.column(collection, leaf.path) if accepts(values)]
        )

    def column(
        self, collection: str, path: model.FieldPath
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        held = self._records[collection]
        return ((row, model.values(held[row], path)) for row in self._active[collection])

    def order(self, collection: str, path: model.FieldPath, *, descending: bool) -> "array[int]":
        first = {row: values[0] for row, values in self.column(collection, path) if values}
        by_id = sorted(self._active[collection], key=lambda row: self.sourced_id(collection, row))
        present = sorted(
            (row for row in by_id if row in first), key=first.__getitem__, reverse=descending
        )
        return array("I", [*present, *(row for row in by_id if row not in first)])

    def holdings(self, today: date | None) -> Iterator[Edge]:
        day = today.isoformat() if today else ""
        orgs = self._active["orgs"]
        for row in self._active["users"]:
            for role in self._records["users"][row].get("roles", ()):
                org = self._rows["orgs"].get(role["org"])
                if org is None or org not in orgs:
                    continue
                if day and not role.get("beginDate", "") <= day < role.get("endDate", "9999"):
                    continue
                yield role["role"], org, row


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(each) for each in value]
    if isinstance(value, dict):
        return {member: _copied(each) for member, each in value.items()}
    return value

"""References between records, as arrays.

One-to-many relations of a million edges take eight megabytes here, can be mapped from a file as
they are, and the targets of many rows are copied at the speed of memory.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyroaring import AbstractBitMap, BitMap

Record = dict[str, Any]
Edge = tuple[str, int, int]
"""One role that somebody holds: (role, row of the org, row of the user)."""

RELATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("orgs", "parent"): "orgs",
    ("academicSessions", "parent"): "academicSessions",
    ("courses", "org"): "orgs",
    ("courses", "schoolYear"): "academicSessions",
    ("courses", "resources"): "resources",
    ("classes", "course"): "courses",
    ("classes", "school"): "orgs",
    ("classes", "terms"): "academicSessions",
    ("classes", "resources"): "resources",
    ("users", "roles.org"): "orgs",
    ("users", "primaryOrg"): "orgs",
    ("users", "agents"): "users",
    ("users", "resources"): "resources",
    ("enrollments", "user"): "users",
    ("enrollments", "class"): "classes",
    ("enrollments", "school"): "orgs",
    ("demographics", "user"): "users",
}
"""Every reference between records: (collection, member) -> the collection it leads to.

`demographics.user` is the record's own sourcedId, which is the one of its user.
"""


_RUNS: Final = 1 << 9
_STRETCH: Final = 1 << 12
"""Runs of rows and targets that are gathered in one piece: about a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Edges from each row to its targets, as compressed sparse rows.

    `starts` has one number more than there are rows; the targets of row r are
    `targets[starts[r]:starts[r + 1]]`. Both are unsigned 32-bit, native order, and are never
    written to: they may be mapped files.
    """

    starts: memoryview
    targets: memoryview

    @classmethod
    def of_lists(cls, lists: Iterable[Iterable[int]]) -> "Relation":
        """From the targets of row 0, of row 1, and so on."""
        starts, targets = array("I", [0]), array("I")
        for each in lists:
            targets.extend(each)
            starts.append(len(targets))
        return cls(memoryview(starts), memoryview(targets))

    @classmethod
    def of_pairs(cls, rows: int, pairs: Iterable[tuple[int, int]]) -> "Relation":
        """From (row, target) in any order; a row's targets keep the order in which they come."""
        origins, ends = array("I"), array("I")
        for origin, end in pairs:
            origins.append(origin)
            ends.append(end)
        starts = _running(rows, origins)
        free = array("I", starts)
        targets = array("I", bytes(4 * len(ends)))
        for origin, end in zip(origins, ends, strict=True):
            place = free[origin]
            targets[place] = end
            free[origin] = place + 1
        return cls(memoryview(starts), memoryview(targets))

    def of(self, row: int) -> Sequence[int]:
        """The targets of one row, in the order of its record."""
        return self.targets[self.starts[row] : self.starts[row + 1]]

    def gather(self, rows: AbstractBitMap) -> BitMap:
        """All targets of these rows.

        Neighbouring rows have neighbouring targets, so whole runs of rows are copied at once; the
        ends of the runs come from shifting the set by one. It goes by stretches: what works in one
        piece on a million edges keeps every other thread waiting, and leaves the cache besides.
        """
        found = BitMap()
        if not rows or not self.targets:
            return found
        after = BitMap(rows).shift(1)
        begins, ends = (rows - after).to_array(), (after - rows).to_array()
        starts, targets = self.starts, self.targets
        for first in range(0, len(begins), _RUNS):
            runs = zip(begins[first : first + _RUNS], ends[first : first + _RUNS], strict=True)
            reached = array("I")
            reached.frombytes(
                b"".join([targets[starts[begin] : starts[end]] for begin, end in runs])
            )
            for at in range(0, len(reached), _STRETCH):  # one run can be a whole collection
                found.update(reached[at : at + _STRETCH])
        return found

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every edge as (row, target)."""
        starts, targets = self.starts, self.targets
        for row in range(len(starts) - 1):
            for place in range(starts[row], starts[row + 1]):
                yield row, targets[place]

    def inverted(self, rows: int) -> "Relation":
        """The same edges, asked from the other end; `rows` is how many rows that collection has."""
        return Relation.of_pairs(rows, ((target, row) for row, target in self.pairs()))


def _running(rows: int, origins: Iterable[int]) -> "array[int]":
    counts = array("I", bytes(4 * rows))
    for origin in origins:
        counts[origin] += 1
    starts, total = array("I", [0]), 0
    for count in counts:
        total += count
        starts.append(total)
    return starts


def references(collection: str, record: Mapping[str, Any], field: str) -> Sequence[str]:
    """The sourcedIds that a canonical record names in one member of RELATIONS, in its order."""
    if field == "roles.org":
        return [role["org"] for role in record.get("roles", ())]
    if (collection, field) == ("demographics", "user"):
        return [record["sourcedId"]]
    value = record.get(field, ())
    return [value] if isinstance(value, str) else value


def bare(collection: str, record: Mapping[str, Any]) -> Record:
    """The record without what is never sent unless a permission names it, and without what is
    derived: the part that a stored fragment holds.

    A role's `userProfile` goes too: it is the id of a profile that is not sent.
    """
    shown = {
        member: value
        for member, value in record.items()
        if member not in {"metadata", "password", "userProfiles", "children"}
    }
    if collection == "users" and "roles" in shown:
        shown["roles"] = [
            {member: value for member, value in role.items() if member != "userProfile"}
            for role in shown["roles"]
        ]
    return shown

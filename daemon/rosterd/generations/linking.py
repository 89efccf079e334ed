"""Which rows are active, and the arrays of the references between them.

An active row refers to active rows only, whoever brought them. That is decided here, over whole
arrays and from the bottom up (an org has no needs, an enrollment has three), so that a cascade of
any depth takes one pass, and so that a row whose needs return is active again without being
delivered again.

References are kept raw: the row of the target plus SHIFT, so that there is room for "none" and for
"names something that never was". The hot paths are maps over byte strings; a million enrollments
take well under a second.
"""

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rosterd import rosters
from rosterd.oneroster import model

NONE, UNKNOWN, SHIFT = 0, 1, 2

Record = dict[str, Any]
Flags = bytes | bytearray
"""One byte for each row: 1 or 0."""

ORDER: Final = (
    "resources", "orgs", "academicSessions", "courses", "classes", "users", "enrollments",
    "demographics",
)  # fmt: skip
"""Collections in the order in which their rows can be judged: what is referred to comes first."""

REQUIRED: Final = frozenset(
    {
        ("courses", "org"),
        ("classes", "course"),
        ("classes", "school"),
        ("classes", "terms"),
        ("users", "roles.org"),
        ("enrollments", "user"),
        ("enrollments", "class"),
        ("enrollments", "school"),
        ("demographics", "user"),
    }
)
"""References without which a record means nothing. Of a list one has to be left.

course.org is among them although REST 1.2 can do without: CSV cannot, and both hold the same
records.
"""

MAY_LACK: Final = frozenset({("courses", "org"), ("users", "roles.org")})
"""Required ones that a record may yet lack, as long as it names none that is not there. A user who
comes without any role is kept: dropping them would drop their enrollments."""

LISTS: Final = frozenset(
    {
        ("courses", "resources"),
        ("classes", "terms"),
        ("classes", "resources"),
        ("users", "roles.org"),
        ("users", "agents"),
        ("users", "resources"),
    }
)


def singles(collection: str) -> tuple[tuple[str, str], ...]:
    """(member, target) of the references of which a record has one at most."""
    return tuple(
        (field, target)
        for (name, field), target in rosters.RELATIONS.items()
        if name == collection and (name, field) not in LISTS
    )


def lists(collection: str) -> tuple[tuple[str, str], ...]:
    """(member, target) of the references of which a record may have several."""
    return tuple(
        (field, target)
        for (name, field), target in rosters.RELATIONS.items()
        if (name, field) in LISTS and name == collection
    )


def targets(collection: str) -> frozenset[str]:
    return frozenset(target for _, target in (*singles(collection), *lists(collection)))


def lookup(active: Flags) -> bytes:
    """For each raw reference, whether it leads to an active row."""
    return b"\0\0" + bytes(active)


def both(*flags: Flags) -> bytes:
    """1 where all are 1. As one big number a million rows take a millisecond."""
    whole = int.from_bytes(flags[0], "little")
    for each in flags[1:]:
        whole &= int.from_bytes(each, "little")
    return whole.to_bytes(len(flags[0]), "little")


def either(*flags: Flags) -> bytes:
    """1 where any is 1."""
    whole = 0
    for each in flags:
        whole |= int.from_bytes(each, "little")
    return whole.to_bytes(len(flags[0]), "little")


def without(flags: Flags, others: Flags) -> bytes:
    """1 where `flags` is 1 and `others` is not."""
    whole = int.from_bytes(flags, "little")
    return (whole & ~int.from_bytes(others, "little")).to_bytes(len(flags), "little")


def statuses(wanted: Flags, alive: Flags) -> bytes:
    """ACTIVE where wanted and alive, HELD where only wanted: 2 x wanted - alive, byte by byte."""
    whole = 2 * int.from_bytes(wanted, "little") - int.from_bytes(both(wanted, alive), "little")
    return whole.to_bytes(len(wanted), "little")


def rows_of(flags: Flags) -> "array[int]":
    """The rows whose flag is set."""
    return array("I", itertools.compress(range(len(flags)), flags))


def alive(raw: "array[int]", found: bytes) -> bytes:
    """For each row, whether its single reference leads to an active row."""
    return bytes(map(found.__getitem__, raw))


def present(raw: "array[int]") -> bytes:
    """For each row, whether it has the single reference at all."""
    return bytes(map(NONE.__lt__, raw))


class Lists:
    """Raw references of a member with several: those of the former generation, and new ones."""

    def __init__(self, starts: Sequence[int], targets: Sequence[int]) -> None:
        self._starts, self._targets = starts, targets
        self._rows = max(0, len(starts) - 1)
        self.changed: dict[int, Sequence[int]] = {}

    def of(self, row: int) -> Sequence[int]:
        changed = self.changed.get(row)
        if changed is not None:
            return changed
        if row >= self._rows:
            return ()
        return self._targets[self._starts[row] : self._starts[row + 1]]

    def arrays(self, rows: int) -> "tuple[array[int], array[int]]":
        """(starts, targets) for that many rows."""
        return csr(map(self.of, range(rows)))


def csr(lists: Iterable[Iterable[int]]) -> "tuple[array[int], array[int]]":
    starts, ends = array("I", [0]), array("I")
    for each in lists:
        ends.extend(each)
        starts.append(len(ends))
    return starts, ends


def single_edges(raw: "array[int]", flags: Flags) -> "tuple[array[int], array[int]]":
    """(starts, targets) of the rows that are flagged."""
    starts = array("I", itertools.accumulate(flags, initial=0))
    ends = array("I", map((-SHIFT).__add__, itertools.compress(raw, flags)))
    return starts, ends


def single_inverse(raw: "array[int]", flags: Flags, rows: int) -> "tuple[array[int], array[int]]":
    """The same edges from the other end, which has that many rows; sources ascend."""
    # sorted() is stable, and rows mostly come grouped: this beats counting in Python by far.
    sources = array("I", sorted(itertools.compress(range(len(raw)), flags), key=raw.__getitem__))
    counts = Counter(itertools.compress(raw, flags))
    per_row = map(counts.__getitem__, range(SHIFT, rows + SHIFT))
    return array("I", itertools.accumulate(per_row, initial=0)), sources


def pruned(
    collection: str, record: Mapping[str, Any], is_active: Callable[[str, str], bool]
) -> Record:
    """The record without references that `is_active(target, sourcedId)` denies.

    A role at an org that is not active goes as a whole. The given record is not touched.
    """
    left = dict(record)
    for field, target in model.ref_fields(collection).items():
        member = field.partition(".")[0]
        value = left.get(member)
        if value is None:
            continue
        kept: Any
        if isinstance(value, str):
            kept = value if is_active(target, value) else None
        elif field == "roles.org":
            kept = [role for role in value if is_active(target, role["org"])]
        else:
            kept = [each for each in value if is_active(target, each)]
        if kept:
            left[member] = kept
        else:
            del left[member]
    return left


def inverse(starts: "array[int]", ends: "array[int]", rows: int) -> "tuple[array[int], array[int]]":
    """Edges of lists from the other end, which has that many rows."""
    relation = rosters.Relation(memoryview(starts), memoryview(ends)).inverted(rows)
    return array("I", relation.starts), array("I", relation.targets)


def list_edges(
    raws: Lists, found: bytes, active: Flags
) -> "tuple[array[int], tuple[array[int], array[int]]]":
    """(active rows that lose a reference, their edges)."""
    lost = array("I")
    starts, ends = array("I", [0]), array("I")
    alive: Callable[[int], int] = found.__getitem__
    for row, is_active in enumerate(active):
        if is_active and (raw := raws.of(row)):
            kept = [each - SHIFT for each in raw if alive(each)]
            ends.extend(kept)
            if len(kept) < len(raw):
                lost.append(row)
        starts.append(len(ends))
    return lost, (starts, ends)

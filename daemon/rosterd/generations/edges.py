"""References of a collection as they are written: from both ends, and as they were delivered.

What is delivered is kept beside what is served: a reference to somebody who is away leads there
again when they come back.
"""

from array import array
from collections.abc import Mapping
from typing import Any

from rosterd.generations import linking, mapped

Edges = Mapping[str, tuple["array[int]", "array[int]"]]
"""Member -> (starts, ends) of active rows."""
Arrays = dict[str, Any]


def delivered(former: mapped.Table | None, field: str) -> linking.Lists:
    """The lists of a member in the generation before."""
    if former is None:
        return linking.Lists(array("I", [0]), array("I"))
    relation = former.relation(f"raw starts:{field}", f"raw targets:{field}")
    return linking.Lists(relation.starts, relation.targets)


def same(former: mapped.Table, row: int, edges: Edges) -> bool:
    """Whether a row leads to the same rows as before."""
    for field, (starts, ends) in edges.items():
        was = former.relation(f"starts:{field}", f"targets:{field}")
        if list(was.of(row)) != list(ends[starts[row] : starts[row + 1]]):
            return False
    return True


def single(field: str, raw: "array[int]", alive: linking.Flags, targets: int) -> Arrays:
    """A member with one reference, whose collection has `targets` rows."""
    starts, ends = linking.single_inverse(raw, alive, targets)
    return {f"raw:{field}": raw, f"inverse starts:{field}": starts, f"inverse:{field}": ends}


def listed(field: str, raws: linking.Lists, rows: int, edges: Edges, targets: int) -> Arrays:
    """A member with several references, of a collection with `rows` rows."""
    raw_starts, raw_ends = raws.arrays(rows)
    starts, ends = linking.inverse(*edges[field], targets)
    return {
        f"raw starts:{field}": raw_starts,
        f"raw targets:{field}": raw_ends,
        f"inverse starts:{field}": starts,
        f"inverse:{field}": ends,
    }


def forward(edges: Edges) -> Arrays:
    """All of them from their own end."""
    arrays: Arrays = {}
    for field, (starts, ends) in edges.items():
        arrays |= {f"starts:{field}": starts, f"targets:{field}": ends}
    return arrays


def class_users(enrollments: "array[int]", users: "array[int]") -> "array[int]":
    """The user of each enrollment, class by class; an active enrollment has an active user."""
    return array("I", map((-linking.SHIFT).__add__, map(users.__getitem__, enrollments)))

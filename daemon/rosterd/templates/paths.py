"""Ways from a row to a value, as tables.

A path is a few steps and a member: `course.title` of a class. Each step leads to at most one
record, so a path has the values of one member, of which a column takes the first. Where a record
leads to several (the teachers of a class), a column names the list and counts through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rosterd.oneroster import model

VERSION: Final = "1.2"
"""Templates speak in names of this version, as all documents do."""


@dataclass(frozen=True, slots=True)
class Grain:
    """What one row of a file stands for.

    `subject` is the collection whose records `where` is asked of. `own` are members of the row
    itself, where it is more than a record; `steps` lead from it to records.
    """

    name: str
    subject: str
    own: frozenset[str]
    steps: Mapping[str, str]


STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    "orgs": {"parent": "orgs"},
    "academicSessions": {"parent": "academicSessions"},
    "courses": {"org": "orgs", "school": "orgs", "schoolYear": "academicSessions"},
    "classes": {
        "course": "courses",
        "school": "orgs",
        "term": "academicSessions",
        "teacher": "users",
    },
    "users": {"org": "orgs", "school": "orgs", "demographics": "demographics"},
    "enrollments": {"user": "users", "class": "classes", "school": "orgs"},
    "demographics": {"user": "users"},
    "resources": {},
}
"""Collection -> step -> collection. A class's `term` is its first by start date, its `teacher` the
primary one, else the first by sourcedId; a user's `org` is the primary one, their `school` the first
of their orgs that is one; a course's `school` is its org, else the first of its classes' by id."""
LISTS: Final[Mapping[str, Mapping[str, str]]] = {
    "classes": {"teachers": "users", "terms": "academicSessions"},
    "users": {"orgs": "orgs", "schools": "orgs"},
    "courses": {"schools": "orgs"},
}
"""Collection -> list -> collection: what columns can count through, the step's record first."""
FIRST_OF: Final[Mapping[tuple[str, str], str]] = {
    ("classes", "teacher"): "teachers",
    ("classes", "term"): "terms",
    ("users", "org"): "orgs",
    ("users", "school"): "schools",
    ("courses", "school"): "schools",
}
"""(collection, step) -> the list of which it is the first."""

_NOTHING: Final[frozenset[str]] = frozenset()
_KEPT: Final = frozenset({"status", "dateLastModified", "children"})
"""Every row is of an active record, and children are what names it as their parent."""
ROLE: Final = frozenset({"role", "roleType", "beginDate", "endDate"})
"""What a role says itself."""
GRAINS: Final[Mapping[str, Grain]] = {
    grain.name: grain
    for grain in (
        *(Grain(name, name, _NOTHING, STEPS[name]) for name in model.COLLECTIONS),
        Grain("roles", "users", ROLE | {"grade"}, {"user": "users", "org": "orgs"}),
        Grain("contacts", "users", frozenset({"role"}), {"student": "users", "contact": "users"}),
    )
}
"""What a row may be: a record, a person's role at an org, or a student with one of their guardians
(`role` is then what the guardian is). A role's `grade` is the student's; other roles have none."""


class PathError(Exception):
    """A path that leads nowhere; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Path:
    """`steps` from the row, then a member. Without a collection the member is the row's own."""

    steps: tuple[str, ...]
    collection: str | None
    member: str


def resolve(grain: str, text: str) -> Path:
    """The path that a column of this grain names; raises PathError."""
    kind = GRAINS[grain]
    first, _, rest = text.partition(".")
    if text in kind.own:
        return Path((), None, text)
    if grain in model.COLLECTIONS:
        return _below(grain, (), text)
    if first not in kind.steps:
        raise PathError(_unknown(text, first, [*kind.own, *kind.steps]))
    if not rest:
        raise PathError(f"{text} is a record; name one of its members, such as {text}.sourcedId")
    return _below(kind.steps[first], (first,), rest)


def listed(grain: str, name: str, text: str) -> Path:
    """The path of a column that counts through a list of the grain's records; raises PathError."""
    lists = LISTS.get(grain, {})
    if name not in lists:
        raise PathError(_unknown(name, name, list(lists)))
    return _below(lists[name], (), text)


def _below(collection: str, steps: tuple[str, ...], text: str) -> Path:
    first, _, rest = text.partition(".")
    if rest and first in STEPS[collection] and model.path(collection, text, VERSION) is None:
        return _below(STEPS[collection][first], (*steps, first), rest)
    found = model.path(collection, text, VERSION)
    if found is None or found.dotted in _KEPT:
        members = model.names(collection, VERSION)
        known = [name for name in members if name not in _KEPT and not name.endswith(".sourcedId")]
        raise PathError(_unknown(text, first, [*known, *STEPS[collection]]))
    return Path(steps, collection, found.dotted)


def _unknown(text: str, first: str, known: list[str]) -> str:
    if not known:
        return f"nothing is called {text} here"
    return f"nothing is called {first} here; known: {', '.join(sorted(set(known)))}"

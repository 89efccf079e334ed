"""Finding single records by what a person remembers of them.

People type part of a name, an id or an address and want to see who that is. Each word has to be in
one of a few members, in any order, so that "lee ada" finds whom "Ada Lee" finds. It is asked with
the leaves of filters, of a roster or of a picture: whatever an application does not get, it cannot
be found by within that application.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rosterd import errors
from rosterd.oneroster import filters, model

VERSION: Final = "1.2"
LONGEST: Final = 200
"""Characters of a text."""
MOST_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class Members:
    """Of one collection: what its records are called by, found by, and shown with."""

    name: tuple[str, ...]
    sought: tuple[str, ...]
    shown: tuple[str, ...]


MEMBERS: Final[Mapping[str, Members]] = {
    "orgs": Members(("name",), ("sourcedId", "name", "identifier"), ("type", "identifier")),
    "academicSessions": Members(
        ("title",), ("sourcedId", "title"), ("type", "schoolYear", "startDate", "endDate")
    ),
    "courses": Members(("title",), ("sourcedId", "title", "courseCode"), ("courseCode",)),
    "classes": Members(
        ("title",), ("sourcedId", "title", "classCode"), ("classCode", "course", "school")
    ),
    "users": Members(
        ("givenName", "familyName"),
        (
            "sourcedId",
            "givenName",
            "familyName",
            "preferredFirstName",
            "preferredLastName",
            "username",
            "email",
            "identifier",
        ),
        ("roles.role", "username", "email", "grades"),
    ),
    "enrollments": Members(("role",), ("sourcedId",), ("user", "class", "school")),
    # birth dates and the like are nobody's business who only looks something up
    "demographics": Members((), ("sourcedId",), ()),
    "resources": Members(("title",), ("sourcedId", "title"), ("vendorResourceId",)),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """A record in one line, for operators alone."""

    id: str
    name: str
    details: Mapping[str, str]


def words(text: str) -> tuple[str, ...]:
    """The words that have to be found; errors.InputError when there are none, or too many."""
    found = tuple(dict.fromkeys(filters.fold(text).split()))
    if not found:
        raise errors.InputError("cannot find nothing: write a part of a name or an id")
    if len(text) > LONGEST or len(found) > MOST_WORDS:
        raise errors.InputError(
            f"cannot find that: {LONGEST} characters and {MOST_WORDS} words are the most"
        )
    return found


def leaves(collection: str, word: str) -> tuple[filters.Leaf, ...]:
    """What is asked for one word: a record is meant that any of them accepts."""
    paths = (model.path(collection, name, VERSION) for name in MEMBERS[collection].sought)
    return tuple(filters.Leaf(path, "~", word) for path in paths if path is not None)


def meant(collection: str, word: str, record: Mapping[str, Any]) -> bool:
    """The same of one record, for those that no leaf is asked about."""
    return any(
        filters.predicate(leaf, missing=False)(model.values(record, leaf.path))
        for leaf in leaves(collection, word)
    )


def summary(collection: str, record: Mapping[str, Any]) -> Summary:
    """The record in one line; what it has not is left out."""
    members = MEMBERS[collection]
    name = " ".join(filter(None, (_text(collection, record, each) for each in members.name)))
    shown = ((each, _text(collection, record, each)) for each in members.shown)
    details = {each.removesuffix(".role"): text for each, text in shown if text}
    return Summary(str(record["sourcedId"]), name, details)


def _text(collection: str, record: Mapping[str, Any], member: str) -> str:
    path = model.path(collection, member, VERSION)
    return "" if path is None else ", ".join(dict.fromkeys(model.values(record, path)))

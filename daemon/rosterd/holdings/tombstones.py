"""What is left of a record that left: enough to be told, and nothing more.

A tombstone has the members that a version requires, as they were last sent. So it is taken from the
picture that was served until now, never from the roster that takes its place: the new one may say
where a child moved to.
"""

from collections.abc import Mapping
from typing import Any, Final

from rosterd.oneroster import model, vocabularies

Record = dict[str, Any]

UNKNOWN: Final = "-"
"""Stands for a text or a reference that nobody can say any more as it was sent."""
_NEITHER: Final = "aide"
"""The role of who was neither student nor teacher."""
_DAY: Final = "1970-01-01"
_KINDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "orgs": (("schools", "school"),),
    "academicSessions": (("terms", "term"), ("gradingPeriods", "gradingPeriod")),
    "users": (("students", "student"), ("teachers", "teacher")),
}
KINDS: Final = tuple(name for kinds in _KINDS.values() for name, _ in kinds)
"""Listings whose rows have to be known to make a `blank`."""

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {"users": ("roles", "primaryOrg")}
"""Members from which those of 1.1 are made: `primaryOrg` says which of the `orgs` comes first."""


_IN_FILES: Final[Mapping[str, tuple[str, ...]]] = {"courses": ("org",), "classes": ("classType",)}
"""Members that a row of a file must have, and a body need not."""


def minimal(collection: str, record: Mapping[str, Any]) -> Record:
    """The part of a canonical record, as it was sent, that tombstones of both versions need."""
    left = {name: record[name] for name in _members(collection) if name in record}
    if "roles" in left and collection == "users":
        left["roles"] = [
            {name: role[name] for name in ("roleType", "role", "org")} for role in left["roles"]
        ]
    return left


def blank(collection: str, sourced_id: str, row: int, kinds: Mapping[str, Any]) -> Record:
    """A minimal record that says nothing but the id, and which listings held it.

    For what went while the grant was dead: what was last sent is known no more, and what the roster
    says now may be newer than that.
    """
    record: Record = {"sourcedId": sourced_id}
    for field in model.COLLECTIONS[collection].fields:
        needed = field.required or field.name in _IN_FILES.get(collection, ())
        if not needed or field.name in record or field.name not in _members(collection):
            continue
        record[field.name] = _unknown(field)
    words = [word for name, word in _KINDS.get(collection, ()) if row in kinds.get(name, ())]
    if collection == "users":
        record["roles"] = [
            {"roleType": "primary", "role": word, "org": UNKNOWN} for word in words or [_NEITHER]
        ]
    elif words:
        record["type"] = words[0]
    return record


def _members(collection: str) -> tuple[str, ...]:
    canonical = {field.name for field in model.COLLECTIONS[collection].fields}
    names = model.required(collection, "1.1") | model.required(collection, "1.2")
    derived = {"role", "orgs"} if collection == "users" else set()
    wanted = (names & (canonical | {"sourcedId"})) - derived
    wanted |= {*_IN_FILES.get(collection, ())}
    ordered = sorted(wanted - {"sourcedId"})
    return ("sourcedId", *ordered, *(n for n in _ALSO.get(collection, ()) if n not in wanted))


def _unknown(field: model.Field) -> Any:
    if field.vocabulary is not None:
        return vocabularies.VOCABULARIES[field.vocabulary].other
    constants: dict[model.Kind, Any] = {
        model.Kind.DATE: _DAY,
        model.Kind.YEAR: _DAY[:4],
        model.Kind.FLAG: "false",
        model.Kind.TEXTS: [UNKNOWN],
        model.Kind.REFS: [UNKNOWN],
    }
    return constants.get(field.kind, UNKNOWN)

"""OAuth scopes of both versions, and which of them a grant allows.

Scopes follow from the permission and from nothing else: there is no list of scopes to keep in step
with it, and a toggle that is off takes its scope away.
"""

from collections.abc import Mapping
from typing import Final

from rosterd import configs

PREFIXES: Final[Mapping[str, str]] = {
    "1.1": "https://purl.imsglobal.org/spec/or/v1p1/scope/",
    "1.2": "https://purl.imsglobal.org/spec/or/v1p2/scope/",
}

_ROSTER = ("roster.readonly", "roster-core.readonly")
_DEMOGRAPHICS = ("roster-demographics.readonly",)
_RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "1.1": ("resource.readonly",),
    "1.2": ("resource.readonly", "resource-core.readonly"),
}

MEANINGS: Final[Mapping[str, str]] = {
    "roster.readonly": "Everything about orgs, sessions, courses, classes, people and enrollments",
    "roster-core.readonly": "The same, without the endpoints below other records",
    "roster-demographics.readonly": "Demographics",
    "resource.readonly": "Everything about learning resources",
    "resource-core.readonly": "The same, without the endpoints below other records",
}
"""What each scope opens, whichever the version."""


def full(version: str, *names: str) -> frozenset[str]:
    """The URIs of scopes, as they stand in requests and tokens."""
    return frozenset(PREFIXES[version] + name for name in names)


def core(version: str, collection: str) -> frozenset[str]:
    """The scopes of which any one opens "get all" and "get one" of a collection.

    Demographics have a scope of their own, and nothing else opens them.
    """
    if collection == "demographics":
        return full(version, *_DEMOGRAPHICS)
    if collection == "resources":
        return full(version, *_RESOURCES[version])
    return full(version, *_ROSTER)


def related(version: str, collection: str) -> frozenset[str]:
    """The scope that opens relation endpoints: never one of the `-core` scopes."""
    return full(version, "resource.readonly" if collection == "resources" else "roster.readonly")


def every(version: str) -> frozenset[str]:
    """All scopes that a version has."""
    return full(version, *_ROSTER, *_DEMOGRAPHICS, *_RESOURCES[version])


def canonical(text: str) -> list[str]:
    """The scopes of a request. One shipping client spells them http://…: the same scopes."""
    return [
        "https" + scope.removeprefix("http") if scope.startswith("http://purl.") else scope
        for scope in text.split()
    ]


def allowed(grant: configs.Grant) -> frozenset[str]:
    """Every scope that the application of a living grant may be given."""
    permission = grant.permission
    if permission is None:
        return frozenset()
    everything = grant.access == "full"
    found: set[str] = set()
    for version in grant.application.rest.versions:
        found |= full(version, *_ROSTER)
        if everything or permission.demographics:
            found |= full(version, *_DEMOGRAPHICS)
        if everything or permission.resources:
            found |= full(version, *_RESOURCES[version])
    return frozenset(found)

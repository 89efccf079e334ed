"""Everything about one application on one page, and the catalogue of those that could be added."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict


class Paper(TypedDict):
    """A document as it was accepted, and whose statements made it so."""

    path: str
    text: str
    commit: str | None
    """The commit that last changed its meaning; None when that is older than the records."""
    time: str | None
    people: list[str]


class Target(TypedDict):
    """Where its files go."""

    name: str
    enabled: bool
    server: str
    """username@host:port"""
    directory: str
    template: str
    mode: str
    schedule: str
    host_keys: list[str]
    """Pinned ones."""


class Seen(TypedDict):
    """What it could see from a moment on."""

    time: str
    cause: str
    """commit, import, day or start."""
    records: dict[str, int]
    """Records of each collection."""


class Used(TypedDict):
    """What an application did in one hour, and how it was answered."""

    application: str
    kind: str
    """rest, token or sftp."""
    status: str
    """A status of HTTP, or the state of a delivery."""
    time: str
    """Of the last one in that hour."""
    count: int


class Dossier(TypedDict):
    """One application; of its records there are numbers only."""

    name: str
    company: str | None
    description: str | None
    owner: str | None
    developers: list[str]
    agreement: str | None
    roles: dict[str, int]
    """Role -> users of it in its view."""
    withheld: list[str]
    masked: dict[str, str]
    shared: list[str]
    papers: list[Paper]
    """The application first, then its permission, then its targets."""
    targets: list[Target]


class Listed(TypedDict):
    """An entry of the catalogue."""

    name: str
    title: str
    company: str
    description: str | None
    development: bool
    developers: list[Mapping[str, str]]
    versions: list[str]
    """Those it needs; empty when any will do."""
    needs: list[str]
    """Collections and fields without which it cannot work."""
    recommended: Mapping[str, Any] | None
    """Fields of a permission, as in YAML."""
    added: list[str]
    """Applications that were added from it."""


class Dossiers(Protocol):
    """What is known of applications, and of those to come."""

    async def dossier(self, application: str) -> Dossier:
        """Of one application. Raises errors.InputError when there is none of that name."""
        ...

    async def accesses(self, limit: int, application: str | None) -> Sequence[Used]:
        """The newest first, of one application or of all."""
        ...

    async def sights(self, application: str, limit: int) -> Sequence[Seen]:
        """How its access went: the newest moments at which it changed, the oldest first."""
        ...

    async def catalog(self) -> Sequence[Listed]:
        """By title."""
        ...

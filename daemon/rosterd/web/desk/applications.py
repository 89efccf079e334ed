"""The applications: what each is allowed, what it got, and its emergency stop."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, Protocol, TypedDict

from rosterd import credentials


class Level(TypedDict):
    """Access to orgs or courses, and how many are granted."""

    level: str
    count: int


class Application(TypedDict):
    """One application with what it sees."""

    name: str
    title: str
    company: NotRequired[str | None]
    access: str
    enabled: bool
    development: bool
    versions: list[str]
    """Of the REST API; empty when it is off."""
    refusal: str | None
    """Why it gets nothing."""
    orgs: Level | None
    courses: Level | None
    counts: dict[str, int]
    """Records of each collection in its view."""
    rest: str | None
    """Its last REST access that was answered."""
    sftp: str | None
    """Its last delivery."""
    targets: NotRequired[list[str]]


class Applications(Protocol):
    """The applications of the accepted config."""

    async def applications(self) -> Sequence[Application]:
        """By name."""
        ...

    async def reveal(self, application: str, who: str) -> Sequence[credentials.Pair]:
        """Key and secret, on record under `who`."""
        ...

    async def seen(self, application: str, moment: datetime | None) -> Mapping[str, Any]:
        """What an application could see at a moment, None for now."""
        ...

    async def block(self, application: str, reason: str, who: str) -> None:
        """Stop it at once, without a commit."""
        ...

    async def unblock(self, application: str, reason: str, who: str) -> None:
        """Let it get what its documents say again."""
        ...

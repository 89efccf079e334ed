"""What comes in: the imports of the sources."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict


class Import(TypedDict):
    """One attempt to read a delivery of a source."""

    source: str
    state: str
    started: str
    ended: str
    generation: int | None
    added: int
    changed: int
    removed: int
    errors: int
    warnings: int
    problem: str
    report: NotRequired[Mapping[str, Any]]


class Rosters(Protocol):
    """The roster that is served."""

    async def imports(self, limit: int) -> Sequence[Import]:
        """The newest first."""
        ...

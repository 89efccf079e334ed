"""What is on record: the chain, and who saw one person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypedDict


class Head(TypedDict):
    """The end of the chain of records."""

    number: int
    head: str
    """sha256:… of the newest record; empty before the first."""


class Record(TypedDict):
    """One record of the chain, byte for byte."""

    number: int
    kind: str
    time: str
    previous: str
    head: str
    entry: str
    """Its bytes in base64: whoever wants to check them takes their sha256."""


class Records(Protocol):
    """The chain of records, and what left."""

    async def head(self) -> Head:
        """The newest record."""
        ...

    async def records(self, after: int, limit: int) -> Sequence[Record]:
        """The chain from the record behind `after` on, the oldest first."""
        ...

    async def person(
        self, sourced_id: str, who: str, *, since: datetime | None, until: datetime | None
    ) -> Mapping[str, Any]:
        """Who could see and who received the records of one person, on record under `who`."""
        ...

"""What comes in: the imports of the sources."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NotRequired, Protocol, TypedDict


class Import(TypedDict):
    """One attempt to read a delivery of a source."""

    number: int
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
    kept: bool
    """Whether what was received can still be taken out."""
    processed: bool
    """Whether what the roster held after it can be taken out."""
    report: NotRequired[Mapping[str, Any]]


class Moves(TypedDict):
    """What an import would do to the records of one collection."""

    collection: str
    """Or the name of a file that is of none, such as roles, when it had errors or warnings."""
    before: int
    """Records of this source before."""
    added: int
    changed: int
    removed: int
    errors: int
    warnings: int


class HeldImport(TypedDict):
    """An import that changes more than its source's thresholds, and waits for somebody."""

    source: str
    revision: str
    since: str
    generation: int
    excesses: list[Mapping[str, Any]]
    """What was too much: {"collection", "change", "number", "before"}."""
    collections: list[Moves]
    """All that it would do."""
    released: str
    """Who let it go; empty while nobody has."""


class Rosters(Protocol):
    """The roster that is served."""

    async def imports(self, limit: int) -> Sequence[Import]:
        """The newest first."""
        ...

    async def held_imports(self) -> Sequence[HeldImport]:
        """By source."""
        ...

    async def release_import(self, signed: str, signature: str, who: str) -> HeldImport:
        """Let go what a person signed for; `signed` is the text that `rosterd roster release`
        makes.
        """
        ...

    async def take_received(self, number: int, who: str) -> BinaryIO:
        """The delivery of an import as it was received, as a zip; that is on record."""
        ...

    async def take_processed(self, number: int, who: str) -> BinaryIO:
        """What the roster held of the source after an import, as a zip; that is on record."""
        ...

    async def import_now(self, source: str, who: str) -> Import:
        """Read a source now, on record; gives what became of it."""
        ...

"""What goes out over SFTP, and the secrets that it takes."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Protocol, TypedDict


class Export(TypedDict):
    """One run of one slot of an SFTP target."""

    target: str
    application: str
    slot: str
    state: str
    attempt: int
    started: str
    ended: str | None
    mode: str
    """bulk or delta."""
    file: str
    bytes: int
    rows: int
    problem: str


class Tested(TypedDict):
    """What a test of an SFTP target or source met."""

    target: str
    server: str
    host_key: str
    """Type and fingerprint."""
    steps: list[str]
    """What worked, in order."""


class Secret(TypedDict):
    """A name that a document uses or a value is kept under; never the value."""

    name: str
    document: str
    set: str | None
    used: bool
    needed: bool
    """Whether a delivery wants it now."""


class Exports(Protocol):
    """The targets, their runs and their secrets."""

    async def exports(self, limit: int) -> Sequence[Export]:
        """The newest first."""
        ...

    async def run_export(self, target: str, who: str) -> Mapping[str, Any]:
        """Deliver now; gives the run."""
        ...

    async def hand_out(self, application: str, form: str, who: str) -> BinaryIO:
        """A zip of its files in one form, on record under `who`; the caller closes it."""
        ...

    async def test_source(self, source: str, who: str) -> Tested:
        """Sign in at a source and look into its folder; a disabled one too."""
        ...

    async def test_target(self, target: str, who: str) -> Tested:
        """Sign in there as deliveries do."""
        ...

    async def secrets(self) -> Sequence[Secret]:
        """By name."""
        ...

    async def set_secret(self, name: str, value: str, who: str) -> str:
        """Keep a value; gives the document it belongs to."""
        ...

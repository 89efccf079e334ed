"""What the store keeps of rosters on their way in: held imports, what was received, pulls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rosterd.storage import records


@dataclass(frozen=True, slots=True)
class Held:
    """A generation that was built from a delivery and changes more than its source's thresholds."""

    source: str
    revision: str
    """Names it for whoever lets it go; hexadecimal."""
    delivery: str
    """Digest of the delivery."""
    name: str
    """Its folder."""
    number: int
    former: str
    """Folder of the generation that it was built on: on another one it means something else."""
    since: datetime
    report: Mapping[str, Any]
    excesses: Sequence[Mapping[str, Any]]
    """What was too much: {"collection", "change", "number", "before"}."""
    released: str = ""
    """Who let it go; "" while nobody has."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery that is kept as it was received, or what the roster held after an import."""

    source: str
    delivery: str
    """Digest that tells this delivery from another; `import-N` for what was processed."""
    file: str
    """Its file's name."""
    time: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class Pull:
    """How far a source that is asked came."""

    source: str
    place: str
    """Where it was asked, as text: of another place nothing is known."""
    tried: datetime | None = None
    """When the last pull began, whatever became of it."""
    began: datetime | None = None
    """When the last one began that was read."""
    whole: datetime | None = None
    """When the last one began that brought everything and was read."""
    taken: str = ""
    """Tells what was taken last from a folder."""


class Incoming(Protocol):
    """The part of a Store that is about rosters on their way in."""

    def held_imports(self) -> Sequence[Held]:
        """By source."""

    def hold_import(self, held: Held) -> None:
        """Keep it in place of another of its source."""

    def release_import(
        self, source: str, revision: str, who: str, *, notes: Sequence[records.Note] = ()
    ) -> bool:
        """Whether that revision is held and has been let go now; `notes` go on record with it."""

    def drop_held_import(self, source: str) -> None:
        """It is held no more: it is served, or something else is."""

    def kept_deliveries(self) -> Sequence[Kept]:
        """The oldest first."""

    def keep_delivery(self, kept: Kept) -> None:
        """Insert or replace that of (source, delivery)."""

    def forget_deliveries(self, files: Iterable[str]) -> None:
        """Drop those with these files."""

    def import_numbered(self, number: int) -> records.Import | None: ...

    def pulls(self) -> Mapping[str, Pull]:
        """By source."""

    def keep_pull(self, pull: Pull) -> None:
        """Insert or replace that of its source."""

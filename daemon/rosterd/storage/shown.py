"""What the store keeps of who could see which records, and of who received them.

Writing and reading have different shapes here. What is written are whole swaps and whole periods;
what is asked is one row, or one application, through all of them. So reading gives bitmaps as they
lie there, and lets the caller look before it unpacks the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pyroaring import FrozenBitMap

from rosterd import sightings

Cause = Literal["commit", "import", "day", "start"]


@dataclass(frozen=True, slots=True)
class Period:
    """One (config, generation) that was served; `generation` is 0 when there was none.

    `line` counts the times at which rows lost their meaning, because the roster was built anew.
    """

    commit: str
    generation: int
    line: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How an application stands: `refusal` is "" when it is served.

    `rules` and `levels` are JSON texts. `commit` and `generation` are those it is served from where
    that is not the period's, "" and 0 otherwise.
    """

    application: str
    refusal: str
    rules: str
    levels: str
    commit: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Rows of one collection whose audience changed; a mark is a place in `audiences`."""

    audiences: tuple[tuple[str, ...], ...]
    rows: sightings.Partition


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one swap changed of who could see what."""

    time: datetime
    cause: Cause
    period: Period
    changes: Mapping[str, Change] = field(default_factory=dict)
    standings: Sequence[Standing] = ()
    people: Sequence[tuple[bytes, str, int]] = ()
    """(digest, collection, row) of persons who are seen for the first time."""
    known: Mapping[str, FrozenBitMap] = field(default_factory=dict)
    """Collection -> all rows of the line that have a digest, where some came."""
    belongings: sightings.Partition | None = None
    """Enrollments, each marked with the row of its user."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One swap, as it is read."""

    number: int
    time: datetime
    cause: Cause
    period: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A way by which records of one collection leave: `form` is "rest", or "csv" and a target's
    name. `fields` is a JSON text.
    """

    application: str
    form: str
    version: str
    fields: str


@dataclass(frozen=True, slots=True, eq=False)
class Receipt:
    """What left by one channel while one (config, generation) was served."""

    period: Period
    channel: Channel
    collection: str
    first: datetime
    last: datetime
    rows: FrozenBitMap


Taken = Mapping[tuple[int, int, str], tuple[str, str]]
"""(period, channel, collection) -> first and last time, as texts: there are very many, and few are
looked at.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Rows of one collection and one swap or period, whose marks are still packed.

    `base` is the period that a period's rows are a difference to.
    """

    number: int
    rows: FrozenBitMap
    marks: bytes = field(repr=False)
    base: int | None = None
    depth: int = 0

    def partition(self) -> sightings.Partition:
        return sightings.Partition.unpacked(self.rows, self.marks)


class Shown(Protocol):
    """The part of the store that answers who could see, and who received."""

    def periods(self) -> Mapping[int, Period]: ...

    def sights(self) -> list[Sight]:
        """All, the oldest first."""

    def standings(
        self, application: str | None = None, until: int | None = None
    ) -> list[tuple[int, Standing]]:
        """(sight from which on it stands so, standing), the oldest first."""

    def audiences(self, numbers: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
        """Of sightings: names of applications."""

    def sightings(
        self, collection: str, until: int | None = None
    ) -> Iterable[tuple[int, FrozenBitMap]]:
        """(sight, rows whose audience changed with it), the oldest first."""

    def sighting(self, collection: str, sight: int) -> Kept:
        """One of them with its audiences; LookupError when nothing changed there."""

    def known_people(self, line: int) -> Mapping[str, FrozenBitMap]:
        """Collection -> rows whose person is known."""

    def people(self, digests: Iterable[bytes]) -> list[tuple[int, str, int]]:
        """(line, collection, row) of one person."""

    def belongings(self) -> Iterable[tuple[int, FrozenBitMap, bytes]]:
        """(sight, rows, marks) of enrollments and their users, the oldest first."""

    def pseudonym(self) -> bytes | None:
        """The sealed key of digests."""

    def set_pseudonym(self, sealed: bytes) -> None:
        """Insert or replace it."""

    def keep_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Add what left in periods that are over; what is there already is not added twice."""

    def channels(self) -> Mapping[int, Channel]: ...

    def receipts(self) -> Taken: ...

    def received(self, collection: str) -> Iterable[Kept]:
        """Of each period, the oldest first."""

    def received_by(self, numbers: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
        """Of `received`: audience -> numbers of channels."""

    def late_receipts(self, collection: str) -> list[tuple[int, int, FrozenBitMap]]:
        """(period, channel, rows) of what left after its period was put together."""

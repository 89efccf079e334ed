"""What the store keeps of sanity checks: how many each found, and never whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

KEPT: Final = 100
"""Runs that are kept of one application."""


@dataclass(frozen=True, slots=True)
class SanityRun:
    """All checks of what one application saw."""

    application: str
    generation: int
    commit: str
    revision: str
    """Of what it was served: equal revisions are equal records."""
    time: datetime
    counts: Mapping[str, int | None]
    """Check -> records that it found; None where what it looks at is withheld."""


class Checking(Protocol):
    """The part of a Store that is about sanity checks."""

    def keep_sanity(self, run: SanityRun) -> None:
        """Add a run; of its application only the newest KEPT stay."""

    def sanity_runs(self, application: str, limit: int = KEPT) -> Sequence[SanityRun]:
        """The newest first."""

    def last_sanity(self) -> Mapping[str, SanityRun]:
        """Application -> its newest run."""

    def forget_sanity(self, but: Iterable[str]) -> None:
        """Drop the runs of all other applications."""

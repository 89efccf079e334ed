"""What is remembered of a source between two passes, and how it is; losing it costs one look more."""

from dataclasses import dataclass
from typing import Final, Literal

from rosterd import storage
from rosterd.importing import publishing, sources

_RETRY: Final = (30.0, 120.0, 600.0)
"""Seconds until an import is tried again that failed for a reason which is not the delivery's."""
State = Literal["waiting", "importing", "current", "held", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is. `state` is one of waiting, importing, current, held, refused, failed."""

    state: State
    reason: str = ""
    stale: str = ""
    """Since when nothing was read, when that is too long ago."""
    paused: bool = False
    """Whether its document says that nothing is read today."""


UNSEEN: Final = Status("waiting", "nothing was seen yet")


@dataclass(slots=True)
class Watch:
    """One source."""

    sight: sources.Sight | None = None
    since: float = 0.0
    handled: tuple[sources.Sight, bool] | None = None
    """What was read, and whether without its removals."""
    failures: int = 0
    retry: float = 0.0
    status: Status = UNSEEN

    def absent(self, reason: str) -> None:
        """Nothing lies at a source that is asked: nothing new is fine."""
        if self.status.state == "failed":
            self.status = Status("current")
        elif reason and self.status.state == "waiting":
            self.status = Status("waiting", reason)

    def changing(self, reason: str, now: float) -> None:
        """What was seen turned out to be written still: its settling begins anew."""
        self.status = Status("waiting", reason)
        self.sight = None
        self.retry = now

    def concluded(
        self, sight: sources.Sight, imported: storage.Import, now: float, *, stay: bool
    ) -> None:
        """What became of what was seen; `stay` when it was read without its removals."""
        if imported.state == "failed":
            self.retry = now + _RETRY[min(self.failures, len(_RETRY) - 1)]
            self.failures += 1
            self.status = Status("failed", imported.problem)
            return
        self.handled, self.failures = (sight, stay), 0
        fine, state = imported.state in publishing.FINE, imported.state
        told: State = "held" if state == "held" else "refused"
        self.status = Status("current") if fine else Status(told, imported.problem)

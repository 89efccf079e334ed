"""Sanity checks of what one application sees, and how they went before."""

from collections.abc import Sequence
from typing import Protocol, TypedDict


class Check(TypedDict):
    """What one check finds."""

    check: str
    title: str
    severity: str
    collection: str
    count: int | None
    """None where what it looks at is withheld or masked."""
    before: int | None
    """In the run before; None where there is none, or it could not tell."""
    difference: int | None
    since: str
    """Since when it has been finding so many, as far as runs are kept."""
    sample: list[str]
    """A few sourcedIds, where they were asked for."""


class Checked(TypedDict):
    """One application, examined now."""

    application: str
    generation: int
    commit: str
    time: str
    """When the run was made that this is; the same records are not examined twice."""
    previous: str | None
    """When the run before was made."""
    findings: list[Check]
    unmet: list[str]
    """What its catalogue entry needs and it does not get."""


class SanityRun(TypedDict):
    """A run that is kept."""

    generation: int
    commit: str
    time: str
    counts: dict[str, int | None]


class Checks(Protocol):
    """Checks for whoever asks."""

    async def sanity(self, application: str, who: str, *, samples: bool) -> Checked:
        """Examine it now; with `samples` some sourcedIds are named, on record under `who`."""
        ...

    async def sanity_runs(self, application: str, limit: int) -> Sequence[SanityRun]:
        """Runs that are kept, the newest first."""
        ...

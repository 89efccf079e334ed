"""What keeps a whole candidate waiting: it removes too much at once, or this is no time for it.

All of it goes by the accepted config, so that a push cannot lift what stands in its way; only a
release is read from the candidate, for as many people vouch for it as for any widening.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from rosterd import configs, documents
from rosterd.configs import renaming
from rosterd.plans import diffing, guarding

LONG = timedelta(days=14)
"""After this a suspension is told as a warning: somebody may have forgotten it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Documents of one kind that a candidate removes."""

    kind: str
    number: int
    before: int


def everything(config: configs.Config | None) -> guarding.Documents:
    """Every document by its path."""
    found = diffing.documents_of(config)
    return {documents.path_of(kind, name): each for (kind, name), each in found.items()}


def removed(old: configs.Config, new: configs.Config) -> dict[str, documents.AnyDocument]:
    """Documents by their paths that `new` has no more; those with another name are not among
    them.
    """
    after = everything(new)
    former = {
        (kind, name)
        for kind in ("Application", "Permission", "SftpTarget")
        for name in renaming.renames(old, new, kind)
    }
    return {
        path: each
        for path, each in everything(old).items()
        if path not in after and (each.kind, each.name) not in former
    }


def too_many(old: configs.Config, new: configs.Config) -> tuple[Removed, ...]:
    """Kinds of which more documents go than the limits of `old` allow."""
    gone, before = removed(old, new), everything(old)
    found = []
    for kind in documents.KINDS:
        number = sum(each.kind == kind for each in gone.values())
        there = sum(each.kind == kind for each in before.values())
        if old.repository.limits.removed.exceeded(number, there):
            found.append(Removed(kind, number, there))
    return tuple(found)


def as_moved(found: Sequence[Removed]) -> tuple[guarding.Moved, ...]:
    """As what releases are compared with."""
    return tuple(guarding.Moved(each.kind, each.before, 0, each.number) for each in found)


def frozen(windows: Sequence[documents.Freeze], now: datetime) -> documents.Freeze | None:
    """The window that `now`, in the repository's timezone, lies in."""
    return next((each for each in windows if _covers(each, now)), None)


def _covers(window: documents.Freeze, now: datetime) -> bool:
    start, end = window.start, window.end
    if isinstance(start, date) and isinstance(end, date):
        return start <= now.date() <= end
    if not isinstance(start, time) or not isinstance(end, time):
        return False  # documents admit no mixture
    clock, days = now.time(), window.days or ()
    today = documents.DAYS[now.weekday()] in days
    if start < end:
        return today and start <= clock < end
    yesterday = documents.DAYS[(now.weekday() - 1) % 7] in days
    return (today and clock >= start) or (yesterday and clock < end)

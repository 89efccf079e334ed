"""Whether an import changes more than its source may, and on which days it may.

What an import would do is counted before anybody sees it. A student system that sends half its
pupils, or all of them under new ids, is then a question to a person and not a morning on which
every vendor has archived them. What is held is named by a revision: who lets it go signs for the
very generation whose numbers were shown, and for no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

from rosterd import documents, storage
from rosterd.oneroster import model

_CHANGES: Final = ("added", "changed", "removed")
SHOWN: Final = 12
"""Digits of a revision that people see and type."""


@dataclass(frozen=True, slots=True)
class Excess:
    """One number that is too large."""

    collection: str
    change: str
    number: int
    before: int
    """Records of this source and collection before."""

    def __str__(self) -> str:
        return f"{few(self.number)} {self.collection} {self.change} of {few(self.before)}"

    def as_json(self) -> dict[str, Any]:
        """The members by their names."""
        return {
            "collection": self.collection,
            "change": self.change,
            "number": self.number,
            "before": self.before,
        }


def few(number: int) -> str:
    """A count as logs may have it: small ones could tell who is meant."""
    return f"{number:,}" if number >= 10 or number == 0 else "<10"


def excesses(
    source: documents.RosterSource, report: Mapping[str, Any], today: date
) -> tuple[Excess, ...]:
    """What of a build's report is too much; nothing of what is expected on this day is.

    `today` is the day in the repository's timezone.
    """
    found = []
    for name, counts in report.get("files", {}).items():
        collection = str(name).removesuffix(".csv")
        if collection not in model.COLLECTIONS or _expected(source, collection, today):
            continue
        allowed = source.thresholds.of(collection)
        before = int(counts.get("before", 0))
        for change in _CHANGES:
            limit: documents.Limit | None = getattr(allowed, change)
            number = int(counts.get(change, 0))
            if limit is not None and limit.exceeded(number, before):
                found.append(Excess(collection, change, number, before))
    return tuple(found)


def _expected(source: documents.RosterSource, collection: str, today: date) -> bool:
    return any(
        each.covers(today) and (each.collections is None or collection in each.collections)
        for each in source.expected
    )


def revision(source: str, name: str, delivery: str, found: Sequence[Excess]) -> str:
    """Names what is held: the generation `name`, which was built from `delivery`."""
    numbers = (f"{each.collection}.{each.change}={each.number}/{each.before}" for each in found)
    return sha256("\n".join((source, name, delivery, *numbers)).encode()).hexdigest()


def words(held: storage.Held) -> str:
    """Why it is held, and what lets it go."""
    said = ", ".join(str(Excess(**each)) for each in held.excesses)
    return (
        f"held: {said}; when that is right, let it go with `rosterd roster release"
        f" {held.revision[:SHOWN]} --reason …`"
    )


def paused(source: documents.RosterSource, today: date) -> str:
    """Why nothing is imported on this day; "" when it is."""
    for each in source.blackout:
        if each.covers(today):
            return f"nothing is imported from {each.start} to {each.end} (blackout)"
    return ""


def additions_only(source: documents.RosterSource, today: date) -> bool:
    """Whether nobody leaves on this day."""
    return any(each.covers(today) for each in source.additions_only)

"""Everything on record about a period, in the order in which an auditor asks for it.

A report says with which heads it begins and ends: whoever keeps the last one can hold the next
report against it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rosterd import chain
from rosterd.auditing import events

SECTIONS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "applied": ("Applied changes", frozenset({"applied"})),
    "holds": (
        "Held back and released",
        frozenset({"held", "released", "stopped", "roster-released"}),
    ),
    "blocks": ("Emergency stops", frozenset({"blocked", "unblocked"})),
    "keys": ("Keys and review rule", frozenset({"keys", "rewritten"})),
    "credentials": (
        "Credentials and secrets",
        frozenset({"revealed", "credentials", "mailed", "secret"}),
    ),
    "exports": ("Deliveries by hand", frozenset({"export-run", "sftp-test", "handed"})),
    "imports": (
        "Imports by hand, and what was taken out",
        frozenset({"import-run", "received-taken", "processed-taken"}),
    ),
    "questions": ("Questions asked", frozenset({"planned", "prepared", "inquiry", "looked"})),
    "drift": ("Corrections", frozenset({"drift"})),
    "carried": ("From before there was a chain", frozenset({"carried-over"})),
}
"""Section -> its heading and the kinds in it; what is in none comes last, so nothing is left out."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Section:
    """Events of one sort, the oldest first."""

    name: str
    title: str
    events: tuple[events.Event, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A period: from `since` (None: the beginning of the chain) to before `until`."""

    since: datetime | None
    until: datetime
    made: datetime
    repository: str
    version: str
    """Of the rosterd that made the report."""
    verdict: chain.Verdict
    """Of the whole chain, as it was when the report was made."""
    before: tuple[int, str]
    """Number and head of the last record before the period; (0, "") for none."""
    last: tuple[int, str]
    """Number and head of the last record of the period, or that of `before`."""
    newest: tuple[int, str]
    """Number and head of the chain when the report was made."""
    keys: events.Event | None
    """Keys and rule in force when the period began, or the first on record in it."""
    sections: tuple[Section, ...]

    @property
    def events(self) -> list[events.Event]:
        """All, the oldest first."""
        every = [each for section in self.sections for each in section.events]
        return sorted(every, key=lambda each: each.number)

    def section(self, name: str) -> Section:
        """One by its name; an empty one for a name it has nothing under."""
        for each in self.sections:
            if each.name == name:
                return each
        return Section(name, SECTIONS[name][0], ())

    def as_json(self) -> dict[str, Any]:
        """JSON values; entries as they are."""
        return {
            "from": None if self.since is None else chain.text(self.since),
            "to": chain.text(self.until),
            "made": chain.text(self.made),
            "repository": self.repository,
            "version": self.version,
            "chain": {
                "holds": self.verdict.fine,
                "records": self.verdict.count,
                "bad": self.verdict.bad,
                "problem": self.verdict.problem,
            },
            "heads": {
                "before": _head(self.before),
                "last": _head(self.last),
                "newest": _head(self.newest),
            },
            "keys": None if self.keys is None else self.keys.as_json(),
            "sections": {
                section.name: [each.as_json() for each in section.events]
                for section in self.sections
            },
        }


def make(
    records: Sequence[chain.Record],
    *,
    since: datetime | None,
    until: datetime,
    made: datetime,
    version: str,
) -> Report:
    """The report of a period from the whole chain."""
    every = [events.event(record) for record in records]
    inside = events.chosen(every, since=since, until=until)
    # By number, not by time: a clock that was set back must not leave a record out unseen.
    earlier = [each for each in every if not inside or each.number < inside[0].number]
    if not inside:
        earlier = events.chosen(every, until=since) if since is not None else []
    before = _place(earlier)
    known = [each for each in every if each.kind == "keys"]
    earlier_keys = [each for each in known if not inside or each.number < inside[0].number]
    first = next((each for each in inside if each.kind == "keys"), None)
    return Report(
        since=since,
        until=until,
        made=made,
        repository=known[-1].subject if known else "",
        version=version,
        verdict=chain.verify(records),
        before=before,
        last=_place(inside) if inside else before,
        newest=_place(every),
        keys=earlier_keys[-1] if earlier_keys else first,
        sections=tuple(_sections(inside)),
    )


def _sections(inside: Sequence[events.Event]) -> list[Section]:
    found = []
    placed: set[str] = set()
    for name, (title, kinds) in SECTIONS.items():
        placed |= kinds
        found.append(Section(name, title, tuple(e for e in inside if e.kind in kinds)))
    rest = tuple(each for each in inside if each.kind not in placed)
    found.append(Section(OTHER, "Everything else", rest))
    return [section for section in found if section.events]


def _place(every: Sequence[events.Event]) -> tuple[int, str]:
    return (every[-1].number, every[-1].head) if every else (0, "")


def _head(place: tuple[int, str]) -> dict[str, Any] | None:
    return {"number": place[0], "head": f"sha256:{place[1]}"} if place[0] else None

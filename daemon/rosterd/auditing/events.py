"""A record as something that happened.

Much of an entry was typed by people who want something: a commit's author, a reason. So whatever
is shown passes `shown`, which leaves no character that moves a cursor or turns the direction of
writing round.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rosterd import chain, errors, statements

_ABOUT: Final = frozenset(
    (
        "credentials",
        "revealed",
        "mailed",
        "handed",
        "prepared",
        "held",
        "released",
        "stopped",
        "blocked",
        "unblocked",
    )
)
"""Kinds whose subject is an application."""
_PLACED: Final = frozenset(("v", "number", "previous", "kind", "actor", "subject", "time"))
"""Members that every entry has; the others are what this kind has to say."""
SHORTEST: Final = 4
"""Least characters of a digest or commit that name a record."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record, read."""

    number: int
    time: datetime
    kind: str
    head: str
    actor: str
    subject: str
    sentence: str
    """What happened, in one line."""
    content: Mapping[str, Any]
    """The entry's members; empty when it cannot be read."""
    applications: frozenset[str]
    """Those it is about."""

    @property
    def details(self) -> dict[str, Any]:
        """What this kind of record says beyond what all say."""
        return {name: value for name, value in self.content.items() if name not in _PLACED}

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "time": chain.text(self.time),
            "kind": self.kind,
            "head": f"sha256:{self.head}",
            "sentence": self.sentence,
            "entry": dict(self.content),
        }


def event(record: chain.Record) -> Event:
    """The event of a record; one whose entry cannot be read is told as that."""
    try:
        content = record.read()
    except (ValueError, RecursionError):
        words = "the entry of this record cannot be read"
        return Event(
            record.number, record.time, record.kind, record.head, "", "", words, {}, frozenset()
        )
    return Event(
        number=record.number,
        time=record.time,
        kind=record.kind,
        head=record.head,
        actor=shown(content.get("actor", "")),
        subject=shown(content.get("subject", "")),
        sentence=shown(chain.sentence(record.kind, content)),
        content=content,
        applications=_applications(record.kind, content),
    )


def chosen(
    events: Iterable[Event],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    kinds: Collection[str] = (),
    application: str | None = None,
) -> list[Event]:
    """Those from `since` on and before `until`, of these kinds, about this application."""
    return [
        each
        for each in events
        if (since is None or each.time >= since)
        and (until is None or each.time < until)
        and (not kinds or each.kind in kinds)
        and (application is None or application in each.applications)
    ]


def find(events: Iterable[Event], name: str) -> list[Event]:
    """Events that a number, the beginning of a head (sha256:…) or of a commit names.

    Raises errors.InputError when there is none.
    """
    wanted = name.removeprefix("sha256:").lower()
    every = list(events)
    found = []
    if wanted.isascii() and wanted.isdigit() and not name.startswith("sha256:"):
        found = [each for each in every if each.number == int(wanted)]
    if not found and len(wanted) >= SHORTEST:
        heads = [each for each in every if each.head.startswith(wanted)]
        commits = [each for each in every if str(each.content.get("commit", "")).startswith(wanted)]
        found = heads or commits
    if not found:
        raise errors.InputError(
            f"cannot find {shown(name)}: name a number, a head (sha256:…) or a commit that is on"
            " record; `rosterd audit log` lists them"
        )
    return found


def shown(value: object) -> str:
    """Text for a terminal or a page: without control and format characters."""
    text = str(value)
    if text.isprintable():  # nearly all there is, and a hundred times as quick
        return text
    return "".join(
        "�" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} and char not in "\n\t" else char
        for char in text
    )


_MOVED: Final = frozenset({"collection", "gain", "lose", "over"})


def worded(value: Any) -> str:
    """A JSON value in a line, for whoever does not read JSON."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if value.keys() == _MOVED:  # what a hold says of each collection
            much = ", too much" if value["over"] else ""
            moved = f"gains {worded(value['gain'])}, loses {worded(value['lose'])}{much}"
            return shown(f"{worded(value['collection'])}: {moved}")
        parts = (f"{name} {worded(item)}" for name, item in value.items() if item not in ({}, []))
        return shown("; ".join(parts)) or "-"
    if isinstance(value, list):
        return shown(", ".join(map(worded, value))) or "-"
    return shown(value)


def rule(value: Any) -> str:
    """A review rule in words: how many people vouch for what."""
    if not isinstance(value, Mapping):  # the first version wrote the number alone
        return f"{_people(value)} for each change"
    words = [f"{_people(value.get('people'))} for each change"]
    for name in ("kinds", "effects"):
        found = value.get(name)
        if isinstance(found, Mapping):
            words += [f"{worded(number)} for {shown(what)}" for what, number in found.items()]
    return ", ".join(words)


def _people(number: Any) -> str:
    return statements.counted(number) if isinstance(number, int) else f"{worded(number)} people"


def _applications(kind: str, content: Mapping[str, Any]) -> frozenset[str]:
    found = content.get("applications", [])
    names = set(map(str, found)) if isinstance(found, list) else set()
    if isinstance(content.get("application"), str):
        names.add(content["application"])
    elif kind in _ABOUT:
        names.add(str(content.get("subject", "")))
    return frozenset(names)

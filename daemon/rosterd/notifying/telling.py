"""Who is told what, and when: once when it begins, once when it is over, and at most daily between.

Pure: what was told so far and what is so now come in, what is to be told goes out. A notice is kept
as tried before it is sent. So after a crash it is told again, at least once and never for ever, and
whoever may have heard of a beginning hears of the end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from rosterd import storage

About = Literal["exports", "holds", "commits", "imports", "endings"]
What = Literal["begun", "worse", "still", "over"]
AGAIN: Final = timedelta(days=1)
"""What goes on is told of again after this long."""
GAP: Final = timedelta(minutes=1)
"""Between two messages to one receiver."""
RETRIES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
GIVEN_UP: Final = timedelta(days=7)
"""After this long nobody is told any more that something is over."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that somebody should know of, for as long as it is so. Names and counts only."""

    about: About
    key: str
    """Names it for as long as it lasts."""
    title: str
    """One line."""
    text: str = ""
    """Why, and who has to act."""
    level: str = ""
    """When this changes, it is told anew."""
    subject: str = ""
    """The application, target, source or commit."""
    reminds: bool = True

    def as_json(self) -> dict[str, Any]:
        return {
            "about": self.about,
            "title": self.title,
            "text": self.text,
            "level": self.level,
            "subject": self.subject,
            "reminds": self.reminds,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What is so now. Of `unknown` keys it cannot be told: they stay as they were."""

    incidents: tuple[Incident, ...] = ()
    unknown: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to tell."""

    what: What
    notice: storage.Notice


def advanced(
    receiver: str,
    kept: Iterable[storage.Notice],
    incidents: Iterable[Incident],
    unknown: Collection[str],
    now: datetime,
) -> list[storage.Notice]:
    """The notices of one receiver, after a look at what is so."""
    before = {each.key: each for each in kept}
    after = []
    for incident in incidents:
        notice = before.pop(incident.key, None)
        if notice is None or (notice.ended is not None and notice.told is None):
            notice = storage.Notice(receiver, incident.key, incident.as_json(), now)
        # one that was over and is so again before anybody heard of its end just goes on
        after.append(replace(notice, incident=incident.as_json(), ended=None))
    for notice in before.values():
        if notice.key in unknown and notice.ended is None:
            after.append(notice)
        elif notice.tried and now - (notice.ended or now) < GIVEN_UP:
            after.append(replace(notice, ended=notice.ended or now))
    return sorted(after, key=lambda notice: notice.key)


def due(notices: Iterable[storage.Notice], now: datetime) -> list[Line]:
    """What is to be told now."""
    return [Line(what, notice) for notice in notices if (what := _what(notice, now)) is not None]


def _what(notice: storage.Notice, now: datetime) -> What | None:
    if notice.ended is not None:
        return "over"
    if notice.told is None:
        return "begun"
    if notice.level != notice.incident.get("level", ""):
        return "worse"
    if notice.incident.get("reminds", True) and now - notice.told >= AGAIN:
        return "still"
    return None


def tried(notices: Sequence[storage.Notice], lines: Iterable[Line]) -> list[storage.Notice]:
    """As they are kept before `lines` are sent."""
    keys = {line.notice.key for line in lines}
    return [replace(each, tried=True) if each.key in keys else each for each in notices]


def told(
    notices: Sequence[storage.Notice], lines: Iterable[Line], now: datetime
) -> list[storage.Notice]:
    """As they are kept once `lines` have arrived."""
    sent = {line.notice.key: line for line in lines}
    found = []
    for each in notices:
        line = sent.get(each.key)
        if line is None:
            found.append(each)
        elif line.what != "over":
            level = str(line.notice.incident.get("level", ""))
            found.append(replace(each, told=now, level=level))
    return found


def open_to(receiver: storage.Receiver, now: datetime) -> bool:
    """Whether something may be sent to it now."""
    if receiver.retry is not None and receiver.retry > now:
        return False
    return receiver.sent is None or now - receiver.sent >= GAP


def failed(receiver: storage.Receiver, problem: str, now: datetime) -> storage.Receiver:
    """After an attempt that failed: tried again later, each time a little later than before."""
    pause = RETRIES[min(receiver.failures, len(RETRIES) - 1)]
    return replace(receiver, failures=receiver.failures + 1, retry=now + pause, problem=problem)


_WORDS: Final[Mapping[What, str]] = {"begun": "", "worse": "", "still": "still: ", "over": "over: "}
_MOST: Final = 50


def headline(district: str, lines: Sequence[Line]) -> str:
    """One line that says what this is about."""
    first = lines[0]
    said = f"{_WORDS[first.what]}{first.notice.incident['title']}"
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"[{district}] {said}{more}"


def text(lines: Sequence[Line]) -> str:
    """All of it, as plain text."""
    parts = []
    for line in lines[:_MOST]:
        said = f"{_WORDS[line.what]}{line.notice.incident['title']}"
        why = str(line.notice.incident.get("text", ""))
        since = f"  since {line.notice.begun:%Y-%m-%d %H:%M} UTC"
        parts.append(
            "\n".join([said, *([f"  {why}"] if why and line.what != "over" else []), since])
        )
    if len(lines) > _MOST:
        parts.append(f"and {len(lines) - _MOST} more: see `rosterd status`")
    return "\n\n".join(parts) + "\n"


def payload(district: str, lines: Sequence[Line]) -> dict[str, Any]:
    """For programs; docs/notifications.md tells the keys."""
    return {
        "version": 1,
        "district": district,
        "events": [
            {
                "what": line.what,
                "key": line.notice.key,
                "about": line.notice.incident["about"],
                "subject": line.notice.incident.get("subject", ""),
                "title": line.notice.incident["title"],
                "text": line.notice.incident.get("text", ""),
                "since": line.notice.begun.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for line in lines
        ],
    }


def slack(district: str, lines: Sequence[Line]) -> dict[str, str]:
    """For Slack and what takes the same; nothing in it is markup."""
    plain = f"{headline(district, lines)}\n\n{text(lines)}"
    return {"text": plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}

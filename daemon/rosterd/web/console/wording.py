"""Numbers, times and states as people read them."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from rosterd.web import desk

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def ago(text: str, now: str) -> str:
    """How long ago, in one unit; the exact time stands in the element's title."""
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(text)).total_seconds()
    for name, length in _UNITS:
        number = int(seconds // length)
        if number >= 1:
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now"


def moment(text: str) -> str:
    """A time to the minute, in UTC."""
    return text[:16].replace("T", " ")


def count(number: int | str) -> str:
    """A number in groups of three; what is no number stays as it is."""
    return f"{number:,}".replace(",", "\u202f") if isinstance(number, int) else number


def size(number: int) -> str:
    """Bytes in the unit that fits."""
    if number < 1000:
        return f"{number} B"
    found = number / 1000
    for unit in ("kB", "MB"):
        if found < 1000:
            return f"{found:.1f} {unit}"
        found /= 1000
    return f"{found:.1f} GB"


def missing(each: desk.Missing) -> str:
    """Whose statements are there, and how many more it takes."""
    have = ", ".join(each["have"]) or "nobody yet"
    lacking = max(0, each["needed"] - len(each["have"]))
    more = "1 more person has" if lacking == 1 else f"{lacking} more people have"
    return f"vouched for by {have}; {more} to"


def mood(state: str) -> str:
    """How a run of something went: good, wait or bad."""
    if state in ("failed", "refused"):
        return "bad"
    return "wait" if state in ("running", "superseded", "held") else "good"


def worked(status: str) -> bool:
    """Whether an access, by its status of HTTP or the state of its delivery, went well."""
    return not status.startswith(("4", "5", "failed", "refused"))


def outcome(status: str) -> str:
    """The same in a word."""
    if not status.isdigit():
        return status
    return "answered" if worked(status) else f"refused ({status})" if status < "500" else status


_ODD: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(value: object) -> object:
    """Whatever a page shows, without characters that are no text: those that turn around what stands
    beside them, control characters, and halves of characters, which no page could be sent with.
    """
    # markup of ours is of a type of its own; what stands in it came by here before
    return _ODD.sub("\ufffd", value) if type(value) is str else value


FILTERS: Final[dict[str, Callable[..., object]]] = {
    "ago": ago,
    "moment": moment,
    "count": count,
    "size": size,
    "missing": missing,
    "mood": mood,
    "worked": worked,
    "outcome": outcome,
    "answer": lambda status: {"yes": "good", "no": "bad"}.get(status, "none"),
    "level_class": lambda level: {"NO ACCESS": "no", "FULL ACCESS": "all"}.get(level, "some"),
}

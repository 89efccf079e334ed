"""What a page of the console is.

Whatever tells of single people is asked for with POST, by a form that carries the session's own
word: names and ids are then in no address, so in no browser's history and no proxy's log, and no
other site can have somebody ask.
"""

import math
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rosterd.web import desk, operators

LONGEST = 200
"""Characters of one thing that somebody typed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page, by somebody who may have it."""

    desk: desk.Desk
    who: operators.Operator
    given: Mapping[str, str]
    """What the address says, or for POST the form; the last value of each name."""
    chosen: Mapping[str, list[str]]
    """The same with all values."""
    name: str
    """The part of the path that names something; empty where there is none."""
    posted: bool

    def text(self, name: str, limit: int = LONGEST) -> str:
        """What was typed there, without what no text needs."""
        return " ".join(self.given.get(name, "").split())[:limit]

    def one_of(self, name: str, known: Mapping[str, Any] | tuple[str, ...], usual: str) -> str:
        """What was chosen there, or `usual` for what nobody could choose."""
        found = self.given.get(name, usual)
        return found if found in known else usual

    def number(self, name: str, usual: int = 0, most: int = 10**9) -> int:
        """A number of an address, bounded."""
        text = self.given.get(name, "")
        return (
            min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 10 else usual
        )


Context = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `label` is how the navigation calls it; "" for pages that others lead to."""

    path: str
    template: str
    answer: Callable[[Asked], Awaitable[Context]]
    label: str = ""
    role: operators.Role = "viewer"
    method: Literal["GET", "POST"] = "GET"
    under: str = ""
    """Path of the page of the navigation that it belongs to; its own when empty."""


class Missing(Exception):
    """Nothing of that name; the text says what."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Where in a long list somebody is."""

    offset: int
    limit: int
    total: int
    step: Mapping[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.total / self.limit))

    @property
    def page(self) -> int:
        return self.offset // self.limit + 1

    @property
    def first(self) -> int:
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.offset + self.limit, self.total)

    @property
    def before(self) -> int | None:
        return None if self.offset <= 0 else max(0, self.offset - self.limit)

    @property
    def after(self) -> int | None:
        return self.offset + self.limit if self.offset + self.limit < self.total else None


def address(path: str, given: Mapping[str, str], **changed: str | int | None) -> str:
    """A link to a page with what was asked and some of it changed; what is empty is left out."""
    said = {
        **given,
        **{name: "" if value is None else str(value) for name, value in changed.items()},
    }
    query = urllib.parse.urlencode({name: value for name, value in said.items() if value})
    return f"{path}?{query}" if query else path


class Forbidden(Exception):
    """Somebody's role does not reach this; the text says which would."""

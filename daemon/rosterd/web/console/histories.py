"""What was applied with whose statements and to what effect, and everything else on record."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Final

from rosterd import chain
from rosterd.auditing import events, planned
from rosterd.web import desk
from rosterd.web.console import pages

_CHANGES: Final = 10
_LINES: Final = 40
"""Documents, fields, applications and warnings that are shown of one plan."""
_LISTED: Final = 50
_BLOCK: Final = 1_000
_DEEPEST: Final = 20_000
"""Records that are looked through for one page, the newest first; the commands look at all."""


async def _history(asked: pages.Asked) -> pages.Context:
    status = asked.desk.status()
    offset = asked.number("offset")
    every = await newest(asked.desk, offset + _CHANGES + 1, ("applied", "rewritten"))
    shown = every[offset : offset + _CHANGES]
    return {
        "changes": await asyncio.to_thread(_planned, shown),
        "offset": offset,
        "older": len(every) > offset + _CHANGES,
        "newer": max(0, offset - _CHANGES) if offset else None,
        "step": _CHANGES,
        "most": _LINES,
        "rule": status["review"]["words"],
        "requests": status["requests"],
        "repository": status["repository"],
        "guards": status["guards"],
    }


def _planned(shown: Sequence[events.Event]) -> list[tuple[events.Event, planned.Planned | None]]:
    return [(each, planned.read(each.content)) for each in shown]


async def _audit(asked: pages.Asked) -> pages.Context:
    given = {
        "kind": asked.one_of("kind", chain.KINDS, ""),
        "application": asked.text("application"),
        "since": asked.text("since", 10),
        "until": asked.text("until", 10),
    }
    since, until = _day(given["since"]), _day(given["until"])
    problem = ""
    if (given["since"] and since is None) or (given["until"] and until is None):
        problem = "Write days as 2026-09-01."
    offset = asked.number("offset")
    head = await asked.desk.head()
    filtered = any(given.values())
    kinds = (given["kind"],) if given["kind"] else ()
    every = await newest(asked.desk, None if filtered else offset + _LISTED, kinds)
    found = events.chosen(
        every,
        since=since,
        until=until + timedelta(days=1) if until else None,
        application=given["application"] or None,
    )
    total = len(found) if filtered else min(head["number"], _DEEPEST)
    names = [each["name"] for each in await asked.desk.applications()]
    return {
        "given": given,
        "kinds": sorted(chain.KINDS),
        "applications": sorted(names),
        "head": head,
        "events": found[offset : offset + _LISTED],
        "paging": pages.Paging(offset, _LISTED, total),
        "cut": head["number"] > _DEEPEST and (filtered or offset + _LISTED >= total),
        "deepest": _DEEPEST,
        "problem": problem,
    }


async def newest(
    asked_desk: desk.Desk, wanted: int | None, kinds: Sequence[str]
) -> list[events.Event]:
    """Records of these kinds (of any) as events, the newest first, until `wanted` are there.

    To read a record costs far more than to look at its kind; it is done on another thread.
    """
    end = (await asked_desk.head())["number"]
    lowest = max(0, end - _DEEPEST)
    found: list[events.Event] = []
    while end > lowest and (wanted is None or len(found) < wanted):
        begin = max(lowest, end - _BLOCK)
        block = [
            each
            for each in await asked_desk.records(begin, end - begin)
            if not kinds or each["kind"] in kinds
        ]
        found += await asyncio.to_thread(_read, block)
        end = begin
    return found


def _read(block: Sequence[desk.Record]) -> list[events.Event]:
    return [events.event(_record(each)) for each in reversed(block)]


def _record(each: desk.Record) -> chain.Record:
    return chain.Record(
        number=each["number"],
        previous=each["previous"],
        head=each["head"],
        entry=base64.b64decode(each["entry"]),
        kind=each["kind"],
        time=datetime.fromisoformat(each["time"]),
    )


def _day(text: str) -> datetime | None:
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if found.year < MAXYEAR else None  # the next day has to be one, too


PAGES: Final = (
    pages.Page("/history", "history.html", _history, label="History"),
    pages.Page("/audit", "audit.html", _audit, label="Audit"),
)

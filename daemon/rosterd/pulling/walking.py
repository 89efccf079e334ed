"""A walk over all pages of one collection, distrustful of the server that gives them.

Servers clamp `limit`, forget totals, or page over a roster that changes meanwhile. A walk is whole
when the server says that nothing follows and gave as many records as it said, each of them once.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from rosterd import errors
from rosterd.pulling import asking

MOST: Final = 50_000_000
"""Records of one collection; a server that has more does not stop."""
_TRIES: Final = 3


async def walk(
    ask: asking.Asking,
    collection: str,
    lines: Path,
    since: datetime | None,
    beat: Callable[[], None],
) -> int:
    """Write each record as one line of JSON; gives their number.

    Begins again, a few times, when the server's total moved during the walk: offsets of a list that
    changes skip records. Raises like Asking.page, and errors.TemporaryError for a server that keeps
    changing or does not give what it says.
    """
    for _ in range(_TRIES):
        count = await _once(ask, collection, lines, since, beat)
        if count is not None:
            return count
    raise errors.TemporaryError(
        f"cannot pull {collection}: the server does not give as many records as it says, or they"
        " change while they are read"
    )


async def _once(
    ask: asking.Asking,
    collection: str,
    lines: Path,
    since: datetime | None,
    beat: Callable[[], None],
) -> int | None:
    """The number of records; None when they have to be read again."""
    query = {"limit": str(ask.upstream.page), "sort": "sourcedId", "orderBy": "asc"}
    if since is not None:
        moment = since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        query["filter"] = f"dateLastModified>='{moment}'"
    seen: set[str] = set()
    totals: set[int] = set()
    offset = 0
    with lines.open("wb") as out:
        while True:
            page = await ask.page(collection, query | {"offset": str(offset)})
            beat()
            if page.total is not None:
                totals.add(page.total)
            new = 0
            for record in page.records:
                name = str(record.get("sourcedId")) if isinstance(record, dict) else ""
                if not name or name not in seen:
                    seen.add(name)
                    new += 1
                    out.write(orjson.dumps(record) + b"\n")
            offset += len(page.records)
            if page.records and not new:
                raise errors.InputError(
                    f"cannot pull {collection}: the server gives the same records again and again"
                )
            _require_bounds(ask, collection, offset, out.tell())
            if _ended(page, offset, ask.upstream.page):
                break
    if totals and totals != {offset}:
        return None
    return len(seen)


def _require_bounds(ask: asking.Asking, collection: str, records: int, size: int) -> None:
    most = ask.upstream.most_bytes
    if size > most:
        raise errors.InputError(f"cannot pull {collection}: more than {most} bytes")
    if records > MOST:
        raise errors.InputError(f"cannot pull {collection}: more than {MOST} records")


def _ended(page: asking.Page, offset: int, limit: int) -> bool:
    """What the server says of a next page counts, then its total, then the length of the page."""
    if not page.records:
        return True
    if page.more is not None:
        return not page.more
    if page.total is not None:
        return offset >= page.total
    return len(page.records) < limit

"""A walk over all pages of one collection, distrustful of the server that gives them.

Servers clamp `limit`, forget totals, or page over a roster that changes meanwhile. A walk is whole
when the server says that nothing follows and gave as many records as it said, each of them once.
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from rosterd import errors
from rosterd.pulling import asking

MOST: Final = 10_000_000
"""Records of one collection; a server that has more does not stop."""
_TRIES: Final = 3


async def walk(
    ask: asking.Asking,
    collection: str,
    lines: Path,
    since: datetime | None,
    beat: Callable[[], None],
    *,
    most_bytes: int,
) -> int:
    """Write each record as one line of JSON, `most_bytes` at most; gives their number.

    Begins again, a few times, when what came is not whole: offsets of a list that changes skip
    records. Raises like Asking.page, and errors.TemporaryError for a server that keeps changing or
    does not give what it says.
    """
    for _ in range(_TRIES):
        count = await _once(ask, collection, lines, since, beat, most_bytes=most_bytes)
        if count is not None:
            return count
    raise errors.TemporaryError(
        f"cannot pull {collection}: the server does not give as many records as it says, each of"
        " them once, or they change while they are read"
    )


async def _once(
    ask: asking.Asking,
    collection: str,
    lines: Path,
    since: datetime | None,
    beat: Callable[[], None],
    *,
    most_bytes: int,
) -> int | None:
    """The number of records; None when they have to be read again."""
    query = {"limit": str(ask.upstream.page), "sort": "sourcedId", "orderBy": "asc"}
    if since is not None:
        moment = since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        query["filter"] = f"dateLastModified>='{moment}'"
    walked = _Walked(collection)
    lines.unlink(missing_ok=True)
    with private(lines) as out:
        while True:
            page = await ask.page(collection, query | {"offset": str(walked.offset)})
            beat()
            walked.take(page, out)
            if out.tell() > most_bytes:
                raise errors.InputError(f"cannot pull: more than {ask.upstream.most_bytes} bytes")
            if walked.ended(page):
                break
    if not walked.whole(page):
        return None
    # some say the number of the page's records for the total: what stands behind it tells them
    if page.records and page.more is None:
        beyond = query | {"offset": str(walked.offset)}
        if not await ask.ends(collection, beyond):
            return None
    return walked.count


class _Walked:
    """What was seen of one collection."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._seen: set[str] = set()
        self._totals: set[int] = set()
        self._again = False
        self.offset = 0
        self.count = 0

    def take(self, page: asking.Page, out: BinaryIO) -> None:
        """Write the page's records. Raises errors.InputError for a server that does not go on."""
        if page.total is not None:
            self._totals.add(page.total)
        here: set[str] = set()
        for record in page.records:
            name = record.get("sourcedId") if isinstance(record, dict) else None
            if isinstance(name, str | int | float) and name != "":
                name = str(name)
                self._again |= name in self._seen
                if name in self._seen or name in here:
                    continue
                here.add(name)
            self.count += 1
            out.write(_line(record))
        self._seen |= here
        self.offset += len(page.records)
        if page.records and not here:
            raise errors.InputError(
                f"cannot pull {self._collection}: the server gives the same records again and"
                " again, or records without a sourcedId"
            )
        if self.offset > MOST:
            raise errors.InputError(f"cannot pull {self._collection}: more than {MOST} records")

    def ended(self, page: asking.Page) -> bool:
        """What the server says of a next page counts, then its total, then that nothing comes.

        A short page is no end: many give fewer records than they are asked for.
        """
        if not page.records:
            return True
        if page.more is not None:
            return not page.more
        return page.total is not None and self.offset >= page.total

    def whole(self, page: asking.Page) -> bool:
        """Whether that is all. A record on two pages means that another one moved past us."""
        if self._again or (self._totals and self._totals != {self.offset}):
            return False
        return bool(self._totals) or bool(page.records) or not page.more


def _line(record: object) -> bytes:
    try:
        return orjson.dumps(record) + b"\n"
    except orjson.JSONEncodeError:  # so deep that it was no record
        return b"null\n"


def private(path: Path) -> BinaryIO:
    """A new file for its owner alone: whoever reads it reads everybody's."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")

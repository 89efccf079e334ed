"""The rows of link files that a target holds: roles, profiles, resources of users and others.

In REST they are members of their owners, so no holding knows them one by one; in CSV each is a row
that has to be told when it goes. What was sent is therefore kept with the delivery: of each row
what a tombstone needs. A delta tells of all rows of the owners that it tells of, and of those that
they had and have no longer. So a row that nobody can be sure of is told once more, never forgotten.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from rosterd.oneroster.csv import files, writer

Row = Mapping[str, Any]
Held = dict[tuple[str, str], bytes]
"""(link file, sourcedId of the owner) -> JSON of the owner's rows, with the members that the file
requires. There are more of them than users, so they stay text until somebody looks."""


class Links:
    """The link rows of one delivery, noted while its files are written."""

    def __init__(self, before: Held | None, maybe: Held) -> None:
        """`before` is what the target holds; None for a bulk package, which begins anew. `maybe` is
        what attempts since then may have told it.
        """
        self._delta = before is not None
        self._maybe = maybe
        self.held: Held = {} if before is None else dict(before)
        """What the target holds after this delivery, once all is written."""

    def linked(self, file: files.File, owner: Row, made: Sequence[Row]) -> Iterator[Row]:
        """The rows to write of one owner: what it lost first, then what it has."""
        key = (file.name, owner["sourcedId"])
        least = [column.member for column in file.columns if column.required]
        rows = [{name: row[name] for name in least if name in row} for row in made]
        past = _rows(self.held.pop(key, b"")) if self._delta else []
        if rows:
            self.held[key] = orjson.dumps(rows)
        if not self._delta:
            yield from made
            return
        told = {row["sourcedId"] for row in rows}
        date = owner["dateLastModified"]
        for row in (*past, *_rows(self._maybe.get(key, b""))):
            if row["sourcedId"] not in told:
                told.add(row["sourcedId"])
                yield {**row, "status": writer.GONE, "dateLastModified": date}
        for row in made:
            yield {**row, "status": "active", "dateLastModified": date}


def either(one: Held, other: Held) -> Held:
    """Rows of both, each once."""
    both = dict(one)
    for key, rows in other.items():
        if both.setdefault(key, rows) != rows:
            by_id = {row["sourcedId"]: row for row in (*_rows(both[key]), *_rows(rows))}
            both[key] = orjson.dumps(list(by_id.values()))
    return both


def packed(held: Held) -> bytes:
    """For the store. No sourcedId has a tab or a line break."""
    lines = (f"{name}\t{owner}\t".encode() + rows for (name, owner), rows in held.items())
    return zlib.compress(b"\n".join(lines), 3)


def unpacked(content: bytes) -> Held:
    held: Held = {}
    for line in zlib.decompress(content).splitlines():
        name, owner, rows = line.split(b"\t", 2)
        held[name.decode(), owner.decode()] = rows
    return held


def _rows(text: bytes) -> list[Row]:
    rows: list[Row] = orjson.loads(text) if text else []
    return rows

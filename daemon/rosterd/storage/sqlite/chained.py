"""The chain of records: appended to inside the transaction of what it is about.

After each commit the new head goes to the journal, where the store's owner cannot take it back: so
even whoever rewrites the whole file leaves a trace in another place.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from rosterd import chain
from rosterd.storage import tables
from rosterd.storage.sqlite import sessions

_log = logging.getLogger("rosterd.audit")


class Chained(sessions.Session):
    """A session that can put things on record."""

    def __init__(self, path: Path, connection: apsw.Connection, lock: int | None) -> None:
        super().__init__(path, connection, lock)
        self._appended: list[chain.Record] = []

    def note(self, *notes: chain.Note) -> list[chain.Record]:
        with self._write():
            return self._note(notes)

    def head(self) -> tuple[int, str]:
        found = self._read(tuple, "SELECT number, head FROM records ORDER BY number DESC LIMIT 1")
        return found[0] if found else (0, "")

    def recorded(self, after: int = 0, limit: int = 1000) -> list[chain.Record]:
        sql = (
            "SELECT number, previous, head, entry, kind, time FROM records"
            " WHERE number > ? ORDER BY number LIMIT ?"
        )
        return self._read(tables.record, sql, after, limit)

    def last_record(self, kind: str) -> chain.Record | None:
        sql = (
            "SELECT number, previous, head, entry, kind, time FROM records"
            " WHERE kind = ? ORDER BY number DESC LIMIT 1"
        )
        found = self._read(tables.record, sql, kind)
        return found[0] if found else None

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._appended = []
        with super()._write():
            yield
        for record in self._appended:
            _log.info(
                "audit number=%d kind=%s head=sha256:%s", record.number, record.kind, record.head
            )

    def _note(self, notes: Sequence[chain.Note]) -> list[chain.Record]:
        """Inside the caller's transaction."""
        made = []
        number, head = self.head()
        for note in notes:
            made.append(chain.record(note, number + 1, head))
            number, head = made[-1].number, made[-1].head
        self._many("INSERT INTO records VALUES (?,?,?,?,?,?)", map(tables.record_row, made))
        self._appended += made
        return made

"""One open store file, and how its statements run: each method of a subject is one transaction.

Text, not numbers, for times: an operator who opens the file with any SQLite tool reads what happened.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import apsw

from rosterd.storage import connecting, tables

T = TypeVar("T")


class Session:
    def __init__(self, path: Path, connection: apsw.Connection, lock: int | None) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write(self) -> AbstractContextManager[None]:
        return connecting.transaction(self._connection, self._path)

    def _all(self, sql: str, *values: object) -> list[tables.Row]:
        return self._connection.execute(sql, values).fetchall()

    def _read(self, make: Callable[[tables.Row], T], sql: str, *values: object) -> list[T]:
        with connecting.translated(self._path):
            return [make(row) for row in self._all(sql, *values)]

    def _change(self, sql: str, *values: object) -> int:
        """Rows that one statement, in a transaction of its own, changed."""
        with self._write():
            self._connection.execute(sql, values).fetchall()
            return self._connection.changes()

    def _many(self, sql: str, rows: Iterable[tables.Row]) -> None:
        self._connection.executemany(sql, rows).fetchall()

    def _replace(self, table: str, rows: Iterable[tables.Row]) -> None:
        """All rows of a table, inside the caller's transaction."""
        self._connection.execute(f"DELETE FROM {table}")
        width = len(self._all(f"SELECT * FROM pragma_table_info('{table}')"))
        self._many(f"INSERT INTO {table} VALUES ({','.join('?' * width)})", rows)

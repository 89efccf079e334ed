"""Asking a finished generation for the values that lie in its columns.

The file is opened `immutable`. A query reads all it needs under a lock, or a batch at a time:
exports and operators ask from threads of their own.
"""

import functools
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import apsw
import orjson
from pyroaring import BitMap

from rosterd import errors
from rosterd.generations import columns
from rosterd.oneroster import filters, model

Values = tuple[str, ...]
_BATCH: Final = 4096


class Reader:
    """columns.db of a finished generation. Rows that are not active are among the answers."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        name = f"file:{urllib.parse.quote(str(path.resolve()))}?immutable=1"
        try:
            self._connection = apsw.Connection(name, flags=flags)
            # The first query opens the file: from here on its name may go.
            self._all("SELECT count(*) FROM sqlite_schema")
        except apsw.Error as error:
            raise errors.InputError(
                f"cannot open the generation: {path.name} is damaged"
            ) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _all(self, statement: str, bindings: tuple[object, ...] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, bindings).fetchall()

    def postings(self, collection: str, path: model.FieldPath) -> Iterator[tuple[Values, BitMap]]:
        """Every different value of a posted member, with its rows."""
        known = columns.plan(collection)
        key, read = path.key, _as_kept
        if path.key in known.derived:
            key, many = known.derived[path.key]
            read = functools.partial(_through, path.read, key, many=many)
        statement = 'SELECT "values", rows FROM postings WHERE collection = ? AND key = ?'
        for values, blob in self._all(statement, (collection, key)):
            if found := read(tuple(orjson.loads(values))):
                yield found, BitMap.deserialize(blob)

    def equal(self, collection: str, key: str, value: str) -> BitMap:
        """Rows that have exactly this text, or this one among several."""
        if _halved(value):
            return BitMap()
        if key in columns.plan(collection).texts:
            statement = f'SELECT row FROM {columns.table("texts", collection)} WHERE "{key}" = ?'
            return self._rows(statement, (value,))
        statement = (
            f"SELECT row FROM {columns.table('many', collection)} WHERE key = ? AND value = ?"
        )
        return self._rows(statement, (key, value))

    def containing(self, collection: str, key: str, part: str) -> BitMap:
        """Rows whose text contains this folded one.

        SQLite folds ASCII as we do, without taking the interpreter; texts with other letters, or
        with one that ends a text for it, are few and are looked at here.
        """
        if _halved(part):
            return BitMap()
        text = f'"{key}"'
        other = f"octet_length({text}) <> length({text})"
        rows = self._all(
            f"SELECT row, CASE WHEN {other} THEN {text} END FROM {columns.table('texts', collection)}"
            f" WHERE {other} OR instr(lower({text}), ?)",
            (part,),
        )
        fine = {text for text in {text for _, text in rows if text} if part in filters.fold(text)}
        return BitMap([row for row, text in rows if text is None or text in fine])

    def valued(self, collection: str, key: str) -> BitMap:
        """Rows that have any value of a text or of what is kept in the child table."""
        if key in columns.plan(collection).texts:
            texts = columns.table("texts", collection)
            return self._rows(f'SELECT row FROM {texts} WHERE "{key}" IS NOT NULL', ())
        statement = f"SELECT row FROM {columns.table('many', collection)} WHERE key = ?"
        return self._rows(statement, (key,))

    def _rows(self, statement: str, bindings: tuple[object, ...]) -> BitMap:
        return BitMap([row for (row,) in self._all(statement, bindings)])

    def texts(self, collection: str, key: str) -> Iterator[list[tuple[int, str]]]:
        """(row, text) of a member that has a column of its own, by rows, thousands at once."""
        what = f'SELECT row, "{key}" FROM {columns.table("texts", collection)} WHERE row > ?'
        return self._batches(what + f' AND "{key}" IS NOT NULL ORDER BY row LIMIT ?', ())

    def column(self, collection: str, key: str) -> Iterator[tuple[int, Values]]:
        """(row, values) of a text, or of what is kept in the child table, by rows."""
        if key in columns.plan(collection).texts:
            for batch in self.texts(collection, key):
                for row, text in batch:
                    yield row, (text,)
            return
        table = columns.table("many", collection)
        what = f"SELECT row, value, place FROM {table} WHERE row > ? AND key = ?"
        if key.startswith("metadata."):
            for some in self._batches(what + " ORDER BY row LIMIT ?", (key,)):
                for row, value, _ in some:
                    yield row, (value,)
            return
        statement = f"SELECT row, value FROM {table} WHERE key = ? ORDER BY row, place"
        held: dict[int, list[str]] = {}
        for row, value in self._all(statement, (key,)):
            held.setdefault(row, []).append(value)
        for row, values in held.items():
            yield row, tuple(values)

    def _batches(self, statement: str, bindings: tuple[object, ...]) -> Iterator[list[Any]]:
        last = -1
        while batch := self._all(statement, (last, *bindings, _BATCH)):
            yield batch
            last = batch[-1][0]


def _halved(text: str) -> bool:
    """Whether it holds half a letter: no text of a roster does, and SQLite takes no such value."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _as_kept(values: Values) -> Values:
    return values


def _through(
    read: Callable[[Mapping[str, object]], Values], member: str, values: Values, *, many: bool
) -> Values:
    """What a path reads from a record that has just this member."""
    return read({member: list(values) if many else values[0]})

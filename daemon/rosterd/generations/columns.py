"""Values of members beside the records, for leaves, sorts and find.

Three ways, by how many different values a member has:
- posted: words, dates, grades. Every different value (all values of a record together) has the
  bitmap of its rows. A leaf looks at each different value once, whatever its operator.
- texts: names, addresses. One column of one SQLite table for each collection; `=` is left to SQL,
  all else reads the column.
- many: profiles, metadata. A child table.
References are none of them: the arrays of `linking` answer for those. So a million enrollments
cost a handful of bitmaps and no row of SQL.

The file is written once, here, by the import; `asking` is how the daemon reads it.
"""

import functools
import shutil
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import orjson
from pyroaring import BitMap

from rosterd import rosters
from rosterd.generations import layout
from rosterd.oneroster import model

Values = tuple[str, ...]
_LONG: Final = frozenset({"userIds.identifier", "roles.userProfile"})
_INDEXED: Final = {"users": ("username", "email", "identifier", "userMasterIdentifier")}
"""What people and machines look others up by; only these are worth the time of an index."""
_KINDS: Final = (model.Kind.TOKEN, model.Kind.FLAG, model.Kind.DATE, model.Kind.YEAR)
_BATCH: Final = 4096
_OLDER: Final = "1.1:"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the members of one collection are kept, by the keys of their paths."""

    texts: tuple[str, ...]
    posted: Mapping[str, model.FieldPath]
    many: Mapping[str, model.FieldPath]
    derived: Mapping[str, tuple[str, bool]]
    """Key of 1.1 -> (key it is read from, whether that is a list)."""


@functools.cache
def plan(collection: str) -> Plan:
    texts, posted, many, derived = [], {}, {}, {}
    members = {field.name: field for field in model.COLLECTIONS[collection].fields}
    for path in model.paths(collection):
        base = members.get(path.key.removeprefix(_OLDER))
        if path.key in ("sourcedId", "status", "dateLastModified", "children"):
            continue
        if (collection, path.key) in rosters.RELATIONS:
            continue
        if path.key.startswith(_OLDER) and base is not None and "1.2" in base.versions:
            derived[path.key] = (base.name, base.kind is model.Kind.TEXTS)
        elif path.key in _LONG or path.key.startswith("userProfiles."):
            many[path.key] = path
        elif path.many or path.kind in _KINDS:
            posted[path.key] = path
        else:
            texts.append(path.key)
    return Plan(tuple(texts), posted, many, derived)


# ---------------------------------------------------------------- writing


class Gathered:
    """The values of rows written in this build, of one collection; `take` is a hot path."""

    def __init__(self, collection: str, writer: "Writer") -> None:
        self._plan = plan(collection)
        self._collection = collection
        self._writer = writer
        self._posted: dict[str, dict[Any, array[int]]] = {key: {} for key in self._plan.posted}
        self._plain = [
            (key, self._posted[key])
            for key, path in self._plan.posted.items()
            if not path.many and key == path.dotted and "." not in key and path.version == "1.2"
        ]
        plain = {key for key, _ in self._plain}
        self._read = [
            (path.read, self._posted[key])
            for key, path in self._plan.posted.items()
            if key not in plain
        ]
        self._long = bool(self._plan.texts or self._plan.many)
        self._texts: list[tuple[Any, ...]] = []
        self._many: list[tuple[int, str, int, str]] = []
        self._rows = BitMap()
        self._written = array("I")
        self._stored = BitMap()

    def take(self, row: int, record: Mapping[str, Any]) -> None:
        """Keep the values of a row; those that it had before are forgotten."""
        get = record.get
        self._written.append(row)
        for key, held in self._plain:
            value = get(key)
            if value in held:
                held[value].append(row)
            elif value is not None:
                held[value] = array("I", (row,))
        for read, held in self._read:
            values = read(record)
            if values in held:
                held[values].append(row)
            elif values:
                held[values] = array("I", (row,))
        if self._long or "metadata" in record:
            self._keep(row, record)
        if len(self._written) >= _BATCH:
            self._flush()

    def _keep(self, row: int, record: Mapping[str, Any]) -> None:
        get = record.get
        if self._plan.texts:
            self._texts.append((row, *[get(key) for key in self._plan.texts]))
        for key, path in self._plan.many.items():
            if path.field in record:
                values = path.read(record)
                self._many.extend((row, key, place, value) for place, value in enumerate(values))
        for key, value in get("metadata", {}).items():
            self._many.append((row, f"metadata.{key}", 0, value))

    def _flush(self) -> None:
        self._writer.replace(
            self._collection, self._written, self._texts, self._many, again=self._stored
        )
        self._rows.update(self._written)
        del self._texts[:], self._many[:], self._written[:]

    def store(self) -> None:
        """Write what was taken, and begin anew: a row taken again later replaces itself."""
        self._flush()
        if not self._rows:
            return
        for key, held in self._posted.items():
            fresh = {
                _encoded(value if isinstance(value, tuple) else (value,)): rows
                for value, rows in held.items()
            }
            self._writer.post(self._collection, key, self._rows, fresh)
            held.clear()
        self._stored |= self._rows
        self._rows = BitMap()


def _encoded(values: Values) -> str:
    return orjson.dumps(values).decode()


def table(kind: str, collection: str) -> str:
    """The name of a collection's table, quoted."""
    return f'"{kind}_{collection}"'


class Writer:
    """columns.db while it is built: a copy of the former one, if anything of it changes at all."""

    def __init__(self, path: Path, former: Path | None) -> None:
        self._path = path
        self._former = former
        self._connection: apsw.Connection | None = None

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            if self._former is not None:
                shutil.copyfile(self._former, self._path)
            connection = apsw.Connection(str(self._path))
            # Until it is renamed and published nobody reads it: a crash throws the copy away.
            for pragma in (
                "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE",
                "cache_size=-65536", "temp_store=MEMORY",
            ):  # fmt: skip
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.execute("BEGIN")
            if self._former is None:
                for statement in _schema():
                    connection.execute(statement)
            self._connection = connection
        return self._connection

    def replace(
        self,
        collection: str,
        rows: "array[int]",
        texts: list[tuple[Any, ...]],
        many: list[tuple[int, str, int, str]],
        *,
        again: BitMap,
    ) -> None:
        """Put texts and many in place of all that these rows had; without a former generation only
        the rows of `again` had any.
        """
        if not rows:
            return
        connection = self._open()
        if texts:
            marks = ",".join("?" * len(texts[0]))
            into = table("texts", collection)
            connection.executemany(f"INSERT OR REPLACE INTO {into} VALUES ({marks})", texts)
        into = table("many", collection)
        if self._former is not None or again:
            connection.executemany(f"DELETE FROM {into} WHERE row = ?", ((row,) for row in rows))
        if many:
            connection.executemany(f"INSERT OR REPLACE INTO {into} VALUES (?,?,?,?)", many)

    def post(
        self, collection: str, key: str, rows: BitMap, fresh: "Mapping[str, array[int]]"
    ) -> None:
        """Post `fresh` (values -> rows), and take `rows` out of all other postings of the key."""
        connection = self._open()
        fresh = dict(fresh)
        where = "WHERE collection = ? AND key = ?"
        found = f'SELECT "values", rows FROM postings {where}'
        held: list[Any] = connection.execute(found, (collection, key)).fetchall()
        for values, blob in held:
            old = BitMap.deserialize(blob)
            new = old - rows
            if added := fresh.pop(values, None):
                new.update(added)
            if new != old:
                self._put(connection, collection, key, values, new)
        for values, added in fresh.items():
            self._put(connection, collection, key, values, BitMap(added))

    def _put(
        self, connection: apsw.Connection, collection: str, key: str, values: str, rows: BitMap
    ) -> None:
        if rows:
            rows.run_optimize()
            statement = "INSERT OR REPLACE INTO postings VALUES (?,?,?,?)"
            connection.execute(statement, (collection, key, values, rows.serialize()))
        else:
            statement = 'DELETE FROM postings WHERE collection = ? AND key = ? AND "values" = ?'
            connection.execute(statement, (collection, key, values))

    def close(self) -> None:
        """Finish the file and flush it to the disk; without changes it is the former one."""
        if self._connection is None and self._former is not None:
            self._path.hardlink_to(self._former)
            return
        connection = self._open()
        for collection, keys in _INDEXED.items():
            for key in keys:  # after the rows: sorting once beats a million insertions
                connection.execute(
                    f'CREATE INDEX IF NOT EXISTS "{collection}_{key}"'
                    f' ON {table("texts", collection)} ("{key}") WHERE "{key}" IS NOT NULL'
                )
        connection.execute("COMMIT")
        connection.close()
        with self._path.open("rb") as file:
            layout.sync(file.fileno())

    def abandon(self) -> None:
        """Let go of the file of a build that failed."""
        if self._connection is not None:
            self._connection.close(True)  # noqa: FBT003 - apsw's own signature: force


def _schema() -> Iterator[str]:
    yield (
        'CREATE TABLE postings (collection TEXT, key TEXT, "values" TEXT, rows BLOB,'
        ' PRIMARY KEY (collection, key, "values")) WITHOUT ROWID'
    )
    for collection in model.COLLECTIONS:
        if texts := plan(collection).texts:
            columns = "".join(f', "{key}" TEXT' for key in texts)
            yield f"CREATE TABLE {table('texts', collection)} (row INTEGER PRIMARY KEY{columns})"
        yield (
            f"CREATE TABLE {table('many', collection)} (row INTEGER, key TEXT, place INTEGER,"
            " value TEXT, PRIMARY KEY (row, key, place)) WITHOUT ROWID"
        )

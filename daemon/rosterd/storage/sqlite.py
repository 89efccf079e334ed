"""The store in one SQLite file: all SQL of this dialect is here and in its migrations.

Each method is one transaction. Text, not numbers, for times: an operator who opens the file with
any SQLite tool reads what happened.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import apsw

from rosterd.storage import connecting, protocol, records, tables

T = TypeVar("T")


def open_store(path: Path, *, readonly: bool = False) -> protocol.Store:
    """The store in `path`, made and brought to this program's level when needed.

    With `readonly` it can be read beside a running daemon. Raises errors.InputError when another
    daemon holds it or a newer one wrote it.
    """
    return _Sqlite(path, *connecting.connect(path, readonly=readonly))


class _Sqlite:
    def __init__(self, path: Path, connection: apsw.Connection, lock: int | None) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- config

    def applied(self) -> records.Applied | None:
        with connecting.snapshot(self._connection, self._path):
            last = self._all("SELECT * FROM changes ORDER BY number DESC LIMIT 1")
            if not last:
                return None
            change = tables.change(last[0])
            return records.Applied(
                commit=change.commit,
                documents=dict(self._all("SELECT path, content FROM documents ORDER BY path")),
                plan=change.plan,
                people=change.people,
                time=change.time,
                head=change.head,
                revisions=dict(self._all("SELECT * FROM revisions ORDER BY application")),
            )

    def apply(
        self,
        applied: records.Applied,
        *,
        previous: str,
        entry: bytes,
        used: Iterable[str] = (),
        credentials: Sequence[records.Credential] | None = None,
        revoked: Iterable[str] = (),
        held: protocol.Writes | None = None,
    ) -> int:
        with self._write():
            last = self._all("SELECT number, head FROM changes ORDER BY number DESC LIMIT 1")
            number, head = last[0] if last else (0, "")
            if head != previous:
                raise protocol.Conflict("cannot apply: another change was applied meanwhile")
            self._connection.execute(
                "INSERT INTO changes VALUES (?,?,?,?,?,?,?,?)",
                (
                    number + 1,
                    applied.commit,
                    applied.plan,
                    tables.json(list(applied.people)),
                    tables.text(applied.time),
                    previous,
                    applied.head,
                    entry,
                ),
            )
            self._replace("documents", applied.documents.items())
            self._replace("revisions", applied.revisions.items())
            self._many("INSERT INTO used_statements VALUES (?,?)", ((d, number + 1) for d in used))
            if credentials is not None:
                self._replace("credentials", map(tables.credential_row, credentials))
            self._many("DELETE FROM tokens WHERE application=?", ((name,) for name in revoked))
            self._hold(held or {})
        return int(number) + 1

    def history(self, limit: int = 50) -> list[records.Change]:
        return self._read(
            tables.change, "SELECT * FROM changes ORDER BY number DESC LIMIT ?", limit
        )

    def used_statements(self, digests: Iterable[str]) -> frozenset[str]:
        with connecting.translated(self._path):
            found = self._all(
                "SELECT digest FROM used_statements WHERE digest IN (SELECT value FROM json_each(?))",
                tables.json(list(digests)),
            )
        return frozenset(digest for (digest,) in found)

    def set_revisions(self, revisions: Mapping[str, int]) -> None:
        with self._write():
            self._replace("revisions", revisions.items())

    # -- generations and imports

    def publish_generation(
        self,
        published: records.Published,
        *,
        imported: records.Import | None = None,
        revisions: Mapping[str, int] | None = None,
        held: protocol.Writes | None = None,
    ) -> None:
        with self._write():
            newest = self._all("SELECT max(number) FROM generations")[0][0]
            if newest is not None and newest >= published.number:
                raise protocol.Conflict(
                    f"cannot publish generation {published.number}: {newest} is published already"
                )
            row = (
                published.number,
                published.name,
                tables.text(published.time),
                tables.json(published.report),
            )
            self._connection.execute("INSERT INTO generations VALUES (?,?,?,?)", row)
            if imported is not None:
                self._insert_import(imported)
            if revisions is not None:
                self._replace("revisions", revisions.items())
            self._hold(held or {})

    def keep_holdings(self, held: protocol.Writes) -> None:
        with self._write():
            self._hold(held)

    def holdings(self) -> Mapping[tuple[str, str], bytes]:
        with connecting.translated(self._path):
            rows = self._all("SELECT application, part, content FROM holdings")
        return {(application, part): content for application, part, content in rows}

    def generation(self) -> records.Published | None:
        found = self._read(
            tables.published, "SELECT * FROM generations ORDER BY number DESC LIMIT 1"
        )
        return found[0] if found else None

    def publications(self) -> Mapping[int, datetime]:
        with connecting.translated(self._path):
            rows = self._all("SELECT number, time FROM generations ORDER BY number")
        return {number: tables.when(time) for number, time in rows}

    def record_import(self, imported: records.Import) -> None:
        with self._write():
            self._insert_import(imported)

    def imports(self, limit: int = 50) -> list[records.Import]:
        return self._read(
            tables.delivery, "SELECT * FROM imports ORDER BY number DESC LIMIT ?", limit
        )

    def last_import(self, source: str) -> records.Import | None:
        sql = "SELECT * FROM imports WHERE source=? ORDER BY number DESC LIMIT 1"
        found = self._read(tables.delivery, sql, source)
        return found[0] if found else None

    # -- credentials, tokens, secrets

    def credentials(self) -> list[records.Credential]:
        return self._read(
            tables.credential, "SELECT * FROM credentials ORDER BY application, generation"
        )

    def replace_credentials(self, application: str, rows: Sequence[records.Credential]) -> None:
        if any(row.application != application for row in rows):
            raise ValueError("cannot replace credentials: a row belongs to another application")
        with self._write():
            self._connection.execute("DELETE FROM credentials WHERE application=?", (application,))
            self._many(
                "INSERT INTO credentials VALUES (?,?,?,?,?,?)", map(tables.credential_row, rows)
            )

    def add_token(self, token: records.Token) -> None:
        row = (
            token.digest,
            token.application,
            tables.json(list(token.scopes)),
            tables.text(token.expires),
        )
        with self._write():
            self._connection.execute("INSERT INTO tokens VALUES (?,?,?,?)", row)

    def tokens(self, now: datetime) -> list[records.Token]:
        return self._read(tables.token, "SELECT * FROM tokens WHERE expires > ?", tables.text(now))

    def delete_tokens(self, application: str) -> int:
        return self._change("DELETE FROM tokens WHERE application=?", application)

    def expire_tokens(self, now: datetime) -> int:
        return self._change("DELETE FROM tokens WHERE expires <= ?", tables.text(now))

    def set_secret(self, secret: records.Secret) -> None:
        row = (secret.name, secret.document, secret.value, tables.text(secret.time), secret.actor)
        self._change("INSERT OR REPLACE INTO secrets VALUES (?,?,?,?,?)", *row)

    def secret(self, name: str) -> records.Secret | None:
        found = self._read(tables.secret, "SELECT * FROM secrets WHERE name=?", name)
        return found[0] if found else None

    def secrets(self) -> list[records.Secret]:
        return self._read(tables.secret, "SELECT * FROM secrets ORDER BY name")

    def delete_secret(self, name: str) -> bool:
        return self._change("DELETE FROM secrets WHERE name=?", name) > 0

    # -- what ran and what left

    def save_run(self, run: records.Run) -> None:
        try:
            with self._write():
                self._connection.execute(_SAVE_RUN, tables.run_row(run))
        except apsw.ConstraintError as error:
            if "this export run is final" not in str(error):
                raise
            raise protocol.Conflict(
                f"cannot run {run.slot} of {run.target} again: it is final"
            ) from error

    def export_run(self, target: str, slot: str) -> records.Run | None:
        found = self._read(
            tables.run, "SELECT * FROM export_runs WHERE target=? AND slot=?", target, slot
        )
        return found[0] if found else None

    def export_runs(
        self,
        limit: int = 100,
        *,
        target: str | None = None,
        states: Iterable[records.RunState] | None = None,
    ) -> list[records.Run]:
        sql = (
            "SELECT * FROM export_runs WHERE (?1 IS NULL OR target=?1)"
            " AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))"
            " ORDER BY started DESC, target, slot DESC LIMIT ?3"
        )
        wanted = None if states is None else tables.json(list(states))
        return self._read(tables.run, sql, target, wanted, limit)

    def owed(self) -> Mapping[str, records.Owed]:
        found = self._read(tables.owed, "SELECT * FROM schedules ORDER BY target")
        return {owed.target: owed for owed in found}

    def set_owed(self, owed: records.Owed) -> None:
        row = (owed.target, owed.schedule, tables.text(owed.since))
        self._change("INSERT OR REPLACE INTO schedules VALUES (?,?,?)", *row)

    def forget_owed(self, target: str) -> None:
        self._change("DELETE FROM schedules WHERE target=?", target)

    def note_access(self, accesses: Iterable[records.Access]) -> None:
        with self._write():
            self._many(
                "INSERT INTO accesses VALUES (?1,?2,?3,substr(?4,1,13),?4,?5)"
                " ON CONFLICT DO UPDATE SET count=count+excluded.count, time=max(time,excluded.time)",
                ((a.application, a.kind, a.status, tables.text(a.time), a.count) for a in accesses),
            )

    def accesses(self, limit: int = 200, *, application: str | None = None) -> list[records.Access]:
        sql = (
            "SELECT application, kind, status, time, count FROM accesses"
            " WHERE ?1 IS NULL OR application=?1 ORDER BY time DESC, application, kind, status LIMIT ?2"
        )
        return self._read(tables.access, sql, application, limit)

    def forget_accesses(self, before: datetime) -> int:
        return self._change("DELETE FROM accesses WHERE time < ?", tables.text(before))

    def note_action(self, action: records.Action) -> None:
        row = (tables.text(action.time), action.actor, action.action, action.subject)
        self._change("INSERT INTO actions (time, actor, action, subject) VALUES (?,?,?,?)", *row)

    def actions(self, limit: int = 100) -> list[records.Action]:
        sql = "SELECT time, actor, action, subject FROM actions ORDER BY number DESC LIMIT ?"
        return self._read(tables.action, sql, limit)

    # -- how statements run

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

    def _hold(self, held: protocol.Writes) -> None:
        """Inside the caller's transaction."""
        self._many(
            "DELETE FROM holdings WHERE application=? AND part=?",
            (key for key, content in held.items() if content is None),
        )
        self._many(
            "INSERT INTO holdings VALUES (?,?,?)"
            " ON CONFLICT DO UPDATE SET content=excluded.content",
            ((*key, content) for key, content in held.items() if content is not None),
        )

    def _insert_import(self, imported: records.Import) -> None:
        self._connection.execute(
            "INSERT INTO imports (source, delivery, state, started, ended, generation, report, problem)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (
                imported.source,
                imported.delivery,
                imported.state,
                tables.text(imported.started),
                tables.text(imported.ended),
                imported.generation,
                None if imported.report is None else tables.json(imported.report),
                imported.problem,
            ),
        )


_SAVE_RUN = """
INSERT INTO export_runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (target, slot) DO UPDATE SET
    state=excluded.state, attempt=excluded.attempt, started=excluded.started,
    generation=excluded.generation, "commit"=excluded."commit", application=excluded.application,
    name=excluded.name, sha256=excluded.sha256, bytes=excluded.bytes, rows=excluded.rows,
    ended=excluded.ended, problem=excluded.problem
"""

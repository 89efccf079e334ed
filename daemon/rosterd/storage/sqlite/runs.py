"""What ran, what left, and who asked: exports, what they are owed, accesses."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import apsw

from rosterd.storage import protocol, records, tables
from rosterd.storage.sqlite import chained


class Runs(chained.Chained):
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

    def last_successes(self) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
        exported = self._read(
            lambda row: (row[0], tables.when(row[1])),
            "SELECT target, max(ended) FROM export_runs"
            " WHERE state IN ('delivered', 'unchanged') GROUP BY target",
        )
        imported = self._read(
            lambda row: (row[0], tables.when(row[1])),
            "SELECT source, max(ended) FROM imports"
            " WHERE state IN ('imported', 'unchanged') GROUP BY source",
        )
        return dict(exported), dict(imported)

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


_SAVE_RUN = """
INSERT INTO export_runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (target, slot) DO UPDATE SET
    state=excluded.state, attempt=excluded.attempt, started=excluded.started,
    generation=excluded.generation, "commit"=excluded."commit", application=excluded.application,
    name=excluded.name, sha256=excluded.sha256, bytes=excluded.bytes, rows=excluded.rows,
    ended=excluded.ended, problem=excluded.problem, mode=excluded.mode
"""

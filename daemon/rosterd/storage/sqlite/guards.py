"""Who is kept back from what is applied."""

from collections.abc import Mapping
from datetime import date

from rosterd.storage import connecting, guarded, tables
from rosterd.storage.sqlite import sessions


class Guards(sessions.Session):
    def guards(self) -> guarded.Guards:
        with connecting.snapshot(self._connection, self._path):
            days = self._all("SELECT day FROM served_day")
            holds = self._all("SELECT * FROM holds ORDER BY application")
            blocks = self._all("SELECT * FROM blocks ORDER BY application")
        return guarded.Guards(
            date.fromisoformat(days[0][0]) if days else None,
            tuple(_hold(row) for row in holds),
            tuple(
                guarded.Block(name, reason, actor, tables.when(time))
                for name, reason, actor, time in blocks
            ),
        )

    def kept_documents(self, commit: str) -> Mapping[str, bytes]:
        with connecting.translated(self._path):
            sql = 'SELECT path, content FROM kept_documents WHERE "commit"=? ORDER BY path'
            return dict(self._all(sql, commit))

    def generation_name(self, number: int) -> str | None:
        with connecting.translated(self._path):
            found = self._all("SELECT name FROM generations WHERE number=?", number)
        return found[0][0] if found else None

    def _guard(self, guards: guarded.Guards | None, applied: str = "") -> None:
        """Inside the caller's transaction. `applied` is the commit whose documents are about to be
        replaced: a hold may go on needing them.
        """
        if guards is None:
            return
        if guards.day is not None:
            self._replace("served_day", [(1, guards.day.isoformat())])
        self._replace("holds", map(_hold_row, guards.holds))
        self._replace(
            "blocks",
            ((b.application, b.reason, b.actor, tables.text(b.time)) for b in guards.blocks),
        )
        commits = {hold.commit for hold in guards.holds}
        if applied in commits:
            self._connection.execute(
                "INSERT OR IGNORE INTO kept_documents SELECT ?, path, content FROM documents",
                (applied,),
            )
        self._connection.execute(
            'DELETE FROM kept_documents WHERE "commit" NOT IN (SELECT value FROM json_each(?))',
            (tables.json(sorted(commits)),),
        )

    def _rename(self, renames: guarded.Renames) -> None:
        """Inside the caller's transaction: what is not written whole with it anyway."""
        for former, name in renames.applications.items():
            for table in ("tokens", "accesses"):
                self._connection.execute(
                    f"UPDATE OR IGNORE {table} SET application=? WHERE application=?",
                    (name, former),
                )
        for former, name in renames.targets.items():
            self._connection.execute(
                "UPDATE secrets SET document=? WHERE document=?",
                (f"SftpTarget/{name}", f"SftpTarget/{former}"),
            )
            for table in ("schedules", "export_bases"):
                self._connection.execute(
                    f"UPDATE OR REPLACE {table} SET target=? WHERE target=?", (name, former)
                )


def _hold(row: tables.Row) -> guarded.Hold:
    application, former, commit, generation, day, since, stopped = row
    return guarded.Hold(
        application,
        former,
        commit,
        generation,
        date.fromisoformat(day),
        tables.when(since),
        stopped,
    )


def _hold_row(hold: guarded.Hold) -> tables.Row:
    return (
        hold.application,
        hold.former,
        hold.commit,
        hold.generation,
        hold.day.isoformat(),
        tables.text(hold.since),
        hold.stopped,
    )

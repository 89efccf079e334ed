"""Which generation is served, and the imports that were tried."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rosterd.storage import connecting, guarded, protocol, records, shown, tables
from rosterd.storage.sqlite import holdings


class Generations(holdings.Holdings):
    def publish_generation(
        self,
        published: records.Published,
        *,
        imported: records.Import | None = None,
        revisions: Mapping[str, int] | None = None,
        held: protocol.Writes | None = None,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        notes: Sequence[records.Note] = (),
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
            self._see(seen)
            self._guard(guards)
            self._note(notes)

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

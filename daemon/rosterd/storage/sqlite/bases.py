"""What targets of deltas hold, by slot: one that was delivered, and one that is being tried."""

from collections.abc import Iterable

from rosterd.storage import records, tables
from rosterd.storage.sqlite import sessions


class Bases(sessions.Session):
    def export_bases(self, target: str) -> list[records.Base]:
        sql = "SELECT * FROM export_bases WHERE target=? ORDER BY slot"
        return self._read(tables.base, sql, target)

    def keep_export_base(self, base: records.Base, beside: str | None) -> None:
        with self._write():
            self._connection.execute(
                "DELETE FROM export_bases WHERE target=? AND slot IS NOT ?", (base.target, beside)
            )
            self._many(
                "INSERT OR REPLACE INTO export_bases VALUES (?,?,?,?,?,?,?)",
                [tables.base_row(base)],
            )

    def forget_export_bases(self, but: Iterable[str]) -> None:
        self._change(
            "DELETE FROM export_bases WHERE target NOT IN (SELECT value FROM json_each(?))",
            tables.json(list(but)),
        )

"""Which statements have counted, and what the paths they are about went through."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rosterd.storage import connecting, records, tables
from rosterd.storage.sqlite import sessions


class Statements(sessions.Session):
    def used_statements(self, digests: Iterable[str]) -> frozenset[str]:
        with connecting.translated(self._path):
            found = self._all(
                "SELECT digest FROM used_statements WHERE digest IN (SELECT value FROM json_each(?))",
                tables.json(list(digests)),
            )
        return frozenset(digest for (digest,) in found)

    def turns(
        self, paths: Iterable[str]
    ) -> Mapping[tuple[str, str | None], tuple[datetime | None, datetime | None]]:
        with connecting.translated(self._path):
            found = self._all(
                "SELECT * FROM turns WHERE path IN (SELECT value FROM json_each(?))",
                tables.json(list(paths)),
            )
        return {
            (path, content or None): (tables.maybe_when(left), tables.maybe_when(reached))
            for path, content, left, reached in found
        }

    def rewritten(self) -> str | None:
        with connecting.translated(self._path):
            found = self._all("SELECT newest FROM rewrites ORDER BY change DESC LIMIT 1")
        return str(found[0][0]) if found else None

    def _count(self, number: int, counted: records.Counted, time: datetime) -> None:
        """What has had its say by the change `number`; within its transaction."""
        self._many("INSERT INTO used_statements VALUES (?,?)", ((d, number) for d in counted.used))
        at = tables.text(time)
        for column, place in (("left_at", 1), ("reached_at", 2)):
            self._many(
                f"INSERT INTO turns (path, content, {column}) VALUES (?,?,?)"
                f" ON CONFLICT DO UPDATE SET {column}=excluded.{column}",
                ((turn[0], turn[place] or "", at) for turn in counted.turned),
            )
        if counted.rewritten is not None:
            row = (number, *counted.rewritten)
            self._connection.execute("INSERT INTO rewrites VALUES (?,?,?)", row)

"""The applied config, and the changes that led to it."""

from collections.abc import Iterable, Mapping, Sequence

from rosterd.storage import connecting, protocol, records, tables
from rosterd.storage.sqlite import holdings


class Configs(holdings.Holdings):
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

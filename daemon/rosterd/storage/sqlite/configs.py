"""The applied config, and the changes that led to it."""

from collections.abc import Iterable, Mapping, Sequence

from rosterd.storage import connecting, guarded, protocol, records, shown, tables
from rosterd.storage.sqlite import holdings, statements


class Configs(holdings.Holdings, statements.Statements):
    def applied(self) -> records.Applied | None:
        with connecting.snapshot(self._connection, self._path):
            last = self._all(f"{_CHANGES} LIMIT 1")
            if not last:
                return None
            change = tables.change(last[0])
            return records.Applied(
                commit=change.commit,
                documents=dict(self._all("SELECT path, content FROM documents ORDER BY path")),
                plan=change.plan,
                people=change.people,
                time=change.time,
                head=change.record.head,
                revisions=dict(self._all("SELECT * FROM revisions ORDER BY application")),
            )

    def apply(
        self,
        applied: records.Applied,
        *,
        previous: str,
        notes: Sequence[records.Note],
        counted: records.Counted | None = None,
        credentials: Sequence[records.Credential] | None = None,
        revoked: Iterable[str] = (),
        held: protocol.Writes | None = None,
        seen: Sequence[shown.Seen] = (),
        guards: guarded.Guards | None = None,
        renames: guarded.Renames | None = None,
    ) -> str:
        if not notes or notes[0].kind != "applied":
            raise ValueError("cannot apply a change without a note of it")
        with self._write():
            last = self._all(f"{_CHANGES} LIMIT 1")
            former = tables.change(last[0]) if last else None
            if (former.record.head if former else "") != previous:
                raise protocol.Conflict("cannot apply: another change was applied meanwhile")
            number = former.number + 1 if former else 1
            record, *_ = self._note(notes)
            people = tables.json(list(applied.people))
            time = tables.text(applied.time)
            row = (number, record.number, applied.commit, applied.plan, people, time)
            self._connection.execute("INSERT INTO changes VALUES (?,?,?,?,?,?)", row)
            self._guard(guards, former.commit if former else "")
            self._rename(renames or guarded.Renames())
            self._replace("documents", applied.documents.items())
            self._replace("revisions", applied.revisions.items())
            self._count(number, counted or records.Counted(), applied.time)
            if credentials is not None:
                self._replace("credentials", map(tables.credential_row, credentials))
            self._many("DELETE FROM tokens WHERE application=?", ((name,) for name in revoked))
            self._hold(held or {})
            self._see(seen)
        return record.head

    def correct(self, documents: Mapping[str, bytes], *, notes: Sequence[records.Note]) -> None:
        with self._write():
            self._replace("documents", documents.items())
            self._note(notes)

    def history(self, limit: int = 50) -> list[records.Change]:
        return self._read(tables.change, f"{_CHANGES} LIMIT ?", limit)

    def set_revisions(self, revisions: Mapping[str, int]) -> None:
        with self._write():
            self._replace("revisions", revisions.items())


_CHANGES = """
SELECT c.number, c."commit", c.plan, c.people, c.time,
       r.number, r.previous, r.head, r.entry, r.kind, r.time
FROM changes AS c JOIN records AS r ON r.number = c.record
ORDER BY c.number DESC
"""

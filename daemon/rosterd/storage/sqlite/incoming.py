"""Rosters on their way in."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson

from rosterd.storage import connecting, incoming, records, tables
from rosterd.storage.sqlite import chained


class Incoming(chained.Chained):
    def held_imports(self) -> Sequence[incoming.Held]:
        return self._read(_held, "SELECT * FROM held_imports ORDER BY source")

    def hold_import(self, held: incoming.Held) -> None:
        row = (
            held.source,
            held.revision,
            held.delivery,
            held.name,
            held.number,
            held.former,
            tables.text(held.since),
            tables.json(held.report),
            tables.json(list(held.excesses)),
            held.released,
        )
        self._change("INSERT OR REPLACE INTO held_imports VALUES (?,?,?,?,?,?,?,?,?,?)", *row)

    def release_import(
        self, source: str, revision: str, who: str, *, notes: Sequence[records.Note] = ()
    ) -> bool:
        with self._write():
            self._connection.execute(
                "UPDATE held_imports SET released=? WHERE source=? AND revision=? AND released=''",
                (who, source, revision),
            ).fetchall()
            done = self._connection.changes() == 1
            if done:
                self._note(notes)
        return done

    def drop_held_import(self, source: str) -> None:
        self._change("DELETE FROM held_imports WHERE source=?", source)

    def kept_deliveries(self) -> Sequence[incoming.Kept]:
        return self._read(_kept, "SELECT * FROM kept_deliveries ORDER BY time, source, delivery")

    def keep_delivery(self, kept: incoming.Kept) -> None:
        self._change(
            "INSERT OR REPLACE INTO kept_deliveries VALUES (?,?,?,?,?)",
            kept.source,
            kept.delivery,
            kept.file,
            tables.text(kept.time),
            kept.bytes,
        )

    def forget_deliveries(self, files: Iterable[str]) -> None:
        with self._write():
            self._many("DELETE FROM kept_deliveries WHERE file=?", ((each,) for each in files))

    def import_numbered(self, number: int) -> records.Import | None:
        found = self._read(tables.delivery, "SELECT * FROM imports WHERE number=?", number)
        return found[0] if found else None

    def pulls(self) -> Mapping[str, incoming.Pull]:
        with connecting.translated(self._path):
            rows = self._all("SELECT * FROM pulls")
        return {row[0]: _pull(row) for row in rows}

    def keep_pull(self, pull: incoming.Pull) -> None:
        self._change(
            "INSERT OR REPLACE INTO pulls VALUES (?,?,?,?,?,?)",
            pull.source,
            pull.place,
            _text(pull.tried),
            _text(pull.began),
            _text(pull.whole),
            pull.taken,
        )


def _held(row: tables.Row) -> incoming.Held:
    source, revision, delivery, name, number, former, since, report, excesses, released = row
    return incoming.Held(
        source=source,
        revision=revision,
        delivery=delivery,
        name=name,
        number=number,
        former=former,
        since=tables.when(since),
        report=orjson.loads(report),
        excesses=tuple(orjson.loads(excesses)),
        released=released,
    )


def _kept(row: tables.Row) -> incoming.Kept:
    source, delivery, file, time, size = row
    return incoming.Kept(source, delivery, file, tables.when(time), size)


def _pull(row: tables.Row) -> incoming.Pull:
    source, place, tried, began, whole, taken = row
    return incoming.Pull(
        source,
        place,
        tables.maybe_when(tried),
        tables.maybe_when(began),
        tables.maybe_when(whole),
        taken,
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else tables.text(moment)

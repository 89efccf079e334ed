"""Links to credentials, and who was told what."""

from collections.abc import Iterable, Sequence

import orjson

from rosterd.storage import mailing, records, tables
from rosterd.storage.sqlite import chained


class Mailing(chained.Chained):
    def reveal_links(self) -> Sequence[mailing.RevealLink]:
        return self._read(_link, "SELECT * FROM reveal_links ORDER BY application")

    def keep_reveal_link(
        self, link: mailing.RevealLink, *, notes: Sequence[records.Note] = ()
    ) -> None:
        row = (
            link.application,
            link.digest,
            link.key,
            tables.text(link.made),
            tables.text(link.expires),
            link.actor,
        )
        with self._write():
            self._many("INSERT OR REPLACE INTO reveal_links VALUES (?,?,?,?,?,?)", [row])
            self._note(notes)

    def spend_reveal_link(self, digest: bytes) -> mailing.RevealLink | None:
        with self._write():
            rows = self._all("DELETE FROM reveal_links WHERE digest=? RETURNING *", digest)
        return _link(rows[0]) if rows else None

    def drop_reveal_links(self, applications: Iterable[str]) -> None:
        with self._write():
            self._many(
                "DELETE FROM reveal_links WHERE application=?", ((each,) for each in applications)
            )

    def notices(self) -> Sequence[mailing.Notice]:
        return self._read(_notice, "SELECT * FROM notices ORDER BY receiver, key")

    def keep_notices(self, receiver: str, notices: Sequence[mailing.Notice]) -> None:
        rows = [
            (
                receiver,
                each.key,
                tables.json(each.incident),
                tables.text(each.begun),
                int(each.tried),
                tables.text(each.told) if each.told is not None else None,
                each.level,
                tables.text(each.ended) if each.ended is not None else None,
            )
            for each in notices
        ]
        with self._write():
            self._connection.execute("DELETE FROM notices WHERE receiver=?", (receiver,)).fetchall()
            self._many("INSERT INTO notices VALUES (?,?,?,?,?,?,?,?)", rows)

    def receivers(self) -> Sequence[mailing.Receiver]:
        return self._read(_receiver, "SELECT * FROM receivers ORDER BY receiver")

    def keep_receiver(self, receiver: mailing.Receiver) -> None:
        self._change(
            "INSERT OR REPLACE INTO receivers VALUES (?,?,?,?,?)",
            receiver.receiver,
            tables.text(receiver.sent) if receiver.sent is not None else None,
            receiver.failures,
            tables.text(receiver.retry) if receiver.retry is not None else None,
            receiver.problem,
        )

    def forget_receivers(self, but: Iterable[str]) -> None:
        names = tables.json(list(but))
        with self._write():
            for table in ("notices", "receivers"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE receiver NOT IN (SELECT value FROM json_each(?))",
                    (names,),
                ).fetchall()


def _link(row: tables.Row) -> mailing.RevealLink:
    application, digest, key, made, expires, actor = row
    return mailing.RevealLink(
        application, digest, key, tables.when(made), tables.when(expires), actor
    )


def _notice(row: tables.Row) -> mailing.Notice:
    receiver, key, incident, begun, tried, told, level, ended = row
    return mailing.Notice(
        receiver,
        key,
        orjson.loads(incident),
        tables.when(begun),
        bool(tried),
        tables.maybe_when(told),
        level,
        tables.maybe_when(ended),
    )


def _receiver(row: tables.Row) -> mailing.Receiver:
    receiver, sent, failures, retry, problem = row
    return mailing.Receiver(
        receiver, tables.maybe_when(sent), failures, tables.maybe_when(retry), problem
    )

"""Runs of sanity checks."""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from rosterd.storage import checking, tables
from rosterd.storage.sqlite import sessions

_RUN = 'SELECT application, generation, "commit", revision, time, counts FROM sanity_runs'


class Checking(sessions.Session):
    def keep_sanity(self, run: checking.SanityRun) -> None:
        row = (
            run.application,
            run.generation,
            run.commit,
            run.revision,
            tables.text(run.time),
            orjson.dumps(dict(run.counts)).decode(),  # in the order of a report
        )
        columns = 'application, generation, "commit", revision, time, counts'
        with self._write():
            self._many(f"INSERT INTO sanity_runs ({columns}) VALUES (?,?,?,?,?,?)", [row])
            self._connection.execute(
                "DELETE FROM sanity_runs WHERE application=?1 AND number NOT IN (SELECT number FROM"
                " sanity_runs WHERE application=?1 ORDER BY number DESC LIMIT ?2)",
                (run.application, checking.KEPT),
            ).fetchall()

    def sanity_runs(
        self, application: str, limit: int = checking.KEPT
    ) -> Sequence[checking.SanityRun]:
        sql = f"{_RUN} WHERE application=? ORDER BY number DESC LIMIT ?"
        return self._read(_run, sql, application, limit)

    def last_sanity(self) -> Mapping[str, checking.SanityRun]:
        newest = "SELECT max(number) FROM sanity_runs GROUP BY application"
        found = self._read(_run, f"{_RUN} WHERE number IN ({newest})")
        return {each.application: each for each in found}

    def forget_sanity(self, but: Iterable[str]) -> None:
        self._change(
            "DELETE FROM sanity_runs WHERE application NOT IN (SELECT value FROM json_each(?))",
            tables.json(list(but)),
        )


def _run(row: tables.Row) -> checking.SanityRun:
    application, generation, commit, revision, time, counts = row
    return checking.SanityRun(
        application, generation, commit, revision, tables.when(time), orjson.loads(counts)
    )

"""Who could see what: written with each swap, read by row or by application."""

from collections.abc import Iterable, Iterator, Mapping

import orjson
from pyroaring import FrozenBitMap

from rosterd.storage import connecting, shown, tables
from rosterd.storage.sqlite import sessions


class Seeing(sessions.Session):
    def periods(self) -> Mapping[int, shown.Period]:
        with connecting.translated(self._path):
            rows = self._all('SELECT number, "commit", generation, line FROM periods')
        return {number: shown.Period(*rest) for number, *rest in rows}

    def sights(self) -> list[shown.Sight]:
        return self._read(
            lambda row: shown.Sight(row[0], tables.when(row[1]), row[2], row[3]),
            "SELECT number, time, cause, period FROM sights ORDER BY number",
        )

    def standings(
        self, application: str | None = None, until: int | None = None
    ) -> list[tuple[int, shown.Standing]]:
        sql = (
            'SELECT sight, application, refusal, rules, levels, "commit", generation FROM standings'
            " WHERE (?1 IS NULL OR application=?1) AND (?2 IS NULL OR sight<=?2)"
            " ORDER BY sight, application"
        )
        with connecting.translated(self._path):
            # one text for many standings: they are long, and mostly stay the same
            texts: dict[int, str] = dict(self._all("SELECT number, content FROM field_rules"))
            return [
                (sight, shown.Standing(name, refusal, texts[rules], *rest))
                for sight, name, refusal, rules, *rest in self._all(sql, application, until)
            ]

    def audiences(self, numbers: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
        return self._audiences(numbers)

    def sightings(
        self, collection: str, until: int | None = None
    ) -> Iterator[tuple[int, FrozenBitMap]]:
        sql = (
            "SELECT sight, rows FROM sightings"
            " WHERE collection=?1 AND (?2 IS NULL OR sight<=?2) ORDER BY sight"
        )
        with connecting.translated(self._path):
            for sight, rows in self._connection.execute(sql, (collection, until)):
                yield int(str(sight)), FrozenBitMap.deserialize(rows)

    def sighting(self, collection: str, sight: int) -> shown.Kept:
        sql = "SELECT sight, rows, marks FROM sightings WHERE collection=? AND sight=?"
        found = self._read(_kept, sql, collection, sight)
        if not found:
            raise LookupError(f"no audience of {collection} changed with sight {sight}")
        return found[0]

    def known_people(self, line: int) -> Mapping[str, FrozenBitMap]:
        with connecting.translated(self._path):
            rows = self._all("SELECT collection, rows FROM known_people WHERE line=?", line)
        return {collection: FrozenBitMap.deserialize(found) for collection, found in rows}

    def people(self, digests: Iterable[bytes]) -> list[tuple[int, str, int]]:
        sql = "SELECT line, collection, row FROM people WHERE digest=? ORDER BY 1, 2, 3"
        with connecting.translated(self._path):
            return [(*row,) for digest in digests for row in self._all(sql, digest)]

    def belongings(self) -> Iterator[tuple[int, FrozenBitMap, bytes]]:
        sql = "SELECT sight, rows, people FROM belongings ORDER BY sight"
        with connecting.translated(self._path):
            for sight, rows, people in self._all(sql):
                yield sight, FrozenBitMap.deserialize(rows), people

    def pseudonym(self) -> bytes | None:
        with connecting.translated(self._path):
            found = self._all("SELECT sealed FROM pseudonyms")
        return found[0][0] if found else None

    def set_pseudonym(self, sealed: bytes) -> None:
        self._change("INSERT OR REPLACE INTO pseudonyms VALUES (1,?)", sealed)

    # -- inside the caller's transaction

    def _see(self, seen: Iterable[shown.Seen]) -> None:
        for each in seen:
            self._see_one(each)

    def _see_one(self, seen: shown.Seen) -> None:
        period = self._period(seen.period)
        sql = "INSERT INTO sights (time, cause, period) VALUES (?,?,?) RETURNING number"
        [(sight,)] = self._all(sql, tables.text(seen.time), seen.cause, period)
        for collection, change in seen.changes.items():
            names = {
                place: self._audience(list(audience))
                for place, audience in enumerate(change.audiences)
            }
            row = (collection, sight, *change.rows.renamed(names).packed())
            self._connection.execute("INSERT INTO sightings VALUES (?,?,?,?)", row)
        for standing in seen.standings:
            self._connection.execute(
                "INSERT INTO standings VALUES (?,?,?,?,?,?,?)",
                (
                    standing.application,
                    sight,
                    standing.refusal,
                    self._rules(standing.rules),
                    standing.levels,
                    standing.commit,
                    standing.generation,
                ),
            )
        line = seen.period.line
        self._many(
            "INSERT OR IGNORE INTO people VALUES (?,?,?,?)",
            ((digest, line, collection, row) for digest, collection, row in seen.people),
        )
        self._many(
            "INSERT OR REPLACE INTO known_people VALUES (?,?,?)",
            ((line, collection, rows.serialize()) for collection, rows in seen.known.items()),
        )
        if seen.belongings is not None:
            self._connection.execute(
                "INSERT INTO belongings VALUES (?,?,?)", (sight, *seen.belongings.packed())
            )

    def _period(self, period: shown.Period) -> int:
        values = (period.commit, period.generation, period.line)
        self._connection.execute(
            'INSERT OR IGNORE INTO periods ("commit", generation, line) VALUES (?,?,?)', values
        )
        sql = 'SELECT number FROM periods WHERE "commit"=? AND generation=? AND line=?'
        return int(self._all(sql, *values)[0][0])

    def _audience(self, readers: list[str] | list[int]) -> int:
        return self._interned("audiences", "readers", tables.json(readers))

    def _rules(self, content: str) -> int:
        return self._interned("field_rules", "content", content)

    def _interned(self, table: str, column: str, text: str) -> int:
        self._connection.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (text,))
        return int(self._all(f"SELECT number FROM {table} WHERE {column}=?", text)[0][0])

    def _audiences(self, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
        sql = (
            "SELECT number, readers FROM audiences WHERE number IN (SELECT value FROM json_each(?))"
        )
        with connecting.translated(self._path):
            rows = self._all(sql, tables.json(list(numbers)))
        return {number: tuple(orjson.loads(readers)) for number, readers in rows}


def _kept(row: tables.Row) -> shown.Kept:
    return shown.Kept(row[0], FrozenBitMap.deserialize(row[1]), *row[2:])

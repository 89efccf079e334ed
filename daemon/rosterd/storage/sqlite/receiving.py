"""Who received what: put together once a period is over, read by row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pyroaring import BitMap, FrozenBitMap

from rosterd import sightings
from rosterd.storage import connecting, shown, tables
from rosterd.storage.sqlite import seeing

_DEEPEST: Final = 30
"""Most differences that lead from a period to one that is kept whole."""
_BASES: Final = 3
"""Periods before this one that a difference is tried to: a commit in between may have let out
little, and then the one before it is nearer."""


class Receiving(seeing.Seeing):
    def keep_receipts(self, receipts: Sequence[shown.Receipt]) -> None:
        with self._write():
            grouped: dict[tuple[str, int], dict[int, FrozenBitMap]] = {}
            for each in receipts:
                period, channel = self._period(each.period), self._channel(each.channel)
                self._take(period, channel, each)
                grouped.setdefault((each.collection, period), {})[channel] = each.rows
            for (collection, period), found in sorted(grouped.items()):
                if self._all(_WHOLE, collection, period):
                    self._keep_late(collection, period, found)
                else:
                    self._keep(collection, period, found)

    def channels(self) -> Mapping[int, shown.Channel]:
        sql = (
            "SELECT c.number, application, form, version, content"
            " FROM channels c JOIN field_rules f ON f.number=fields"
        )
        with connecting.translated(self._path):
            return {number: shown.Channel(*rest) for number, *rest in self._all(sql)}

    def receipts(self) -> shown.Taken:
        with connecting.translated(self._path):
            rows = self._all("SELECT period, channel, collection, first, last FROM receipts")
        return {
            (period, channel, collection): (first, last)
            for period, channel, collection, first, last in rows
        }

    def received(self, collection: str) -> Iterator[shown.Kept]:
        sql = (
            "SELECT period, rows, marks, base, depth FROM received WHERE collection=?"
            " ORDER BY period"
        )
        with connecting.translated(self._path):
            for row in self._connection.execute(sql, (collection,)):
                yield _kept(row)

    def received_by(self, numbers: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
        found = self._audiences(numbers)
        return {number: tuple(map(int, readers)) for number, readers in found.items()}

    def late_receipts(self, collection: str) -> list[tuple[int, int, FrozenBitMap]]:
        return self._read(
            lambda row: (row[0], row[1], FrozenBitMap.deserialize(row[2])),
            "SELECT period, channel, rows FROM late_receipts WHERE collection=?",
            collection,
        )

    # -- inside the caller's transaction

    def _take(self, period: int, channel: int, receipt: shown.Receipt) -> None:
        self._connection.execute(
            "INSERT INTO receipts VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET"
            " first=min(first, excluded.first), last=max(last, excluded.last)",
            (
                period,
                channel,
                receipt.collection,
                tables.text(receipt.first),
                tables.text(receipt.last),
            ),
        )

    def _channel(self, channel: shown.Channel) -> int:
        values = (channel.application, channel.form, channel.version, self._rules(channel.fields))
        self._connection.execute(
            "INSERT OR IGNORE INTO channels (application, form, version, fields) VALUES (?,?,?,?)",
            values,
        )
        sql = "SELECT number FROM channels WHERE (application, form, version, fields)=(?,?,?,?)"
        return int(self._all(sql, *values)[0][0])

    def _keep(self, collection: str, period: int, found: Mapping[int, FrozenBitMap]) -> None:
        sql = (
            "SELECT period, depth FROM received WHERE collection=? AND period<?"
            " ORDER BY period DESC LIMIT ?"
        )
        depths = {
            number: depth
            for number, depth in self._all(sql, collection, period, _BASES)
            if depth < _DEEPEST
        }
        known: _States = {}
        bases = [(number, self._state(collection, number, known)) for number in sorted(depths)]
        base, groups = sightings.smallest(found, bases)
        partition = sightings.Partition.of(
            {self._audience(list(readers)): rows for readers, rows in groups.items()}
        )
        depth = depths[base] + 1 if base is not None else 0
        row = (collection, period, base, depth, *partition.packed())
        self._connection.execute("INSERT INTO received VALUES (?,?,?,?,?,?)", row)

    def _keep_late(self, collection: str, period: int, found: Mapping[int, FrozenBitMap]) -> None:
        known = self._state(collection, period, {})
        for number, channel, rows in self.late_receipts(collection):
            if number == period:
                known.setdefault(channel, BitMap()).update(rows)
        for channel, rows in found.items():
            if late := rows - known.get(channel, BitMap()):
                row = (collection, period, channel, late.serialize())
                self._connection.execute("INSERT INTO late_receipts VALUES (?,?,?,?)", row)

    def _state(self, collection: str, period: int, known: "_States") -> dict[int, BitMap]:
        """Channel -> rows that left by it, as it was put together."""
        chain: list[shown.Kept] = []
        number: int | None = period
        while number is not None and number not in known:
            [row] = self._all(_WHOLE, collection, number)
            chain.append(_kept(row))
            number = chain[-1].base
        state = known[number] if number is not None else {}
        for kept in reversed(chain):
            state = sightings.followed(state, kept.partition())
        known[period] = state
        return sightings.unfolded(state, self.received_by(state))


_States = dict[int, dict[int, BitMap]]
"""Period -> mark -> rows, of those that were read already."""

_WHOLE = "SELECT period, rows, marks, base, depth FROM received WHERE collection=? AND period=?"


def _kept(row: tables.Row) -> shown.Kept:
    period, rows, marks, base, depth = row
    return shown.Kept(period, FrozenBitMap.deserialize(rows), marks, base, depth)

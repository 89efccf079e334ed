"""What one application holds, as frozen values.

Nothing here is kept for each record but what left: rows are bitmaps, dates are a few bitmaps under
a moment each, and the minimal records of departures lie compressed until somebody asks for them.
Bitmaps are never changed in place, so what stayed the same between two worlds is the same object,
and only what is another object is written to the store.
"""

import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd.oneroster import model

Record = dict[str, Any]

CHUNK: Final = 256
"""Records that are compressed together: what one look at one of them costs."""
_OPEN: Final = 16  # chunks of one departure that stay decompressed
NONE: Final = FrozenBitMap()
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """Rows that came into the view, or look otherwise in it, at a moment later than their record's
    last change.
    """

    moment: datetime
    rows: FrozenBitMap


@dataclass(frozen=True, slots=True, eq=False)
class Departure:
    """Rows of one collection and source that left a view together, as they were last sent.

    `rows` are those that have not come back; `chunks` hold the records of `every` in its order.
    """

    moment: datetime
    source: str
    rows: FrozenBitMap
    every: FrozenBitMap
    chunks: tuple[bytes, ...]
    memory: dict[Hashable, FrozenBitMap] = field(default_factory=dict)
    """What readers found out about the records of `every`; they never change."""
    _open: dict[int, list[bytes]] = field(default_factory=dict)

    @property
    def dated(self) -> str:
        """The dateLastModified of all of them."""
        return timestamp(self.moment)

    def record(self, row: int) -> Record:
        """The minimal canonical record of one of `every`; the caller may change it."""
        place = self.every.rank(row) - 1
        record: Record = orjson.loads(self._chunk(place // CHUNK)[place % CHUNK])
        return record

    def records(self) -> Iterator[tuple[int, Record]]:
        """All of `every`, read in one go."""
        rows = iter(self.every)
        for chunk in self.chunks:
            for line in zlib.decompress(chunk).splitlines():
                yield next(rows), orjson.loads(line)

    def _chunk(self, number: int) -> list[bytes]:
        lines = self._open.get(number)
        if lines is None:
            lines = zlib.decompress(self.chunks[number]).splitlines()
            while len(self._open) >= _OPEN:
                self._open.pop(next(iter(self._open)), None)
            self._open[number] = lines
        return lines


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """What one application holds now.

    `rules` tells the field rules of each collection apart. `late` and `departed` are the newest
    first. `begun` is the moment of its first step: of what was before it says nothing, whoever has
    something older has to read all. `kinds` is there only while the grant is dead: which rows each
    narrower listing held, as nobody can say any more what was sent. `revision` moves with whatever is served differently; it
    is the moment of that in milliseconds, so that it never comes twice.
    """

    revision: int
    rules: Mapping[str, str]
    rows: Mapping[str, FrozenBitMap]
    late: Mapping[str, tuple[Late, ...]]
    departed: Mapping[str, tuple[Departure, ...]]
    begun: datetime
    kinds: Mapping[str, FrozenBitMap] | None = None
    gone: Mapping[str, FrozenBitMap] = field(init=False)
    """All rows that are departed."""

    def __post_init__(self) -> None:
        gone = {
            name: FrozenBitMap(BitMap.union(*(BitMap(each.rows) for each in left)))
            for name, left in self.departed.items()
            if left
        }
        object.__setattr__(self, "gone", gone)

    def newest(self) -> datetime:
        """The latest moment in it."""
        moments = [EPOCH, from_milliseconds(self.revision)]
        moments += [each.moment for late in self.late.values() for each in late]
        moments += [each.moment for left in self.departed.values() for each in left]
        return max(moments)


Dates = list[tuple[datetime, FrozenBitMap]]


def dates(
    holding: Holding | None,
    collection: str,
    rows: AbstractBitMap,
    changes: Iterable[tuple[datetime, AbstractBitMap]],
) -> tuple[Dates, Dates]:
    """(dates of `rows`, those of them that are not just when the record changed), newest first.

    `changes` are the moments at which records last changed. Each row is in one bitmap: under the
    latest of its moments.
    """
    late = holding.late.get(collection, ()) if holding is not None else ()
    known: list[tuple[datetime, bool, AbstractBitMap]] = [
        (moment, False, found) for moment, found in changes
    ]
    known += [(each.moment, True, each.rows) for each in late]
    known.sort(key=lambda each: each[:2], reverse=True)
    left = BitMap(rows)
    all_dates: Dates = []
    entered: Dates = []
    for moment, is_late, found in known:
        hit = FrozenBitMap(left & found)
        if not hit:
            continue
        left -= hit
        all_dates.append((moment, hit))
        if is_late:
            entered.append((moment, hit))
        if not left:
            break
    if left:
        all_dates.append((EPOCH, FrozenBitMap(left)))
    return all_dates, entered


def compressed(lines: Iterable[bytes]) -> bytes:
    """One chunk of records; at the level at which it costs less than reading them did."""
    return zlib.compress(b"\n".join(lines), 3)


def timestamp(moment: datetime) -> str:
    """`moment` as the standard writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return round((moment - EPOCH).total_seconds() * 1000)


def from_milliseconds(number: int) -> datetime:
    return datetime.fromtimestamp(number / 1000, tz=UTC)


COLLECTIONS: Final = tuple(model.COLLECTIONS)

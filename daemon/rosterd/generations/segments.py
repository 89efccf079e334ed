"""The segment files of one collection while a generation is built.

What former generations wrote stays where it is and is shared by hard links; what changed is
appended to one new file. When more than half of the old bytes belong to nobody, or when there are
many files, all that is used is written anew.
"""

import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from rosterd import rosters
from rosterd.generations import layout, mapped
from rosterd.oneroster import rendering, vocabularies

FILES: Final = 48
"""Most segments of one collection before they are put together: each is a mapping of the daemon."""
_WORTH: Final = 2**20
_BUFFER: Final = 2**20

Record = dict[str, Any]
Entry = tuple[bytes, bytes, bytes]
"""(fragment of 1.2, fragment of 1.1 or b"" when it is the same, the record)"""

_HIDDEN: Final = frozenset({"metadata", "password", "userProfiles", "children"})


def renderer(collection: str) -> Callable[[Record], tuple[bytes, bytes]]:
    """What makes (fragment of 1.2, fragment of 1.1 or b"" when it is the same) of a record."""
    fragment, older_of, newer_of = rendering.fragment, vocabularies.as_1p1, vocabularies.as_1p2
    bare, always = rosters.bare, collection == "users"
    words = [
        (name, vocabularies.VOCABULARIES[vocabulary].older)
        for name, vocabulary in vocabularies.WORDED[collection].items()
    ]
    stand_ins = vocabularies.STAND_INS.get(collection, ())

    def same(record: Record) -> bool:
        """Whether both versions surely say the same; cheap, for nearly all records."""
        for name, older in words:
            value = record.get(name)
            if value is not None and (isinstance(value, list) or value not in older):
                return older_of(collection, record) == newer_of(collection, record)
        return all(name in record for name in stand_ins)

    def render(record: Record) -> tuple[bytes, bytes]:
        if always or not _HIDDEN.isdisjoint(record):
            record = bare(collection, record)
        newer = fragment(collection, record, "1.2")
        if not always and same(record):
            return newer, b""
        older = fragment(collection, record, "1.1")
        return newer, b"" if older == newer else older

    return render


class Segments:
    """Where the rows' bytes lie: arrays by row, and the file that is being written."""

    def __init__(self, folder: Path, collection: str, former: mapped.Table | None) -> None:
        self._folder = folder
        self._former = former
        self._table = collection
        self.place: array[int] = mapped.copied("Q", former, "place")
        self.newer: array[int] = mapped.copied("I", former, "newer")
        self.older: array[int] = mapped.copied("I", former, "older")
        self.size: array[int] = mapped.copied("I", former, "size")
        self._kept: tuple[str, ...] = former.segments if former else ()
        self._file: int | None = None
        self._name = ""
        self._flushed = 0
        self._buffer = bytearray()
        if former is not None and _worn(former):
            self._write_anew(former)

    def _write_anew(self, former: mapped.Table) -> None:
        self._kept = ()
        for row in range(former.rows):
            self.place[row] = self._append(former.entry(row))

    def add(self, newer: bytes, older: bytes, record: bytes) -> None:
        """Append the bytes of a new row."""
        self.place.append(self._append(newer + older + record))
        self.newer.append(len(newer))
        self.older.append(len(older))
        self.size.append(len(record))

    def put(self, row: int, newer: bytes, older: bytes, record: bytes) -> None:
        """Append the bytes of a row in place of those that it had."""
        self.place[row] = self._append(newer + older + record)
        self.newer[row], self.older[row], self.size[row] = len(newer), len(older), len(record)

    def _append(self, entry: bytes) -> int:
        if self._file is None:
            self._begin()
        place = len(self._kept) << layout.SEGMENT_SHIFT | self._flushed + len(self._buffer)
        self._buffer += entry
        if len(self._buffer) >= _BUFFER:
            self._flush()
        return place

    def _begin(self) -> None:
        # Not the number of segments: after writing anew a name must not come twice.
        taken = [int(name.rpartition("-")[2].removesuffix(".seg")) for name in self._used()]
        self._name = f"{self._table}-{max(taken, default=0) + 1:06d}.seg"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._folder / self._name, flags, 0o600)

    def _used(self) -> tuple[str, ...]:
        return self._former.segments if self._former else ()

    def _flush(self) -> None:
        if self._file is None:
            return
        view = memoryview(self._buffer)
        while view:
            written = os.write(self._file, view)
            self._flushed += written
            view = view[written:]
        view.release()
        self._buffer = bytearray()

    def record(self, row: int) -> bytes:
        """The record of a row as JSON, be it written in this build or before."""
        at = self.place[row]
        segment = at >> layout.SEGMENT_SHIFT
        start = (at & layout.OFFSET) + self.newer[row] + self.older[row]
        if segment < len(self._kept) and self._former is not None:
            return self._former.maps[segment][start : start + self.size[row]]
        if start + self.size[row] > self._flushed:
            self._flush()
        return os.pread(self._file or 0, self.size[row], start)

    def loaded(self, row: int) -> Record:
        record: Record = orjson.loads(self.record(row))
        return record

    def close(self) -> tuple[str, ...]:
        """Flush the new file to the disk, link the former ones; the names of all."""
        if self._former is not None:
            for name in self._kept:
                (self._folder / name).hardlink_to(self._former.path.with_name(name))
        if self._file is None:
            return self._kept
        self._flush()
        layout.sync(self._file)
        os.close(self._file)
        self._file = None
        return (*self._kept, self._name)

    def abandon(self) -> None:
        """Let go of the file of a build that failed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def arrays(self) -> "dict[str, array[int]]":
        return {
            "place": self.place, "newer": self.newer, "older": self.older, "size": self.size,
        }  # fmt: skip


def _worn(former: mapped.Table) -> bool:
    total, garbage = former.garbage()
    return len(former.segments) >= FILES or (garbage > _WORTH and 2 * garbage > total)

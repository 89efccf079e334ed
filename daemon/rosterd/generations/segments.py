"""The segment files of one collection while a generation is built.

What former generations wrote stays where it is and is shared by hard links; what changed is
appended to new files: one for the fragments of 1.2, one for those of 1.1 that differ, one for the
records. So the fragments of neighbours lie one behind the other, each behind a separator, and a
page of them is one piece of a file. When more than half of the old bytes belong to nobody, or when
there are many files, all that is used is written anew.
"""

import itertools
import operator
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
from pyroaring import BitMap

from rosterd import rosters
from rosterd.generations import layout, mapped
from rosterd.oneroster import rendering, vocabularies

FILES: Final = 96
"""Most segments of one collection before they are put together: each is a mapping of the daemon."""
_WORTH: Final = 2**20
_BUFFER: Final = 2**20

Record = dict[str, Any]
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


class _File:
    """A file that is being written; `places` begin with its number among the segments."""

    def __init__(self, path: Path, number: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._start = number << layout.SEGMENT_SHIFT
        self._flushed = 0
        self._buffer = bytearray()

    def append(self, data: bytes) -> int:
        """The place of what was appended."""
        place = self._start | self._flushed + len(self._buffer)
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()
        return place

    def read(self, place: int, size: int) -> bytes:
        start = place & layout.OFFSET
        if start + size > self._flushed:
            self._flush()
        return os.pread(self._descriptor, size, start)

    def finish(self) -> None:
        """Bring all of it to the disk and let go of it."""
        self._flush()
        layout.sync(self._descriptor)
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    def _flush(self) -> None:
        view = memoryview(self._buffer)
        while view:
            written = os.write(self._descriptor, view)
            self._flushed += written
            view = view[written:]
        view.release()
        self._buffer = bytearray()


class Segments:
    """Where the rows' bytes lie: arrays by row, and the files that are being written.

    Where both versions have the same fragment, the place of the older one is that of the newer.
    """

    def __init__(self, folder: Path, collection: str, former: mapped.Table | None) -> None:
        self._folder = folder
        self._former = former
        self._table = collection
        self.place: array[int] = mapped.copied("Q", former, "place")
        self.newer: array[int] = mapped.copied("I", former, "newer")
        self.older_place: array[int] = mapped.copied("Q", former, "older place")
        self.older: array[int] = mapped.copied("I", former, "older")
        self.record_place: array[int] = mapped.copied("Q", former, "record place")
        self.size: array[int] = mapped.copied("I", former, "size")
        self._kept: tuple[str, ...] = former.segments if former else ()
        self._files: dict[str, _File] = {}
        self._names: list[str] = []
        if former is not None and _worn(former):
            self._write_anew(former)

    def _write_anew(self, former: mapped.Table) -> None:
        self._kept = ()
        for row in range(former.rows):
            newer, older = former.fragment(row, "1.2"), former.fragment(row, "1.1")
            same = former.older_place[row] == former.place[row]
            self._put(row, newer, b"" if same else older, former.record(row))

    def add(self, newer: bytes, older: bytes, record: bytes) -> None:
        """Append the bytes of a new row; `older` is empty when it is the same as `newer`."""
        for numbers in (self.place, self.newer, self.older_place, self.older):
            numbers.append(0)
        self.record_place.append(0)
        self.size.append(0)
        self._put(len(self.place) - 1, newer, older, record)

    def put(self, row: int, newer: bytes, older: bytes, record: bytes) -> None:
        """Append the bytes of a row in place of those that it had."""
        self._put(row, newer, older, record)

    def _put(self, row: int, newer: bytes, older: bytes, record: bytes) -> None:
        between = rendering.NEXT_BYTE
        place = self._file("newer").append(between + newer) + 1
        self.place[row], self.newer[row] = place, len(newer)
        if older:
            place = self._file("older").append(between + older) + 1
        self.older_place[row], self.older[row] = place, len(older or newer)
        self.record_place[row] = self._file("record").append(record)
        self.size[row] = len(record)

    def _file(self, kind: str) -> _File:
        file = self._files.get(kind)
        if file is None:
            # Not the number of segments: after writing anew a name must not come twice.
            used = (*(self._former.segments if self._former else ()), *self._names)
            taken = [int(name.rpartition("-")[2].removesuffix(".seg")) for name in used]
            name = f"{self._table}-{max(taken, default=0) + 1:06d}.seg"
            number = len(self._kept) + len(self._names)
            file = self._files[kind] = _File(self._folder / name, number)
            self._names.append(name)
        return file

    def record(self, row: int) -> bytes:
        """The record of a row as JSON, be it written in this build or before."""
        place = self.record_place[row]
        if place >> layout.SEGMENT_SHIFT < len(self._kept) and self._former is not None:
            return self._former.piece(place, self.size[row])
        return self._file("record").read(place, self.size[row])

    def loaded(self, row: int) -> Record:
        record: Record = orjson.loads(self.record(row))
        return record

    def close(self) -> tuple[str, ...]:
        """Flush the new files to the disk, link the former ones; the names of all."""
        if self._former is not None:
            for name in self._kept:
                (self._folder / name).hardlink_to(self._former.path.with_name(name))
        for kind in list(self._files):
            self._files.pop(kind).finish()
        return (*self._kept, *self._names)

    def abandon(self) -> None:
        """Let go of the files of a build that failed."""
        for kind in list(self._files):
            self._files.pop(kind).close()

    def arrays(self) -> "dict[str, array[int] | bytes]":
        return {
            "place": self.place,
            "newer": self.newer,
            "older place": self.older_place,
            "older": self.older,
            "record place": self.record_place,
            "size": self.size,
            "newer breaks": _breaks(self.place, self.newer),
            "older breaks": _breaks(self.older_place, self.older),
        }


def _breaks(places: "array[int]", sizes: "array[int]") -> bytes:
    """Rows whose fragment does not lie right behind that of the row before."""
    follow = map((1).__add__, map(operator.add, places, sizes))
    apart = map(operator.ne, places[1:], follow)
    return BitMap(array("I", itertools.compress(itertools.count(1), apart))).serialize()


def _worn(former: mapped.Table) -> bool:
    total, garbage = former.garbage()
    return len(former.segments) >= FILES or (garbage > _WORTH and 2 * garbage > total)

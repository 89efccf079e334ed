"""Rows, each with one number: a bitmap and an array beside it.

One bitmap for each number would be the obvious way. But rows that changed in one night lie
scattered, and a bitmap pays for every stretch of 65,536 rows that it touches, for each number
anew. Here the rows are paid for once, and numbers of neighbours, which are mostly equal, compress.
Who asks for one row looks at the bitmap first, which on nearly every night answers "not here".
"""

import struct
import sys
import zlib
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

_HEAD: Final = struct.Struct("<BI")
_CODES: Final[Mapping[int, str]] = {1: "B", 2: "H", 4: "I"}
"""Bytes of a code -> its kind of array."""
_STRETCH: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """`rows`, with `marks[codes[place]]` as the mark of the row at that place in their order."""

    rows: FrozenBitMap
    marks: tuple[int, ...]
    codes: Sequence[int] = field(repr=False)

    @classmethod
    def of(cls, groups: Mapping[int, AbstractBitMap]) -> "Partition":
        """From mark -> rows; the rows of two marks must not overlap."""
        groups = {mark: rows for mark, rows in groups.items() if rows}
        rows = FrozenBitMap(BitMap.union(BitMap(), *map(BitMap, groups.values())))
        kind = _CODES[_width(len(groups))]
        if len(groups) <= 1:
            return cls(rows, tuple(groups), array(kind, bytes(len(rows))))
        codes = array(kind, bytes(array(kind).itemsize * (rows.max() + 1)))
        for code, found in enumerate(groups.values()):
            for row in found if code else ():
                codes[row] = code
        return cls(rows, tuple(groups), array(kind, [codes[row] for row in rows]))

    @classmethod
    def of_values(cls, rows: FrozenBitMap, values: Sequence[int]) -> "Partition":
        """From one mark for each of the rows, in their order."""
        # by stretches: a million in one piece would keep every other thread waiting
        stretches = range(0, len(values), _STRETCH)
        found: dict[int, None] = {}
        for at in stretches:
            found |= dict.fromkeys(values[at : at + _STRETCH])
        marks = tuple(found)
        code_of = {mark: code for code, mark in enumerate(marks)}
        codes = array(_CODES[_width(len(marks))])
        for at in stretches:
            codes.extend(map(code_of.__getitem__, values[at : at + _STRETCH]))
        return cls(rows, marks, codes)

    def renamed(self, names: Mapping[int, int]) -> "Partition":
        """The same with other marks."""
        return Partition(self.rows, tuple(names[mark] for mark in self.marks), self.codes)

    def mark(self, row: int) -> int | None:
        """The mark of one row, None when it is not there."""
        if row not in self.rows:
            return None
        return self.marks[self.codes[self.rows.rank(row) - 1]]

    def having(self, marks: Collection[int]) -> BitMap:
        """Rows that have one of the marks."""
        wanted = bytes(mark in marks for mark in self.marks)
        if not any(wanted):
            return BitMap()
        if all(wanted):
            return BitMap(self.rows)
        if isinstance(self.codes, array) and self.codes.itemsize == 1:  # nearly always, and quick
            chosen = self.codes.tobytes().translate(wanted.ljust(256, b"\0"))
            return BitMap(array("I", compress(self.rows.to_array(), chosen)))
        each = map(wanted.__getitem__, self.codes)
        return BitMap(array("I", compress(self.rows.to_array(), each)))

    def groups(self) -> dict[int, BitMap]:
        """Mark -> its rows, as `of` takes them."""
        lists: list[list[int]] = [[] for _ in self.marks]
        for row, code in zip(self.rows, self.codes, strict=True):
            lists[code].append(row)
        return {mark: BitMap(rows) for mark, rows in zip(self.marks, lists, strict=True)}

    def packed(self) -> tuple[bytes, bytes]:
        """(rows, marks) as bytes to be kept."""
        width = _width(len(self.marks))
        head = _HEAD.pack(width, len(self.marks))
        codes = _little(array(_CODES[width], self.codes))
        body = struct.pack(f"<{len(self.marks)}I", *self.marks) + codes
        return self.rows.serialize(), head + zlib.compress(body, 6)

    @classmethod
    def unpacked(cls, rows: bytes | FrozenBitMap, marks: bytes) -> "Partition":
        """From what `packed` gave; ValueError when the two do not fit each other."""
        if isinstance(rows, bytes):
            rows = FrozenBitMap.deserialize(rows)
        width, count = _HEAD.unpack_from(marks)
        body = zlib.decompress(marks[_HEAD.size :])
        known = struct.unpack_from(f"<{count}I", body)
        codes = array(_CODES[width])
        codes.frombytes(body[4 * count :])
        if sys.byteorder == "big":
            codes.byteswap()
        if len(codes) != len(rows):
            raise ValueError("rows and marks do not fit each other")
        return cls(rows, known, codes)


def mentions(packed: bytes, marks: Iterable[int]) -> bool:
    """Whether packed marks may hold one of these: no is certain, and costs little."""
    _, count = _HEAD.unpack_from(packed)
    known = zlib.decompressobj().decompress(packed[_HEAD.size :], 4 * count or 1)
    return any(known.find(struct.pack("<I", mark)) >= 0 for mark in marks)


def _width(count: int) -> int:
    """Bytes of a code when there are so many marks."""
    return 1 if count <= 1 << 8 else 2 if count <= 1 << 16 else 4


def _little(codes: "array[int]") -> bytes:
    if sys.byteorder == "big":
        codes.byteswap()
    return codes.tobytes()


def union(bitmaps: Iterable[AbstractBitMap]) -> BitMap:
    """All rows of all of them."""
    return BitMap.union(BitMap(), *map(BitMap, bitmaps))

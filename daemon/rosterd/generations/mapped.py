"""One collection of a finished generation, mapped into memory.

Nothing is loaded: a lookup touches the pages of the file that it needs, and the machine's page
cache is the only cache. An id is found by binary search over a sorted table of rows.
"""

import bisect
import collections
import itertools
import mmap
import operator
import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson
from pyroaring import BitMap, FrozenBitMap

from rosterd import errors, rosters
from rosterd.generations import layout

_SHIFT, _OFFSET = layout.SEGMENT_SHIFT, layout.OFFSET
_NOTHING = memoryview(b"")
_STRETCH = 4096  # rows


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise errors.InputError(f"cannot open the generation: {path.name} is missing") from error
    try:
        if os.fstat(descriptor).st_size == 0:
            return b""  # an empty file cannot be mapped
        return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)


class Table:
    """Rows, records and raw arrays of one collection; threads may share it."""

    def __init__(self, folder: Path, name: str, table: layout.Table) -> None:
        self.name = name
        self.rows = table.rows
        self.segments = table.segments
        self.path = folder / f"{name}.arrays"
        self._sections = table.sections
        arrays = _mapped(self.path)
        if len(arrays) != table.size:
            raise errors.InputError(f"cannot open the generation: {self.path.name} is cut off")
        self._arrays = memoryview(arrays)
        self.maps = [_mapped(folder / segment) for segment in table.segments]
        self._views = [memoryview(each) for each in self.maps]
        self.place = self.section("place")
        self.newer = self.section("newer")
        self.older_place = self.section("older place")
        self.older = self.section("older")
        self.record_place = self.section("record place")
        self.size = self.section("size")
        self._breaks = {"1.2": self.bitmap("newer breaks"), "1.1": self.bitmap("older breaks")}
        self.changed = self.section("changed")
        self.order = self.section("order")
        self._ids = self.section("ids")
        self._ends = self.section("ends")

    def section(self, name: str) -> memoryview:
        """An array by its name, empty when the collection has none of it."""
        section = self._sections.get(name)
        if section is None or not section.items:
            return _NOTHING
        view = self._arrays[section.offset :]
        if section.code == "B":
            return view[: section.items]
        width = 8 if section.code == "Q" else 4 if section.code == "I" else 2
        code = cast("Any", section.code)  # mypy wants a literal; write_arrays knows three
        return view[: section.items * width].cast(code)

    def bitmap(self, name: str) -> FrozenBitMap:
        section = self.section(name)
        return FrozenBitMap.deserialize(bytes(section)) if len(section) else FrozenBitMap()

    def relation(self, starts: str, targets: str) -> rosters.Relation:
        """Edges from each row; a table without any has no arrays for them."""
        first = self.section(starts)
        if not len(first):
            first = memoryview(bytes(4 * (self.rows + 1))).cast("I")
        last = self.section(targets)
        return rosters.Relation(first, last if len(last) else last.cast("I"))

    # -- ids

    def id_bytes(self, row: int) -> bytes:
        ends = self._ends
        return bytes(self._ids[ends[row - 1] if row else 0 : ends[row]])

    def sourced_id(self, row: int) -> str:
        return self.id_bytes(row).decode()

    def ids(self) -> list[str]:
        """All sourcedIds by row; for the import only, which has a process of its own."""
        whole = bytes(self._ids)
        starts = itertools.chain((0,), self._ends)
        return [whole[start:end].decode() for start, end in zip(starts, self._ends, strict=False)]

    def row(self, sourced_id: str) -> int | None:
        wanted = sourced_id.encode(errors="surrogatepass")
        place = bisect.bisect_left(self.order, wanted, key=self.id_bytes)
        if place < len(self.order) and self.id_bytes(row := self.order[place]) == wanted:
            return row
        return None

    def ids_beyond(self, operator: str, sourced_id: str) -> BitMap:
        """Rows whose id is > >= < or <= this one, by code points: a piece of the sorted table."""
        wanted = sourced_id.encode(errors="surrogatepass")
        find = bisect.bisect_left if operator in (">=", "<") else bisect.bisect_right
        place = find(self.order, wanted, key=self.id_bytes)
        return BitMap(array("I", self.order[place:] if ">" in operator else self.order[:place]))

    def ids_with(self, part: str) -> BitMap | None:
        """Rows whose id contains this folded text; None when only folding each id could tell."""
        whole = bytes(self._ids)
        if not part or not whole.isascii():
            return None
        if not part.isascii():
            return BitMap()
        whole, wanted, ends = whole.lower(), part.encode(), self._ends
        found, place = array("I"), whole.find(wanted)
        while place >= 0:
            row = bisect.bisect_right(ends, place)
            if place + len(wanted) <= ends[row]:
                found.append(row)
                place = ends[row] - 1
            place = whole.find(wanted, place + 1)
        return BitMap(found)

    # -- records

    def fragments(self, rows: Sequence[int], version: str) -> list[bytes]:
        """One piece of a mapped file for each row. They are short: to copy them here costs less
        than to point at each of them.
        """
        all_places, all_sizes = self._fragments_of(version)
        places, sizes = of_rows(all_places, rows), of_rows(all_sizes, rows)
        maps = self.maps
        return [
            maps[at >> _SHIFT][(start := at & _OFFSET) : start + size]
            for at, size in zip(places, sizes, strict=True)
        ]

    def stretches(self, rows: range, version: str) -> list[memoryview]:
        """The hot path of serving: the same fragments in as few pieces as they lie in. Between
        those of one piece stands rendering.NEXT_BYTE.
        """
        (places, sizes), breaks = self._fragments_of(version), self._breaks[version]
        begin, last = rows.start, rows.stop - 1
        if not breaks.range_cardinality(begin + 1, rows.stop):  # as it is for most pages
            at, end = places[begin], places[last] + sizes[last]
            return [self._views[at >> _SHIFT][at & _OFFSET : end & _OFFSET]]
        ends = itertools.takewhile(last.__ge__, breaks.iter_equal_or_larger(begin + 1))
        found = []
        for stop in (*ends, rows.stop):
            at, end = places[begin], places[stop - 1] + sizes[stop - 1]
            found.append(self._views[at >> _SHIFT][at & _OFFSET : end & _OFFSET])
            begin = stop
        return found

    def _fragments_of(self, version: str) -> tuple[memoryview, memoryview]:
        """Places and sizes by row."""
        if version == "1.1":
            return self.older_place, self.older
        return self.place, self.newer

    def fragment(self, row: int, version: str) -> bytes:
        places, sizes = self._fragments_of(version)
        return self.piece(places[row], sizes[row])

    def record(self, row: int) -> bytes:
        """The record as its source delivered it, as JSON."""
        return self.piece(self.record_place[row], self.size[row])

    def loaded(self, row: int) -> dict[str, Any]:
        record: dict[str, Any] = orjson.loads(self.record(row))
        return record

    def piece(self, place: int, size: int) -> bytes:
        """Bytes of a segment, copied."""
        start = place & _OFFSET
        return self.maps[place >> _SHIFT][start : start + size]

    def garbage(self) -> tuple[int, int]:
        """(bytes of the segments, those of them that no row uses any more)."""
        total, used = sum(map(len, self.maps)), sum(self.newer) + sum(self.size)
        places = zip(self.place, self.older_place, self.older, strict=True)
        used += sum(size for place, older, size in places if place != older)
        return total, total - used


def of_rows(numbers: memoryview, rows: Sequence[int]) -> Sequence[int]:
    """The numbers of these rows; of neighbours, and of many, all at once."""
    if isinstance(rows, range):
        return numbers[rows.start : rows.stop].tolist()
    if len(rows) > 1:
        many: tuple[int, ...] = operator.itemgetter(*rows)(numbers)
        return many
    return [numbers[row] for row in rows]


def by_change(table: Table, active: FrozenBitMap) -> dict[int, FrozenBitMap]:
    """Number of a generation -> active rows that last changed in it.

    Stretch by stretch, as neighbours mostly changed at once; a million rows in one piece would also
    keep every request waiting.
    """
    found: collections.defaultdict[int, BitMap] = collections.defaultdict(BitMap)
    for start in range(0, table.rows, _STRETCH):
        numbers = table.changed[start : start + _STRETCH].tolist()
        counts = collections.Counter(numbers)
        usual = max(counts, key=counts.__getitem__)
        alike = BitMap(range(start, start + len(numbers)))
        if len(counts) > 1:
            for row, number in enumerate(numbers, start):
                if number != usual:
                    found[number].add(row)
                    alike.remove(row)
        found[usual] |= alike
    return {number: FrozenBitMap(hit) for number, rows in found.items() if (hit := rows & active)}


def copied(code: Any, table: Table | None, section: str) -> "array[int]":
    """An array of a table that may be written to; empty without a table."""
    items: array[int] = array(code)
    if table is not None:
        items.frombytes(table.section(section).cast("B"))
    return items

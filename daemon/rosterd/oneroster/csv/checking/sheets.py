"""One data file against the standard: header, cells, sourcedIds and references.

Cells are judged once for each different value of a block, so a million rows cost a million looks
into a set.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rosterd.oneroster.csv import lines
from rosterd.oneroster.csv.checking import formats, manifests, scanning, tables, wording

_METADATA = "metadata."
_REMEMBERED = 50_000
_CUT = ("too-long", "unclosed-quote")
"""After these a part of the file was not looked at."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a block that have all their cells, by column; a column that is missing is blank."""

    lines: Sequence[int]
    cells: Mapping[str, Sequence[str]]
    places: Mapping[str, int]
    """Column -> its number in the file, from 1."""

    def each(self, *names: str) -> Iterator[tuple[int, tuple[str, ...]]]:
        """(line, cells of these columns)."""
        columns = [self.cells.get(name) or ("",) * len(self.lines) for name in names]
        return zip(self.lines, zip(*columns, strict=True), strict=True)

    def pairs(self, first: str, second: str) -> Iterator[tuple[str, str]]:
        """The cells of two columns beside each other."""
        return ((one, other) for _, (one, other) in self.each(first, second))


@dataclass(slots=True)
class Known:
    """What the files read so far hold.

    `ids` has the sourcedIds of a file that was read whole; `partial` says that some of the package
    are deltas, so that references may lead to what the importer has already.
    """

    stated: manifests.Stated
    partial: bool
    ids: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Placed:
    column: tables.Column
    index: int
    check: formats.Check
    right: set[str]


class Sheet:
    """One file, judged while its rows pass."""

    def __init__(self, stem: str, known: Known, found: wording.Findings) -> None:
        self.name = f"{stem}.csv"
        self._stem = stem
        self._known = known
        self._found = found
        self._mode = known.stated.modes[stem]
        self._placed: list[_Placed] = []
        self._width = 0
        self._ids: set[str] = set()
        self._later: list[tuple[int, int, str, str]] = []
        self._told: set[str] = set()

    def read(self, opener: scanning.Opener) -> Iterator[Rows]:
        """Judge the file; gives the rows for the questions that take more than one cell."""
        if lines.foreign(opener):
            self._found.add(self.name, 0, 0, "other-encoding")
            return
        first, any_rows = True, False
        for block in scanning.blocks(self.name, opener, self._found):
            if first:
                first = False
                block.lines.pop(0)
                if self._unreadable(header := block.rows.pop(0)):
                    return
                self._header(header)
            if block.rows:
                any_rows = True
                yield self._block(block)
        if self._found.told(self.name, *_CUT):
            return  # what is behind may hold the ids that others refer to
        if first or not any_rows:
            self._found.add(self.name, 0 if first else 1, 0, "no-header" if first else "no-rows")
        self._end()

    def _end(self) -> None:
        """Tell of references within the file, and let later files know its sourcedIds."""
        for line, place, column, sourced_id in self._later:
            if sourced_id not in self._ids:
                self._found.add(self.name, line, place, "dangling", column)
        if any(one.column.name == "sourcedId" for one in self._placed):
            self._known.ids[self._stem] = self._ids

    # ------------------------------------------------------------ the header

    def _unreadable(self, header: Sequence[str]) -> bool:
        """Whether all of the file would be misread for one reason, which is told."""
        if other := lines.delimiter(header):
            self._found.add(self.name, 1, 0, "delimiter", other)
        # where lines end in CR alone, which was told, all of the file is one header
        return bool(other) or any("\r" in cell for cell in header)

    def _header(self, header: Sequence[str]) -> None:
        self._width = len(header)
        variants = tables.variants(self._known.stated.version, self._stem)
        longest = {column.name.casefold(): column for column in variants[-1]}
        seen: dict[str, int] = {}
        for index, cell in enumerate(header):
            self._head(index, cell, longest, seen)
        for column in variants[0]:
            if column.name not in seen:
                self._found.add(self.name, 1, 0, "missing-column", column.name)
        own = [name for name in sorted(seen, key=seen.__getitem__) if name.casefold() in longest]
        expected = [column.name for column in variants[-1] if column.name in seen]
        after = [index for name, index in seen.items() if name.casefold() not in longest]
        if own != expected or any(index < seen[name] for index in after for name in own):
            self._found.add(self.name, 1, 0, "header-order")

    def _head(
        self, index: int, cell: str, known: Mapping[str, tables.Column], seen: dict[str, int]
    ) -> None:
        column = known.get(cell.strip().casefold())
        name = column.name if column else cell
        if name in seen:
            self._note(
                1, index, "duplicate-column", column.name if column else f"number {index + 1}"
            )
            return
        if column:
            seen[name] = index
            self._placed.append(_Placed(column, index, formats.check(column), set()))
            if cell != name:
                self._note(1, index, "header-form", name)
        elif not cell.strip():
            self._note(1, index, "empty-column", str(index + 1))
        elif cell.startswith(_METADATA) and len(cell) > len(_METADATA):
            seen[name] = index
        else:
            self._note(1, index, "unknown-column", f"number {index + 1}")

    # ------------------------------------------------------------ rows

    def _block(self, block: scanning.Block) -> Rows:
        good = [len(row) == self._width for row in block.rows]
        if not all(good):
            for line, row, right in zip(block.lines, block.rows, good, strict=True):
                if not right:
                    self._found.add(self.name, line, 0, "row-width")
                    self._keep_id(row)
            block.lines = [one for one, right in zip(block.lines, good, strict=True) if right]
            block.rows = [one for one, right in zip(block.rows, good, strict=True) if right]
        by_index = list(zip(*block.rows, strict=True)) or [()] * self._width
        for index, cells in enumerate(by_index):
            self._breaks(index, block.lines, cells)
        for placed in self._placed:
            self._cells(placed, block.lines, by_index[placed.index])
        names = {one.column.name: one.index for one in self._placed}
        cells_by_name = {name: by_index[index] for name, index in names.items()}
        return Rows(block.lines, cells_by_name, {name: at + 1 for name, at in names.items()})

    def _breaks(self, index: int, lines: Sequence[int], cells: Sequence[str]) -> None:
        if "\n" in "".join(cells):
            for line, cell in zip(lines, cells, strict=True):
                if "\n" in cell:
                    self._note(line, index, "line-break", f"cell {index + 1}")

    def _cells(self, placed: _Placed, lines: Sequence[int], cells: Sequence[str]) -> None:
        column, distinct = placed.column, set(cells)
        if column.name in ("status", "dateLastModified"):
            self._dated(placed, lines, cells, blank="" in distinct)
        elif column.required and "" in distinct:
            self._each(placed, lines, cells, {""}, "missing-value")
        distinct.discard("")
        codes = {cell: code for cell in distinct - placed.right if (code := _code(placed, cell))}
        for code in sorted(set(codes.values())):
            self._each(placed, lines, cells, {one for one in codes if codes[one] == code}, code)
        if column.form not in ("id", "ref", "refs", "text"):  # those differ from row to row
            if len(placed.right) > _REMEMBERED:
                placed.right.clear()
            placed.right.update(distinct.difference(codes))
        if column.name == "sourcedId":
            self._own_ids(placed, lines, cells)
        if column.target is not None and self._mode == "bulk":
            self._references(placed, column.target, lines, cells, distinct.difference(codes))

    def _dated(
        self, placed: _Placed, lines: Sequence[int], cells: Sequence[str], *, blank: bool
    ) -> None:
        if self._mode == "delta" and blank:
            self._each(placed, lines, cells, {""}, "blank-status")
        elif self._mode == "bulk" and any(cells):
            self._each(placed, lines, cells, set(cells) - {""}, "status-in-bulk")

    def _each(
        self,
        placed: _Placed,
        lines: Sequence[int],
        cells: Sequence[str],
        which: set[str],
        code: str,
    ) -> None:
        for line, cell in zip(lines, cells, strict=True):
            if cell in which:
                self._note(line, placed.index, code, placed.column.name)

    def _own_ids(self, placed: _Placed, lines: Sequence[int], cells: Sequence[str]) -> None:
        fresh = set(cells)
        if len(fresh) == len(cells) and self._ids.isdisjoint(fresh):
            self._ids |= fresh
            return
        for line, cell in zip(lines, cells, strict=True):
            if cell and cell in self._ids:
                self._note(line, placed.index, "duplicate", "sourcedId")
            self._ids.add(cell)

    def _keep_id(self, row: Sequence[str]) -> None:
        """A row that is cut wrongly is there all the same: others may refer to it."""
        for placed in self._placed:
            if placed.column.name == "sourcedId" and placed.index < len(row):
                self._ids.add(row[placed.index])

    # ------------------------------------------------------------ references

    def _references(
        self,
        placed: _Placed,
        target: str,
        lines: Sequence[int],
        cells: Sequence[str],
        distinct: set[str],
    ) -> None:
        mode = self._known.stated.modes.get(target, "absent")
        if mode == "delta" or (mode == "absent" and self._known.partial):
            return
        column = placed.column
        if mode == "absent":
            if distinct and target not in self._told:
                self._told.add(target)
                line = next(line for line, cell in zip(lines, cells, strict=True) if cell)
                self._note(line, placed.index, "dangling-file", column.name, f"{target}.csv")
            return
        own = target == self._stem
        there = self._ids if own else self._known.ids.get(target)
        if there is None:
            return  # it could not be read, which was told
        named = {one for cell in distinct for one in cell.split(",")} if column.many else distinct
        lost = named - there
        if not lost:
            return
        for line, cell in zip(lines, cells, strict=True):
            for one in cell.split(",") if column.many else (cell,):
                if one in lost and own:
                    self._later.append((line, placed.index + 1, column.name, one))
                elif one in lost:
                    self._note(line, placed.index, "dangling", column.name)

    def _note(self, line: int, index: int, code: str, *names: str) -> None:
        self._found.add(self.name, line, index + 1, code, *names)


def _code(placed: _Placed, cell: str) -> str:
    code = placed.check(cell)
    return "blank-value" if code == "" and cell.isspace() else code

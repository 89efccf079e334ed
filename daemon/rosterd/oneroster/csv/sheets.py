"""One data file as a stream of records.

Most rows of most files are in order, and there are a million of them: so a block of rows is turned
into columns and each column is checked at once. Only a block in which something is odd is read
again cell by cell, to say what and where; both ways give the same records.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

from rosterd.oneroster.csv import cells, columns, files, headers, lines, problems, rows

Fault = tuple[int, str, str]  # index of the cell, code, name

_row = functools.partial(tuple.__new__, rows.Row)  # `Row(...)`, as fast as C is
_ACTIVE = itertools.repeat("active")
_UNDATED = itertools.repeat(None)

_KEPT_BY_MODE = ("status", "dateLastModified")


class Sheet:
    """One file, to be read once.

    `mode` is "bulk" or "delta". Rows come in the file's order, each sourcedId once.
    """

    def __init__(
        self,
        name: str,
        opener: lines.Opener,
        file: files.File,
        *,
        version: str,
        mode: str,
        found: problems.Problems,
    ) -> None:
        self._name = name
        self._opener = opener
        self._file = file
        self._version = version
        self._mode = mode
        self._found = found
        self._seen: set[str] = set()
        self._told: set[str] = set()

    def layout(self) -> headers.Layout:
        """The header, mapped. InputError when the file cannot be used at all."""
        told = problems.Problems()
        for before, _, block in lines.blocks(self._name, self._opener, told):
            if before == 0:
                return headers.read(
                    block[0],
                    self._file,
                    self._version,
                    self._mode,
                    name=self._name,
                    found=self._found,
                )
            break
        # a first line that cannot be read says why
        raise problems.refusal(told.kept[:1] or [problems.problem(self._name, 0, 0, "no-header")])

    def read(self, layout: headers.Layout) -> Iterator[rows.Row]:
        """Good rows; what is wrong with the others is noted in the problems."""
        clean = [columns.check(placed.column, placed.convert) for placed in layout.placed]
        blank = True
        for before, taken, block in lines.blocks(self._name, self._opener, self._found):
            # Where a row takes several lines, the lines have to be counted one by one.
            even = taken == len(block)
            start = before
            if before == 0:
                start += 1 + _extra_lines(block.pop(0))
            if not block:
                continue
            blank = False
            good = self._quickly(layout, clean, start, block) if even else None
            yield from self._slowly(layout, start, block) if good is None else good
        if blank:
            self._found.add(self._name, 1, 0, "no-rows")

    # ------------------------------------------------------------ many rows at once

    def _quickly(
        self,
        layout: headers.Layout,
        clean: Sequence[columns.Check],
        before: int,
        body: Sequence[list[str]],
    ) -> Iterator[rows.Row] | None:
        """The records of a block that is in order, None when something has to be said about it."""
        if set(map(len, body)) != {layout.width}:
            return None
        by_index = list(zip(*body, strict=True))
        if any(by_index[placed.index] != by_index[index] for placed, index in layout.repeated):
            return None
        values = self._checked(layout, clean, before, by_index)
        if values is None:
            return None
        ids = by_index[layout.placed[0].index]
        extra = [(key, by_index[index]) for key, index in layout.metadata]
        if any(columns.texts(column) is None for _, column in extra):
            return None
        if len(set(ids)) != len(ids) or not self._seen.isdisjoint(ids):
            return None
        self._seen.update(ids)
        for placed, check in zip(layout.placed, clean, strict=True):
            if not check.warned.keys().isdisjoint(by_index[placed.index]):
                self._warn(placed, check.warned, by_index[placed.index], before)
        return _records(values, extra, before)

    def _checked(
        self,
        layout: headers.Layout,
        clean: Sequence[columns.Check],
        before: int,
        by_index: Sequence[Sequence[str]],
    ) -> dict[str, Sequence[object]] | None:
        """Values of each column by member; None when a cell is odd."""
        values: dict[str, Sequence[object]] = {}
        for placed, check in zip(layout.placed, clean, strict=True):
            column = by_index[placed.index]
            if placed.column.name in _KEPT_BY_MODE:
                if not self._plainly_active(placed.column.name, column, before):
                    return None
            elif (converted := check.values(column)) is None:
                return None
            else:
                values[placed.column.member] = converted
        return values

    def _warn(
        self, placed: headers.Placed, warned: Mapping[str, str], column: Sequence[str], before: int
    ) -> None:
        for line, cell in enumerate(column, before + 1):
            if cell in warned:
                self._note(line, placed.index, warned[cell], placed.column.name)

    def _plainly_active(self, name: str, column: Sequence[str], before: int) -> bool:
        if self._mode == "delta":
            return False
        if name == "status" and not set(column) <= {"", "active"}:
            return False
        if name not in self._told and any(column):
            self._once(before + 1, name)
        return True

    def _once(self, line: int, name: str) -> None:
        """Most exporters fill these: said once for each column, not in every row."""
        if name not in self._told:
            self._told.add(name)
            self._found.add(self._name, line, 0, "status-in-bulk", name)

    # ------------------------------------------------------------ row by row

    def _slowly(
        self, layout: headers.Layout, before: int, body: Sequence[list[str]]
    ) -> Iterator[rows.Row]:
        line = before + 1
        for row in body:
            if any(row) and not all(map(str.isspace, filter(None, row))):
                if len(row) != layout.width:
                    self._found.add(self._name, line, 0, "row-width")
                elif (good := self._row(layout, line, row)) is not None:
                    yield good
            line += 1 + _extra_lines(row)

    def _row(self, layout: headers.Layout, line: int, row: Sequence[str]) -> rows.Row | None:
        faults: list[Fault] = []
        status, changed = self._status(layout, line, row, faults)
        record: rows.Record = {}
        for placed in layout.placed:
            if placed.column.name not in _KEPT_BY_MODE:
                self._cell(placed, row[placed.index], record, faults)
        for placed, index in layout.repeated:
            if row[placed.index].strip() != row[index].strip():
                # Nobody can tell which is meant: harmless for a phone, not for who someone is.
                grave = placed.column.required or placed.column.target is not None
                code = "conflict" if grave else "conflict-ignored"
                faults.append((index, code, placed.column.name))
        self._metadata(layout, row, record, faults)
        if status == "tobedeleted" and "sourcedId" in record and not self._file.is_link:
            # what leaves need not be in order; a link is told apart by all it says
            faults = [fault for fault in faults if fault[1] == "inactive"]
        sourced_id = record.get("sourcedId")
        if sourced_id in self._seen:
            faults.append((layout.placed[0].index, "duplicate", "sourcedId"))
        for index, code, name in faults:
            self._note(line, index, code, name)
        if any(code in problems.ERRORS for _, code, _ in faults):
            return None
        self._seen.add(str(sourced_id))
        return rows.Row(line, record, status, changed)

    def _cell(
        self,
        placed: headers.Placed,
        cell: str,
        record: rows.Record,
        faults: list[Fault],
    ) -> None:
        column = placed.column
        value: object = None
        code = ""
        if "\n" in cell or "\r" in cell:
            code = "line-break"
        elif cell and not cell.isspace():
            value, code = placed.convert(cell)
        if code:
            faults.append((placed.index, code, column.name))
        if value:
            record[column.member] = value
        elif column.required and code not in problems.ERRORS:
            faults.append((placed.index, "missing-value", column.name))

    def _metadata(
        self,
        layout: headers.Layout,
        row: Sequence[str],
        record: rows.Record,
        faults: list[Fault],
    ) -> None:
        kept: dict[str, object] = {}
        for key, index in layout.metadata:
            cell = row[index]
            if "\n" in cell or "\r" in cell:
                faults.append((index, "line-break", f"number {index + 1}"))
            elif cell and not cell.isspace():
                value, code = cells.text(cell)
                if code:
                    faults.append((index, code, f"number {index + 1}"))
                if value:
                    kept[key] = value
        if kept:
            record["metadata"] = kept

    def _status(
        self, layout: headers.Layout, line: int, row: Sequence[str], faults: list[Fault]
    ) -> tuple[str, str | None]:
        """Status and date of the row; in a bulk file they say nothing but `tobedeleted`."""
        status, changed = "active", None
        for placed in layout.placed:
            name = placed.column.name
            if name not in _KEPT_BY_MODE:
                continue
            cell = row[placed.index].strip()
            if not cell:
                if self._mode == "delta":
                    self._refuse(line, placed)
                continue
            if self._mode == "bulk":
                self._once(line, name)
            if name == "dateLastModified" and self._mode == "bulk":
                continue
            value, code = placed.convert(cell)
            if code:
                faults.append((placed.index, code, name))
            if name == "status":
                status = str(value)
            else:
                changed = None if value is None else str(value)
        return status, changed

    def _refuse(self, line: int, placed: headers.Placed) -> None:
        name = placed.column.name
        raise problems.refusal(
            [problems.problem(self._name, line, placed.index + 1, "blank-status", name)]
        )

    def _note(self, line: int, index: int, code: str, name: str) -> None:
        self._found.add(self._name, line, index + 1, code, name)


def _extra_lines(row: Sequence[str]) -> int:
    return sum(cell.count("\n") for cell in row)


def _records(
    values: dict[str, Sequence[object]], extra: Sequence[tuple[str, Sequence[str]]], before: int
) -> Iterator[rows.Row]:
    """Rows out of checked columns. Members stay in the standard's order, whatever is blank."""
    filled = [(name, column) for name, column in values.items() if any(column)]
    always = list(itertools.takewhile(lambda one: all(one[1]), filled))
    names = [name for name, _ in always]
    cells_of_rows = zip(*(column for _, column in always), strict=True)
    # a chain of maps: half the time of a comprehension
    records: list[rows.Record] = list(map(dict, map(zip, itertools.repeat(names), cells_of_rows)))
    for name, column in filled[len(always) :]:
        for record, value in zip(records, column, strict=True):
            if value:
                record[name] = value
    if extra:
        for number, record in enumerate(records):
            kept = {key: column[number] for key, column in extra if column[number]}
            if kept:
                record["metadata"] = kept
    given = zip(itertools.count(before + 1), records, _ACTIVE, _UNDATED, strict=False)
    return map(_row, given)

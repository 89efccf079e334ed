"""A block of cells of one column, checked at once.

Rows that are in order are checked here without a look at each cell, which is what makes a million
of them a matter of seconds. A check gives the values, or None when any cell is odd: then the reader
goes through the block cell by cell. Values are the same either way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rosterd.oneroster.csv import cells, files, problems

Values = Callable[[Sequence[str]], Sequence[object] | None]

_BLANK = {""}
_REMEMBERED = 50_000  # distinct cells of one column whose meaning is kept


@dataclass(frozen=True, slots=True)
class Check:
    """The check of one column: `values` of a block (blank cells give ""), None when one is odd.

    `warned` holds the cells met so far that are read with a warning, and its code: an exporter
    that writes TRUE does so in every row, and that must not cost the pace.
    """

    values: Values
    warned: dict[str, str] = field(default_factory=dict)


def check(column: files.Column, convert: cells.Convert) -> Check:
    """The check of one column; it keeps what it learns, so each reading has its own."""
    warned: dict[str, str] = {}
    if column.format in (files.Format.ID, files.Format.REF):
        values: Values = _ids
    elif column.format is files.Format.TEXT:
        values = texts
    elif column.format is files.Format.USER_IDS:
        values = _each(convert)
    else:
        values = _remembering(convert, warned)
    if column.required:
        return Check(lambda block: values(block) if all(block) else None, warned)
    return Check(values, warned)


def texts(block: Sequence[str]) -> Sequence[str] | None:
    if not "".join(block).isprintable() or any(map(str.isspace, block)):
        return None
    return block


def _ids(block: Sequence[str]) -> Sequence[str] | None:
    distinct = set(block)
    fits = max(map(len, distinct)) <= cells.LONGEST_ID
    return block if fits and cells.ID_LETTERS.fullmatch("".join(distinct)) else None


def _each(convert: cells.Convert) -> Values:
    def convert_all(block: Sequence[str]) -> Sequence[object] | None:
        values = []
        for cell in block:
            value, code = convert(cell) if cell else ("", "")
            if code:
                return None
            values.append(value)
        return values

    return convert_all


def _remembering(convert: cells.Convert, warned: dict[str, str]) -> Values:
    """For columns with few distinct cells, such as dates and words."""
    known: dict[str, object] = {"": ""}

    def look_up(block: Sequence[str]) -> Sequence[object] | None:
        distinct = set(block)
        if distinct == _BLANK:
            return block
        if len(known) + len(distinct) > _REMEMBERED:
            known.clear()
            warned.clear()
            known[""] = ""
        for cell in distinct.difference(known):
            value, code = convert(cell) if not cell.isspace() else (None, "spaces")
            if code in problems.ERRORS or not value or "\n" in cell or "\r" in cell:
                return None
            if code:
                warned[cell] = code
            known[cell] = value
        values = [known[cell] for cell in block]
        if any(isinstance(known[cell], list) for cell in distinct):  # each record has its own
            return [value.copy() if isinstance(value, list) else value for value in values]
        return values

    return look_up

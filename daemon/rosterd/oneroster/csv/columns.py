"""A block of cells of one column, checked at once.

Rows that are in order are checked here without a look at each cell, which is what makes a million
of them a matter of seconds. A check gives the values, or None when any cell is odd: then the reader
goes through the block cell by cell. Values are the same either way.
"""

from collections.abc import Callable, Sequence

from rosterd.oneroster.csv import cells, files

Check = Callable[[Sequence[str]], Sequence[object] | None]

_BLANK = {""}
_REMEMBERED = 50_000  # distinct cells of one column whose meaning is kept


def check(column: files.Column, convert: cells.Convert) -> Check:
    """The check of one column; blank cells give ""."""
    if column.format in (files.Format.ID, files.Format.REF):
        whole: Check = _ids
    elif column.format is files.Format.TEXT:
        whole = texts
    elif column.format is files.Format.USER_IDS:
        whole = _each(convert)
    else:
        whole = _remembering(convert)
    if not column.required:
        return whole
    return lambda block: whole(block) if all(block) else None


def texts(block: Sequence[str]) -> Sequence[str] | None:
    if not "".join(block).isprintable() or any(map(str.isspace, block)):
        return None
    return block


def _ids(block: Sequence[str]) -> Sequence[str] | None:
    distinct = set(block)
    fits = max(map(len, distinct)) <= cells.LONGEST_ID
    return block if fits and cells.ID_LETTERS.fullmatch("".join(distinct)) else None


def _each(convert: cells.Convert) -> Check:
    def convert_all(block: Sequence[str]) -> Sequence[object] | None:
        values = []
        for cell in block:
            value, code = convert(cell) if cell else ("", "")
            if code:
                return None
            values.append(value)
        return values

    return convert_all


def _remembering(convert: cells.Convert) -> Check:
    """For columns with few distinct cells, such as dates and words."""
    known: dict[str, object] = {"": ""}

    def look_up(block: Sequence[str]) -> Sequence[object] | None:
        distinct = set(block)
        if distinct == _BLANK:
            return block
        if len(known) + len(distinct) > _REMEMBERED:
            known.clear()
            known[""] = ""
        for cell in distinct.difference(known):
            value, code = convert(cell) if not cell.isspace() else (None, "spaces")
            if code:
                return None
            known[cell] = value
        values = [known[cell] for cell in block]
        if any(isinstance(known[cell], list) for cell in distinct):  # each record has its own
            return [value.copy() if isinstance(value, list) else value for value in values]
        return values

    return look_up

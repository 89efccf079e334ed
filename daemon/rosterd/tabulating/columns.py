"""What stands in the cells of one column: its values, changed, looked up, and counted through.

A column has one value in most rows. Where its path branches (the teachers of a class) and it asks
that an earlier file has the value, those that are not there are passed over: else a class whose
first teacher is left out would go with its second one still at hand.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from rosterd import documents, templates
from rosterd.tabulating import filling

Cell = Callable[[filling.Row], str]
Values = Callable[[filling.Row], Sequence[str]]
Beyond = Callable[[Mapping[str, int]], object]
"""Told of a header and how many values there was no number left for."""

_BREAKS: Final = re.compile(r"[\r\n]+")
_COMMA: Final = ","


class Left(Exception):
    """The row is left out, for a reason that is counted."""


def cells(
    column: documents.Column,
    grain: str,
    asked: filling.Filling,
    elsewhere: Collection[str] | None,
    beyond: Beyond,
) -> Iterator[tuple[str, Cell]]:
    """(header, value of a row) for each column that a column of the template is.

    `elsewhere` are the values that the file of `inFile` has.
    """
    fitting = _Fitting(column, elsewhere if column.in_file else None)
    repeat = column.repeat
    if repeat is None:
        origin = _origin(column, grain, asked)
        yield column.header, _required(column, lambda row: fitting.one(origin(row)))
        return
    path = templates.listed(grain, repeat.over, column.field or "")
    each = _remembered(lambda row: fitting.all(asked.listed_values(row, repeat.over, path)))
    for number in range(repeat.first, repeat.last + 1):
        header = column.header.replace("{n}", str(number))
        last = number == repeat.last
        yield header, _required(column, _nth(each, number, header, beyond if last else None))


def _origin(column: documents.Column, grain: str, asked: filling.Filling) -> Values:
    if column.constant is not None:
        constant = (column.constant,)
        return lambda _: constant
    named = column.first_of or (column.field or "",)
    paths = [templates.resolve(grain, text) for text in named]
    if column.join is not None:
        return lambda row: asked.every(row, paths[0])
    if column.in_file is not None:
        return lambda row: [value for path in paths for value in asked.branching(row, path)]
    return lambda row: [asked.value(row, path) for path in paths]


def _nth(each: Values, number: int, header: str, beyond: Beyond | None) -> Cell:
    def cell(row: filling.Row) -> str:
        values = each(row)
        if beyond is not None and len(values) > number:
            beyond({header: len(values) - number})
        return values[number - 1] if len(values) >= number else ""

    return cell


def _remembered(values: Values) -> Values:
    """The same, found once for the numbered columns of a row."""
    kept: list[tuple[filling.Row | None, Sequence[str]]] = [(None, ())]

    def remembered(row: filling.Row) -> Sequence[str]:
        if kept[0][0] is not row:
            kept[0] = (row, values(row))
        return kept[0][1]

    return remembered


def _required(column: documents.Column, cell: Cell) -> Cell:
    if not column.required:
        return cell

    def required(row: filling.Row) -> str:
        value = cell(row)
        if not value:
            raise Left(f"{column.header}: no value")
        return value

    return required


class _Fitting:
    """Values as the receiver takes them: no line breaks, in its words, and where it knows them."""

    def __init__(self, column: documents.Column, elsewhere: Collection[str] | None) -> None:
        self._column = column
        self._change = templates.TRANSFORMS[column.transform] if column.transform else None
        self._elsewhere = elsewhere

    def one(self, found: Sequence[str]) -> str:
        """The first that fits, or all of them with commas between."""
        fitting = self.all(found)
        if self._column.join is not None:  # one with a comma of its own would be read as two
            return _COMMA.join(value for value in fitting if _COMMA not in value)
        return fitting[0] if fitting else ""

    def all(self, found: Sequence[str]) -> list[str]:
        """Those that fit, in their order; raises Left when the column says that the row goes."""
        cleaned = [_BREAKS.sub(" ", value) for value in found if value]
        worded = self._worded(cleaned) if self._change is not None else cleaned
        if self._elsewhere is None:
            return worded
        there = [value for value in worded if value in self._elsewhere]
        strict = self._column.otherwise == "drop-row"
        missing = len(there) < len(worded) if self._column.repeat is not None else not there
        if worded and missing and strict:
            raise Left(f"{self._column.header}: not in {self._column.in_file}")
        return there

    def _worded(self, values: Sequence[str]) -> list[str]:
        if self._change is None:
            raise AssertionError("only a column with a transform has words")
        words = [word for value in values if (word := self._change(value))]
        if words or not values:
            return words
        if self._column.unknown == "drop-row":
            raise Left(f"{self._column.header}: no word for the value")
        return list(values) if self._column.unknown == "keep" else []

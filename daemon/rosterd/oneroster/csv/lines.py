"""From bytes to rows of cells, in blocks, with the line each block begins after.

Lines end at line feeds only: what else Python takes for a line end (form feeds, U+2028) is part of
a value. A quoted cell may run over several lines, as RFC 4180 has it, although the standard forbids
that: the rows are cut where their writer cut them, so that no text inside a cell can pose as a row
of its own, and the reader refuses the one row.

A quote in the middle of a plain cell is a character of it, such as 5" pipe. Text after a closing
quote is a fault: the same characters could have been meant as another number of cells. The one
meaning that is sure is a backslash before it, as some databases write.
"""

import codecs
import contextlib
import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from rosterd.oneroster.csv import problems

Opener = Callable[[], BinaryIO]
Block = tuple[int, int, list[list[str]]]  # lines before the first row, lines taken, rows

_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}

LONGEST = 65_536  # characters of one line; memory must not hang on one missing line end
_ROWS = 2048
_PIECE = 1 << 18


def foreign(opener: Opener) -> bool:
    """Whether the file begins as UTF-16 or UTF-32 do, which spreadsheets call Unicode: much of it
    would pass for UTF-8 and be told as faults of another kind.
    """
    with opener() as binary:
        head = binary.read(64)
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head


def delimiter(header: Sequence[str]) -> str:
    """What stands between the cells instead of commas, in words; "" when nothing seems to.

    Spreadsheets of many countries write semicolons, which would be told as so many missing columns.
    """
    if len(header) > 1:
        return ""
    return next((words for sign, words in _DELIMITERS.items() if sign in "".join(header)), "")


def blocks(name: str, opener: Opener, found: problems.Problems) -> Iterator[Block]:
    """The rows of a file, the header first among them; blank lines are empty rows.

    InputError when the file is not UTF-8 or a quoted cell never ends.
    """
    if foreign(opener):
        raise problems.refusal([problems.problem(name, 0, 0, "other-encoding")])
    with opener() as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="\n") as text:
        source = _Source(text, name, found)
        reader = csv.reader(source.lines(), strict=True)
        while True:
            before = reader.line_num
            rows: list[list[str]] = []
            try:
                rows.extend(itertools.islice(reader, _ROWS))  # keeps what came before an error
                if not rows:
                    return
            except csv.Error as error:
                rows += _meant(error, source.line(reader.line_num), name, reader.line_num, found)
            except UnicodeDecodeError:
                raise _undecodable(name, opener) from None
            if rows:
                yield before, reader.line_num - before, rows


class _Source:
    """Lines with their ends; in place of one that is too long an empty one."""

    def __init__(self, text: io.TextIOWrapper, name: str, found: problems.Problems) -> None:
        self._pieces = _pieces(text, name, found)
        self._before = 0
        self._piece: list[str] = []

    def lines(self) -> Iterator[str]:
        return itertools.chain.from_iterable(self._remembered())

    def line(self, number: int) -> str:
        """The line that was given last, by its number."""
        return self._piece[number - self._before - 1]

    def _remembered(self) -> Iterator[list[str]]:
        for piece in self._pieces:
            self._before += len(self._piece)
            self._piece = piece
            yield piece


def _pieces(text: io.TextIOWrapper, name: str, found: problems.Problems) -> Iterator[list[str]]:
    rest, dropping, number = "", False, 0
    while piece := text.read(_PIECE):
        *whole, rest = (rest + piece).split("\n")
        whole = [line + "\n" for line in whole]
        if dropping and whole:
            whole[0], dropping = "\n", False
        if dropping:
            rest = ""
        for index, line in enumerate(whole) if max(map(len, whole), default=0) > LONGEST else ():
            if len(line) > LONGEST:
                found.add(name, number + index + 1, 0, "too-long")
                whole[index] = "\n"
        number += len(whole)
        if len(rest) > LONGEST:
            found.add(name, number + 1, 0, "too-long")
            rest, dropping = "", True
        yield whole
    if rest or dropping:
        yield [rest]


def _meant(
    error: csv.Error, line: str, name: str, number: int, found: problems.Problems
) -> list[list[str]]:
    """The row that a faulty line was meant as, where that is sure; notes the fault."""
    words = str(error)
    if "limit" in words or "end of data" in words:
        raise problems.refusal([problems.problem(name, number, 0, "endless-field")]) from None
    if "expected after" not in words:
        found.add(name, number, 0, "bad-line")
        return []
    with contextlib.suppress(csv.Error):
        if '\\"' in line:
            rows = list(csv.reader([line], strict=True, escapechar="\\"))
            found.add(name, number, 0, "escaped-quote")
            return rows
    found.add(name, number, 0, "stray-quote")
    return []


def _undecodable(name: str, opener: Opener) -> Exception:
    """The error with its line, looked for in a second pass: the first reads in big pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    number = 1
    with opener() as binary:
        while piece := binary.readline(LONGEST):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                break
            number += piece.endswith(b"\n")
    return problems.refusal([problems.problem(name, number, 0, "not-utf8")])

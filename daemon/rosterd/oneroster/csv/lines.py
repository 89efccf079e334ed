"""From bytes to rows of cells, in blocks, with the line each block begins after.

Lines end at line feeds only: what else Python takes for a line end (form feeds, U+2028) is part of
a value. A quoted cell may run over several lines, as RFC 4180 has it, although the standard forbids
that: the rows are cut where their writer cut them, so that no text inside a cell can pose as a row
of its own, and the reader refuses the one row.
"""

import codecs
import csv
import io
import itertools
from collections.abc import Callable, Iterator
from typing import BinaryIO

from rosterd.oneroster.csv import problems

Opener = Callable[[], BinaryIO]
Block = tuple[int, int, list[list[str]]]  # lines before the first row, lines taken, rows

LONGEST = 65_536  # characters of one line; memory must not hang on one missing line end
_ROWS = 2048
_PIECE = 1 << 18


def blocks(name: str, opener: Opener, found: problems.Problems) -> Iterator[Block]:
    """The rows of a file, the header first among them; blank lines are empty rows.

    InputError when the file is not UTF-8 or a quoted cell never ends.
    """
    with opener() as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="\n") as text:
        # Not strict: a quote in the middle of a plain cell is a character of it, such as 5" pipe.
        reader = csv.reader(_bounded(text, name, found))
        while True:
            before = reader.line_num
            rows: list[list[str]] = []
            try:
                rows.extend(itertools.islice(reader, _ROWS))  # keeps what came before an error
                if not rows:
                    return
            except csv.Error as error:
                _note(error, name, reader.line_num, found)
            except UnicodeDecodeError:
                raise _undecodable(name, opener) from None
            if rows:
                yield before, reader.line_num - before, rows


def _bounded(text: io.TextIOWrapper, name: str, found: problems.Problems) -> Iterator[str]:
    """Lines with their ends; in place of one that is too long an empty one."""
    return itertools.chain.from_iterable(_pieces(text, name, found))


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


def _note(error: csv.Error, name: str, line: int, found: problems.Problems) -> None:
    if "limit" in str(error):
        raise problems.refusal([problems.problem(name, line, 0, "endless-field")]) from None
    found.add(name, line, 0, "bad-line")


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

"""From bytes to rows as RFC 4180 has them, without forgiving anything.

The reader of imports takes what spreadsheets write; here every stray quote, bare carriage return
and line break inside a cell is told by its line, and the row is still cut where its writer cut it,
so that one mistake is told once. Time is linear in the bytes and no line is held that has no end.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from rosterd.oneroster.csv.checking import wording

Opener = Callable[[], BinaryIO]

LONGEST: Final = 2**20
_ROWS: Final = 2048
_PLAIN = re.compile(r'[^",]*(?=,|\Z)')
_INSIDE = re.compile(r'[^"]*(?:""[^"]*)*')


@dataclass(slots=True)
class Block:
    """Rows of cells, and the line on which each begins."""

    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def blocks(name: str, opener: Opener, found: wording.Findings) -> Iterator[Block]:
    """The rows of a file, the header first among them."""
    block = Block()
    for line, row in _rows(name, opener, found):
        block.lines.append(line)
        block.rows.append(row)
        if len(block.rows) >= _ROWS:
            yield block
            block = Block()
    if block.rows:
        yield block


def _rows(name: str, opener: Opener, found: wording.Findings) -> Iterator[tuple[int, list[str]]]:
    start, scanner = 0, _Scanner()
    for line, text in _lines(name, opener, found):
        if not scanner.inside:
            start = line
            if not text:
                found.add(name, line, 0, "blank-line")
                continue
            if '"' not in text:
                yield line, text.split(",")
                continue
        row = scanner.feed(text)
        if scanner.stray:
            found.add(name, line, 0, "stray-quote")
            scanner.stray = False
        if row is not None:
            yield start, row
        elif scanner.held > LONGEST:
            break
    if scanner.inside:
        found.add(name, start, 0, "unclosed-quote")


def _lines(name: str, opener: Opener, found: wording.Findings) -> Iterator[tuple[int, str]]:
    """(number, text without its end) of each line."""
    with opener() as binary:
        number = 0
        while raw := binary.readline(LONGEST):
            number += 1
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                found.add(name, number, 0, "too-long")
                while (raw := binary.readline(LONGEST)) and not raw.endswith(b"\n"):
                    pass
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                found.add(name, number, 0, "not-utf8")
                text = raw.decode(errors="replace")
            if number == 1:
                text = text.removeprefix("\ufeff")
            text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
            if "\r" in text:
                found.add(name, number, 0, "bare-cr")
            yield number, text


class _Scanner:
    """Cuts lines into cells; remembers a quoted cell that goes on in the next line."""

    def __init__(self) -> None:
        self.inside = False
        self.stray = False
        self.held = 0
        self._cells: list[str] = []
        self._parts: list[str] = []

    def feed(self, text: str) -> list[str] | None:
        """The row that ends with this line, None when it goes on."""
        place = 0
        if self.inside:
            place = self._quoted(text, 0)
        while place <= len(text):
            if text.startswith('"', place):
                place = self._quoted(text, place + 1)
                continue
            found = _PLAIN.match(text, place)
            end = found.end() if found else self._to_comma(text, place)
            self._cells.append(text[place:end])
            place = end + 1
        if self.inside:
            return None
        row, self._cells = self._cells, []
        return row

    def _quoted(self, text: str, place: int) -> int:
        """Take the inside of a quoted cell; gives where the next cell begins."""
        found = _INSIDE.match(text, place)
        end = found.end() if found else place
        self._parts.append(text[place:end])
        if end >= len(text):
            self.inside = True
            self._parts.append("\n")
            self.held += len(text) + 1
            return len(text) + 1
        self.inside, self.held = False, 0
        cell = "".join(self._parts).replace('""', '"')
        self._parts = []
        end += 1
        if end < len(text) and text[end] != ",":
            rest = self._to_comma(text, end)
            cell += text[end:rest]
            end = rest
        self._cells.append(cell)
        return end + 1

    def _to_comma(self, text: str, place: int) -> int:
        self.stray = True
        comma = text.find(",", place)
        return len(text) if comma < 0 else comma

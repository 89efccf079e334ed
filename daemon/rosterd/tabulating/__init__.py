"""Filling a template: rows of a picture as a receiver that reads no OneRoster wants them.

Everything comes out of one picture, so the rules for fields and the bounds of the view hold here as
they do over REST; a template can only leave out. The same picture and template give the same bytes.
"""

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from rosterd import documents, pictures
from rosterd.tabulating import columns, filling

OpenFile = Callable[[str], BinaryIO]

_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}
_LINE_ENDS: Final = {"crlf": "\r\n", "lf": "\n"}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file. Reasons are headers with a word, such as "Teacher_id: no value"."""

    rows: int
    left_out: Mapping[str, int]
    """Reason -> rows that were left out."""
    beyond: Mapping[str, int]
    """Header of a numbered column -> values for which there was no number left."""

    @property
    def lost(self) -> bool:
        """Whether there were rows, and every one of them was left out."""
        return not self.rows and bool(self.left_out)

    @property
    def losses(self) -> str:
        """What is not in the file, in words for logs and lists: few people are told as "<10"."""
        rows = [f"{_few(count)} rows ({reason})" for reason, count in self.left_out.items()]
        more = [f"{_few(count)} values beyond {header}" for header, count in self.beyond.items()]
        return ", ".join((*rows, *more))


def write(
    template: documents.ExportTemplate, picture: pictures.Picture, open_file: OpenFile
) -> dict[str, Written]:
    """Write every file; gives what became of each, by its name.

    `open_file` opens a file of that name for writing; it is closed here. A file without rows is not
    opened when the dialect leaves such files out. `picture` has to be one of version 1.2.
    """
    asked = filling.Filling(picture)
    found: dict[str, Written] = {}
    kept = {column.in_file: set[str]() for file in template.files for column in file.columns}
    for file in template.files:
        sheet = _Sheet(file, asked, kept)
        sheet.write(template.dialect, open_file)
        found[file.name] = Written(sheet.rows, dict(sheet.left_out), dict(sheet.beyond))
    return found


class _Sheet:
    """One file while it is written."""

    def __init__(
        self,
        file: documents.TemplateFile,
        asked: filling.Filling,
        kept: Mapping[str | None, set[str]],
    ) -> None:
        self._file = file
        self._filling = asked
        self._kept = kept
        self.rows = 0
        self.left_out: Counter[str] = Counter()
        self.beyond: Counter[str] = Counter()
        self._cells = [cell for column in file.columns for cell in self._made(column)]

    def _made(self, column: documents.Column) -> Iterator[tuple[str, columns.Cell]]:
        elsewhere = self._kept.get(column.in_file)
        return columns.cells(column, self._file.rows, self._filling, elsewhere, self.beyond.update)

    def _learn(self) -> None:
        """Where a column looks into this very file (an org's parent), its rows are gone through once
        before, without such columns: none of those leaves a row out.
        """
        own = [each for each in self._file.columns if each.in_file and self._own(each.in_file)]
        if not own:
            return
        others = [each for each in self._file.columns if each not in own]
        made = [cell for column in others for cell in self._made(column)]
        noted = self._noted(made)
        for row in self._filling.rows(self._file):
            with contextlib.suppress(columns.Left):
                cells = [cell(row) for _, cell in made]
                for place, values in noted:
                    values.add(cells[place])
        self.beyond.clear()

    def _own(self, name: str) -> bool:
        return name.startswith(f"{self._file.name}:")

    def _noted(self, made: list[tuple[str, columns.Cell]]) -> list[tuple[int, set[str]]]:
        """Places of cells whose values somebody looks up."""
        return [
            (place, self._kept[name])
            for place, (header, _) in enumerate(made)
            if (name := f"{self._file.name}:{header}") in self._kept
        ]

    def write(self, dialect: documents.Dialect, open_file: OpenFile) -> None:
        self._learn()
        filled = self._filled()
        first = next(filled, None)
        if first is None and dialect.empty_files == "omit":
            return
        with open_file(self._file.name) as out:
            text = io.StringIO(newline="")
            writer = csv.writer(
                text,
                delimiter=_DELIMITERS[dialect.delimiter],
                lineterminator=_LINE_ENDS[dialect.line_end],
                quoting=csv.QUOTE_ALL if dialect.quoting == "all" else csv.QUOTE_MINIMAL,
                doublequote=dialect.escape == "doubled",
                escapechar="\\" if dialect.escape == "backslash" else None,
            )
            out.write(_BYTE_ORDER_MARK if dialect.byte_order_mark else b"")
            writer.writerow([header for header, _ in self._cells])
            if first is not None:
                writer.writerow(first)
            for number, cells in enumerate(filled):
                writer.writerow(cells)
                if number % _CHUNK == 0:
                    _flush(text, out)
            _flush(text, out)

    def _filled(self) -> Iterator[list[str]]:
        noted = self._noted(self._cells)
        for row in self._filling.rows(self._file):
            try:
                cells = [cell(row) for _, cell in self._cells]
            except columns.Left as reason:
                self.left_out[str(reason)] += 1
                continue
            for place, values in noted:
                values.add(cells[place])
            self.rows += 1
            yield cells


def _few(count: int) -> str:
    return "<10" if count < 10 else f"{count:,}"


def _flush(text: io.StringIO, out: BinaryIO) -> None:
    out.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()

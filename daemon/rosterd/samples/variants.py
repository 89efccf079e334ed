"""The same district in the style of other exporters.

What is read must not depend on who wrote it. Each style has habits that were seen in real exports;
all of them say the same district, but for the dangling references that some add on top.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from rosterd.oneroster.csv import files, manifest
from rosterd.samples import SCHOOL_YEAR, write_district

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Style:
    """What an exporter does otherwise than the standard says."""

    bom: bool = False
    line_end: str = "\r\n"
    last_line_end: bool = True
    lower_names: bool = False  # userprofiles.csv
    manifest: str = "whole"  # "blank": values missing, "none": no manifest at all
    header: Callable[[str], str] = str
    reversed_columns: bool = False
    empty_columns: int = 0
    repeated_column: bool = False
    extension: bool = False
    flags: Callable[[str], str] = str
    words: Callable[[str], str] = str
    date: str = "{0}-{1}-{2}"
    bare_grades: bool = False
    filled_status: bool = False
    dangling: bool = False


STYLES: Mapping[str, Style] = {
    "classic": Style(
        bom=True,
        last_line_end=False,
        header=str.upper,
        reversed_columns=True,
        extension=True,
        flags=str.upper,
        words=str.capitalize,
        filled_status=True,
        dangling=True,
    ),
    "spreadsheet": Style(
        line_end="\n",
        empty_columns=3,
        repeated_column=True,
        flags=str.title,
        date="{3}/{4}/{0}",
        bare_grades=True,
        filled_status=True,
    ),
    "database": Style(
        line_end="\n",
        last_line_end=False,
        lower_names=True,
        manifest="blank",
        header=str.lower,
        date="{0}-{1}-{2} 00:00:00",
        dangling=True,
    ),
    "bare": Style(bom=True, manifest="none", lower_names=True, extension=True),
}

# A row for each of these files that leads nowhere: file -> columns to change.
_DANGLING: Mapping[str, tuple[str, ...]] = {
    "orgs": ("parentSourcedId",),
    "courses": ("orgSourcedId",),
    "classes": ("courseSourcedId",),
    "enrollments": ("userSourcedId",),
}


def write_variant(
    style: str,
    open_file: Callable[[str], BinaryIO],
    users: int = 2000,
    seed: int = 1,
    *,
    version: str = "1.2",
    enrollments_per_user: int = 10,
    school_year: int = SCHOOL_YEAR,
) -> dict[str, int]:
    """Like `samples.write_district`, in one of the STYLES; gives the rows of the district itself.

    Held in memory: meant for some thousand users. KeyError for an unknown style.
    """
    chosen = STYLES[style]
    written: dict[str, _Kept] = {}

    def keep(name: str) -> BinaryIO:
        return written.setdefault(name, _Kept())

    counts = write_district(
        keep,
        users,
        seed,
        version=version,
        enrollments_per_user=enrollments_per_user,
        school_year=school_year,
    )
    for name, kept in written.items():
        rows = list(csv.reader(io.StringIO(kept.text, newline="")))
        if name != manifest.NAME:
            rows = list(_styled(chosen, files.FILES[version][name.removesuffix(".csv")], rows))
        elif chosen.manifest == "none":
            continue
        elif chosen.manifest == "blank":
            rows = [[key, "" if key.startswith("file.") else value] for key, value in rows]
        with open_file(name.lower() if chosen.lower_names else name) as out:
            out.write(_bytes(chosen, rows))
    return counts


class _Kept(io.BytesIO):
    """A file in memory that can be read after it was closed."""

    text = ""

    def close(self) -> None:
        if not self.closed:
            self.text = self.getvalue().decode()
        super().close()


def _styled(style: Style, file: files.File, rows: Rows) -> Iterator[list[str]]:
    header, body = rows[0], rows[1:]
    columns = {column.name: column for column in file.columns}
    if style.dangling and file.name in _DANGLING:
        body.append(_lost(header, body[-1], _DANGLING[file.name]))
    order = range(len(header))[:: -1 if style.reversed_columns else 1]
    more = ["ext_local"] * style.extension + [header[0]] * style.repeated_column
    names = [
        name if name.startswith("metadata.") else style.header(name)
        for name in (*(header[index] for index in order), *more)
    ]
    yield names + [""] * style.empty_columns
    for row in body:
        cells = [_cell(style, columns.get(header[index]), row[index]) for index in order]
        cells += ["x-1"] * style.extension + [row[0]] * style.repeated_column
        yield cells + [""] * style.empty_columns


def _cell(style: Style, column: files.Column | None, cell: str) -> str:
    if column is None:
        return cell
    if style.filled_status and column.name == "status":
        return "active"
    if style.filled_status and column.name == "dateLastModified":
        return "2026-07-01T06:00:00.000Z"
    match column.format if cell else None:
        case files.Format.FLAG:
            return style.flags(cell)
        case files.Format.DATE:
            year, month, day = cell.split("-")
            return style.date.format(year, month, day, int(month), int(day))
        case files.Format.GRADES if style.bare_grades:
            return ",".join(grade.removeprefix("0") for grade in cell.split(","))
        case files.Format.WORD if cell.islower() and ":" not in cell:
            return style.words(cell)
        case _:
            return cell


def _lost(header: Sequence[str], row: Sequence[str], changed: Sequence[str]) -> list[str]:
    """A copy of a row under another sourcedId that refers to nothing."""
    return [
        "nobody-1" if name in changed else f"lost-{cell}" if name == "sourcedId" else cell
        for name, cell in zip(header, row, strict=True)
    ]


def _bytes(style: Style, rows: Rows) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=style.line_end).writerows(rows)
    text = buffer.getvalue()
    if not style.last_line_end:
        text = text.removesuffix(style.line_end)
    return text.encode("utf-8-sig" if style.bom else "utf-8")

"""The header of a file, mapped to the columns of the standard.

Exporters write columns in their own order and case, some twice, some beside the standard's. All
that is read as it was meant; a column without which no row can be read refuses the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rosterd.oneroster.csv import cells, files, lines, problems

_METADATA = "metadata."


@dataclass(frozen=True, slots=True)
class Placed:
    """A column of the standard and where the file has it, counted from 0."""

    column: files.Column
    index: int
    convert: cells.Convert


@dataclass(frozen=True, slots=True)
class Layout:
    """What a header says.

    `placed` is in the standard's order and `metadata` (key, index) is sorted, so that records do
    not depend on the order of the columns. `repeated` are later columns of the same name.
    """

    width: int
    placed: tuple[Placed, ...]
    repeated: tuple[tuple[Placed, int], ...]
    metadata: tuple[tuple[str, int], ...]


def read(
    header: Sequence[str],
    file: files.File,
    version: str,
    mode: str,
    *,
    name: str,
    found: problems.Problems,
) -> Layout:
    """Map a header; `name` is the file's own name. InputError for a missing required column."""
    if other := lines.delimiter(header):
        raise problems.refusal([problems.problem(name, 1, 0, "delimiter", other)])
    columns = (*file.columns, *files.RETIRED.get((version, file.name), ()))
    known = {column.name.casefold(): column for column in columns}
    first: dict[str, Placed] = {}
    repeated: list[tuple[Placed, int]] = []
    metadata: dict[str, int] = {}
    for index, cell in enumerate(header):
        column = known.get(cell.strip().casefold())
        code, told = "", f"number {index + 1}"
        if column is None:
            code = _other(cell.strip(), index, metadata)
        else:
            told = column.name
            if column.name in first:
                code = "duplicate-column"
                repeated.append((first[column.name], index))
            else:
                code = "header-form" if cell != column.name else ""
                first[column.name] = Placed(column, index, cells.converter(column, version))
        if code:
            found.add(name, 1, index + 1, code, told)
    _check_missing(file, mode, first, name, found)
    placed = tuple(first[column.name] for column in columns if column.name in first)
    order = [one.index for one in placed if one.column in file.columns]
    if order != sorted(order):
        found.add(name, 1, 0, "header-order")
    return Layout(len(header), placed, tuple(repeated), tuple(sorted(metadata.items())))


def _other(name: str, index: int, metadata: dict[str, int]) -> str:
    """Take note of a column outside the standard's; gives the code of what is odd about it."""
    key = name[len(_METADATA) :]
    if name.casefold().startswith(_METADATA) and key.isprintable() and key:
        if key in metadata:
            return "duplicate-column"
        metadata[key] = index
        return ""
    return "unknown-column" if name else ""  # spreadsheets leave empty columns at the right


def _check_missing(
    file: files.File,
    mode: str,
    first: dict[str, Placed],
    name: str,
    found: problems.Problems,
) -> None:
    refused = []
    for column in file.columns:
        if column.name in first:
            continue
        if column.required or (mode == "delta" and column.name in ("status", "dateLastModified")):
            refused.append(problems.problem(name, 1, 0, "no-column", column.name))
        else:
            found.add(name, 1, 0, "missing-column", column.name)
    if refused:
        raise problems.refusal(refused)

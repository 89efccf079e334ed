"""What lies in the folder of a generation.

    generation.json     Contents: what the other files are
    columns.db          SQLite, see `columns`
    COLLECTION.arrays   all arrays of one collection, one after the other, mapped as they are
    COLLECTION-N.seg    append-only: fragments of 1.2, or those of 1.1 that differ, or records

One file for all arrays of a collection: a hundred small files would cost a hundred fsyncs. The
rows' places are 64-bit numbers, `segment << SEGMENT_SHIFT | offset`.
"""

import dataclasses
import itertools
import os
import re
import shutil
import sys
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from rosterd import errors

FORMAT: Final = 2
RENDERING: Final = 1
"""To be raised when fragments are rendered otherwise: the next import renders all of them anew."""

CONTENTS: Final = "generation.json"
COLUMNS: Final = "columns.db"
SEGMENT_SHIFT: Final = 40
OFFSET: Final = (1 << SEGMENT_SHIFT) - 1

GONE, ACTIVE, HELD = 0, 1, 2
"""Status of a row. HELD: its source wants it, but a record that it needs is not active; it is not
served, and becomes active by itself when that record does."""

_NAMES = re.compile(r"generation-\d{8,}-[0-9a-f]{8}")
_LEFT_OVER = (".building-", ".delivery-")


@dataclass(frozen=True, slots=True)
class Section:
    """An array inside an arrays file: `items` of array typecode `code` from byte `offset`."""

    offset: int
    items: int
    code: str


@dataclass(frozen=True, slots=True)
class Table:
    """One collection on disk; `size` is the length of its arrays file in bytes."""

    rows: int
    active: int
    size: int
    segments: tuple[str, ...]
    sections: Mapping[str, Section]


@dataclass(frozen=True, slots=True)
class Contents:
    """generation.json."""

    number: int
    sources: tuple[str, ...]
    """Names; the rows say by index to which of them they belong."""
    deliveries: Mapping[str, str]
    """Source -> digest of its delivery that was read last."""
    tables: Mapping[str, Table]
    format: int = FORMAT
    rendering: int = RENDERING
    byteorder: str = sys.byteorder

    def encoded(self) -> bytes:
        return orjson.dumps(dataclasses.asdict(self), option=orjson.OPT_INDENT_2)


def decode(data: bytes) -> Contents:
    """The contents; InputError when they are not of this format or machine."""
    try:
        raw = orjson.loads(data)
        if raw["format"] != FORMAT or raw["byteorder"] != sys.byteorder:
            raise errors.InputError(
                "cannot open the generation: another format; import every source again"
            )
        raw["sources"] = tuple(raw["sources"])
        raw["tables"] = {name: _table(table) for name, table in raw["tables"].items()}
        return Contents(**raw)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise errors.InputError(f"cannot open the generation: {CONTENTS} is damaged") from error


def _table(raw: dict[str, Any]) -> Table:
    raw["segments"] = tuple(raw["segments"])
    raw["sections"] = {name: Section(**section) for name, section in raw["sections"].items()}
    return Table(**raw)


Items: TypeAlias = "bytes | bytearray | memoryview | array[int]"


def write_arrays(path: Path, arrays: "Mapping[str, Items]") -> tuple[int, dict[str, Section]]:
    """Write the arrays and flush them to the disk; the length of the file and where each lies."""
    sections: dict[str, Section] = {}
    with path.open("xb") as file:
        for name, items in arrays.items():
            file.write(bytes(-file.tell() % 8))
            view = memoryview(items)
            sections[name] = Section(file.tell(), len(view), view.format)
            file.write(view)
        size = file.tell()
        sync(file.fileno())
    return size, sections


def id_arrays(ids: Sequence[str], order: Sequence[int] | None) -> "dict[str, Items]":
    """The sections that a row is found by; `order` is the sorted table if it is known already."""
    joined = "".join(ids)
    encoded = joined.encode()
    if len(encoded) == len(joined):
        ends = array("I", itertools.accumulate(map(len, ids)))
    else:
        ends = array("I", itertools.accumulate(len(each.encode()) for each in ids))
    if order is None:  # by code points, which is the order of the encoded bytes too
        order = sorted(range(len(ids)), key=ids.__getitem__)
    return {"ids": encoded, "ends": ends, "order": array("I", order)}


def link_files(folder: Path, name: str, former: Path, known: Table) -> None:
    """Share the files of an unchanged collection with the former generation."""
    for each in (f"{name}.arrays", *known.segments):
        (folder / each).hardlink_to(former / each)


def sync(descriptor: int) -> None:
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder lasting."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean(folder: Path, keep: Collection[str]) -> list[str]:
    """Remove what crashes and former imports left: builds, copies, generations not in `keep`.

    Not while an import runs. A generation that is still open goes on answering: its files are
    mapped, and only their names go. Gives the names removed.
    """
    removed = []
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        ours = _NAMES.fullmatch(entry.name) or entry.name.startswith(_LEFT_OVER)
        if ours and entry.name not in keep:
            shutil.rmtree(entry, ignore_errors=True)
            removed.append(entry.name)
    return removed

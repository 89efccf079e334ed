"""Packages as the standard says, to the byte.

Consumers compare headers literally, split at line ends and refuse what they do not know. So there
is one form: the standard's columns in its order, metadata at the right, CRLF, quotes only where
needed, no line break inside a cell, no file without rows. The same records give the same bytes.

In a bulk package status and dateLastModified are blank, as records have neither. Those of a delta
have both, and of one that is gone only what its file requires is written.
"""

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files, manifest, unfolding, zips

Record = Mapping[str, Any]
Records = Callable[[str], Iterable[Record]]  # collection -> its records; may be asked twice
OpenFile = Callable[[str], BinaryIO]
MetadataKeys = Callable[[str], Iterable[str]]  # collection -> keys of its metadata
Linked = Callable[[files.File, Record, Sequence[Record]], Iterable[Record]]
"""(link file, owner, the rows it makes of that record) -> the rows to write of this owner."""

GONE = "tobedeleted"

_ROWS = 1000
_LINE_END = re.compile(r"\r\n|\r|\n")

# What CSV requires and REST does not.
_STAND_INS: Mapping[str, Mapping[str, str]] = {
    "classes": {"classType": "scheduled"},
    "users": {"enabledUser": "true"},
}


def write(
    version: str,
    records: Records,
    open_file: OpenFile,
    *,
    mode: str = "bulk",
    metadata: MetadataKeys | None = None,
    linked: Linked | None = None,
    system_name: str | None = None,
    system_code: str | None = None,
    header_only: bool = False,
) -> dict[str, int]:
    """Write a package file by file; gives the number of rows by stem ("users": 2000).

    `mode` is bulk or delta, and all files are of it. `linked` may change the rows of link files.
    `open_file` opens a file of that name ("users.csv") for writing; it is closed here. A file
    without rows is not opened, unless `header_only` asks for its header, which the standard does
    not know and some consumers want; the manifest comes last, so a folder that has one is complete.
    `metadata` gives the keys of a collection's metadata; without it all records are looked
    through first. InputError never; what `open_file` raises goes through.
    """
    counts: dict[str, int] = {}
    for collection in files.READING_ORDER:
        keys = None if metadata is None else metadata(collection)
        counts |= _collection(
            version,
            collection,
            records,
            open_file,
            keys=keys,
            linked=linked or _as_made,
            header_only=header_only,
        )
    modes = dict.fromkeys(counts, mode)
    with open_file(manifest.NAME) as out:
        text = _text(manifest.rows(version, modes, system_name, system_code))
        out.write(text.encode("utf-8", "replace"))
    return counts


def bundle_zip(
    version: str,
    records: Records,
    out: BinaryIO,
    *,
    mode: str = "bulk",
    metadata: MetadataKeys | None = None,
    linked: Linked | None = None,
    system_name: str | None = None,
    system_code: str | None = None,
    header_only: bool = False,
    scratch: zips.Scratch = io.BytesIO,
) -> dict[str, int]:
    """The same as one zip: the manifest first, the files in its order, bytes by content alone.

    Deflated members wait in `scratch` files (in memory by default, some 10 bytes a row).
    InputError for more than 4 GiB.
    """
    with zips.Packing(scratch) as packing:
        counts = write(
            version,
            records,
            packing.open,
            mode=mode,
            metadata=metadata,
            linked=linked,
            system_name=system_name,
            system_code=system_code,
            header_only=header_only,
        )
        order = (manifest.NAME, *(f"{stem}.csv" for stem in files.FILES[version]))
        packing.write(out, order)
    return counts


# ---------------------------------------------------------------- one collection


def _collection(
    version: str,
    collection: str,
    records: Records,
    open_file: OpenFile,
    *,
    keys: Iterable[str] | None,
    linked: Linked,
    header_only: bool,
) -> dict[str, int]:
    """A collection's file and the link files made from the same records, in one pass."""
    keys = sorted(set(_keys(records(collection)) if keys is None else keys))
    with contextlib.ExitStack() as opened:

        def open_and_close(name: str) -> BinaryIO:
            return opened.enter_context(open_file(name))

        own = _Sheet(files.FILES[version][collection], open_and_close, keys)
        links = [
            (file, unfolding.BY_FILE[file.name], _Sheet(file, open_and_close, ()))
            for file in files.links(version, collection)
        ]
        for record in _given(version, collection, records(collection)):
            own.add(record)
            gone = record.get("status") == GONE
            for file, unfold, sheet in links:
                for row in linked(file, record, () if gone else tuple(unfold(record))):
                    sheet.add(row)
        sheets = (own, *(sheet for _, _, sheet in links))
        counts = {sheet.name: sheet.finish(header_only=header_only) for sheet in sheets}
        return {name: count for name, count in counts.items() if count or header_only}


def _as_made(_file: files.File, _owner: Record, made: Sequence[Record]) -> Iterable[Record]:
    return made


def _keys(records: Iterable[Record]) -> Iterator[str]:
    for record in records:
        if "metadata" in record:
            yield from record["metadata"]


def _given(version: str, collection: str, records: Iterable[Record]) -> Iterator[Record]:
    """The records with members and words of the version, what CSV requires filled in."""
    older = version == "1.1"
    needed = _STAND_INS.get(collection)
    for record in records:
        given = vocabularies.as_1p1(collection, record) if older else record
        if needed and not needed.keys() <= given.keys():
            given = {**needed, **given}
        if collection == "users" and "username" not in given:
            given = {**given, "username": given["sourcedId"]}
        yield given


# ---------------------------------------------------------------- one file


class _Sheet:
    """One file being written; opened with its first row."""

    def __init__(self, file: files.File, open_file: OpenFile, keys: Sequence[str]) -> None:
        self.name = file.name
        self._file = file
        self._open_file = open_file
        self._keys = keys
        self._members = tuple(column.member for column in file.columns)
        self._least = frozenset(column.member for column in file.columns if column.required)
        self._least |= {"status", "dateLastModified"}
        self._lists = any(column.format in _JOINED for column in file.columns)
        self._out: BinaryIO | None = None
        self._rows: list[Sequence[str]] = []
        self._count = 0

    def add(self, record: Record) -> None:
        if record.get("status") == GONE:
            record = {name: record[name] for name in self._least if name in record}
        get = record.get
        row = [get(member, "") for member in self._members]
        if self._lists:
            for index, value in enumerate(row):
                if type(value) is list:
                    row[index] = _joined(value)
        if self._keys:
            extra = get("metadata", {})
            row += [extra.get(key, "") for key in self._keys]
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def finish(self, *, header_only: bool) -> int:
        """Write what is left; gives the number of rows."""
        if self._rows or (header_only and self._out is None):
            self._flush()
        return self._count

    def _flush(self) -> None:
        if self._out is None:
            self._out = self._open_file(self._file.file_name)
            header = (*self._file.header, *(f"metadata.{key}" for key in self._keys))
            self._out.write(_text([header]).encode("utf-8", "replace"))
        self._out.write(_text(self._rows).encode("utf-8", "replace"))
        self._count += len(self._rows)
        self._rows = []


_JOINED = frozenset(
    {
        files.Format.REFS,
        files.Format.TEXTS,
        files.Format.GRADES,
        files.Format.WORDS,
        files.Format.USER_IDS,
    }
)


def _joined(items: Sequence[Any]) -> str:
    if items and isinstance(items[0], dict):
        return ",".join(f"{{{item['type']}:{item['identifier']}}}" for item in items)
    joined = ",".join(items)
    if joined.count(",") >= max(len(items), 1):  # an item with a comma would be read as two
        joined = ",".join(item.replace(",", " ") for item in items)
    return joined


def _text(rows: Iterable[Sequence[str]]) -> str:
    kept = list(rows)
    text = _csv(kept)
    if text.count("\n") != len(kept) or text.count("\r") != len(kept):
        kept = [[_LINE_END.sub(" ", cell) for cell in row] for row in kept]
        text = _csv(kept)
    return text


def _csv(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()

"""Filling a template: rows of a picture as a receiver that reads no OneRoster wants them.

Everything comes out of one picture, so the rules for fields and the bounds of the view hold here as
they do over REST; a template can only leave out. The same picture and template give the same bytes.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from pyroaring import AbstractBitMap, BitMap

from rosterd import documents, pictures, selections, templates
from rosterd.access import FAMILY
from rosterd.oneroster import model

OpenFile = Callable[[str], BinaryIO]

_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}
_LINE_ENDS: Final = {"crlf": "\r\n", "lf": "\n"}
_BREAKS: Final = re.compile(r"[\r\n]+")
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


def write(
    template: documents.ExportTemplate, picture: pictures.Picture, open_file: OpenFile
) -> dict[str, Written]:
    """Write every file; gives what became of each, by its name.

    `open_file` opens a file of that name for writing; it is closed here. A file without rows is not
    opened when the dialect leaves such files out. `picture` has to be one of version 1.2.
    """
    filling = _Filling(picture)
    found: dict[str, Written] = {}
    kept = {column.in_file: set[str]() for file in template.files for column in file.columns}
    for file in template.files:
        sheet = _Sheet(file, filling, kept)
        sheet.write(template.dialect, open_file)
        found[file.name] = Written(sheet.rows, dict(sheet.left_out), dict(sheet.beyond))
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a grain: the records that its steps begin at, and its own members."""

    records: Mapping[str, tuple[str, int]]
    """First step -> (collection, row); "" for the record that the row itself is."""
    own: Mapping[str, str]


class _Left(Exception):
    """The row is left out, for a reason that is counted."""


class _Sheet:
    """One file while it is written."""

    def __init__(
        self,
        file: documents.TemplateFile,
        filling: "_Filling",
        kept: Mapping[str | None, set[str]],
    ) -> None:
        self._file = file
        self._filling = filling
        self._kept = kept
        self.rows = 0
        self.left_out: Counter[str] = Counter()
        self.beyond: Counter[str] = Counter()
        self._cells = [cell for column in file.columns for cell in self._made(column)]

    def write(self, dialect: documents.Dialect, open_file: OpenFile) -> None:
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
        noted = [
            (place, self._kept[name])
            for place, (header, _) in enumerate(self._cells)
            if (name := f"{self._file.name}:{header}") in self._kept
        ]
        for row in self._filling.rows(self._file):
            try:
                cells = [cell(row) for _, cell in self._cells]
            except _Left as reason:
                self.left_out[str(reason)] += 1
                continue
            for place, values in noted:
                values.add(cells[place])
            self.rows += 1
            yield cells

    # ------------------------------------------------------------ columns

    def _made(self, column: documents.Column) -> Iterator[tuple[str, Callable[[_Row], str]]]:
        """(header, value of a row) for each column that a column of the template is."""
        repeat = column.repeat
        if repeat is None:
            yield column.header, self._cell(column, self._origin(column))
            return
        path = templates.listed(self._file.rows, repeat.over, column.field or "")
        for number in range(repeat.first, repeat.last + 1):
            header = column.header.replace("{n}", str(number))
            last = header if number == repeat.last else None
            yield header, self._cell(column, self._nth(repeat.over, path, number, last))

    def _origin(self, column: documents.Column) -> Callable[[_Row], str]:
        if column.constant is not None:
            constant = column.constant
            return lambda _: constant
        named = column.first_of or (column.field or "",)
        paths = [templates.resolve(self._file.rows, text) for text in named]
        return lambda row: next(filter(None, (self._filling.value(row, it) for it in paths)), "")

    def _nth(
        self, over: str, path: templates.Path, number: int, last: str | None
    ) -> Callable[[_Row], str]:
        def value(row: _Row) -> str:
            collection, of = row.records[""]
            listed = self._filling.listed(collection, of, over)
            if last is not None and len(listed) > number:
                self.beyond[last] += len(listed) - number
            if len(listed) < number:
                return ""
            target = templates.LISTS[collection][over]
            return self._filling.below((target, listed[number - 1]), path)

        return value

    def _cell(
        self, column: documents.Column, origin: Callable[[_Row], str]
    ) -> Callable[[_Row], str]:
        transform = templates.TRANSFORMS[column.transform] if column.transform else None
        elsewhere = self._kept[column.in_file] if column.in_file else None
        header = column.header

        def cell(row: _Row) -> str:
            value = _BREAKS.sub(" ", origin(row))
            if transform is not None and value:
                changed = transform(value)
                if changed is None and column.unknown == "drop-row":
                    raise _Left(f"{header}: no word for the value")
                value = value if changed is None and column.unknown == "keep" else changed or ""
            if elsewhere is not None and value and value not in elsewhere:
                if column.otherwise == "drop-row":
                    raise _Left(f"{header}: not in {column.in_file}")
                value = ""
            if column.required and not value:
                raise _Left(f"{header}: no value")
            return value

        return cell


class _Filling:
    """The picture, asked for values; what many rows ask of one record is asked of it once."""

    def __init__(self, picture: pictures.Picture) -> None:
        self._picture = picture
        self._view = picture.view
        self._roster = picture.view.roster
        self._values: dict[tuple[str, int, str], str] = {}
        self._lists: dict[tuple[str, int, str], Sequence[int]] = {}
        self._teaching = self._of_role("teacher")
        self._learning = self._of_role("student")
        self._primary = self._leaf("enrollments", "primary", "true")

    # ------------------------------------------------------------ rows

    def rows(self, file: documents.TemplateFile) -> Iterator[_Row]:
        """The rows of a file, in the order of the records."""
        grain = templates.GRAINS[file.rows]
        rows: AbstractBitMap = self._view.rows[grain.subject]
        if file.where is not None:
            tree = selections.where(file.where, grain.subject)
            rows = rows & self._picture.tree(grain.subject, tree)
        if file.rows == "roles":
            yield from self._roles(rows, file.roles)
        elif file.rows == "contacts":
            yield from self._contacts(rows & self._picture.rows("students"))
        else:
            for row in self._narrowed(file, rows):
                yield _Row({"": (file.rows, row)}, {})

    def _narrowed(self, file: documents.TemplateFile, rows: AbstractBitMap) -> AbstractBitMap:
        if file.roles is not None:
            words = [self._of_role(role) for role in file.roles]
            rows = rows & BitMap.union(BitMap(), *map(BitMap, words))
        for whom in file.having or ():
            enrolled = self._teaching if whom == "teacher" else self._learning
            held = self._roster.relation("enrollments", "class").gather(enrolled)
            if file.rows == "enrollments":
                held = self._roster.inverse("enrollments", "class").gather(held)
            rows = rows & held
        return rows

    def _roles(self, rows: AbstractBitMap, wanted: Sequence[str] | None) -> Iterator[_Row]:
        for row in rows:
            seen = set()
            for role in self._picture.record("users", row).get("roles", ()):
                org = self._row("orgs", role["org"])
                if org is None or (wanted is not None and role["role"] not in wanted):
                    continue
                if (org, role["role"]) in seen:
                    continue
                seen.add((org, role["role"]))
                own = {name: role.get(name, "") for name in templates.GRAINS["roles"].own}
                yield _Row({"user": ("users", row), "org": ("orgs", org)}, own)

    def _contacts(self, students: AbstractBitMap) -> Iterator[_Row]:
        family = BitMap.union(
            BitMap(), *(BitMap(self._leaf("users", "roles.role", role)) for role in FAMILY)
        ) - self._picture.rows("students")
        agents = self._roster.relation("users", "agents")
        named_by = self._roster.inverse("users", "agents")
        for row in students:
            known = BitMap(agents.of(row)) | BitMap(named_by.of(row))
            for contact in known & family:
                role = self._family_role(contact)
                records = {"student": ("users", row), "contact": ("users", contact)}
                yield _Row(records, {"role": role})

    def _family_role(self, row: int) -> str:
        roles = self._picture.record("users", row).get("roles", ())
        return next((it["role"] for it in roles if it["role"] in FAMILY), "")

    # ------------------------------------------------------------ values

    def value(self, row: _Row, path: templates.Path) -> str:
        """The first value at the end of a path; "" when there is none."""
        if path.collection is None:
            return row.own[path.member]
        first = path.steps[0] if path.steps else ""
        if first in row.records:
            return self.below(row.records[first], path, skip=1 if first else 0)
        return self.below(row.records[""], path)

    def below(self, start: tuple[str, int], path: templates.Path, skip: int = 0) -> str:
        """The same from a record."""
        collection, row = start
        for step in path.steps[skip:]:
            found = self._step(collection, row, step)
            if found is None:
                return ""
            collection, row = templates.STEPS[collection][step], found
        return self._member(collection, row, path.member)

    def listed(self, collection: str, row: int, name: str) -> Sequence[int]:
        """Rows of a list, the first one first."""
        key = (collection, row, name)
        if key not in self._lists:
            self._lists[key] = _LISTING[name](self, row)
        return self._lists[key]

    def _step(self, collection: str, row: int, step: str) -> int | None:
        listed = _FIRST_OF.get((collection, step))
        if listed is not None:
            return next(iter(self.listed(collection, row, listed)), None)
        if step == "demographics":
            return self._row(step, self._roster.sourced_id(collection, row))
        if (collection, step) == ("demographics", "user"):
            return self._row("users", self._roster.sourced_id(collection, row))
        target = templates.STEPS[collection][step]
        return self._row(target, self._member(collection, row, step))

    def _member(self, collection: str, row: int, member: str) -> str:
        key = (collection, row, member)
        value = self._values.get(key)
        if value is None:
            path = model.path(collection, member, "1.2")
            if path is None:
                raise AssertionError("a path was checked when the template was read")
            record = self._picture.record(collection, row)
            value = next(iter(model.values(record, path)), "")
            if collection != "enrollments":  # each of those is a row of its own
                self._values[key] = value
        return value

    def _teachers(self, row: int) -> Sequence[int]:
        enrolled = BitMap(self._roster.inverse("enrollments", "class").of(row)) & self._teaching
        user = self._roster.relation("enrollments", "user")
        best: dict[int, bool] = {}
        for each in enrolled:
            for teacher in user.of(each):
                best[teacher] = best.get(teacher, False) or each in self._primary
        name = self._roster.sourced_id
        return sorted(best, key=lambda each: (not best[each], name("users", each)))

    def _terms(self, row: int) -> Sequence[int]:
        record = self._picture.record("classes", row)
        found = [self._row("academicSessions", each) for each in record.get("terms", ())]
        dated = [
            (self._member("academicSessions", each, "startDate"), place, each)
            for place, each in enumerate(found)
            if each is not None
        ]
        return [each for _, _, each in sorted(dated)]

    def _orgs(self, row: int) -> Sequence[int]:
        record = self._picture.record("users", row)
        roles = sorted(record.get("roles", ()), key=lambda role: role["roleType"] != "primary")
        named = [record.get("primaryOrg", ""), *(role["org"] for role in roles)]
        found = (self._row("orgs", each) for each in dict.fromkeys(named))
        return [each for each in found if each is not None]

    def _row(self, collection: str, sourced_id: str) -> int | None:
        """The row of an id, if it is shared."""
        row = self._roster.row(collection, sourced_id) if sourced_id else None
        return row if row is not None and row in self._view.rows[collection] else None

    def _of_role(self, role: str) -> AbstractBitMap:
        return self._leaf("enrollments", "role", role)

    def _leaf(self, collection: str, member: str, value: str) -> AbstractBitMap:
        condition = selections.where(f"{member}='{value}'", collection)
        return self._picture.tree(collection, condition)


_LISTING: Final[Mapping[str, Callable[[_Filling, int], Sequence[int]]]] = {
    "teachers": _Filling._teachers,  # noqa: SLF001 - a table of this module's own functions
    "terms": _Filling._terms,  # noqa: SLF001 - as above
    "orgs": _Filling._orgs,  # noqa: SLF001 - as above
}
_FIRST_OF: Final = {
    ("classes", "teacher"): "teachers",
    ("classes", "term"): "terms",
    ("users", "org"): "orgs",
}


def _flush(text: io.StringIO, out: BinaryIO) -> None:
    out.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()

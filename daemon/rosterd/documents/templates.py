"""Custom CSV for receivers that read no OneRoster: a closed language without expressions."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from rosterd.documents import values

_PATH = r"^[a-zA-Z][a-zA-Z0-9.]{0,200}$|^([a-zA-Z]+\.){0,4}metadata\.[^\s]{1,200}$"

_CSV_NAME = r"[A-Za-z0-9_]([A-Za-z0-9_ .-]*[A-Za-z0-9_])?\.[cC][sS][vV]"


def _path(value: str) -> str:
    if not re.fullmatch(_PATH, value):
        raise values.wrong("this is no path; write members with dots, such as course.title")
    return value


def _csv_name(value: str) -> str:
    if not value.lower().endswith(".csv"):
        raise values.wrong('a file of a template has a name that ends in ".csv"')
    if not re.fullmatch(_CSV_NAME, value):
        raise values.wrong(
            "a zip or a shell would stumble over this name; use letters, digits, blanks, and _ - .,"
            " with a letter or digit at each end"
        )
    return value


Path = Annotated[str, Field(json_schema_extra={"pattern": _PATH}), AfterValidator(_path)]
CsvName = Annotated[values.PlainFileName, AfterValidator(_csv_name)]
Cell = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Dialect(values.Model):
    """How rows become bytes."""

    delimiter: Literal["comma", "semicolon", "tab"] = "comma"
    """What stands between cells."""
    line_end: Literal["crlf", "lf"] = "crlf"
    """What ends a row."""
    quoting: Literal["minimal", "all"] = "minimal"
    """Whether every cell stands in quotes, or only those that need them."""
    escape: Literal["doubled", "backslash"] = "doubled"
    """How a quote inside quotes is written."""
    byte_order_mark: bool = False
    """Whether files begin with one."""
    empty_files: Literal["header-only", "omit"] = "header-only"
    """What becomes of a file without rows."""


class Repeat(values.Model):
    """Columns numbered through a list of the record, such as the teachers of a class."""

    over: Literal["teachers", "terms", "orgs", "schools"]
    """The list: teachers and terms of a class, orgs of a user, schools of a user or a course."""
    first: Annotated[int, Field(ge=1, le=1000)] = 1
    """Place in the list of the first of these columns; it is also the first number."""
    last: Annotated[int, Field(ge=1, le=1000)]
    """Place of the last one; what lies beyond is left out, and counted."""


class Column(values.Model):
    """One column, or several numbered ones."""

    header: values.Text
    """What the first row calls it; with repeat, {n} in it is the number."""
    field: Path | None = None
    """Where the value comes from."""
    first_of: values.Several[Path] | None = None
    """The first of these that has a value, and for which the transform has a word."""
    constant: Cell | None = None
    """The same in every row; "" for a column that stays blank."""
    transform: values.Text | None = None
    """Name of a change that is made to the value."""
    unknown: Literal["blank", "keep", "drop-row"] = "blank"
    """What becomes of a value for which the transform has no word."""
    required: bool = False
    """Whether a row without a value here is left out, and counted."""
    in_file: values.Text | None = None
    """FILE:HEADER of an earlier file that must have the value, such as sections.csv:Section_id; of
    this file, where otherwise says blank."""
    otherwise: Literal["drop-row", "blank"] = "drop-row"
    """What becomes of a value that is not there: the row is left out and counted, or the cell. Where
    a path leads to several records (a class's teachers), the first that is there is taken."""
    join: Literal["comma"] | None = None
    """All values of a member that has several, in one cell; one with a comma in it is left out."""
    repeat: Repeat | None = None
    """Numbers the column through a list; field is then a member of what is listed."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [each for each in (self.field, self.first_of, self.constant) if each is not None]
        if len(given) != 1:
            raise values.wrong("a column has one of field, firstOf and constant")
        others = (self.transform, self.in_file, self.repeat, self.join)
        if self.constant is not None and any(others):
            raise values.wrong("a constant is the same everywhere; leave the rest out")
        if self.repeat is not None and (self.field is None or "{n}" not in self.header):
            raise values.wrong("a repeated column has a field, and {n} in its header")
        if self.join is not None and (self.field is None or self.repeat is not None):
            raise values.wrong("what is joined is one field, and not repeated")
        if self.repeat is not None and self.repeat.last < self.repeat.first:
            raise values.wrong("a repeated column counts upwards; last lies before first")
        return self


class TemplateFile(values.Model):
    """One file: what a row stands for, which rows there are, and the columns in their order."""

    name: CsvName
    """Name of the file, exactly as the receiver wants it."""
    rows: Literal[values.Collection, "roles", "contacts"]
    """What one row stands for: a record, a role that a user holds at an org, or a student with one
    of their guardians."""
    where: values.Where | None = None
    """Leaves out records that do not match (users for roles, students for contacts). It can only
    narrow what the permission shares."""
    roles: values.Several[values.Role] | None = None
    """Roles (and enrollments) with one of these words only."""
    current: bool = False
    """Roles and enrollments that hold today only; the day of endDate is the first one after."""
    having: values.Several[Literal["teacher", "student"]] | None = None
    """Classes that have such people only, and enrollments in them."""
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=200)]
    """The columns, in the order of the file."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.roles is not None and self.rows not in {"roles", "enrollments"}:
            raise values.wrong("only rows of roles and enrollments have a role; leave roles out")
        if self.current and self.rows not in {"roles", "enrollments"}:
            raise values.wrong("only roles and enrollments begin and end; leave current out")
        if self.having is not None and self.rows not in {"classes", "enrollments"}:
            raise values.wrong("only classes and enrollments ask for people; leave having out")
        return self


class ExportTemplate(values.Document):
    """Files for a receiver that reads no OneRoster, filled from what an application sees."""

    kind: Literal["ExportTemplate"] = "ExportTemplate"
    """What this file is."""
    name: values.Name
    """Its name; also the stem of this file's name. Targets name it in export.template."""
    title: values.Text
    """What people call it."""
    description: values.Text | None = None
    """Where the format is described, and what is not certain about it."""
    dialect: Dialect = Dialect()
    """The receiver's own kind of CSV."""
    files: Annotated[tuple[TemplateFile, ...], Field(min_length=1, max_length=50)]
    """The files, in the order in which they are delivered."""

"""What a bundle gives, row by row."""

from typing import Any, NamedTuple

Record = dict[str, Any]


class Row(NamedTuple):  # a million are made: a frozen dataclass takes three times as long
    """One good row: a canonical record, or (for a link file) its own columns as a record.

    `line` is where it begins in its file. A row that is to be deleted holds at least `sourcedId`.
    `changed` is the source's dateLastModified in UTC (`YYYY-MM-DDThh:mm:ss.mmmZ`); only a delta
    row has one.
    """

    line: int
    record: Record
    status: str = "active"
    changed: str | None = None

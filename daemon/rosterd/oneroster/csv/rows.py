"""What a bundle gives."""

from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One good row: a canonical record, or (for a link file) its own columns as a record.

    `line` is where it ends in its file. A row that is to be deleted holds at least `sourcedId`.
    `changed` is the source's dateLastModified in UTC (`YYYY-MM-DDThh:mm:ss.mmmZ`), if it said one.
    """

    line: int
    record: Record
    status: str = "active"
    changed: str | None = None

"""What an import reports: counts for each file, and the first problems of each kind.

A report names file, line, column and code, never a value: it is kept in the state and read by more
people than the pupils' data is.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pyroaring import BitMap

from rosterd import errors
from rosterd.generations import layout, linking, tables
from rosterd.oneroster.csv import files, problems, reader

KEPT: Final = 200
"""Problems in one report, over all files."""

_UNREAD: Final = "unread-record"
_ERRORS: Final = {
    _UNREAD: "{} records that a server sent could not be read: they were left out",
    "dangling-reference": "{} names a record that is not there or not active: the row was dropped",
    "other-source": "{} belongs to another source, which still delivers it: the row was dropped",
}
_WARNINGS: Final = {
    "dangling-left-out": "{} names a record that is not there or not active: it was left out",
}


class Report:
    """Gathers what the reader and the tables find; implements tables.Notes."""

    def __init__(self, bundle: reader.Bundle, extra: tuple[errors.Problem, ...]) -> None:
        self._bundle = bundle
        self._counts: Counter[tuple[str, str]] = Counter()
        self._kept = list(extra)
        self._tables: dict[str, Mapping[str, int]] = {}

    def row(self, collection: str, line: int, code: str, member: str = "") -> None:
        """Note a fault of a row of the collection's own file."""
        path = self._bundle.names.get(collection, f"{collection}.csv")
        self.file(path, line, code, _column(self._bundle.version, collection, member))

    def file(self, path: str, line: int, code: str, column: str = "") -> None:
        """Note a fault of a line of any file."""
        self._counts[path, code] += 1
        if self._counts[path, code] <= problems.KEPT:
            warning = code in _WARNINGS
            message = (_WARNINGS if warning else _ERRORS)[code].format(column)
            severity: errors.Severity = "warning" if warning else "error"
            self._kept.append(errors.Problem(path, line, 0, message, code, severity))

    def unread(self, collection: str, count: int) -> None:
        """Note records of another server that no row could be made from."""
        path = f"{collection}.csv"
        self._counts[path, _UNREAD] += count
        message = _ERRORS[_UNREAD].format(count)
        self._kept.append(errors.Problem(path, 0, 0, message, _UNREAD, "error"))

    def count(self, table: tables.Table, source: int) -> None:
        """Count what became of the rows of a linked table; `source` is the one that delivers."""
        now, before = table.active(), table.before.ljust(len(table.status), b"\0")
        both = BitMap(linking.rows_of(linking.both(now, before)))
        self._tables[table.name] = {
            "rows": table.delivered,
            "active": sum(now),
            "added": sum(linking.without(now, before)),
            "changed": len(both & (table.written | table.repaired)),
            "removed": sum(linking.without(before, now)),
            "held": bytes(table.status).count(layout.HELD),
            "before": sum(owner == source for owner in itertools.compress(table.source, before)),
            "staying": len(table.staying),
        }

    def as_json(self) -> dict[str, Any]:
        """{"version", "files": {name: {"mode", "errors", "warnings", and for collections "rows",
        "active", "added", "changed", "removed", "held", "before", "staying"}}, "problems": [...],
        "errors", "warnings"}.

        `held` are rows that wait for a record that they need, from any source; `before` are those
        of this source that were active before, `staying` those that only stay for additions' sake.
        """
        found, names = self._bundle.problems, self._bundle.names
        listed: dict[str, dict[str, Any]] = {}
        for stem, name in names.items():
            listed[name] = {"mode": self._bundle.modes[stem], **self._tables.get(stem, {})}
        for stem, counts in self._tables.items():  # changed although the file did not come
            if stem not in names and any(counts[what] for what in ("added", "changed", "removed")):
                listed[f"{stem}.csv"] = {"mode": "absent", **counts}
        for path in {*listed, *(path for path, _ in (*self._counts, *found.counts))}:
            entry = listed.setdefault(path, {})
            entry["errors"] = found.errors(path) + self._sum(_ERRORS, path)
            entry["warnings"] = found.warnings(path) + self._sum(_WARNINGS, path)
        kept = sorted([*self._kept, *found.kept], key=lambda one: (one.severity != "error", one))
        return {
            "version": self._bundle.version,
            "files": dict(sorted(listed.items())),
            "errors": sum(entry.get("errors", 0) for entry in listed.values()),
            "warnings": sum(entry.get("warnings", 0) for entry in listed.values()),
            "problems": [problem.as_json() for problem in kept[:KEPT]],
        }

    def _sum(self, codes: Mapping[str, str], path: str) -> int:
        return sum(self._counts[path, code] for code in codes)


def _column(version: str, collection: str, member: str) -> str:
    """The column that holds a member, as the author of the file knows it."""
    if collection == "users" and member == "roles.org":
        return "orgSourcedIds" if version == "1.1" else "orgSourcedId of roles.csv"
    if (collection, member) in (("demographics", "user"), (collection, "sourcedId")):
        return "sourcedId"
    own = files.FILES[version][collection].columns
    named = [column.name for column in own if column.member == member]
    if named:
        return named[0]
    made = [file.file_name for file in files.links(version, collection) if file.into == member]
    return f"a row of {made[0]}" if made else member

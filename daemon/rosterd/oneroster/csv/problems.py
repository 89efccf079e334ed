"""The faults that real exports have, each with its code, its weight and its words.

A message names file, line and column but never the value: the report of an import is read by more
people than the pupils' data is. A broken export has the same fault in a million rows, so only the
first of each kind are kept, and all are counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from rosterd import errors

KEPT = 20  # problems kept for each file and code

# The whole package is refused. `{}` stands for the name of a column, a property or a file.
REFUSALS: Mapping[str, str] = {
    "bad-header": "the header must be propertyName,value",
    "bad-mode": "{} must be absent, bulk or delta",
    "bad-property": "{} is not a property of this version's manifest",
    "bad-version": "{} names a version that is not read (1.1 and 1.2 are)",
    "blank-status": "{} is empty although the file is declared delta: read as bulk it would delete",
    "delimiter": "the cells are separated by {}: only commas are read",
    "endless-field": "a quoted cell is not closed within 131072 characters, or before the file ends",
    "missing-file": "the manifest declares {}, which is not there",
    "missing-property": "{} must be there once, with a value",
    "no-column": "the column {} is missing: no row can be read without it",
    "no-header": "the file is empty: not even a header is there",
    "no-manifest": "manifest.csv is missing and the source declares no default mode",
    "not-utf8": "the line is not UTF-8",
    "old-package": (
        "manifest.csv is missing: this looks like OneRoster 1.0, which is not read; if it is 1.1"
        " or 1.2, declare a default mode for the source"
    ),
    "other-encoding": "the file is UTF-16 or UTF-32: it must be UTF-8",
    "repeated-property": "{} must be there once",
    "same-name": "{} is there twice, in different spellings",
}

# A row is dropped.
ERRORS: Mapping[str, str] = {
    "bad-choice": "{} holds a word that the standard does not know",
    "bad-date": "{} holds no date that exists (YYYY-MM-DD)",
    "bad-flag": "{} is neither true nor false",
    "bad-id": "{} holds no sourcedId (1 to 255 of 0-9 A-Z a-z . - _ / @)",
    "bad-instant": "{} holds no date-time",
    "bad-line": "the line holds a bare carriage return",
    "bad-year": "{} holds no year (YYYY)",
    "conflict": "{} is there twice and the two differ",
    "dangling": "{} names a record that is not in the package",
    "duplicate": "{} was used by an earlier row of this file",
    "line-break": "{} holds a line break",
    "missing-value": "{} must not be empty",
    "row-width": "the row has more or fewer cells than the header",
    "stray-quote": "text follows a closing quote: nobody can tell where the cell ends; double it",
    "too-long": "the line is longer than 65536 characters",
}

# The row is kept.
WARNINGS: Mapping[str, str] = {
    "case": "{} holds a word in another spelling than the standard's",
    "conflict-ignored": "{} is there twice and the two differ: the first was taken",
    "control-characters": "{} holds control characters: they were removed",
    "date-form": "{} holds a date in another form than YYYY-MM-DD",
    "default-mode": "{} is not said: the source's default was taken",
    "duplicate-column": "the column {} is there twice",
    "escaped-quote": "a quote in a cell is escaped with a backslash: it was read as a doubled one",
    "extra-file": "{} is not a file of this version: it was ignored",
    "file-name": "the file should be called {}",
    "foreign-profile": "{} names no profile of this user: it was left out",
    "grade-form": "{} holds a grade without its leading zero: it was added",
    "header-form": "the column {} is written in another way",
    "header-order": "the columns are not in the standard's order",
    "id-form": "{} holds a sourcedId with characters outside the standard's",
    "inactive": "{} holds inactive, a word of OneRoster 1.0: it was read as tobedeleted",
    "list-form": "{} holds an empty item",
    "manifest-form": "{} is written in another way than the standard's",
    "missing-column": "the column {} is missing",
    "newer-word": "{} holds a word that OneRoster 1.1 does not know",
    "no-roles": "{} is in no row of roles.csv: the user comes without roles",
    "no-roles-file": "{} is not in the package: users come without roles",
    "no-rows": "the file has a header and no rows",
    "not-declared": "{} is there although the manifest calls it absent: it was ignored",
    "not-imported": "{} belongs to the gradebook: it was ignored",
    "older-word": "{} holds a word of OneRoster 1.1",
    "second-primary": "{} is primary twice for one user and org: the later became secondary",
    "spaces": "{} has spaces around its value",
    "status-in-bulk": "{} is filled although the file is declared bulk",
    "unequal-lists": "{} has not as many items as subjects",
    "unknown-column": "the column {} is not the standard's: it was ignored",
    "unknown-property": "{} is not a property of this version's manifest: it was ignored",
    "user-id-form": "{} holds an item that is not of the form {{type:id}}: it was ignored",
    "year-form": "{} holds a school year in another form than YYYY",
}

_SERIOUS: Mapping[str, str] = {**REFUSALS, **ERRORS}


class Problems:
    """Collects problems. `kept` holds the first of each (file, code); `counts` counts all."""

    def __init__(self) -> None:
        self.kept: list[errors.Problem] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, path: str, line: int, column: int, code: str, name: str = "") -> None:
        """Note one fault; `line` and `column` count from 1, 0 for the whole."""
        self.counts[path, code] += 1
        if self.counts[path, code] <= KEPT:
            self.kept.append(problem(path, line, column, code, name))

    def errors(self, path: str | None = None) -> int:
        """How many errors there are, in one file or in all."""
        return self._sum(_SERIOUS, path)

    def warnings(self, path: str | None = None) -> int:
        return self._sum(WARNINGS, path)

    def _sum(self, codes: Iterable[str], path: str | None) -> int:
        return sum(
            count
            for (found, code), count in self.counts.items()
            if code in codes and path in (None, found)
        )


def problem(path: str, line: int, column: int, code: str, name: str = "") -> errors.Problem:
    """One fault in words. `name` is a name of the standard's or of a header, never a value."""
    if code in WARNINGS:
        return errors.Problem(path, line, column, WARNINGS[code].format(name), code, "warning")
    return errors.Problem(path, line, column, _SERIOUS[code].format(name), code)


def refusal(found: Iterable[errors.Problem]) -> errors.InputError:
    """The error for a package that cannot be used at all."""
    return errors.InputError("cannot read the CSV package", found)

"""The faults that real exports have, each with its code, its weight and its words.

A message names file, line and column but never the value: the report of an import is read by more
people than the pupils' data is. A broken export has the same fault in a million rows, so only the
first of each kind are kept, and all are counted.
"""

from collections import Counter
from collections.abc import Mapping

from rosterd import errors

KEPT = 20  # problems kept for each file and code

# code -> what is wrong; `{}` stands for the name of a column, property or file.
ERRORS: Mapping[str, str] = {
    "bad-choice": "{} holds a word that the standard does not know",
    "bad-date": "{} holds no date that exists (YYYY-MM-DD)",
    "bad-flag": "{} is neither true nor false",
    "bad-id": "{} holds no sourcedId (1 to 255 of 0-9 A-Z a-z . - _ / @)",
    "bad-line": "the line holds a bare carriage return",
    "bad-year": "{} holds no year (YYYY)",
    "conflict": "{} is there twice and the two differ",
    "dangling": "{} names a record that is not in the package",
    "duplicate": "{} was used by an earlier row of this file",
    "line-break": "{} holds a line break",
    "missing-value": "{} must not be empty",
    "row-width": "the row has more or fewer cells than the header",
    "too-long": "the line is longer than 65536 characters",
}

WARNINGS: Mapping[str, str] = {
    "case": "{} holds a word in another spelling than the standard's",
    "changed-unread": "{} holds no date-time and was ignored",
    "control-characters": "control characters were removed from {}",
    "conflict-ignored": "{} is there twice and the two differ: the first was taken",
    "date-form": "{} holds a date in another form than YYYY-MM-DD",
    "default-mode": "the manifest does not say how {} is meant: the source's default was taken",
    "duplicate-column": "{} is there twice in the header",
    "extra-file": "{} is not a file of this version and was ignored",
    "file-name": "the file is not named {}",
    "grade-form": "{} holds a grade without its leading zero",
    "header-form": "{} is written in another way than the standard's",
    "header-order": "the columns are not in the standard's order",
    "id-form": "{} holds a sourcedId with characters outside the standard's",
    "list-form": "{} has an empty item",
    "missing-column": "the column {} is missing",
    "no-roles": "a user has no role in roles.csv",
    "no-roles-file": "roles.csv is not in the package: users come without roles",
    "no-rows": "the file has a header and no rows",
    "not-declared": "{} is there, but the manifest calls it absent: it was ignored",
    "not-imported": "{} belongs to the gradebook and was ignored",
    "older-word": "{} holds a word of OneRoster 1.1",
    "newer-word": "{} holds a word of OneRoster 1.2",
    "second-primary": "a user has a second primary role at one org: it was taken as secondary",
    "spaces": "{} has spaces around its value",
    "status-in-bulk": "{} is filled although the file is declared bulk",
    "unequal-lists": "{} has another length than subjects",
    "unknown-column": "the column {} is not the standard's and was ignored",
    "unknown-property": "the property {} is not the standard's and was ignored",
    "user-id-form": "{} holds an item that is not {{type:id}}: it was ignored",
    "version-form": "{} is written in another way than the standard's",
    "year-form": "{} holds a school year in another form than YYYY",
}


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
        return self._sum(ERRORS, path)

    def warnings(self, path: str | None = None) -> int:
        return self._sum(WARNINGS, path)

    def _sum(self, codes: Mapping[str, str], path: str | None) -> int:
        return sum(
            count
            for (found, code), count in self.counts.items()
            if code in codes and path in (None, found)
        )


def problem(path: str, line: int, column: int, code: str, name: str = "") -> errors.Problem:
    """One fault in words."""
    if code in WARNINGS:
        return errors.Problem(path, line, column, WARNINGS[code].format(name), code, "warning")
    return errors.Problem(path, line, column, ERRORS[code].format(name), code)

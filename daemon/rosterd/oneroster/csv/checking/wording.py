"""What a package may do wrong by the standard, each with its code, its weight and its words.

The words differ from those of the reader, because the question does: there it is whether rosterd
can take a row, here whether the standard lets it stand. No message holds a value of the package.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from rosterd import errors

MOST: Final = 1000
"""Problems kept for each file and code, unless asked otherwise; all are counted."""

# Against the standard.
ERRORS: Mapping[str, str] = {
    "bad-archive": "{}",
    "bad-choice": "{} holds a word that this version does not know",
    "bad-date": "{} holds no date that exists (YYYY-MM-DD)",
    "bad-flag": "{} is neither true nor false",
    "bad-header": "the header must be propertyName,value",
    "bad-id": "{} holds no sourcedId (1 to 255 of 0-9 A-Z a-z . - _ / @)",
    "bad-instant": "{} holds no date-time in UTC (such as 2026-08-01T06:30:00.000Z)",
    "bad-list": "{} holds an empty item",
    "bad-mode": "{} must be absent, bulk or delta",
    "bad-number": "{} holds no number",
    "bad-property": "this is not a property of this version's manifest",
    "bad-user-id": "{} must be made of {{type:id}} with one colon in each",
    "bad-version": "{} must be {}",
    "bad-year": "{} holds no year (YYYY)",
    "bare-cr": "a carriage return stands alone: lines end in CRLF or LF",
    "blank-status": "{} must be filled in every row of a delta file",
    "dangling": "{} names a record that is not in the package",
    "dangling-file": "{} refers to {}, which is not in the package",
    "delimiter": "the cells are separated by {}: they must be by commas",
    "duplicate": "{} was used by an earlier row of this file",
    "duplicate-column": "the column {} is there twice",
    "duplicate-file": "the file is there twice",
    "empty-column": "column {} has no name",
    "file-name": "the file must be called {}",
    "header-form": "the column must be written {}",
    "header-order": "the columns are not in the standard's order",
    "line-break": "{} holds a line break",
    "missing-column": "the column {} is missing",
    "missing-file": "the manifest declares {}, which is not there",
    "missing-property": "{} must be there, with a value",
    "missing-value": "{} must not be empty",
    "no-files": "there is nothing of OneRoster here: neither a manifest nor a data file",
    "no-header": "the file is empty: not even a header is there",
    "no-rows": "the file has no rows: it must be left out, and absent in the manifest",
    "not-declared": "{} is there although the manifest calls it absent",
    "not-utf8": "the line is not UTF-8",
    "other-encoding": "the file is UTF-16 or UTF-32: it must be UTF-8",
    "repeated-property": "the property is there twice",
    "row-width": "the row has more or fewer cells than the header",
    "status-in-bulk": "{} must be empty in a bulk file",
    "stray-quote": "a double quote stands where none may be: quote the whole cell and double it",
    "too-long": "the line is longer than 1 MiB: it was not looked at",
    "unclosed-quote": "a double quote is never closed: nothing after it was looked at",
    "unequal-lists": "{} must have as many items as subjects",
    "unknown-column": "column {} is not the standard's and does not begin with metadata.",
    "unknown-file": "this is not a file of OneRoster {}",
    "zip-folder": "the file lies in a folder inside the zip: it belongs at the top",
}

# What a careful reader would ask about; the standard lets it pass, or does not say.
WARNINGS: Mapping[str, str] = {
    "blank-line": "the line is empty: it was ignored",
    "blank-value": "{} holds nothing but spaces",
    "class-of-result": "{} is not the class of the line item",
    "class-of-school": "{} is not the school of the class",
    "control-characters": "{} holds control characters",
    "foreign-profile": "{} names a profile of another user",
    "grade-form": "{} holds a grade without its leading zero",
    "min-above-max": "{} is more than resultValueMax",
    "no-manifest": "manifest.csv is missing: the files are taken as OneRoster {} in bulk",
    "no-roles": "{} is in no row of roles.csv: readers over REST need a role of everybody",
    "no-roles-file": "users of OneRoster 1.2 need roles.csv, which is not in the package",
    "not-enrolled": "{} names somebody who is not enrolled in the class",
    "not-school": "{} names an org that is no school",
    "not-school-year": "{} names a session that is no school year",
    "old-package": "manifest.csv is missing and these are the seven files of OneRoster 1.0, which"
    " is not read: they are taken as 1.1 in bulk",
    "only-manifest": "the package has no data: it says that nothing changed",
    "primary-org": "{} names an org at which the user has no role",
    "resource-role": "{} names a resource that is for other roles than the user's",
    "scale-form": "{} must be made of {{from:to}}",
    "school-year": "{} names a school year, not a part of one",
    "second-primary": "{} is primary twice for one user and org",
    "urn": "{} must be urn:uuid: and an identifier when the source is case",
    "zip-name": "the name of a package ends in .zip",
}


class Findings:
    """Collects problems: the first `most` of each (file, code) are kept, all are counted."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[errors.Problem] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, path: str, line: int, column: int, code: str, *names: str) -> None:
        """Note one fault; `line` and `column` count from 1, 0 for the whole. `names` are the
        standard's own or a header's, never a value.
        """
        self._counts[path, code] += 1
        if not self._most or self._counts[path, code] <= self._most:
            severity: errors.Severity = "warning" if code in WARNINGS else "error"
            words = (WARNINGS if code in WARNINGS else ERRORS)[code].format(*names)
            self._kept.append(errors.Problem(path, line, column, words, code, severity))

    def told(self, path: str, *codes: str) -> bool:
        """Whether one of these was found in the file."""
        return any((path, code) in self._counts for code in codes)

    def problems(self) -> tuple[errors.Problem, ...]:
        """Those kept, by place."""
        return tuple(sorted(self._kept))

    @property
    def errors(self) -> int:
        return sum(count for (_, code), count in self._counts.items() if code in ERRORS)

    @property
    def warnings(self) -> int:
        return sum(count for (_, code), count in self._counts.items() if code in WARNINGS)

    @property
    def left_out(self) -> int:
        """How many were counted and not kept."""
        return self._counts.total() - len(self._kept)

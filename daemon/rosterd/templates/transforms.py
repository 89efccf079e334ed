"""Named changes of one value, as tables of the receivers' words.

A word that a table lacks is not guessed at: the column says what becomes of it. Tables hold what
the receivers' own documents list; what nobody could confirm stays out and is unknown.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

Transform = Callable[[str], str | None]
"""A value -> what the receiver calls it; None when there is no word for it."""

_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9-]+")
_REWRITTEN: Final = re.compile(r"x(?:[0-9a-f]{2})+")
_BETWEEN: Final = re.compile(r"[\s().\-/]+")
_INTERNATIONAL: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def _table(words: Mapping[str, str]) -> Transform:
    return words.get


def _words(text: str) -> Transform:
    """Words that stay as they are."""
    return {word: word for word in text.split()}.get


def _narrow_id(value: str) -> str:
    """Letters, digits and hyphens; another id becomes one that can be turned back.

    So does an id that reads as if it were such a one: no two may ever become the same, since there
    the one person takes the other's place.
    """
    if _ALPHANUMERIC.fullmatch(value) and not _REWRITTEN.fullmatch(value):
        return value
    return f"x{value.encode().hex()}"


def _international(value: str) -> str | None:
    """A number with its country, without what people put between digits."""
    digits = _BETWEEN.sub("", value)
    return digits if _INTERNATIONAL.fullmatch(digits) else None


def _with_at(value: str) -> str | None:
    return value if "@" in value[1:-1] else None


def _us_date(value: str) -> str | None:
    """Month, day, year."""
    parts = value.split("-")
    return f"{parts[1]}/{parts[2]}/{parts[0]}" if len(parts) == 3 else None


def _flag(yes: str, no: str) -> Transform:
    return {"true": yes, "false": no, "primary": yes, "secondary": no}.get


_NUMBERED: Final = {f"{grade:02}": str(grade) for grade in range(1, 13)}
_SDS_STAFF: Final = {
    "teacher": "teacher",
    "administrator": "administrator",
    "districtAdministrator": "administrator",
    "siteAdministrator": "administrator",
    "systemAdministrator": "administrator",
    "principal": "principal",
    "proctor": "proctor",
    "aide": "paraprofessional",
    "counselor": "advisor",
}

TRANSFORMS: Final[Mapping[str, Transform]] = {
    "lower-case": str.lower,
    "with-at-sign": _with_at,
    "phone-international": _international,
    "date-month-day-year": _us_date,
    "flag-true-false": _flag("true", "false"),
    "flag-y-n": _flag("Y", "N"),
    "id-letters-digits-hyphens": _narrow_id,
    "apple-grade": _table({**_NUMBERED, "KG": "Kindergarten"}),
    "clever-grade": _table(
        {
            **_NUMBERED,
            "PK": "Prekindergarten",
            "TK": "TransitionalKindergarten",
            "KG": "Kindergarten",
            "13": "Postgraduate",
        }
    ),
    "sds-grade": _table(
        {
            **{grade: grade for grade in (*_NUMBERED, "13")},
            **{grade: grade.lower() for grade in ("IT", "PR", "PK", "TK", "KG", "PS", "UG")},
            "Other": "other",
        }
    ),
    "sds-role": _table({"student": "student", **_SDS_STAFF}),
    "sds-org-type": _words("school department district local state national"),
    "sds-session-type": _words("schoolYear semester term gradingPeriod"),
    "sds-relationship": _table(
        {"guardian": "guardian", "parent": "parent", "relative": "relative"}
    ),
    "sds-sex": _words("male female"),
}
"""Every transform by the name that a template gives it."""

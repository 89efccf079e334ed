"""What one cell may hold by the standard: a code for what it may not, "" when it is right.

Stricter than `cells`, which reads what was meant.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv.checking import tables

Check = Callable[[str], str]

_ID = re.compile(r"[0-9A-Za-z./@_-]{1,255}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]00:?00)", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_USER_IDS = re.compile(r"\{[^{}:,]+:[^{}:,]+\}(?:, ?\{[^{}:,]+:[^{}:,]+\})*")
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # line ends are told apart
_SCALE = re.compile(r"\{[^{}:,]+:[^{}:,]+\}(?:, ?\{[^{}:,]+:[^{}:,]+\})*")


def check(column: tables.Column) -> Check:
    """How cells of this column are judged; never asked about an empty one."""
    if column.form in ("word", "words"):
        word = _worded(column)
        return _items(word) if column.form == "words" else word
    return _BY_FORM[column.form]


def _identifier(cell: str) -> str:
    return "" if _ID.fullmatch(cell) else "bad-id"


def _text(cell: str) -> str:
    odd = not cell.isprintable() and _CONTROL.search(cell) is not None
    return "control-characters" if odd else ""


def _status(cell: str) -> str:
    return "" if cell in ("active", "tobedeleted") else "bad-choice"


def _flag(cell: str) -> str:
    return "" if cell in ("true", "false") else "bad-flag"


def _date(cell: str) -> str:
    return "" if _DATE.fullmatch(cell) and _is_iso(cell) else "bad-date"


def _instant(cell: str) -> str:
    found = _INSTANT.fullmatch(cell)
    # a leap second is right, and no date-time of Python's
    return "" if found and _is_iso(re.sub(r":60$", ":59", found[1])) else "bad-instant"


def _is_iso(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _year(cell: str) -> str:
    return "" if _YEAR.fullmatch(cell) else "bad-year"


def _integer(cell: str) -> str:
    return "" if _INTEGER.fullmatch(cell) else "bad-number"


def _float(cell: str) -> str:
    right = _FLOAT.fullmatch(cell) is not None and math.isfinite(float(cell))
    return "" if right else "bad-number"


def _user_ids(cell: str) -> str:
    return "" if _USER_IDS.fullmatch(cell) else "bad-user-id"


def _scale(cell: str) -> str:
    return "" if _SCALE.fullmatch(cell) else "scale-form"


def _grade(cell: str) -> str:
    return "grade-form" if len(cell) == 1 and cell in "123456789" else ""


def _items(check_item: Check) -> Check:
    def check_all(cell: str) -> str:
        items = cell.split(",")
        if "" in items:
            return "bad-list"
        return next(filter(None, map(check_item, items)), "")

    return check_all


def _worded(column: tables.Column) -> Check:
    def check_word(cell: str) -> str:
        if cell in column.words:
            return ""
        own = column.extensible and vocabularies.EXTENSION.fullmatch(cell) is not None
        return "" if own else "bad-choice"

    return check_word


_BY_FORM: Mapping[str, Check] = {
    "id": _identifier,
    "ref": _identifier,
    "refs": _items(_identifier),
    "text": _text,
    "texts": _items(_text),
    "grade": _grade,
    "grades": _items(_grade),
    "status": _status,
    "flag": _flag,
    "date": _date,
    "instant": _instant,
    "year": _year,
    "integer": _integer,
    "float": _float,
    "user-ids": _user_ids,
    "scale": _scale,
}

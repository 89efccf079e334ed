"""What one cell means: from text to the value of the canonical record.

A converter gives the value and the code of what was odd about it ("" when all was well; a code of
an error comes with no value). So the reader can take many equal cells at once, and go back to
single ones only where something has to be reported.
"""

import datetime as dt
import re
from collections.abc import Callable

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files

Converted = tuple[object, str]
Convert = Callable[[str], Converted]

LONGEST_ID = 255
ID_LETTERS = re.compile(r"[0-9A-Za-z./@_-]*")
_ID = re.compile(r"[0-9A-Za-z./@_-]{1,255}")
# Beyond the standard, but in use by districts and asked for by clients.
_WIDER_ID = re.compile(r"[0-9A-Za-z./@_: -]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_CLOCK = r"(?:[T ]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]\d\d:?\d\d)?)?"
_DATE_FORMS = (
    re.compile(rf"(?P<y>\d{{4}})-(?P<m>\d{{1,2}})-(?P<d>\d{{1,2}}){_CLOCK}", re.ASCII),
    re.compile(rf"(?P<y>\d{{4}})/(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}}){_CLOCK}", re.ASCII),
    # Month first, as the systems that write this form do; a day first is no date or a wrong one.
    re.compile(rf"(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<y>\d{{4}}){_CLOCK}", re.ASCII),
)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_YEAR = re.compile(r"[1-9]\d{3}", re.ASCII)
_YEARS = re.compile(r"([1-9]\d{3}) ?[-/] ?(\d{4}|\d\d)", re.ASCII)
_USER_ID = re.compile(r"\{([^:{}]*):([^{}]*)\}")

_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "0"), "false"),
}


def converter(column: files.Column, version: str) -> Convert:
    """How cells of this column are read; never called with a blank cell."""
    if column.vocabulary is not None:
        word = _worded(column.vocabulary, version)
        return _items(word) if column.format is files.Format.WORDS else word
    return _BY_FORMAT[column.format]


def text(cell: str) -> Converted:
    """Kept exactly, but for control characters: pages are put together with their help."""
    if cell.isprintable() or _CONTROL.search(cell) is None:
        return cell, ""
    cleaned = _CONTROL.sub("", cell.replace("\t", " "))
    return ("" if cleaned.isspace() else cleaned), "control-characters"


def identifier(cell: str) -> Converted:
    if _ID.fullmatch(cell):
        return cell, ""
    bare = cell.strip()
    if _ID.fullmatch(bare):
        return bare, "spaces"
    return (bare, "id-form") if _WIDER_ID.fullmatch(bare) else (None, "bad-id")


def flag(cell: str) -> Converted:
    if cell in ("true", "false"):
        return cell, ""
    value = _FLAGS.get(cell.strip().casefold())
    return (value, "case") if value else (None, "bad-flag")


def date(cell: str) -> Converted:
    code = "" if _DATE.fullmatch(cell) else "date-form"
    bare = cell.strip()
    for form in _DATE_FORMS:
        if found := form.fullmatch(bare):
            year, month, day = (int(found[part]) for part in "ymd")
            try:
                return dt.date(year, month, day).isoformat(), code
            except ValueError:
                break
    return None, "bad-date"


def year(cell: str) -> Converted:
    """The year in which the school year ends."""
    if _YEAR.fullmatch(cell):
        return cell, ""
    bare = cell.strip()
    if _YEAR.fullmatch(bare):
        return bare, "spaces"
    if found := _YEARS.fullmatch(bare):
        end = str(int(found[1]) + 1)
        if end.endswith(found[2]):
            return end, "year-form"
    return None, "bad-year"


def instant(cell: str) -> Converted:
    """A date-time in UTC with three digits of a second; one without an offset is taken as UTC."""
    found = _INSTANT.fullmatch(cell.strip())
    if found is None:
        return None, "bad-instant"
    day, minute, second, fraction, offset = found.groups()
    iso = f"{day}T{minute or '00:00'}{second or ':00'}{(fraction or '.0')[:7]:0<7}"
    try:
        moment = dt.datetime.fromisoformat(iso + (offset or "Z"))
        moment = moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None, "bad-instant"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z", ""


def grade(cell: str) -> Converted:
    """The codes are 01 to 13; spreadsheets eat the zero."""
    if len(cell) == 1 and cell in "123456789":
        return f"0{cell}", "grade-form"
    return cell, ""


def user_ids(cell: str) -> Converted:
    cleaned, code = text(cell)
    whole = str(cleaned)
    if "{" in whole:
        pairs = _USER_ID.findall(whole)
        odd = bool(_USER_ID.sub("", whole).strip(", "))
    else:
        pairs = [tuple(item.split(":", 1)) for item in whole.split(",") if ":" in item]
        odd = len(pairs) != whole.count(",") + 1
    stripped = [(kind.strip(), identifier.strip()) for kind, identifier in pairs]
    kept = [{"type": kind, "identifier": value} for kind, value in stripped if kind and value]
    odd = odd or len(kept) != len(pairs)
    return kept, "user-id-form" if odd else code


def _items(convert: Convert, *, once: bool = False) -> Convert:
    """A cell with a list; the first odd item gives the code. `once`: an item counts once."""

    def read(cell: str) -> Converted:
        cleaned, code = text(cell)
        items = [item.strip() for item in str(cleaned).split(",")]
        if "" in items:
            code = code or "list-form"
        values: list[object] = []
        for item in filter(None, items):
            value, odd = convert(item)
            code = code or odd
            if value is None:
                return None, odd
            values.append(value)
        return (list(dict.fromkeys(values)) if once else values), code

    return read


def _worded(name: str, version: str) -> Convert:
    vocabulary = vocabularies.VOCABULARIES[name]
    older = vocabulary.older
    if name == "enrollmentRole":  # 1.1 is read by some as having all its roles here
        older = vocabularies.VOCABULARIES["role"].older
    spellings = {_plain(word): word for word in (*sorted(older), *sorted(vocabulary.words))}
    gone = name == "status"

    def read(cell: str) -> Converted:
        bare = cell.strip()
        odd = "" if bare == cell else "spaces"
        if not vocabulary.allows(bare, "1.2") and bare not in older:
            known = spellings.get(_plain(bare))
            if gone and _plain(bare) == vocabularies.INACTIVE:
                return "tobedeleted", "inactive"
            if known is None:
                return None, "bad-choice"
            bare, odd = known, "case"
        # An administrator of 1.1 becomes one of a school or a district where the org is known.
        value = bare if name == "role" else vocabularies.promote(name, bare)
        if version == "1.1":
            return value, odd or ("" if bare in older else "newer-word")
        return value, odd or ("" if vocabulary.allows(bare, "1.2") else "older-word")

    return read


def _plain(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _same(cell: str) -> Converted:
    return cell, ""


_BY_FORMAT: dict[files.Format, Convert] = {
    files.Format.ID: identifier,
    files.Format.REF: identifier,
    files.Format.REFS: _items(identifier, once=True),
    files.Format.TEXT: text,
    files.Format.TEXTS: _items(_same),
    files.Format.GRADES: _items(grade),
    files.Format.FLAG: flag,
    files.Format.DATE: date,
    files.Format.YEAR: year,
    files.Format.INSTANT: instant,
    files.Format.USER_IDS: user_ids,
}

"""Canonical records as CSV can hold them, drawn from the table of columns."""

import string
from typing import Any

from hypothesis import strategies as st

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files

Record = dict[str, Any]

_CONTROL = "".join(map(chr, range(32))) + "\x7f"
_ANY = st.characters(exclude_categories=["Cs"], exclude_characters=_CONTROL)
_TEXT = st.text(_ANY, min_size=1, max_size=12).filter(lambda text: not text.isspace())
_ITEM = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=_CONTROL + ",{}:"))
    .map(str.strip)
    .filter(bool)
)
_ID = st.text(st.sampled_from(string.ascii_letters + string.digits + "./@_-"), min_size=1)
_EXTENSION = st.from_regex(r"ext:[a-zA-Z0-9._-]{1,10}", fullmatch=True)
_DAY = st.dates().map(lambda day: day.isoformat())


def _words(vocabulary: str) -> st.SearchStrategy[str]:
    table = vocabularies.VOCABULARIES[vocabulary]
    listed = st.sampled_from(sorted(table.words))
    return st.one_of(listed, _EXTENSION) if table.extensible else listed


def _list(items: st.SearchStrategy[Any], *, unique: bool = False) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=1, max_size=3, unique=unique)


_CELLS: dict[files.Format, st.SearchStrategy[Any]] = {
    files.Format.ID: _ID,
    files.Format.REF: _ID,
    files.Format.REFS: _list(_ID, unique=True),
    files.Format.TEXT: _TEXT,
    files.Format.TEXTS: _list(_ITEM),
    files.Format.GRADES: _list(_ITEM.filter(lambda grade: grade not in "123456789")),
    files.Format.FLAG: st.sampled_from(["true", "false"]),
    files.Format.DATE: _DAY,
    files.Format.YEAR: st.integers(1000, 9999).map(str),
    files.Format.USER_IDS: _list(st.fixed_dictionaries({"type": _ITEM, "identifier": _ITEM})),
}


def _cell(column: files.Column) -> st.SearchStrategy[Any]:
    if column.vocabulary is not None:
        words = _words(column.vocabulary)
        return _list(words) if column.format is files.Format.WORDS else words
    return _CELLS[column.format]


@st.composite
def _roles(draw: st.DrawFn, profiles: list[Record]) -> list[Record]:
    """Roles as a district may give them: one primary role at an org, nothing said twice."""
    given: list[Record] = []
    primary = set()
    for _ in range(draw(st.integers(1, 3))):
        role: Record = {
            "roleType": draw(st.sampled_from(["primary", "secondary"])),
            "role": draw(_words("role")),
            "org": draw(_ID),
        }
        if draw(st.booleans()) and profiles:
            role["userProfile"] = draw(st.sampled_from(profiles))["sourcedId"]
        if draw(st.booleans()):
            role["beginDate"] = draw(_DAY)
        if role["org"] in primary:
            role["roleType"] = "secondary"
        if role["roleType"] == "primary":
            primary.add(role["org"])
        if role not in given:
            given.append(role)
    return given


@st.composite
def _profile(draw: st.DrawFn) -> Record:
    profile: Record = {
        "sourcedId": draw(_ID),
        "profileType": draw(_TEXT),
        "vendorId": draw(_TEXT),
        "credentials": [{"type": draw(_TEXT), "username": draw(_TEXT)}],
    }
    if draw(st.booleans()):
        profile["applicationId"] = draw(_TEXT)
        profile["credentials"][0]["password"] = draw(_TEXT)
    return profile


@st.composite
def record(draw: st.DrawFn, collection: str) -> Record:
    """One canonical record of the collection."""
    columns = [
        column
        for column in files.FILES["1.2"][collection].columns
        if column.name not in ("status", "dateLastModified")
    ]
    required = {column.member: _cell(column) for column in columns if column.required}
    optional = {column.member: _cell(column) for column in columns if not column.required}
    optional["metadata"] = st.dictionaries(
        st.text(string.ascii_letters, min_size=1), _TEXT, min_size=1, max_size=2
    )
    made = dict(draw(st.fixed_dictionaries(required, optional=optional)))
    if collection in ("courses", "classes", "users") and draw(st.booleans()):
        made["resources"] = draw(_list(_ID, unique=True))
    if collection == "users":
        unique = st.lists(_profile(), max_size=2, unique_by=lambda one: str(one["sourcedId"]))
        if profiles := draw(unique):
            made["userProfiles"] = profiles
        made["roles"] = draw(_roles(profiles))
    return made


@st.composite
def district(draw: st.DrawFn) -> dict[str, list[Record]]:
    """Some records of each collection, each sourcedId once; references lead anywhere."""
    made = {
        name: draw(st.lists(record(name), max_size=3, unique_by=lambda one: str(one["sourcedId"])))
        for name in files.READING_ORDER
    }
    seen: set[str] = set()
    for user in made["users"]:  # profiles are rows of one file, whoever has them
        for profile in user.get("userProfiles", ()):
            if profile["sourcedId"] in seen:
                user.pop("userProfiles")
                for role in user["roles"]:
                    role.pop("userProfile", None)
                user["roles"] = [
                    role
                    for index, role in enumerate(user["roles"])
                    if role not in user["roles"][:index]
                ]
                break
            seen.add(profile["sourcedId"])
    return made

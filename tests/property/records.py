"""Any canonical record of any collection, drawn from the model's own tables.

Members come and go as districts leave them blank; ids hold what real exports put into them.
"""

from typing import Any

from hypothesis import strategies as st

from rosterd.oneroster import model, vocabularies

# No surrogates (UTF-8 has none) and no control characters (the importer removes them).
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
ID = st.text(st.sampled_from("abcXYZ019._-/@: %#?é{}\\\"'"), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)
FLAG = st.sampled_from(["true", "false"])
DATE = st.dates().map(lambda day: f"{day.year:04}-{day.month:02}-{day.day:02}")
YEAR = st.integers(1000, 9999).map(str)
EXTENSION = st.from_regex(r"ext:[a-zA-Z0-9._-]{1,10}", fullmatch=True)


def words(vocabulary: str) -> st.SearchStrategy[str]:
    """Any word of 1.2, a district's own among them."""
    table = vocabularies.VOCABULARIES[vocabulary]
    listed = st.sampled_from(sorted(table.words))
    return st.one_of(listed, EXTENSION) if table.extensible else listed


def _optional(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


_ROLE = _optional(
    {"roleType": st.sampled_from(["primary", "secondary"]), "role": words("role"), "org": ID},
    {"userProfile": ID, "beginDate": DATE, "endDate": DATE},
)
_PROFILE = _optional(
    {"sourcedId": ID, "profileType": TEXT, "vendorId": TEXT},
    {
        "applicationId": TEXT,
        "description": TEXT,
        "credentials": st.lists(
            _optional({"type": TEXT, "username": TEXT}, {"password": TEXT}), min_size=1, max_size=2
        ),
    },
)
_KINDS: dict[model.Kind, st.SearchStrategy[Any]] = {
    model.Kind.TEXT: TEXT,
    model.Kind.FLAG: FLAG,
    model.Kind.DATE: DATE,
    model.Kind.YEAR: YEAR,
    model.Kind.TEXTS: st.lists(TEXT, min_size=1, max_size=3),
    model.Kind.REF: ID,
    model.Kind.REFS: st.lists(ID, min_size=1, max_size=3),
    model.Kind.ROLES: st.lists(_ROLE, min_size=1, max_size=3),
    model.Kind.IDS: st.lists(
        st.fixed_dictionaries({"type": TEXT, "identifier": TEXT}), min_size=1, max_size=2
    ),
    model.Kind.PROFILES: st.lists(_PROFILE, min_size=1, max_size=2),
    model.Kind.METADATA: st.dictionaries(TEXT, TEXT, min_size=1, max_size=3),
}


def _member(field: model.Field) -> st.SearchStrategy[Any]:
    if field.vocabulary is None:
        return _KINDS[field.kind]
    word = words(field.vocabulary)
    if field.kind is model.Kind.TEXTS:
        return st.lists(word, min_size=1, max_size=3, unique=True)
    return word


# What CSV requires of every record and REST does as well, and username, which only CSV does not
# leave out; enabledUser may be missing, like all that rendering fills in.
_FILLED = {("orgs", "identifier"), ("courses", "courseCode"), ("users", "enabledUser")}


def records(collection: str) -> st.SearchStrategy[dict[str, Any]]:
    required: dict[str, Any] = {"sourcedId": ID}
    optional: dict[str, Any] = {}
    for field in model.COLLECTIONS[collection].fields:
        if field.versions == {"1.1"}:
            continue
        needed = "1.2" in field.required and (collection, field.name) not in _FILLED
        (required if needed else optional)[field.name] = _member(field)
    return _optional(required, optional)


COLLECTIONS = st.sampled_from(sorted(model.COLLECTIONS))
ANY = COLLECTIONS.flatmap(
    lambda collection: records(collection).map(lambda record: (collection, record))
)

"""Collections and their members in both versions, as one table.

Importing, filtering, rendering, pictures and the checks of permissions all ask this table, so
that a member cannot exist for one of them and be unknown to another. Names are those of REST 1.2;
a field says in which versions it exists. Records are plain dicts (see `Record`), because a million
of them pass through on their way from CSV to the store.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rosterd.oneroster import members, readings, vocabularies

# The canonical record: REST 1.2 names, references as bare sourcedIds, booleans as "true"/"false",
# `sourcedId` first, nothing empty, neither status nor dateLastModified (the generation keeps them).
Record = vocabularies.Record

VERSIONS = members.VERSIONS
Kind = members.Kind
Field = members.Field


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind of record; `singular` is the type of references and the key of a single body."""

    name: str
    singular: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def members(self, version: str) -> tuple[Field, ...]:
        """The fields of one version, in the order in which they are rendered."""
        return tuple(field for field in self.fields if version in field.versions)


# In the order in which records need each other; resources come first when importing.
COLLECTIONS: Mapping[str, Collection] = {
    collection.name: collection
    for collection in (
        Collection("orgs", "org", members.ORGS),
        Collection("academicSessions", "academicSession", members.SESSIONS),
        Collection("courses", "course", members.COURSES),
        Collection("classes", "class", members.CLASSES),
        Collection("users", "user", members.USERS),
        Collection("enrollments", "enrollment", members.ENROLLMENTS),
        Collection("demographics", "demographics", members.DEMOGRAPHICS),
        Collection("resources", "resource", members.RESOURCES),
    )
}

# "collection.member" never sent unless a permission shares it by name (of metadata: each key).
HIDDEN: frozenset[str] = frozenset(
    {
        *(f"{name}.metadata" for name in COLLECTIONS),
        "users.password",
        "users.userProfiles",
        "users.userProfiles.credentials.password",
    }
)


def hidden(name: str) -> bool:
    """Whether a member, as "users.metadata.bus", is only sent where it is shared by name."""
    collection, _, member = name.partition(".")
    return (
        name in HIDDEN
        or member.startswith("metadata.")
        or f"{collection}.{member.partition('.')[0]}" in HIDDEN
    )


@functools.cache
def required(collection: str, version: str) -> frozenset[str]:
    """Members that a body of this version must have, `sourcedId` among them."""
    fields = COLLECTIONS[collection].fields
    return frozenset({"sourcedId", *(field.name for field in fields if version in field.required)})


@functools.cache
def ref_fields(collection: str) -> Mapping[str, str]:
    """Canonical dotted member -> collection it points into, such as "roles.org" -> "orgs".

    Derived members (`children`, `orgs` of 1.1) are not among them.
    """
    refs = {
        field.name: field.target
        for field in COLLECTIONS[collection].fields
        if field.target and field.name != "children" and "1.2" in field.versions
    }
    return {"roles.org": "orgs", **refs} if collection == "users" else refs


# ---------------------------------------------------------------- paths


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A member that can be compared and sorted by.

    `kind` is what one value is (TEXT, TOKEN, FLAG, DATE, YEAR or INSTANT; a reference is the TEXT
    of its sourcedId). `dotted` is the normal form (`class`, never `class.sourcedId`). Two paths
    with one `key` have the same values in every record, whatever their versions: a column is kept
    once per key. `field` is the top-level member that pruning or withholding takes away.
    """

    collection: str
    version: str
    dotted: str
    kind: Kind
    key: str
    read: readings.Read = dataclasses.field(repr=False, compare=False)
    many: bool = False
    target: str | None = None

    @property
    def field(self) -> str:
        return self.dotted.partition(".")[0]

    @property
    def kept(self) -> bool:
        """Whether the generation keeps the value beside the record."""
        return self.dotted in ("status", "dateLastModified")


def values(record: Mapping[str, object], path: FieldPath) -> tuple[str, ...]:
    """Every value of the path in a canonical record, () when it is missing.

    A 1.1 path gives what 1.1 says: `role` and `orgs` are derived, words demoted. (A record that is
    of 1.1 already, as pictures make it, gives the same.) Stand-ins of 1.2 are not made here: a
    missing member must stay missing for permissions.
    """
    return path.read(record)


@functools.lru_cache(maxsize=4096)
def path(collection: str, dotted: str, version: str) -> FieldPath | None:
    """The path that a filter, sort or `where` names, None when this version has no such member.

    A reference may be named bare (`class`) or with `.sourcedId`. Passwords cannot be asked for:
    comparing is guessing.
    """
    known = _paths(collection, version).get(dotted)
    if known is None and dotted.startswith("metadata.") and len(dotted) > len("metadata."):
        return _metadata(collection, version, dotted)
    return known


def names(collection: str, version: str) -> tuple[str, ...]:
    """Every name that `path` knows, `metadata.…` left aside."""
    return tuple(_paths(collection, version))


def paths(collection: str) -> tuple[FieldPath, ...]:
    """One path per key, both versions together, without metadata: what a column store keeps."""
    by_key = {found.key: found for found in _paths(collection, "1.1").values()}
    by_key.update({found.key: found for found in _paths(collection, "1.2").values()})
    return tuple(by_key.values())


@functools.cache
def _paths(collection: str, version: str) -> Mapping[str, FieldPath]:
    found: dict[str, FieldPath] = {}
    for path in (*_common(collection, version), *_own(collection, version)):
        found[path.dotted] = path
        if path.target:
            found[f"{path.dotted}.sourcedId"] = path
    return found


def _common(collection: str, version: str) -> Iterator[FieldPath]:
    for name, kind, read in (
        ("sourcedId", Kind.TEXT, readings.one("sourcedId")),
        ("status", Kind.TOKEN, readings.status),
        ("dateLastModified", Kind.INSTANT, readings.one("dateLastModified")),
    ):
        yield FieldPath(collection, version, name, kind, name, read)


_SUBFIELDS: Mapping[Kind, tuple[tuple[str, Kind, str | None], ...]] = {
    Kind.ROLES: (
        ("role", Kind.TOKEN, None),
        ("roleType", Kind.TOKEN, None),
        ("org", Kind.TEXT, "orgs"),
        ("userProfile", Kind.TEXT, None),
        ("beginDate", Kind.DATE, None),
        ("endDate", Kind.DATE, None),
    ),
    Kind.IDS: (("type", Kind.TEXT, None), ("identifier", Kind.TEXT, None)),
    Kind.PROFILES: (
        ("profileId", Kind.TEXT, None),
        ("profileType", Kind.TEXT, None),
        ("vendorId", Kind.TEXT, None),
        ("applicationId", Kind.TEXT, None),
        ("description", Kind.TEXT, None),
        ("credentials.type", Kind.TEXT, None),
        ("credentials.username", Kind.TEXT, None),
    ),
}


def _own(collection: str, version: str) -> Iterator[FieldPath]:
    for member in COLLECTIONS[collection].members(version):
        if member.name == "password" or member.kind is Kind.METADATA:
            continue
        if subfields := _SUBFIELDS.get(member.kind):
            for name, kind, target in subfields:
                dotted = f"{member.name}.{name}"
                read = readings.nested(member.name, name)
                yield FieldPath(
                    collection, version, dotted, kind, dotted, read, many=True, target=target
                )
        else:
            yield _plain(collection, version, member)


def _plain(collection: str, version: str, member: Field) -> FieldPath:
    many = member.kind in (Kind.TEXTS, Kind.REFS)
    kind = Kind.TEXT if many or member.kind is Kind.REF else member.kind
    if member.vocabulary:
        kind = Kind.TOKEN
    read, key = readings.one(member.name), member.name
    if many:
        read = readings.every(member.name)
    if version == "1.1":
        if (collection, member.name) in (("users", "role"), ("users", "orgs")):
            read, key = readings.ROLE_1P1[member.name], f"1.1:{member.name}"
        elif member.vocabulary and _differs(member.vocabulary):
            read, key = readings.demoted(read, member.vocabulary), f"1.1:{member.name}"
    return FieldPath(collection, version, member.name, kind, key, read, many, member.target)


def _differs(vocabulary: str) -> bool:
    return vocabularies.VOCABULARIES[vocabulary].extensible


def _metadata(collection: str, version: str, dotted: str) -> FieldPath:
    read = readings.metadata(dotted.removeprefix("metadata."))
    return FieldPath(collection, version, dotted, Kind.TEXT, dotted, read)


# ---------------------------------------------------------------- listings


@dataclass(frozen=True, slots=True)
class Listing:
    """What one collection path of REST lists.

    `key` is the envelope's plural, `single` its singular. `field` (a 1.2 name) must hold `value`
    when they are there; in 1.1 `condition` names what takes its place.
    """

    name: str
    collection: str
    key: str
    single: str
    field: str | None = None
    value: str | None = None

    def condition(self, version: str) -> tuple[FieldPath, str] | None:
        """The path and the value that narrow the collection in this version."""
        if self.field is None or self.value is None:
            return None
        name = "role" if (version, self.field) == ("1.1", "roles.role") else self.field
        found = path(self.collection, name, version)
        if found is None:
            raise AssertionError(f"the table of listings names {name}, which {version} has not")
        return found, self.value


def _listing(name: str, collection: str, field: str | None, value: str | None) -> Listing:
    return Listing(name, collection, collection, COLLECTIONS[collection].singular, field, value)


LISTINGS: Mapping[str, Listing] = {
    listing.name: listing
    for listing in (
        *(_listing(name, name, None, None) for name in COLLECTIONS),
        _listing("schools", "orgs", "type", "school"),
        _listing("terms", "academicSessions", "type", "term"),
        _listing("gradingPeriods", "academicSessions", "type", "gradingPeriod"),
        _listing("students", "users", "roles.role", "student"),
        _listing("teachers", "users", "roles.role", "teacher"),
    )
}


def sort_key(text: str) -> str:
    """What to compare texts by: Unicode code points, which is how Python orders str."""
    return text

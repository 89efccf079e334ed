"""Files and columns of the CSV binding in both versions, as one table.

Reader, writer and manifest all ask this table, so that a column cannot be read in one place and
be unknown in another. A line of the table says: column (`*` = a row must fill it), format, and the
member of the canonical record where that is called otherwise. Gradebook files are known by name
only, because a manifest has to speak of them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Format(enum.Enum):
    """What a cell may hold; an argument names the vocabulary or the collection referred to."""

    ID = "id"  # the row's own sourcedId
    REF = "ref"
    REFS = "refs"
    TEXT = "text"
    TEXTS = "texts"
    GRADES = "grades"
    WORD = "word"
    WORDS = "words"
    FLAG = "flag"
    DATE = "date"
    YEAR = "year"
    INSTANT = "instant"
    USER_IDS = "userIds"  # {type:identifier},{type:identifier}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `member` is its name in the canonical record (or in a link's own record)."""

    name: str
    format: Format
    member: str
    required: bool = False
    target: str | None = None
    vocabulary: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """One kind of file. `name` is the stem, as the manifest has it.

    `collection` is where its rows belong: as records of their own or, for a link file, folded into
    the records that `owner` names (a column of the link file, such as `user`). `into` is the member
    of those records that the link file fills. A gradebook file has no columns.
    """

    name: str
    collection: str | None
    columns: tuple[Column, ...]
    owner: str | None = None
    into: str | None = None

    @property
    def file_name(self) -> str:
        return f"{self.name}.csv"

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def is_link(self) -> bool:
        return self.owner is not None


MODES = ("absent", "bulk", "delta")

# Every row may carry these; a delta row has to.
_EVERY = """
sourcedId* id
status word:status
dateLastModified instant
"""

_COLUMNS: Mapping[str, str] = {
    "orgs": """
        name* text
        type* word:orgType
        identifier text
        parentSourcedId ref:orgs parent
    """,
    "academicSessions": """
        title* text
        type* word:sessionType
        startDate* date
        endDate* date
        parentSourcedId ref:academicSessions parent
        schoolYear* year
    """,
    "courses": """
        schoolYearSourcedId ref:academicSessions schoolYear
        title* text
        courseCode text
        grades grades
        orgSourcedId* ref:orgs org
        subjects texts
        subjectCodes texts
    """,
    "classes": """
        title* text
        grades grades
        courseSourcedId* ref:courses course
        classCode text
        classType* word:classType
        location text
        schoolSourcedId* ref:orgs school
        termSourcedIds* refs:academicSessions terms
        subjects texts
        subjectCodes texts
        periods texts
    """,
    "users 1.1": """
        enabledUser* flag
        orgSourcedIds* refs:orgs orgs
        role* word:role
        username* text
        userIds userIds
        givenName* text
        familyName* text
        middleName text
        identifier text
        email text
        sms text
        phone text
        agentSourcedIds refs:users agents
        grades grades
        password text
    """,
    "users 1.2": """
        enabledUser* flag
        username* text
        userIds userIds
        givenName* text
        familyName* text
        middleName text
        identifier text
        email text
        sms text
        phone text
        agentSourcedIds refs:users agents
        grades grades
        password text
        userMasterIdentifier text
        preferredGivenName text preferredFirstName
        preferredMiddleName text
        preferredFamilyName text preferredLastName
        primaryOrgSourcedId ref:orgs primaryOrg
        pronouns text
    """,
    "enrollments": """
        classSourcedId* ref:classes class
        schoolSourcedId* ref:orgs school
        userSourcedId* ref:users user
        role* word:enrollmentRole
        primary flag
        beginDate date
        endDate date
    """,
    "demographics": """
        birthDate date
        sex word:sex
        americanIndianOrAlaskaNative flag
        asian flag
        blackOrAfricanAmerican flag
        nativeHawaiianOrOtherPacificIslander flag
        white flag
        demographicRaceTwoOrMoreRaces flag
        hispanicOrLatinoEthnicity flag
        countryOfBirthCode text
        stateOfBirthAbbreviation text
        cityOfBirth text
        publicSchoolResidenceStatus text
    """,
    "resources": """
        vendorResourceId* text
        title text
        roles words:resourceRole
        importance word:importance
        vendorId text
        applicationId text
    """,
    "classResources": """
        title text
        classSourcedId* ref:classes class
        resourceSourcedId* ref:resources resource
    """,
    "courseResources": """
        title text
        courseSourcedId* ref:courses course
        resourceSourcedId* ref:resources resource
    """,
    "userResources": """
        userSourcedId* ref:users user
        orgSourcedId ref:orgs org
        classSourcedId ref:classes class
        resourceSourcedId* ref:resources resource
    """,
    "roles": """
        userSourcedId* ref:users user
        roleType* word:roleType
        role* word:role
        beginDate date
        endDate date
        orgSourcedId* ref:orgs org
        userProfileSourcedId ref:userProfiles userProfile
    """,
    "userProfiles": """
        userSourcedId* ref:users user
        profileType* text
        vendorId* text
        applicationId text
        description text
        credentialType* text
        username* text
        password text
    """,
}

# (collection, column that names the owner, member it fills)
_LINKS: Mapping[str, tuple[str, str, str]] = {
    "classResources": ("classes", "class", "resources"),
    "courseResources": ("courses", "course", "resources"),
    "userResources": ("users", "user", "resources"),
    "roles": ("users", "user", "roles"),
    "userProfiles": ("users", "user", "userProfiles"),
}

# All data files of a version, in the order of the manifest.
_NAMES: Mapping[str, str] = {
    "1.1": (
        "academicSessions categories classes classResources courses courseResources demographics"
        " enrollments lineItems orgs resources results users"
    ),
    "1.2": (
        "academicSessions categories classes classResources courses courseResources demographics"
        " enrollments lineItemLearningObjectiveIds lineItems lineItemScoreScales orgs resources"
        " resultLearningObjectiveIds results resultScoreScales roles scoreScales userProfiles"
        " userResources users"
    ),
}


def _column(line: str) -> Column:
    name, form, *member = line.split()
    kind, _, argument = form.partition(":")
    bare = name.removesuffix("*")
    worded = kind in ("word", "words")
    return Column(
        bare,
        Format(kind),
        member[0] if member else bare,
        required=name.endswith("*"),
        target=None if worded else argument or None,
        vocabulary=argument if worded else None,
    )


def _file(name: str, version: str) -> File:
    table = _COLUMNS.get(name) or _COLUMNS.get(f"{name} {version}")
    if table is None:
        return File(name, None, ())
    lines = (line.strip() for line in (_EVERY + table).splitlines())
    columns = tuple(_column(line) for line in lines if line)
    collection, owner, into = _LINKS.get(name, (name, None, None))
    return File(name, collection, columns, owner, into)


FILES: Mapping[str, Mapping[str, File]] = {
    version: {name: _file(name, version) for name in names.split()}
    for version, names in _NAMES.items()
}

# The first edition of 1.2 had this column in users.csv; 1.2.1 has userResources.csv instead. It is
# read and never written.
RETIRED: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("1.2", "users"): (Column("resourceSourcedIds", Format.REFS, "resources", target="resources"),)
}

# The order in which records can be taken in: what is referred to comes first.
READING_ORDER = (
    "resources",
    "orgs",
    "academicSessions",
    "courses",
    "classes",
    "users",
    "enrollments",
    "demographics",
)

# What any rostering package holds, whatever its version; 1.0 has these and no manifest.
SEVEN = frozenset(
    {"academicSessions", "orgs", "courses", "classes", "users", "enrollments", "demographics"}
)


def links(version: str, collection: str) -> tuple[File, ...]:
    """The link files that are folded into records of this collection."""
    return tuple(
        file for file in FILES[version].values() if file.is_link and file.collection == collection
    )

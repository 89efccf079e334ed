"""The members of each collection, as tables.

Kept apart from `model`, which says what can be done with them.
"""

import enum
from dataclasses import dataclass

VERSIONS = ("1.1", "1.2")
BOTH = frozenset(VERSIONS)
NEWER = frozenset({"1.2"})
OLDER = frozenset({"1.1"})
NEITHER: frozenset[str] = frozenset()


class Kind(enum.Enum):
    """What a member holds; the kinds up to INSTANT are single values."""

    TEXT = "text"
    TOKEN = "token"  # noqa: S105 - a word of a vocabulary, no secret
    FLAG = "flag"  # "true" or "false"
    DATE = "date"  # YYYY-MM-DD
    YEAR = "year"  # YYYY
    INSTANT = "instant"  # dateLastModified only
    TEXTS = "texts"  # list of str; with a vocabulary: list of words
    REF = "ref"
    REFS = "refs"
    ROLES = "roles"
    IDS = "ids"
    PROFILES = "profiles"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a record. `required` names the versions whose REST body must have it."""

    name: str
    kind: Kind
    target: str | None = None
    versions: frozenset[str] = BOTH
    required: frozenset[str] = NEITHER
    vocabulary: str | None = None


def _text(names: str, required: frozenset[str] = NEITHER) -> list[Field]:
    return [Field(name, Kind.TEXT, required=required) for name in names.split()]


def _texts(names: str) -> list[Field]:
    return [Field(name, Kind.TEXTS) for name in names.split()]


def _flags(names: str) -> list[Field]:
    return [Field(name, Kind.FLAG) for name in names.split()]


def _newer(names: str, kind: Kind = Kind.TEXT, target: str | None = None) -> list[Field]:
    return [Field(name, kind, target, versions=NEWER) for name in names.split()]


def _word(name: str, vocabulary: str, required: frozenset[str] = NEITHER) -> Field:
    return Field(name, Kind.TOKEN, required=required, vocabulary=vocabulary)


def _date(name: str, required: frozenset[str] = NEITHER) -> Field:
    return Field(name, Kind.DATE, required=required)


def _ref(name: str, target: str, required: frozenset[str] = NEITHER) -> Field:
    return Field(name, Kind.REF, target, required=required)


def _refs(name: str, target: str, required: frozenset[str] = NEITHER) -> Field:
    return Field(name, Kind.REFS, target, required=required)


_METADATA = Field("metadata", Kind.METADATA)

ORGS = (
    *_text("name", BOTH),
    _word("type", "orgType", BOTH),
    *_text("identifier", NEWER),  # optional in CSV; see vocabularies.STAND_INS
    _ref("parent", "orgs"),
    _refs("children", "orgs"),  # derived from `parent` when it is rendered, never stored
    _METADATA,
)

SESSIONS = (
    *_text("title", BOTH),
    _date("startDate", BOTH),
    _date("endDate", BOTH),
    _word("type", "sessionType", BOTH),
    _ref("parent", "academicSessions"),
    _refs("children", "academicSessions"),  # derived like those of orgs
    Field("schoolYear", Kind.YEAR, required=BOTH),
    _METADATA,
)

COURSES = (
    *_text("title", BOTH),
    _ref("schoolYear", "academicSessions"),
    *_text("courseCode", NEWER),  # optional in CSV; see vocabularies.STAND_INS
    *_texts("grades subjects"),
    _ref("org", "orgs"),
    *_texts("subjectCodes"),
    _refs("resources", "resources"),
    _METADATA,
)

CLASSES = (
    *_text("title", BOTH),
    *_text("classCode"),
    _word("classType", "classType"),  # required in CSV only: left out when a source had none
    *_text("location"),
    *_texts("grades subjects"),
    _ref("course", "courses", BOTH),
    _ref("school", "orgs", BOTH),
    _refs("terms", "academicSessions", BOTH),
    *_texts("subjectCodes periods"),
    _refs("resources", "resources"),
    _METADATA,
)

USERS = (
    *_newer("userMasterIdentifier"),
    *_text("username", OLDER),
    Field("userIds", Kind.IDS),
    Field("enabledUser", Kind.FLAG, required=BOTH),
    *_text("givenName familyName", BOTH),
    *_text("middleName"),
    *_newer("preferredFirstName preferredMiddleName preferredLastName pronouns"),
    Field("role", Kind.TOKEN, versions=OLDER, required=OLDER, vocabulary="role"),
    Field("orgs", Kind.REFS, "orgs", versions=OLDER, required=OLDER),
    Field("roles", Kind.ROLES, versions=NEWER, required=NEWER),
    *_newer("userProfiles", Kind.PROFILES),
    *_newer("primaryOrg", Kind.REF, "orgs"),
    *_text("identifier email sms phone"),
    _refs("agents", "users"),
    *_texts("grades"),
    *_text("password"),
    *_newer("resources", Kind.REFS, "resources"),
    _METADATA,
)

ENROLLMENTS = (
    _ref("user", "users", BOTH),
    _ref("class", "classes", BOTH),
    _ref("school", "orgs", BOTH),
    _word("role", "enrollmentRole", BOTH),
    *_flags("primary"),
    _date("beginDate"),
    _date("endDate"),
    _METADATA,
)

DEMOGRAPHICS = (  # the sourcedId is the user's
    _date("birthDate"),
    _word("sex", "sex"),
    *_flags(
        "americanIndianOrAlaskaNative asian blackOrAfricanAmerican"
        " nativeHawaiianOrOtherPacificIslander white demographicRaceTwoOrMoreRaces"
        " hispanicOrLatinoEthnicity"
    ),
    *_text("countryOfBirthCode stateOfBirthAbbreviation cityOfBirth publicSchoolResidenceStatus"),
    _METADATA,
)

RESOURCES = (
    *_text("title"),
    Field("roles", Kind.TEXTS, vocabulary="resourceRole"),
    _word("importance", "importance"),
    *_text("vendorResourceId", BOTH),
    *_text("vendorId applicationId"),
    _METADATA,
)

"""The closed word lists of both versions, and the one way from the newer to the older.

OneRoster 1.2 lets a district add words of its own (`ext:…`) and knows more roles; 1.1 is closed,
and typed clients raise at a word they do not know. So each list has one total table downwards: a
record is never dropped for its vocabulary, and a district's own word never turns a person into a
student or a teacher, because those two words open accounts with rights at the vendors.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

EXTENSION = re.compile(r"ext:[a-zA-Z0-9.\-_]+")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One word list.

    `words` are those of 1.2, `older` those of 1.1. `down` holds the words of 1.2 that 1.1 calls
    otherwise; `other` is the 1.1 word for all that is left, None where nothing fits and the
    (optional) member is left out.
    """

    name: str
    words: frozenset[str]
    older: frozenset[str]
    down: Mapping[str, str]
    other: str | None
    extensible: bool = True

    def allows(self, word: str, version: str) -> bool:
        """Whether a source or a body of this version may hold the word."""
        if version == "1.1":
            return word in self.older
        return word in self.words or (self.extensible and EXTENSION.fullmatch(word) is not None)

    def demote(self, word: str) -> str | None:
        """The 1.1 word for any word at all; None when 1.1 has none and the member goes."""
        return word if word in self.older else self.down.get(word, self.other)


def _same(name: str, words: str, other: str | None) -> Vocabulary:
    listed = frozenset(words.split())
    return Vocabulary(name, listed, listed, {}, other)


_OLD_ROLES = frozenset(
    {"administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"}
)

VOCABULARIES: Mapping[str, Vocabulary] = {
    vocabulary.name: vocabulary
    for vocabulary in (
        # An own kind of org must not become a school: it would appear in /schools of 1.1 only.
        _same("orgType", "department district local national school state", "local"),
        # For the same reason an own kind of session is neither a term nor a grading period.
        _same("sessionType", "gradingPeriod semester schoolYear term", "semester"),
        _same("classType", "homeroom scheduled", "scheduled"),
        Vocabulary(
            "sex",
            frozenset({"male", "female", "unspecified", "other"}),
            frozenset({"male", "female"}),
            {},
            None,  # saying male or female instead would be a statement about a child
        ),
        Vocabulary(
            "role",
            _OLD_ROLES - {"administrator"}
            | {
                "counselor",
                "districtAdministrator",
                "principal",
                "siteAdministrator",
                "systemAdministrator",
            },
            _OLD_ROLES,
            {
                "districtAdministrator": "administrator",
                "principal": "administrator",
                "siteAdministrator": "administrator",
                "systemAdministrator": "administrator",
            },
            "aide",  # staff with the fewest rights at a vendor; counselors are among them
        ),
        _same("enrollmentRole", "administrator proctor student teacher", "proctor"),
        Vocabulary("resourceRole", _OLD_ROLES, _OLD_ROLES, {}, "aide"),
        Vocabulary(
            "importance",
            frozenset({"primary", "secondary"}),
            frozenset({"primary", "secondary"}),
            {},
            None,
            extensible=False,
        ),
        Vocabulary(
            "roleType",
            frozenset({"primary", "secondary"}),
            frozenset({"primary", "secondary"}),
            {},
            None,
            extensible=False,
        ),
        Vocabulary(
            "status",
            frozenset({"active", "tobedeleted"}),
            frozenset({"active", "tobedeleted"}),
            {},
            None,
            extensible=False,
        ),
    )
}

INACTIVE = "inactive"
"""A third status of 1.0, which some exporters still write of whoever has left."""

# Members that hold words of a list. `roles` of a user is apart: 1.1 has no such member.
WORDED: Mapping[str, Mapping[str, str]] = {
    "orgs": {"type": "orgType"},
    "academicSessions": {"type": "sessionType"},
    "courses": {},
    "classes": {"classType": "classType"},
    "users": {},
    "enrollments": {"role": "enrollmentRole"},
    "demographics": {"sex": "sex"},
    "resources": {"roles": "resourceRole", "importance": "importance"},
}

_GRADES_IN_ORDER = (
    *("IT", "PR", "PK", "TK", "KG"),
    *(f"{grade:02}" for grade in range(1, 14)),
    *("PS", "UG", "Other"),
)
_GRADE_RANK = {grade: rank for rank, grade in enumerate(_GRADES_IN_ORDER)}
GRADES = frozenset(_GRADES_IN_ORDER)
"""Grades as 1.1 codes them. 1.2 leaves the words to the district, so nothing is refused for them."""


def grade_rank(grade: str) -> int:
    """The place of a grade among the codes, from the youngest on; a district's own come last."""
    return _GRADE_RANK.get(grade, len(_GRADE_RANK))


NEW_IN_1P2: Mapping[str, frozenset[str]] = {
    "users": frozenset(
        {
            "userMasterIdentifier",
            "preferredFirstName",
            "preferredMiddleName",
            "preferredLastName",
            "pronouns",
            "roles",
            "userProfiles",
            "primaryOrg",
            "resources",
        }
    ),
}

# Which of several roles a 1.1 user has. A teacher who also leads is a teacher there, since their
# enrollments say so and it grants less; a pupil who helps out stays a pupil.
_RANK = {
    role: rank
    for rank, role in enumerate(
        (
            "teacher",
            "administrator",
            "student",
            "aide",
            "proctor",
            "parent",
            "guardian",
            "relative",
        )
    )
}


def role_1p1(roles: Iterable[Mapping[str, str]]) -> str | None:
    """The one role of 1.1: of the primary roles the one that ranks first (None without roles)."""
    listed = list(roles)
    primary = [role for role in listed if role.get("roleType") == "primary"] or listed
    table = VOCABULARIES["role"]
    words = [table.demote(role["role"]) or "aide" for role in primary]
    return min(words, key=_RANK.__getitem__) if words else None


def orgs_1p1(roles: Iterable[Mapping[str, str]], primary_org: str | None = None) -> list[str]:
    """The orgs of a 1.1 user: the primary one first (clients take the first), each once."""
    listed = list(roles)
    orgs = {role["org"]: None for role in listed if role["org"] == primary_org}
    orgs.update((role["org"], None) for role in listed if role.get("roleType") == "primary")
    orgs.update((role["org"], None) for role in listed)
    return list(orgs)


def as_1p1(collection: str, record: Mapping[str, Any]) -> Record:
    """The record as 1.1 has it, members of 1.2 only gone; the given one is not touched.

    Users get `role` and `orgs` for `roles`. A record that is of 1.1 already comes back equal.
    """
    new = NEW_IN_1P2.get(collection, frozenset())
    older: Record = {name: value for name, value in record.items() if name not in new}
    for name, vocabulary in WORDED[collection].items():
        if name in older:
            _demote_member(older, name, VOCABULARIES[vocabulary])
    if collection == "users":
        older.setdefault("enabledUser", "true")  # 1.1 clients read it; nobody said disabled
        older.setdefault("username", record["sourcedId"])  # 1.1 requires one, 1.2 does not
        if roles := record.get("roles"):
            older["role"] = role_1p1(roles)
            older["orgs"] = orgs_1p1(roles, record.get("primaryOrg"))
    return older


def as_1p2(collection: str, record: Mapping[str, Any]) -> Record:
    """The record as a 1.2 body has it: what 1.2 requires and CSV may leave blank is filled in."""
    newer = dict(record)
    for name in STAND_INS.get(collection, ()):
        newer.setdefault(name, record["sourcedId"])
    if collection == "users":
        newer.setdefault("enabledUser", "true")
    return newer


# Members of 1.2 bodies for which the sourcedId stands in when the source has none.
STAND_INS: Mapping[str, tuple[str, ...]] = {"orgs": ("identifier",), "courses": ("courseCode",)}


def as_given(collection: str, record: Mapping[str, Any], version: str) -> Record:
    """The record as a body of this version holds it: the picture on which filters act."""
    return (as_1p1 if version == "1.1" else as_1p2)(collection, record)


def _demote_member(record: Record, name: str, vocabulary: Vocabulary) -> None:
    value = record.pop(name)
    if isinstance(value, list):
        words = dict.fromkeys(vocabulary.demote(word) for word in value)
        kept: str | list[str] | None = [word for word in words if word is not None]
    else:
        kept = vocabulary.demote(value)
    if kept:
        record[name] = kept


def from_1p1(
    collection: str, record: Mapping[str, Any], org_type: Callable[[str], str | None]
) -> Record:
    """A record with members and words of 1.1 as the canonical (1.2) record.

    `org_type` gives the type of an org by its sourcedId (None when unknown). Users bring `role`
    and `orgs`; each org gets one primary role. Words that 1.2 has not become `ext:` words.
    """
    newer = dict(record)
    if collection == "users":
        role = newer.pop("role", None)
        orgs = dict.fromkeys(newer.pop("orgs", ()))
        if role and orgs:
            newer["roles"] = [
                {"roleType": "primary", "role": _role_1p2(role, org_type(org)), "org": org}
                for org in orgs
            ]
    elif collection == "enrollments" and "role" in newer:
        newer["role"] = promote("enrollmentRole", newer["role"])
    return newer


def promote(vocabulary: str, word: str) -> str:
    """The 1.2 word for a word of 1.1: itself, or the same as an extension."""
    return word if VOCABULARIES[vocabulary].allows(word, "1.2") else f"ext:{word}"


def _role_1p2(role: str, org_type: str | None) -> str:
    if role != "administrator":
        return promote("role", role)
    if org_type == "school":
        return "siteAdministrator"
    return "districtAdministrator" if org_type == "district" else "systemAdministrator"

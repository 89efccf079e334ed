"""What a careful reader asks of rows beside each other; all of it warnings.

Only what the package itself says is judged: a delta may refer to what the importer has, so an id
that is not here is not wrong.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rosterd.oneroster.csv.checking import sheets, wording

_URN = re.compile(
    r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)


@dataclass(slots=True)
class Facts:
    """What later files are held against. Pairs are kept only when a file asks for them."""

    found: wording.Findings
    pairs_wanted: bool
    roles_complete: bool
    org_types: dict[str, str] = field(default_factory=dict)
    session_types: dict[str, str] = field(default_factory=dict)
    class_schools: dict[str, str] = field(default_factory=dict)
    resource_roles: dict[str, frozenset[str]] = field(default_factory=dict)
    primary_orgs: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    """Line of each user who stays."""
    profile_users: dict[str, str] = field(default_factory=dict)
    primaries: set[tuple[str, str]] = field(default_factory=set)
    user_orgs: set[tuple[str, str]] = field(default_factory=set)
    user_roles: dict[str, set[str]] = field(default_factory=dict)
    enrolled: set[tuple[str, str]] = field(default_factory=set)
    item_classes: dict[str, str] = field(default_factory=dict)


def judge(stem: str, rows: sheets.Rows, facts: Facts) -> None:
    """Ask what is to be asked of these rows, and keep what later files need."""
    for question in QUESTIONS.get(stem, ()):
        question(f"{stem}.csv", rows, facts)


def finish(facts: Facts) -> None:
    """Ask what can only be asked at the end."""
    if facts.roles_complete:
        for user, line in facts.users.items():
            if user not in facts.user_roles:
                facts.found.add("users.csv", line, 1, "no-roles", "sourcedId")
                facts.primary_orgs.pop(user, None)
        for user, (line, column, org) in facts.primary_orgs.items():
            if (user, org) not in facts.user_orgs:
                facts.found.add("users.csv", line, column, "primary-org", "primaryOrgSourcedId")


def _orgs(name: str, rows: sheets.Rows, facts: Facts) -> None:
    facts.org_types.update(rows.pairs("sourcedId", "type"))


def _sessions(name: str, rows: sheets.Rows, facts: Facts) -> None:
    facts.session_types.update(rows.pairs("sourcedId", "type"))


def _resources(name: str, rows: sheets.Rows, facts: Facts) -> None:
    for _, (own, roles) in rows.each("sourcedId", "roles"):
        if roles:
            facts.resource_roles[own] = frozenset(roles.split(","))


def _courses(name: str, rows: sheets.Rows, facts: Facts) -> None:
    for line, (session,) in rows.each("schoolYearSourcedId"):
        kind = facts.session_types.get(session, "schoolYear")
        if kind != "schoolYear" and not kind.startswith("ext:"):
            place = rows.places["schoolYearSourcedId"]
            facts.found.add(name, line, place, "not-school-year", "schoolYearSourcedId")


def _school(name: str, rows: sheets.Rows, facts: Facts) -> None:
    types = {org: kind for org, kind in facts.org_types.items() if kind != "school"}
    others = {org for org, kind in types.items() if not kind.startswith("ext:")}
    if others.isdisjoint(rows.cells.get("schoolSourcedId", ())):
        return
    for line, (school,) in rows.each("schoolSourcedId"):
        if school in others:
            place = rows.places["schoolSourcedId"]
            facts.found.add(name, line, place, "not-school", "schoolSourcedId")


def _subjects(name: str, rows: sheets.Rows, facts: Facts) -> None:
    for line, (subjects, codes) in rows.each("subjects", "subjectCodes"):
        if codes and (not subjects or codes.count(",") != subjects.count(",")):
            place = rows.places["subjectCodes"]
            facts.found.add(name, line, place, "unequal-lists", "subjectCodes")


def _classes(name: str, rows: sheets.Rows, facts: Facts) -> None:
    facts.class_schools.update(rows.pairs("sourcedId", "schoolSourcedId"))


def _users(name: str, rows: sheets.Rows, facts: Facts) -> None:
    place = rows.places.get("primaryOrgSourcedId", 0)
    for line, (own, org, status) in rows.each("sourcedId", "primaryOrgSourcedId", "status"):
        if status == "tobedeleted":
            continue
        if facts.roles_complete and own:
            facts.users[own] = line
        if org:
            facts.primary_orgs[own] = (line, place, org)


def _profiles(name: str, rows: sheets.Rows, facts: Facts) -> None:
    facts.profile_users.update(rows.pairs("sourcedId", "userSourcedId"))


def _roles(name: str, rows: sheets.Rows, facts: Facts) -> None:
    columns = (
        "userSourcedId",
        "orgSourcedId",
        "roleType",
        "role",
        "userProfileSourcedId",
        "status",
    )
    for line, (user, org, kind, role, profile, status) in rows.each(*columns):
        if status == "tobedeleted":
            continue
        facts.user_orgs.add((user, org))
        facts.user_roles.setdefault(user, set()).add(role)
        if kind == "primary":
            if (user, org) in facts.primaries:
                place = rows.places["roleType"]
                facts.found.add(name, line, place, "second-primary", "roleType")
            facts.primaries.add((user, org))
        if profile and facts.profile_users.get(profile, user) != user:
            place = rows.places["userProfileSourcedId"]
            facts.found.add(name, line, place, "foreign-profile", "userProfileSourcedId")


def _enrollments(name: str, rows: sheets.Rows, facts: Facts) -> None:
    if facts.pairs_wanted:
        facts.enrolled.update(rows.pairs("userSourcedId", "classSourcedId"))


def _user_resources(name: str, rows: sheets.Rows, facts: Facts) -> None:
    columns = ("userSourcedId", "orgSourcedId", "classSourcedId", "resourceSourcedId")
    for line, (user, org, klass, resource) in rows.each(*columns):
        if klass and org and facts.class_schools.get(klass, org) != org:
            place = rows.places["orgSourcedId"]
            facts.found.add(name, line, place, "class-of-school", "orgSourcedId")
        if klass and _absent(facts, user, klass):
            place = rows.places["userSourcedId"]
            facts.found.add(name, line, place, "not-enrolled", "userSourcedId")
        roles = facts.user_roles.get(user)
        meant = facts.resource_roles.get(resource)
        if roles and meant and not roles & meant:
            place = rows.places["resourceSourcedId"]
            facts.found.add(name, line, place, "resource-role", "resourceSourcedId")


def _absent(facts: Facts, user: str, klass: str) -> bool:
    return bool(facts.enrolled) and (user, klass) not in facts.enrolled


def _line_items(name: str, rows: sheets.Rows, facts: Facts) -> None:
    columns = ("sourcedId", "classSourcedId", "academicSessionSourcedId")
    for line, (own, klass, session) in rows.each(*columns):
        facts.item_classes[own] = klass
        if facts.session_types.get(session) == "schoolYear":
            place = rows.places["academicSessionSourcedId"]
            facts.found.add(name, line, place, "school-year", "academicSessionSourcedId")
    for line, (least, most) in rows.each("resultValueMin", "resultValueMax"):
        if _above(least, most):
            place = rows.places["resultValueMin"]
            facts.found.add(name, line, place, "min-above-max", "resultValueMin")


def _above(least: str, most: str) -> bool:
    low, high = _number(least), _number(most)
    return low is not None and high is not None and low > high


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _results(name: str, rows: sheets.Rows, facts: Facts) -> None:
    columns = ("lineItemSourcedId", "studentSourcedId", "classSourcedId")
    for line, (item, student, klass) in rows.each(*columns):
        of_item = facts.item_classes.get(item)
        if of_item and klass and klass != of_item:
            place = rows.places["classSourcedId"]
            facts.found.add(name, line, place, "class-of-result", "classSourcedId")
        if (klass or of_item) and _absent(facts, student, klass or str(of_item)):
            place = rows.places["studentSourcedId"]
            facts.found.add(name, line, place, "not-enrolled", "studentSourcedId")


def _objectives(name: str, rows: sheets.Rows, facts: Facts) -> None:
    for line, (source, objective) in rows.each("source", "learningObjectiveId"):
        if source == "case" and not _URN.fullmatch(objective):
            place = rows.places["learningObjectiveId"]
            facts.found.add(name, line, place, "urn", "learningObjectiveId")


Question = Callable[[str, sheets.Rows, Facts], None]

QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "orgs": (_orgs,),
    "academicSessions": (_sessions,),
    "resources": (_resources,),
    "courses": (_courses, _subjects),
    "classes": (_classes, _school, _subjects),
    "users": (_users,),
    "userProfiles": (_profiles,),
    "roles": (_roles,),
    "enrollments": (_enrollments, _school),
    "userResources": (_user_resources,),
    "lineItems": (_line_items, _school),
    "results": (_results,),
    "lineItemLearningObjectiveIds": (_objectives,),
    "resultLearningObjectiveIds": (_objectives,),
}

"""What a vendor would trip over: named checks of what one application sees.

Everything is asked of the picture, so a report is about the records as this application gets them:
a pupil whose only class is not shared counts as one without a class. Checks are data, each a name,
a sentence and a function that finds rows; vendors' contracts name them.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from pyroaring import AbstractBitMap, BitMap

from rosterd import pictures, rosters
from rosterd.oneroster import filters, model, vocabularies

Severity = Literal["error", "warning", "note"]
"""error: strict vendors refuse the roster; warning: somebody will miss something; note: unusual."""
SAMPLE: Final = 5
"""How many sourcedIds a finding names, for operators alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `count` is None where the permission withholds what it would look at."""

    check: str
    title: str
    severity: Severity
    collection: str
    count: int | None
    sample: tuple[str, ...] = ()
    """The first sourcedIds, in the order of the rows."""

    @property
    def fine(self) -> bool:
        return not self.count


@dataclass(frozen=True, slots=True)
class Check:
    """A named check; `needs` are the members without which it can say nothing."""

    name: str
    title: str
    severity: Severity
    collection: str
    find: Callable[["Subject"], AbstractBitMap]
    needs: tuple[str, ...] = ()


def report(picture: pictures.Picture, only: Collection[str] = ()) -> tuple[Finding, ...]:
    """What every check (or those named) finds, in the order of the table.

    Raises KeyError for a name that no check has.
    """
    subject = Subject(picture)
    wanted = [CHECKS[name] for name in CHECKS if not only or name in only]
    if unknown := set(only) - CHECKS.keys():
        raise KeyError(min(unknown))
    return tuple(_found(check, subject) for check in wanted)


def _found(check: Check, subject: "Subject") -> Finding:
    if any(not subject.given(check.collection, member) for member in check.needs):
        return Finding(check.name, check.title, check.severity, check.collection, None)
    rows = check.find(subject)
    name = subject.roster.sourced_id
    sample = tuple(name(check.collection, row) for row in rows[:SAMPLE])
    return Finding(check.name, check.title, check.severity, check.collection, len(rows), sample)


class Subject:
    """What the checks ask about."""

    def __init__(self, picture: pictures.Picture) -> None:
        self.picture = picture
        self.rows: Mapping[str, AbstractBitMap] = picture.view.rows
        self.roster: rosters.Roster = picture.view.roster
        self.today: date = picture.view.today
        self.students = picture.rows("students")
        self.teachers = picture.rows("teachers")
        self.learning = self.saying("enrollments", "role", "student")
        self.teaching = self.saying("enrollments", "role", "teacher")

    def given(self, collection: str, member: str) -> bool:
        """Whether the application gets this member as it is."""
        name, grant = f"{collection}.{member}", self.picture.view.grant
        return name not in grant.withheld and name not in grant.masks

    def saying(self, collection: str, member: str, value: str) -> AbstractBitMap:
        """Rows whose member is this value."""
        return self._leaf(collection, member, "=", value)

    def having(self, collection: str, member: str) -> AbstractBitMap:
        """Rows that have the member at all."""
        return self._leaf(collection, member, "~", "")

    def lacking(self, collection: str, member: str) -> AbstractBitMap:
        return self.rows[collection] - self.having(collection, member)

    def values(self, collection: str, member: str) -> list[tuple[int, tuple[str, ...]]]:
        """(row, values) of rows that have the member, which must be `given`."""
        path, rows = self._path(collection, member), self.rows[collection]
        found = self.roster.column(collection, path)
        return [(row, values) for row, values in found if values and row in rows]

    def ends(self, collection: str, member: str, rows: AbstractBitMap) -> BitMap:
        """What these rows lead to, as far as it is shared."""
        target = rosters.RELATIONS[collection, member]
        return self.roster.relation(collection, member).gather(rows) & self.rows[target]

    def origins(self, collection: str, member: str, targets: AbstractBitMap) -> BitMap:
        """Shared rows that lead to one of the targets."""
        return self.roster.inverse(collection, member).gather(targets) & self.rows[collection]

    def twice(self, collection: str, member: str) -> BitMap:
        """Rows that share a value, letters' case aside, with another one of the view."""
        rows, found = self.rows[collection], BitMap()
        for group in self.roster.alike(collection, self._path(collection, member)):
            shared = [row for row in group if row in rows]
            if len(shared) > 1:
                found.update(shared)
        return found

    def strange(self, collection: str, member: str, known: frozenset[str]) -> AbstractBitMap:
        """Rows with a value that is none of the known ones; the member must be `given`."""
        found = self.roster.strange(collection, self._path(collection, member), known)
        return found & self.rows[collection]

    def _leaf(self, collection: str, member: str, operator: str, value: str) -> AbstractBitMap:
        leaf = filters.Leaf(self._path(collection, member), operator, value)
        return self.picture.leaf(collection, leaf)

    def _path(self, collection: str, member: str) -> model.FieldPath:
        path = model.path(collection, member, "1.2")
        if path is None:
            raise AssertionError(f"no member {collection}.{member}")
        return path


# ---------------------------------------------------------------- people


def _students_without_grades(on: Subject) -> AbstractBitMap:
    return on.students - on.having("users", "grades")


def _students_without_enrollments(on: Subject) -> AbstractBitMap:
    return on.students - on.ends("enrollments", "user", on.learning)


def _teachers_without_enrollments(on: Subject) -> AbstractBitMap:
    return on.teachers - on.ends("enrollments", "user", on.teaching)


def _students_without_teachers(on: Subject) -> AbstractBitMap:
    """Those in classes of which none has a teacher; one without any class is told elsewhere."""
    taught = on.ends("enrollments", "class", on.teaching)
    led = on.origins("enrollments", "class", taught) & on.learning
    enrolled = on.ends("enrollments", "user", on.learning) & on.students
    return enrolled - on.ends("enrollments", "user", led)


def _without_primary_role(on: Subject) -> AbstractBitMap:
    return on.rows["users"] - on.saying("users", "roles.roleType", "primary")


def _odd_grades(on: Subject) -> AbstractBitMap:
    return on.strange("users", "grades", vocabularies.GRADES)


def _guardians_of_nobody(on: Subject) -> AbstractBitMap:
    found = BitMap()
    for role in ("guardian", "parent", "relative"):
        found |= on.saying("users", "roles.role", role)
    found -= on.teachers | on.students
    named = on.ends("users", "agents", on.rows["users"])
    return found - named - on.origins("users", "agents", on.rows["users"])


def _undescribed(on: Subject) -> AbstractBitMap:
    """Students without demographics, where demographics are shared at all."""
    if not on.rows["demographics"]:
        return BitMap()
    return on.students - on.ends("demographics", "user", on.rows["demographics"])


# ---------------------------------------------------------------- classes, courses, terms


def _classes_without(role: str) -> Callable[[Subject], AbstractBitMap]:
    def find(on: Subject) -> AbstractBitMap:
        enrolled = on.learning if role == "student" else on.teaching
        return on.rows["classes"] - on.ends("enrollments", "class", enrolled)

    return find


def _courses_without_classes(on: Subject) -> AbstractBitMap:
    return on.rows["courses"] - on.ends("classes", "course", on.rows["classes"])


def _schools_without_classes(on: Subject) -> AbstractBitMap:
    return on.picture.rows("schools") - on.ends("classes", "school", on.rows["classes"])


def _classes_without_terms(on: Subject) -> AbstractBitMap:
    placed = on.origins("classes", "terms", on.rows["academicSessions"])
    return on.rows["classes"] - placed


def _classes_that_ended(on: Subject) -> AbstractBitMap:
    """Classes all of whose terms are over; a session's endDate is the first day after it."""
    over = BitMap(
        [
            row
            for row, values in on.values("academicSessions", "endDate")
            if values[0] <= on.today.isoformat()
        ]
    )
    going = on.origins("classes", "terms", on.rows["academicSessions"] - over)
    return on.origins("classes", "terms", over) - going


def _terms_without_parent(on: Subject) -> AbstractBitMap:
    terms = on.saying("academicSessions", "type", "term")
    return terms - on.origins("academicSessions", "parent", on.rows["academicSessions"])


def _lacking(collection: str, member: str) -> Callable[[Subject], AbstractBitMap]:
    return lambda on: on.lacking(collection, member)


def _twice(collection: str, member: str) -> Callable[[Subject], AbstractBitMap]:
    return lambda on: on.twice(collection, member)


_TABLE: Final = (
    Check(
        "students-without-grades",
        "students without a grade",
        "error",
        "users",
        _students_without_grades,
        ("grades",),
    ),
    Check(
        "students-without-enrollments",
        "students in none of the classes",
        "error",
        "users",
        _students_without_enrollments,
    ),
    Check(
        "teachers-without-enrollments",
        "teachers who teach none of the classes",
        "error",
        "users",
        _teachers_without_enrollments,
    ),
    Check(
        "students-without-teachers",
        "students whose classes have no teacher",
        "error",
        "users",
        _students_without_teachers,
    ),
    Check(
        "classes-without-periods",
        "classes without a period",
        "warning",
        "classes",
        _lacking("classes", "periods"),
        ("periods",),
    ),
    Check(
        "classes-without-students",
        "classes without a student",
        "warning",
        "classes",
        _classes_without("student"),
    ),
    Check(
        "classes-without-teachers",
        "classes without a teacher",
        "error",
        "classes",
        _classes_without("teacher"),
    ),
    Check(
        "courses-without-classes",
        "courses without a class",
        "warning",
        "courses",
        _courses_without_classes,
    ),
    Check(
        "users-without-primary-role",
        "users none of whose roles is the primary one",
        "error",
        "users",
        _without_primary_role,
    ),
    Check(
        "users-without-email",
        "users without an email address",
        "warning",
        "users",
        _lacking("users", "email"),
        ("email",),
    ),
    Check(
        "emails-used-twice",
        "users who share an email address",
        "error",
        "users",
        _twice("users", "email"),
        ("email",),
    ),
    Check(
        "usernames-used-twice",
        "users who share a username",
        "error",
        "users",
        _twice("users", "username"),
        ("username",),
    ),
    Check(
        "users-without-identifier",
        "users without an identifier",
        "note",
        "users",
        _lacking("users", "identifier"),
        ("identifier",),
    ),
    Check(
        "grades-outside-the-vocabulary",
        "users whose grades are no code of the standard",
        "warning",
        "users",
        _odd_grades,
        ("grades",),
    ),
    Check(
        "guardians-of-nobody",
        "guardians of none of the students",
        "note",
        "users",
        _guardians_of_nobody,
        ("agents",),
    ),
    Check(
        "students-without-demographics",
        "students whose demographics are missing",
        "warning",
        "users",
        _undescribed,
    ),
    Check(
        "classes-without-terms",
        "classes in none of the terms",
        "error",
        "classes",
        _classes_without_terms,
        ("terms",),
    ),
    Check(
        "classes-in-ended-terms",
        "classes whose terms are all over",
        "warning",
        "classes",
        _classes_that_ended,
        ("terms",),
    ),
    Check(
        "terms-without-parent",
        "terms that belong to no longer session",
        "note",
        "academicSessions",
        _terms_without_parent,
        ("parent",),
    ),
    Check(
        "schools-without-classes",
        "schools in which no class is held",
        "note",
        "orgs",
        _schools_without_classes,
    ),
)
CHECKS: Final[Mapping[str, Check]] = {check.name: check for check in _TABLE}
"""Every check by name, in the order of a report."""

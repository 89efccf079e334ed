"""Why one application sees one record, or does not.

An explanation is a tree of conditions, each with its answer and a sentence. It is made of the same
parts as the view, and a law of the tests holds the two together: the tree says yes exactly where
the view has the record. Sentences name records by their sourcedIds: they are for operators alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pyroaring import AbstractBitMap, BitMap

from rosterd.access import viewing
from rosterd.rosters import picking

MOST: Final = 50
"""How many ways in are spelled out; the rest only counts."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition; with `parts` it holds when all of them do, or any of them (`either`)."""

    holds: bool
    says: str
    parts: tuple["Reason", ...] = ()
    either: bool = False


def explain(view: viewing.View, collection: str, row: int) -> Reason:
    """Why `view` has the row of `collection`, or has it not.

    The row may be that of a record which is not active; a row that no record has is an error of
    the caller.
    """
    name = f"{collection} {view.roster.sourced_id(collection, row)}"
    if view.refusal is not None:
        return _no(f"the application gets nothing: {view.refusal}")
    active = _fact(row in view.roster.active[collection], f"{name} is active")
    if not active.holds:
        return _all(name, [active])
    explaining = _Explaining(view)
    return _all(name, [active, *explaining.shared(collection, row)])


def _all(says: str, parts: Iterable[Reason]) -> Reason:
    found = tuple(parts)
    return Reason(all(part.holds for part in found), says, found)


def _any(says: str, parts: Iterable[Reason]) -> Reason:
    """Ways that lead in come first; of the others only some are told."""
    found = sorted(parts, key=lambda part: not part.holds)
    return Reason(any(part.holds for part in found), says, tuple(found[:MOST]), either=True)


def _fact(holds: bool, says: str) -> Reason:  # noqa: FBT001 - the answer that the sentence gets
    return Reason(holds, says)


def _yes(says: str) -> Reason:
    return Reason(holds=True, says=says)


def _no(says: str) -> Reason:
    return Reason(holds=False, says=says)


class _Explaining:
    """The parts of one view, each made when a record asks for it."""

    def __init__(self, view: viewing.View) -> None:
        self.view = view
        self.roster = view.roster
        self.excluded = viewing.excluded_people(view.roster, view.grant)
        self.basic = viewing.basis(view.roster, view.grant, view.today)
        self.permission = view.grant.permission

    def shared(self, collection: str, row: int) -> Iterator[Reason]:
        """What has to hold besides being active."""
        yield self._sound(collection, row)
        if self.view.grant.access == "full":
            yield _yes("access: full shares every record")
        else:
            yield _BASIC[collection](self, row)

    def _sound(self, collection: str, row: int) -> Reason:
        return _fact(
            row in self.basic.sound[collection],
            "its required references lead to active records, and its person is not among those"
            " whom rosterd.yaml excludes",
        )

    # ------------------------------------------------------------ what is selected

    def org(self, row: int) -> Reason:
        below = picking.below(self.roster, "orgs", BitMap([row])) - BitMap([row])
        return _any(
            "an org is shared when it is selected, or lies above one that is",
            [
                _fact(row in self.basic.orgs, "the permission's orgs select it"),
                _fact(
                    not self.basic.orgs.isdisjoint(below),
                    f"it lies above {self._some('orgs', self.basic.orgs & below)}, which they select",
                ),
            ],
        )

    def course(self, row: int) -> Reason:
        org = BitMap(self.roster.relation("courses", "org").of(row))
        shown = picking.above(self.roster, "orgs", self.basic.orgs)
        held = BitMap(self.roster.inverse("classes", "course").of(row)) & self.view.rows["classes"]
        return _all(
            "a course is shared when it is selected and taught where something is shared",
            [
                _fact(row in self.basic.courses, "the permission's courses select it"),
                _any(
                    "it is taught where something is shared",
                    [
                        _fact(bool(org & shown), f"its org is shared ({self._some('orgs', org)})"),
                        _fact(bool(held), f"one of its classes is ({self._some('classes', held)})"),
                    ],
                ),
            ],
        )

    def class_(self, row: int) -> Reason:
        school = BitMap(self.roster.relation("classes", "school").of(row))
        course = BitMap(self.roster.relation("classes", "course").of(row))
        parts = [
            _fact(
                bool(school & self.basic.orgs),
                f"its school is among the permission's orgs ({self._some('orgs', school)})",
            ),
            _fact(
                bool(course & self.basic.courses),
                f"its course is among the permission's courses ({self._some('courses', course)})",
            ),
        ]
        if self.view.grant.classes is not None:
            picked = picking.select(self.roster, self.view.grant.classes, self.view.today)
            parts.append(_fact(row in picked, "the permission's classes pick it"))
        return _all("a class is shared by its school and its course", parts)

    # ------------------------------------------------------------ people

    def enrollment(self, row: int) -> Reason:
        user = BitMap(self.roster.relation("enrollments", "user").of(row))
        held = BitMap(self.roster.relation("enrollments", "class").of(row))
        people = self.view.grant.people
        parts = [
            _all(
                f"its class is shared ({self._some('classes', held)})",
                [self.class_(each) for each in held],
            )
        ]
        fits = user
        if people.where is not None:
            fits = user & picking.matching(self.roster, "users", people.where, missing=False)
            parts.append(_fact(bool(fits), "people.where accepts its person"))
        if people.roles is not None or people.current:
            kept = viewing.narrowed_enrollments(self.basic, BitMap([row]), fits)
            parts.append(_fact(bool(kept), "people.roles and people.current keep it"))
        return _all("an enrollment is shared with its class", parts)

    def user(self, row: int) -> Reason:
        enrolled = self.roster.inverse("enrollments", "user").of(row)
        ways = [
            _all(
                f"enrollment {self.roster.sourced_id('enrollments', each)}",
                [self._sound("enrollments", each), self.enrollment(each)],
            )
            for each in enrolled
        ]
        ways += [self._unenrolled(row), self._guardian(row)]
        return _any("a person is shared in one of these ways", ways)

    def _unenrolled(self, row: int) -> Reason:
        if self.permission is None or not self.permission.unenrolled_users:
            return _no("unenrolledUsers is off")
        enrollments = self.view.rows["enrollments"]
        enrolled = self.roster.relation("enrollments", "user").gather(enrollments)
        found = viewing.unenrolled_users(self.basic, enrolled)
        return _fact(row in found, "unenrolledUsers adds the role that they hold at a selected org")

    def _guardian(self, row: int) -> Reason:
        if self.permission is None or not self.permission.guardians:
            return _no("guardians is off")
        students = self._acting(frozenset({viewing.STUDENT}))
        return _fact(
            row in viewing.guardians_of(self.basic, students),
            "guardians adds those of the students who are shared",
        )

    def _acting(self, roles: frozenset[str]) -> AbstractBitMap:
        return viewing.acting_as(self.roster, self.view.rows, roles)

    def demographics(self, row: int) -> Reason:
        if self.permission is None or not self.permission.demographics:
            return _no("demographics is off")
        named = viewing.roles_of(self.permission.demographics)
        roles = frozenset({viewing.STUDENT}) if named is None else named
        user = BitMap(self.roster.relation("demographics", "user").of(row))
        return _all(
            "demographics are shared with their person",
            [
                _fact(bool(user & self.view.rows["users"]), "their person is shared"),
                _fact(
                    bool(user & self._acting(roles)),
                    f"the person is shared as one of: {', '.join(sorted(roles))}",
                ),
            ],
        )

    # ------------------------------------------------------------ what comes along

    def session(self, row: int) -> Reason:
        related = picking.below(self.roster, "academicSessions", BitMap([row]))
        if row in picking.leaf(self.roster, "academicSessions", "type", "=", "gradingPeriod"):
            related |= picking.above(self.roster, "academicSessions", BitMap([row]))
        taught = self._leading("classes", "terms", related)
        offered = self._leading("courses", "schoolYear", related)
        return _any(
            "a session is shared when it, a part of it, or what a grading period is a part of,"
            " belongs to something shared",
            [
                _fact(bool(taught), f"to a class ({self._some('classes', taught)})"),
                _fact(bool(offered), f"to a course ({self._some('courses', offered)})"),
            ],
        )

    def resource(self, row: int) -> Reason:
        if self.permission is None or not self.permission.resources:
            return _no("resources is off")
        ways = []
        for collection in ("courses", "classes", "users"):
            used = self._leading(collection, "resources", BitMap([row]))
            ways.append(_fact(bool(used), f"{collection} use it ({self._some(collection, used)})"))
        return _any("a resource is shared with what uses it", ways)

    def _leading(self, collection: str, field: str, targets: AbstractBitMap) -> AbstractBitMap:
        found = self.roster.inverse(collection, field).gather(targets)
        return found & self.view.rows[collection]

    def _some(self, collection: str, rows: AbstractBitMap) -> str:
        """The ids of the first few, for a sentence."""
        if not rows:
            return "none"
        named = ", ".join(self.roster.sourced_id(collection, row) for row in rows[:3])
        return named if len(rows) <= 3 else f"{named} and {len(rows) - 3} more"


_BASIC: Final[Mapping[str, Callable[[_Explaining, int], Reason]]] = {
    "orgs": _Explaining.org,
    "academicSessions": _Explaining.session,
    "courses": _Explaining.course,
    "classes": _Explaining.class_,
    "users": _Explaining.user,
    "enrollments": _Explaining.enrollment,
    "demographics": _Explaining.demographics,
    "resources": _Explaining.resource,
}

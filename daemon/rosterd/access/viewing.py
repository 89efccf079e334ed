"""Who sees what: the one function that everything that leaves goes through.

REST, CSV, find, sanity, plans and audits all take a View from here, and nothing else filters. Each
rule is a few operations on sets of rows, so that a plan can afford the views of every application,
before and after.

Two things hold throughout. What is selected can only be taken away from by what is narrowed: no
rule adds a record because another rule lets in less, since a narrowing needs fewer people to vouch
for it. And wherever a document leaves a choice, the careful one for pupils is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import configs, rosters
from rosterd.oneroster import model
from rosterd.rosters import picking

STUDENT: Final = "student"
FAMILY: Final = frozenset({"guardian", "parent", "relative"})
ENROLLED_AS: Final[Mapping[str, str]] = {"administrator": "siteAdministrator"}
"""Role of a user for the role of an enrollment, where the words differ."""

_NONE: Final = FrozenBitMap()
_NOTHING: Final[Mapping[str, FrozenBitMap]] = dict.fromkeys(model.COLLECTIONS, _NONE)

Rows = Mapping[str, AbstractBitMap]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one application may see of one roster on one day.

    `rows` are the active records of each collection; `granted` the orgs and courses that were
    selected, which can be fewer (ancestors come along) or more (a course without a shared class).
    With a `refusal` there is nothing, and nothing must be served: not even that it is empty.
    """

    roster: rosters.Roster
    grant: configs.Grant
    today: date
    refusal: str | None
    rows: Mapping[str, FrozenBitMap]
    granted: Mapping[str, FrozenBitMap]


def view(roster: rosters.Roster, grant: configs.Grant, today: date) -> View:
    """The view of a grant on the day `today` (in the repository's timezone)."""
    refusal = grant.refusal(today)
    if refusal is not None:
        return View(roster, grant, today, refusal, _NOTHING, {"orgs": _NONE, "courses": _NONE})
    if grant.access == "full":
        sound = sound_rows(roster, excluded_people(roster, grant))
        return View(roster, grant, today, None, _frozen(sound), roster.active)
    basic = basis(roster, grant, today)
    granted = {"orgs": FrozenBitMap(basic.orgs), "courses": FrozenBitMap(basic.courses)}
    return View(roster, grant, today, None, _frozen(_rows(basic)), granted)


def levels(view: View) -> Mapping[str, tuple[str, int]]:
    """For orgs and courses: NO, LIMITED or FULL ACCESS, and how many are granted."""
    found = {}
    for collection in ("orgs", "courses"):
        granted, active = view.granted[collection], view.roster.active[collection]
        level = "LIMITED ACCESS" if granted else "NO ACCESS"
        if granted and granted == active:
            level = "FULL ACCESS"
        found[collection] = (level, len(granted))
    return found


def excluded_people(roster: rosters.Roster, grant: configs.Grant) -> AbstractBitMap:
    """People who are never shared. A gap in a record matches `!=` here: to match is to be safe."""
    exclude = grant.exclude
    if exclude is None:
        return _NONE
    if exclude.where is None:
        return picking.select(roster, exclude, date.min)
    found = picking.matching(roster, "users", exclude.where, missing=True)
    rest = replace(exclude, where=None)
    if rest.everything or rest.ids is not None:
        found &= picking.select(roster, rest, date.min)
    return found


# ---------------------------------------------------------------- what can be shown at all


def sound_rows(roster: rosters.Roster, excluded: AbstractBitMap) -> Rows:
    """The active rows that could be shown to somebody: without people who are never shared, and
    without records whose required references lead nowhere (an import lets none in; a record that
    cannot be shown whole is not shown).
    """
    rows: dict[str, AbstractBitMap] = dict(roster.active)
    broken = _broken(roster, "classes", ("course", "school"))
    rows["classes"] -= broken
    rows["enrollments"] -= _broken(roster, "enrollments", ("user", "class"))
    rows["enrollments"] -= roster.inverse("enrollments", "class").gather(broken)
    rows["enrollments"] -= roster.inverse("enrollments", "user").gather(excluded)
    rows["demographics"] -= _broken(roster, "demographics", ("user",))
    rows["demographics"] -= roster.inverse("demographics", "user").gather(excluded)
    nameless = BitMap(roster.roleless)
    if nameless:  # nobody could say in which role they are here, unless an enrollment does
        seen = roster.inverse("enrollments", "user").gather(nameless) & rows["enrollments"]
        nameless -= roster.relation("enrollments", "user").gather(seen)
        rows["demographics"] -= roster.inverse("demographics", "user").gather(nameless)
    rows["users"] -= excluded | nameless
    return rows


def _broken(roster: rosters.Roster, collection: str, fields: Iterable[str]) -> BitMap:
    relations = [roster.relation(collection, field) for field in fields]
    return BitMap(
        [
            row
            for row in roster.dangling(collection)
            if any(not len(relation.of(row)) for relation in relations)
        ]
    )


# ---------------------------------------------------------------- basic


@dataclass(frozen=True, slots=True)
class Basic:
    """What the rules of a basic permission start from."""

    roster: rosters.Roster
    grant: configs.Grant
    today: date
    sound: Rows
    orgs: AbstractBitMap
    courses: AbstractBitMap

    @property
    def chosen(self) -> Sequence[tuple[str, AbstractBitMap]]:
        """The references of a class that must lead to what is selected; not those that may lead
        anywhere, since a sound class has both.
        """
        active = self.roster.active
        both = (("school", self.orgs, "orgs"), ("course", self.courses, "courses"))
        return [(field, rows) for field, rows, name in both if rows != active[name]]

    @property
    def day(self) -> date | None:
        """The day on which roles must hold, when the permission wants only current people."""
        return self.today if self.grant.people.current else None


def basis(roster: rosters.Roster, grant: configs.Grant, today: date) -> Basic:
    """What a basic permission selects, before anything follows from it."""
    sound = sound_rows(roster, excluded_people(roster, grant))
    orgs = picking.select(roster, grant.orgs, today)
    courses = picking.select(roster, grant.courses, today)
    return Basic(roster, grant, today, sound, orgs, courses)


def _rows(basic: Basic) -> Rows:
    roster, grant = basic.roster, basic.grant
    permission = grant.permission
    classes = _classes(basic)
    enrollments, users = _enrolled(basic, classes)
    orgs = picking.above(roster, "orgs", basic.orgs)
    courses = _courses(basic, classes, orgs)
    users |= unenrolled_users(basic, users)
    rows: dict[str, AbstractBitMap] = {
        "orgs": orgs,
        "academicSessions": _sessions(roster, classes, courses),
        "courses": courses,
        "classes": classes,
        "users": users,
        "enrollments": enrollments,
        "demographics": _NONE,
        "resources": _NONE,
    }
    if permission is None:  # the refusal came before; without a permission nothing is on
        return _NOTHING
    if permission.guardians:
        users |= guardians_of(basic, acting_as(roster, rows, frozenset({STUDENT})))
    if permission.demographics:
        named = roles_of(permission.demographics)
        roles = frozenset({STUDENT}) if named is None else named
        described = roster.inverse("demographics", "user").gather(acting_as(roster, rows, roles))
        rows["demographics"] = described & basic.sound["demographics"]
    if permission.resources:
        rows["resources"] = BitMap.union(
            *(
                roster.relation(collection, "resources").gather(rows[collection])
                for collection in ("courses", "classes", "users")
            )
        )
    return rows


def _courses(basic: Basic, classes: AbstractBitMap, orgs: AbstractBitMap) -> AbstractBitMap:
    """The selected courses that have one of the classes or an org that is shown."""
    roster = basic.roster
    offered = basic.courses & roster.inverse("courses", "org").gather(orgs)
    taught = roster.inverse("classes", "course")
    return offered | picking.leading(taught, basic.courses - offered, classes)


def _classes(basic: Basic) -> AbstractBitMap:
    """Classes of the orgs and of the courses, both."""
    roster = basic.roster
    parts: list[AbstractBitMap] = [basic.sound["classes"]]
    parts.extend(roster.inverse("classes", field).gather(rows) for field, rows in basic.chosen)
    if basic.grant.classes is not None:
        parts.append(picking.select(roster, basic.grant.classes, basic.today))
    return picking.all_of(parts)


def _every_enrollment(basic: Basic, classes: AbstractBitMap) -> AbstractBitMap:
    roster, sound = basic.roster, basic.sound["enrollments"]
    if basic.grant.classes is not None:
        return sound & roster.inverse("enrollments", "class").gather(classes)
    # a class has one school and one course, so what lies behind both lies in the classes
    behind = (roster.behind(field, rows, "enrollments") for field, rows in basic.chosen)
    return picking.all_of([sound, *behind])


def _every_user(basic: Basic, classes: AbstractBitMap) -> BitMap:
    roster, sound, chosen = basic.roster, basic.sound["users"], basic.chosen
    if len(chosen) > 1 or basic.grant.classes is not None or roster.dangling("classes"):
        return roster.class_users.gather(classes) & sound
    # whole schools, or whole courses
    field, rows = chosen[0] if chosen else ("school", basic.orgs)
    return roster.behind(field, rows, "users") & sound


def _enrolled(basic: Basic, classes: AbstractBitMap) -> tuple[AbstractBitMap, BitMap]:
    """Enrollments of these classes and their users, narrowed together by `people`."""
    roster, people = basic.roster, basic.grant.people
    every, users = _every_enrollment(basic, classes), _every_user(basic, classes)
    user, of_user = roster.relation("enrollments", "user"), roster.inverse("enrollments", "user")
    if people.where is not None:
        fit = users & picking.matching(roster, "users", people.where, missing=False)
        unfit = users - fit
        few = len(unfit) < len(fit)
        every = every - of_user.gather(unfit) if few else every & of_user.gather(fit)
        users = fit  # all enrollments of a person stay or go, so nobody else loses the last one
    kept = narrowed_enrollments(basic, every, users)
    gone = every - kept
    if not gone:
        return every, users
    if len(kept) < len(gone):
        return kept, user.gather(kept)
    touched = user.gather(gone)
    return kept, (users - touched) | user.gather(of_user.gather(touched) & kept)


def narrowed_enrollments(
    basic: Basic, every: AbstractBitMap, users: AbstractBitMap
) -> AbstractBitMap:
    """What of a person's enrollments can stay while others go."""
    roster, people = basic.roster, basic.grant.people
    kept = every
    if people.current:
        today = basic.today.isoformat()
        # a missing date is an open end: neither leaf accepts it
        kept = kept - picking.leaf(roster, "enrollments", "beginDate", ">", today)
        kept = kept - picking.leaf(roster, "enrollments", "endDate", "<=", today)
    if people.roles is not None:
        kept = kept & _in_role(basic, kept, users, people.roles)
    return kept


def _in_role(
    basic: Basic, every: AbstractBitMap, users: AbstractBitMap, roles: frozenset[str]
) -> AbstractBitMap:
    """Enrollments of people in these roles.

    A pupil's enrollment needs `student` to be named, whatever else the pupil is. Of the others it
    is enough that the enrollment says the role (a teacher's, a proctor's) or that the user holds
    it; that somebody at school is also a parent there opens nothing.
    """
    roster = basic.roster
    pupils = picking.leaf(roster, "enrollments", "role", "=", STUDENT)
    kept = BitMap(every & pupils) if STUDENT in roles else BitMap()
    others = every - pupils
    held = BitMap()
    for role in roles - FAMILY - {STUDENT}:
        kept |= others & picking.leaf(roster, "enrollments", "role", "=", role)
        held |= picking.leaf(roster, "users", "roles.role", "=", role)
    return kept | (others & roster.inverse("enrollments", "user").gather(held & users))


def unenrolled_users(basic: Basic, enrolled: AbstractBitMap) -> AbstractBitMap:
    """Staff of the selected orgs, or the roles named.

    Whoever holds a student role anywhere is a pupil here, also when they help out as an aide: they
    come in as students only, which has to be named, and only without any active enrollment, for
    else they are somebody's pupil elsewhere and not shared.
    """
    roster, permission = basic.roster, basic.grant.permission
    if permission is None or not permission.unenrolled_users:
        return _NONE
    named = roles_of(permission.unenrolled_users)
    roles = roster.roles() - FAMILY - {STUDENT} if named is None else named
    found = roster.role_holders(roles - {STUDENT}, basic.orgs, basic.day)
    found -= picking.leaf(roster, "users", "roles.role", "=", STUDENT)
    if STUDENT in roles:
        of_user = roster.inverse("enrollments", "user")
        waiting = roster.role_holders({STUDENT}, basic.orgs, basic.day) - enrolled
        found |= BitMap([row for row in waiting if not len(of_user.of(row))])
    return found & basic.sound["users"]


def guardians_of(basic: Basic, students: AbstractBitMap) -> AbstractBitMap:
    """The guardians of these students, whichever of the two records says so.

    A pupil who is somebody's relative does not come in this way: brothers and sisters at schools
    that are not shared would.
    """
    roster = basic.roster
    agents = roster.relation("users", "agents").gather(students)
    agents |= roster.inverse("users", "agents").gather(students)
    family = roster.role_holders(FAMILY, roster.active["orgs"], basic.day)
    pupils = picking.leaf(roster, "users", "roles.role", "=", STUDENT)
    return ((agents & family) - pupils) & basic.sound["users"]


def acting_as(roster: rosters.Roster, rows: Rows, roles: frozenset[str]) -> AbstractBitMap:
    """The users sent who hold one of these roles at a shared org, or one of whose enrollments that
    are sent says so. Roles elsewhere do not count: the application must not learn of them.
    """
    users, orgs = rows["users"], rows["orgs"]
    holders = roster.role_holders(roles, orgs, None) & users
    said = BitMap()
    words = [word for word, role in ENROLLED_AS.items() if role in roles]
    for word in (*words, *roles):
        said |= picking.leaf(roster, "enrollments", "role", "=", word)
    theirs = roster.inverse("enrollments", "user").gather(users - holders)
    enrolled = theirs & rows["enrollments"] & said
    return holders | roster.relation("enrollments", "user").gather(enrolled)


def _sessions(
    roster: rosters.Roster, classes: AbstractBitMap, courses: AbstractBitMap
) -> AbstractBitMap:
    """Sessions of classes and courses, what they are parts of, and the grading periods in them."""
    # sessions are few and classes are many
    terms = roster.inverse("classes", "terms")
    named = picking.leading(terms, roster.active["academicSessions"], classes)
    named |= roster.relation("courses", "schoolYear").gather(courses)
    periods = picking.leaf(roster, "academicSessions", "type", "=", "gradingPeriod")
    below = picking.below(roster, "academicSessions", named) & periods
    return picking.above(roster, "academicSessions", named) | below


# ---------------------------------------------------------------- small things


def roles_of(toggle: bool | object) -> frozenset[str] | None:  # noqa: FBT001 - a toggle of a document
    """The roles that a toggle names; None when it is only on."""
    return None if isinstance(toggle, bool) else frozenset(getattr(toggle, "roles", ()))


def _frozen(rows: Rows) -> Mapping[str, FrozenBitMap]:
    return {collection: FrozenBitMap(found) for collection, found in rows.items()}

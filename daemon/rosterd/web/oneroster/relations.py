"""Which rows an endpoint below another record lists.

Each is a few operations on relations, so that a vendor who walks all classes of a district costs
little. The ends are those of the records as the application gets them: what is withheld relates
nothing, and what stands in for something that is not shared counts as the record shows it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyroaring import AbstractBitMap, BitMap

from rosterd import pictures
from rosterd.oneroster import filters, model
from rosterd.pictures import pruning
from rosterd.web import problems

Within = Callable[[pictures.Picture, tuple[int, ...]], AbstractBitMap]
"""Given the rows of the parents in a path, the rows that belong to them; the caller narrows these
to its listing, and so to the view."""


def naming(collection: str, member: str) -> Within:
    """Records of `collection` that name the one parent in a reference."""

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        if _hidden(picture, collection, member):
            return BitMap()
        return BitMap(picture.view.roster.inverse(collection, member).of(parents[0]))

    return within


def named_by(collection: str, member: str) -> Within:
    """What the parent, a record of `collection`, names in a reference."""

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        if _hidden(picture, collection, member):
            return BitMap()
        return BitMap(picture.view.roster.relation(collection, member).of(parents[0]))

    return within


def enrolled(role: str | None) -> Within:
    """Users with an enrollment in the class, which is the last parent."""

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        enrollments = _enrollments(picture, "class", parents[-1], role)
        return picture.view.roster.relation("enrollments", "user").gather(enrollments)

    return within


def classes_of(role: str | None) -> Within:
    """Classes in which the user has an enrollment."""

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        enrollments = _enrollments(picture, "user", parents[0], role)
        return picture.view.roster.relation("enrollments", "class").gather(enrollments)

    return within


def in_school(inner: Within) -> Within:
    """The same for the path that begins with a school: the class has to be one of its classes.

    A class of another school is as unknown there as one that nobody has.
    """

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        school, class_row = parents
        if school not in picture.view.roster.relation("classes", "school").of(class_row):
            raise problems.unknown(model.LISTINGS["classes"].single)
        return inner(picture, (class_row,))

    return within


def courses_of_school(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
    """Courses of the org itself, and those taught there: most districts keep their courses at the
    district, and a school without courses would be of no use to anybody.
    """
    roster = picture.view.roster
    own = _as_given(picture, "courses", "org", parents[0])
    return own | roster.relation("classes", "course").gather(_classes(picture, parents[0]))


def terms_of_school(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
    """Sessions that classes of the school name; the listing narrows them as it does `/terms`."""
    classes = _classes(picture, parents[0])
    return picture.view.roster.relation("classes", "terms").gather(classes)


def enrollments_of_school(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
    """Enrollments that name the school, also where it stands in for one that is not shared."""
    return _as_given(picture, "enrollments", "school", parents[0])


def people_of_school(role: str | None) -> Within:
    """Users with a role at the school; with `role` (student or teacher), this one.

    1.1 has one role for all orgs of a user, and the listing has asked for it already.
    """

    def within(picture: pictures.Picture, parents: tuple[int, ...]) -> AbstractBitMap:
        roster, school = picture.view.roster, parents[0]
        found = BitMap(roster.inverse("users", "roles.org").of(school))
        wanted = None if role is None or picture.version == "1.1" else role
        if wanted is not None:
            found &= picture.rows("students" if wanted == "student" else "teachers")
        sourced_id = roster.sourced_id("orgs", school)
        made = _without_shared_role(picture)
        for row in (_in_doubt(picture, found) if wanted is not None else BitMap()) | made:
            if sourced_id in _orgs(picture.record("users", row), wanted):
                found.add(row)
            else:
                found.discard(row)
        return found

    return within


def _in_doubt(picture: pictures.Picture, users: AbstractBitMap) -> BitMap:
    """Those of the users who have several roles: only their records say which is where."""
    roster = picture.view.roster
    orgs = roster.relation("users", "roles.org")
    several = BitMap([row for row in users if len(orgs.of(row)) > 1])
    return several | (roster.dangling("users") & users)


def _orgs(record: Mapping[str, Any], role: str | None) -> Sequence[str]:
    """Where a user, as given, has a role, or this one."""
    if "orgs" in record:  # of 1.1
        return list(record["orgs"])
    return [each["org"] for each in record.get("roles", ()) if role in (None, each["role"])]


def _without_shared_role(picture: pictures.Picture) -> AbstractBitMap:
    """The few users all of whose roles are elsewhere: their record shows one that is made."""
    view = picture.view
    cut = pruning.stranded(view, "users", "roles.org") | view.roster.dangling("users")
    if not cut:
        return cut
    with_role = view.roster.inverse("users", "roles.org").gather(view.rows["orgs"])
    return (cut & view.rows["users"]) - with_role


def _enrollments(
    picture: pictures.Picture, member: str, row: int, role: str | None
) -> AbstractBitMap:
    view = picture.view
    found = BitMap(view.roster.inverse("enrollments", member).of(row))
    found &= view.rows["enrollments"]
    if role is None or not found:
        return found
    path = _path(picture, "enrollments", "role")
    return found & picture.leaf("enrollments", filters.Leaf(path, "=", role))


def _classes(picture: pictures.Picture, school: int) -> AbstractBitMap:
    view = picture.view
    return BitMap(view.roster.inverse("classes", "school").of(school)) & view.rows["classes"]


def _as_given(picture: pictures.Picture, collection: str, member: str, row: int) -> AbstractBitMap:
    """Records that name an org where a stand-in is possible: there are few orgs to remember."""
    sourced_id = picture.view.roster.sourced_id("orgs", row)
    leaf = filters.Leaf(_path(picture, collection, member), "=", sourced_id)
    return picture.leaf(collection, leaf)


def _hidden(picture: pictures.Picture, collection: str, member: str) -> bool:
    name = f"{collection}.{member}"
    grant = picture.view.grant
    return name in grant.withheld or name in grant.masks  # no reference can be half shown


def _path(picture: pictures.Picture, collection: str, member: str) -> model.FieldPath:
    path = model.path(collection, member, picture.version)
    if path is None:
        raise AssertionError(f"{collection} have no {member}")
    return path

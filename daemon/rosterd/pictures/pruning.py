"""Taking out of records whatever leads to a record that is not shared.

Optional references are left out. Required ones are made from what is shared, and from nothing
else: what an application reads must not depend on records that it does not see. So a course whose
org is not shared gets the nearest org above all the schools of its shared classes (one school: that
school), and not the nearest shared org above its own, which would tell where that one belongs.
"""

from collections.abc import Sequence
from typing import Any, Final

from pyroaring import BitMap

from rosterd import access, rosters
from rosterd.oneroster import model

Record = dict[str, Any]

_LEAST_FIRST: Final = ("student", "proctor", "teacher", "administrator")
"""Of several enrollments the one with the fewest rights says the role: nobody is made a teacher
who is somebody's pupil. A district's own words rank with proctors."""


def prune(view: access.View, collection: str, row: int, record: Record) -> None:
    """Change a canonical record in place."""
    had = frozenset(record)
    for field in model.ref_fields(collection):
        if field == "roles.org":
            _prune_roles(view, row, record)
        elif field in record:
            value = record.pop(field)
            named = [value] if isinstance(value, str) else value
            kept = [
                each
                for each, shared in zip(
                    named, _shared(view, collection, row, field, named), strict=True
                )
                if shared
            ]
            if kept:
                record[field] = kept[0] if isinstance(value, str) else kept
    gone = had - record.keys()
    if collection == "enrollments" and "school" in gone:
        record["school"] = _id(view, "orgs", _school(view, _class_of(view, row)))
    elif collection == "courses" and "org" in gone:
        _stand_in_org(view, row, record)
    elif collection in ("orgs", "academicSessions"):
        below = view.roster.inverse(collection, "parent").of(row)
        children = [each for each in below if each in view.rows[collection]]
        if children:
            record["children"] = [_id(view, collection, each) for each in children]


def stranded(view: access.View, collection: str, field: str) -> BitMap:
    """Rows of the view whose record does not keep `field` as it is: it names a record outside.

    Found on relations alone, from the smaller side where each record names exactly one.
    """
    roster, rows = view.roster, view.rows[collection]
    target = rosters.RELATIONS[collection, field]
    inside = view.rows[target]
    outside = roster.active[target] - inside
    if (collection, field) == ("users", "roles.org"):  # who has none is given one as well
        return (roster.inverse(collection, field).gather(outside) | roster.roleless) & rows
    if not outside or (collection, field) in _CLOSED:
        return BitMap()
    inverse = roster.inverse(collection, field)
    if (collection, field) == ("enrollments", "school") and len(inside) < len(outside):
        return BitMap(rows - inverse.gather(inside))
    return inverse.gather(outside) & rows


_CLOSED: Final = frozenset(
    {
        ("classes", "course"),
        ("classes", "school"),
        ("classes", "terms"),
        ("courses", "schoolYear"),
        ("enrollments", "user"),
        ("enrollments", "class"),
        ("demographics", "user"),
    }
)
"""References that a view never cuts: the record is only in it because its target is."""


def substituted(view: access.View, collection: str) -> BitMap:
    """Rows of the view in which something required is made from other records."""
    roster, rows = view.roster, view.rows[collection]
    field = {"users": "roles.org", "enrollments": "school", "courses": "org"}[collection]
    cut = stranded(view, collection, field) | (roster.dangling(collection) & rows)
    if collection != "users":
        return cut
    target = rosters.RELATIONS[collection, field]
    for_good = roster.inverse(collection, field).gather(view.rows[target])
    return cut - for_good


def stand_in_school(view: access.View, enrollment: int) -> int:
    """The row of the school that an enrollment is given when its own one is not shared."""
    return _school(view, _class_of(view, enrollment))


def _prune_roles(view: access.View, row: int, record: Record) -> None:
    roles = record.pop("roles", ())
    shared = _shared(view, "users", row, "roles.org", [role["org"] for role in roles])
    kept = [role for role, there in zip(roles, shared, strict=True) if there]
    if not kept:
        made = _enrolled_role(view, row) or _family_role(view, row)
        kept = [made] if made else []
    if kept:
        record["roles"] = kept


def _enrolled_role(view: access.View, row: int) -> Record | None:
    """One primary role, at the school of a class that is shared."""
    enrollments = [
        each
        for each in view.roster.inverse("enrollments", "user").of(row)
        if each in view.rows["enrollments"]
    ]
    if not enrollments:
        return None
    said = {each: view.roster.record("enrollments", each)["role"] for each in enrollments}
    chosen = min(sorted(enrollments), key=lambda each: _rank(said[each]))
    role = access.ENROLLED_AS.get(said[chosen], said[chosen])
    return _role(view, role, _school(view, _class_of(view, chosen)))


def _family_role(view: access.View, row: int) -> Record | None:
    """What guardians are let in as, at a school of a child who is shared.

    Whether they are parents or relatives is said by roles that are not shared, so it is not said.
    """
    roster, users = view.roster, view.rows["users"]
    related = {*roster.relation("users", "agents").of(row)}
    related.update(roster.inverse("users", "agents").of(row))
    for child in sorted(related):
        if child not in users:
            continue
        orgs = roster.relation("users", "roles.org").of(child)
        shared = next((org for org in orgs if org in view.rows["orgs"]), None)
        if shared is not None:
            return _role(view, "guardian", shared)
        made = _enrolled_role(view, child)
        if made is not None:
            return {**made, "role": "guardian"}
    return None


def _stand_in_org(view: access.View, row: int, record: Record) -> None:
    roster = view.roster
    classes = [
        each for each in roster.inverse("classes", "course").of(row) if each in view.rows["classes"]
    ]
    schools = list(dict.fromkeys(_school(view, each) for each in classes))
    if not schools:
        return
    chains = [_chain(view, school) for school in schools]
    common = (org for org in chains[0] if all(org in chain for chain in chains[1:]))
    record["org"] = _id(view, "orgs", next(common, schools[0]))


def _chain(view: access.View, org: int) -> list[int]:
    """The org and the shared ones above it, nearest first; a circle of parents ends too."""
    parent = view.roster.relation("orgs", "parent")
    chain = [org]
    while True:
        above = [each for each in parent.of(chain[-1]) if each in view.rows["orgs"]]
        if not above or above[0] in chain:
            return chain
        chain.append(above[0])


def _class_of(view: access.View, enrollment: int) -> int:
    return view.roster.relation("enrollments", "class").of(enrollment)[0]


def _school(view: access.View, class_row: int) -> int:
    return view.roster.relation("classes", "school").of(class_row)[0]


def _role(view: access.View, role: str, org: int) -> Record:
    return {"roleType": "primary", "role": role, "org": _id(view, "orgs", org)}


def _id(view: access.View, collection: str, row: int) -> str:
    return view.roster.sourced_id(collection, row)


def _shared(
    view: access.View, collection: str, row: int, field: str, ids: Sequence[str]
) -> list[bool]:
    """Which of the records that a member names are in the view."""
    target = rosters.RELATIONS[collection, field]
    ends: Sequence[int | None] = view.roster.relation(collection, field).of(row)
    if len(ends) != len(ids):  # a name without a record has no edge, so each has to be looked up
        ends = [view.roster.row(target, each) for each in ids]
    rows = view.rows[target]
    return [end is not None and end in rows for end in ends]


def _rank(word: str) -> int:
    return _LEAST_FIRST.index(word if word in _LEAST_FIRST else "proctor")

"""The rules of access once more, record by record and without any set of rows.

Slow and plain on purpose: what it says can be held against the text of the rules line by line, and
the code that is used, with its bitmaps and short cuts, has to agree.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from rosterd import configs, selections
from rosterd.oneroster import filters, model
from tests.property import rosters_strategies as made

Records = Mapping[str, Mapping[str, dict[str, Any]]]

FAMILY = {"guardian", "parent", "relative"}


def of(district: made.District, grant: configs.Grant, today: date) -> dict[str, set[str]]:
    """collection -> sourcedIds."""
    if grant.refusal(today):
        return {name: set() for name in model.COLLECTIONS}
    active = {
        name: {
            each["sourcedId"]: each
            for each in held
            if each["sourcedId"] not in district.inactive.get(name, ())
        }
        for name, held in district.records.items()
    }
    sound = _sound(active, grant)
    if grant.access == "full":
        return {name: set(held) for name, held in sound.items()}
    return _basic(active, sound, grant, today)


def _sound(active: Records, grant: configs.Grant) -> dict[str, dict[str, dict[str, Any]]]:
    rows = {name: dict(held) for name, held in active.items()}
    if grant.exclude is not None and grant.exclude.where is not None:
        never = filters.matcher(grant.exclude.where, missing=True)
        rows["users"] = {key: it for key, it in rows["users"].items() if not never(it)}
    rows["classes"] = {
        key: it
        for key, it in rows["classes"].items()
        if it["course"] in active["courses"] and it["school"] in active["orgs"]
    }
    rows["enrollments"] = {
        key: it
        for key, it in rows["enrollments"].items()
        if it["user"] in rows["users"] and it["class"] in rows["classes"]
    }
    enrolled = {it["user"] for it in rows["enrollments"].values()}
    rows["users"] = {
        key: it
        for key, it in rows["users"].items()
        if key in enrolled or any(role["org"] in active["orgs"] for role in it["roles"])
    }
    rows["demographics"] = {
        key: it for key, it in rows["demographics"].items() if key in rows["users"]
    }
    return rows


def _basic(
    active: Records, sound: Records, grant: configs.Grant, today: date
) -> dict[str, set[str]]:
    permission = grant.permission
    assert permission is not None
    orgs = _picked(active, grant.orgs, today)
    picked_courses = _picked(active, grant.courses, today)
    classes = {
        key
        for key, it in sound["classes"].items()
        if it["school"] in orgs and it["course"] in picked_courses
    }
    if grant.classes is not None:
        classes &= _picked(active, grant.classes, today)
    enrollments = {
        key
        for key, it in sound["enrollments"].items()
        if it["class"] in classes and _kept(it, active["users"][it["user"]], grant, today)
    }
    shown_orgs = _with_ancestors(active["orgs"], orgs)
    courses = {
        key
        for key in picked_courses
        if active["courses"][key].get("org") in shown_orgs
        or any(sound["classes"][each]["course"] == key for each in classes)
    }
    day = today.isoformat() if grant.people.current else None
    users = {sound["enrollments"][key]["user"] for key in enrollments}
    users |= _unenrolled(active, sound, permission.unenrolled_users, orgs, day)
    said = [
        (it["user"], it["role"]) for key, it in sound["enrollments"].items() if key in enrollments
    ]
    if permission.guardians:
        students = _acting(active, users, shown_orgs, said, {"student"})
        users |= _guardians(active, sound, students, day)
    demographics: set[str] = set()
    if permission.demographics:
        named = getattr(permission.demographics, "roles", ("student",))
        demographics = _acting(active, users, shown_orgs, said, set(named))
    sent = {"courses": courses, "classes": classes, "users": users}
    return {
        **sent,
        "orgs": shown_orgs,
        "academicSessions": _sessions(active, classes, courses),
        "enrollments": enrollments,
        "demographics": demographics & set(sound["demographics"]),
        "resources": _resources(active, sent) if permission.resources else set(),
    }


def _unenrolled(
    active: Records, sound: Records, toggle: Any, orgs: set[str], day: str | None
) -> set[str]:
    anywhere = {
        it["user"] for it in active["enrollments"].values() if it["user"] in active["users"]
    }
    found = set()
    for key, it in sound["users"].items() if toggle else ():
        held = {role["role"] for role in it["roles"] if role["org"] in orgs and _runs(role, day)}
        wanted = held & set(getattr(toggle, "roles", held - FAMILY - {"student"}))
        if any(role["role"] == "student" for role in it["roles"]):
            wanted &= set() if key in anywhere else {"student"}
        if wanted:
            found.add(key)
    return found


def _acting(
    active: Records,
    users: set[str],
    orgs: set[str],
    said: list[tuple[str, str]],
    roles: set[str],
) -> set[str]:
    words = roles | ({"administrator"} if "siteAdministrator" in roles else set())
    enrolled = {user for user, word in said if word in words}
    return {
        key
        for key in users
        if key in enrolled
        or any(it["role"] in roles and it["org"] in orgs for it in active["users"][key]["roles"])
    }


def _resources(active: Records, sent: Mapping[str, set[str]]) -> set[str]:
    return {
        resource
        for name, keys in sent.items()
        for key in keys
        for resource in active[name][key].get("resources", ())
        if resource in active["resources"]
    }


def _picked(active: Records, selection: selections.Selection | None, today: date) -> set[str]:
    assert selection is not None
    held = active[selection.collection]
    if selection.everything:
        return set(held)
    found = set(held)
    if selection.ids is not None:
        found &= selection.ids
    if selection.under is not None:
        found &= {key for key in held if _with_ancestors(held, {key}) & selection.under}
    if selection.where is not None:
        fits = filters.matcher(selection.where, missing=False)
        found = {key for key in found if fits(held[key])}
    if selection.current:
        sessions, day = active["academicSessions"], today.isoformat()
        found = {
            key
            for key in found
            if any(
                sessions[term]["startDate"] <= day < sessions[term]["endDate"]
                for term in held[key]["terms"]
                if term in sessions
            )
        }
    return found


def _kept(
    enrollment: dict[str, Any], user: dict[str, Any], grant: configs.Grant, today: date
) -> bool:
    people = grant.people
    if people.current and not _runs(enrollment, today.isoformat()):
        return False
    if people.where is not None and not filters.matcher(people.where, missing=False)(user):
        return False
    if people.roles is None:
        return True
    if enrollment["role"] == "student":
        return "student" in people.roles
    wanted = people.roles - FAMILY - {"student"}
    return enrollment["role"] in wanted or any(role["role"] in wanted for role in user["roles"])


def _runs(dated: Mapping[str, str], day: str | None) -> bool:
    return day is None or dated.get("beginDate", "") <= day < dated.get("endDate", "9999")


def _with_ancestors(held: Mapping[str, dict[str, Any]], keys: set[str]) -> set[str]:
    found: set[str] = set()
    for key in keys:
        above = key
        while above in held and above not in found:
            found.add(above)
            above = held[above].get("parent", "")
    return found


def _guardians(active: Records, sound: Records, students: set[str], day: str | None) -> set[str]:
    found = set()
    for key, it in sound["users"].items():
        words = {
            role["role"]
            for role in it["roles"]
            if role["org"] in active["orgs"] and _runs(role, day)
        }
        pupil = any(role["role"] == "student" for role in it["roles"])
        related = set(it.get("agents", ())) & students or any(
            key in active["users"][student].get("agents", ()) for student in students
        )
        if words & FAMILY and related and not pupil:
            found.add(key)
    return found


def _sessions(active: Records, classes: set[str], courses: set[str]) -> set[str]:
    held = active["academicSessions"]
    named = {term for key in classes for term in active["classes"][key]["terms"]}
    named |= {active["courses"][key].get("schoolYear", "") for key in courses}
    named &= set(held)
    periods = {
        key
        for key, it in held.items()
        if it["type"] == "gradingPeriod" and _with_ancestors(held, {key}) & named
    }
    return _with_ancestors(held, named) | periods

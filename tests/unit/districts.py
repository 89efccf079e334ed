"""A small district written by hand, and grants over it.

Two schools below a district. Algebra is taught at both; the west teacher also teaches history in
the east; one pupil of the west takes art in the east; each has guardians in one record or the
other. Whoever reads a test finds the people here by their ids.
"""

from datetime import date
from typing import Any

import orjson

from rosterd import access, configs, documents, rosters, selections

Records = dict[str, list[dict[str, Any]]]

TODAY = date(2026, 3, 2)


def role(word: str, org: str, **more: str) -> dict[str, str]:
    return {"roleType": "primary", "role": word, "org": org, **more}


def user(sourced_id: str, *roles: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "sourcedId": sourced_id,
        "enabledUser": "true",
        "username": f"login-{sourced_id}",
        "givenName": "Given",
        "familyName": f"Family {sourced_id}",
        "roles": list(roles),
        **more,
    }


def _session(sourced_id: str, word: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    return {
        "sourcedId": sourced_id,
        "title": sourced_id,
        "type": word,
        "startDate": start,
        "endDate": end,
        "schoolYear": "2026",
        **more,
    }


def _enrollment(sourced_id: str, who: str, where: str, school: str, word: str) -> dict[str, Any]:
    return {"sourcedId": sourced_id, "user": who, "class": where, "school": school, "role": word}


def records() -> Records:
    """Fresh records, to be changed at will."""
    return {
        "orgs": [
            {"sourcedId": "district", "name": "District", "type": "district", "identifier": "D"},
            {"sourcedId": "east", "name": "East", "type": "school", "parent": "district"},
            {"sourcedId": "west", "name": "West", "type": "school", "parent": "district"},
        ],
        "academicSessions": [
            _session("year", "schoolYear", "2025-08-01", "2026-07-01"),
            _session("fall", "term", "2025-08-01", "2026-01-15", parent="year"),
            _session("spring", "term", "2026-01-15", "2026-07-01", parent="year"),
            _session("fall-1", "gradingPeriod", "2025-08-01", "2025-10-15", parent="fall"),
            _session("spring-1", "gradingPeriod", "2026-01-15", "2026-04-01", parent="spring"),
            _session("spring-week", "ext:week", "2026-02-01", "2026-02-08", parent="spring"),
        ],
        "courses": [
            {
                "sourcedId": "algebra",
                "title": "Algebra",
                "courseCode": "M1",
                "org": "district",
                "subjects": ["math"],
                "resources": ["book"],
            },
            {"sourcedId": "history", "title": "History", "org": "east", "subjects": ["history"]},
            {"sourcedId": "art", "title": "Art", "org": "west", "subjects": ["art"]},
            {"sourcedId": "latin", "title": "Latin", "org": "west", "subjects": ["latin"]},
        ],
        "classes": [
            {
                "sourcedId": "algebra-east",
                "title": "Algebra East",
                "course": "algebra",
                "school": "east",
                "terms": ["spring"],
            },
            {
                "sourcedId": "algebra-west",
                "title": "Algebra West",
                "course": "algebra",
                "school": "west",
                "terms": ["fall"],
                "resources": ["map"],
            },
            {
                "sourcedId": "history-east",
                "title": "History East",
                "course": "history",
                "school": "east",
                "terms": ["fall", "spring"],
            },
            {
                "sourcedId": "art-east",
                "title": "Art East",
                "course": "art",
                "school": "east",
                "terms": ["spring"],
            },
        ],
        "users": [
            user(
                "pupil-e",
                role("student", "east"),
                grades=["05"],
                phone="100",
                agents=["mother-e"],
                primaryOrg="east",
                metadata={"bus": "7", "locker": "9"},
                password="{plain}x",
            ),
            user("pupil-w", role("student", "west"), grades=["06"], agents=["father-w"]),
            user("teacher-e", role("teacher", "east"), email="t.e@example.org"),
            user("teacher-w", role("teacher", "west"), role("teacher", "east")),
            user("mother-e", role("parent", "west"), agents=["pupil-e"]),
            user("father-w", role("guardian", "west")),
            user("uncle-e", role("relative", "east"), agents=["pupil-e"]),
            user("head-e", role("siteAdministrator", "east")),
            user("office", role("districtAdministrator", "district")),
            user("newcomer-e", role("student", "east")),
            user("helper", role("student", "west"), role("aide", "east")),
        ],
        "enrollments": [
            _enrollment("e1", "pupil-e", "algebra-east", "east", "student"),
            _enrollment("e2", "teacher-e", "algebra-east", "east", "teacher"),
            _enrollment("e3", "pupil-w", "algebra-west", "west", "student"),
            _enrollment("e4", "teacher-w", "algebra-west", "west", "teacher"),
            _enrollment("e5", "teacher-w", "history-east", "east", "teacher"),
            _enrollment("e6", "pupil-e", "history-east", "east", "student"),
            _enrollment("e7", "pupil-w", "art-east", "west", "student"),
            _enrollment("e8", "helper", "algebra-west", "west", "student"),
        ],
        "demographics": [
            {"sourcedId": "pupil-e", "birthDate": "2014-05-06", "sex": "female"},
            {"sourcedId": "pupil-w", "birthDate": "2013-02-03"},
            {"sourcedId": "teacher-e", "birthDate": "1980-01-02"},
        ],
        "resources": [
            {"sourcedId": "book", "title": "Book", "vendorResourceId": "b"},
            {"sourcedId": "map", "title": "Map", "vendorResourceId": "m"},
        ],
    }


def roster() -> rosters.Roster:
    return rosters.from_records(records())


def grant(
    rules: dict[str, Any],
    *,
    exclude: str | None = None,
    listing: dict[str, str] | None = None,
    **application: Any,
) -> configs.Grant:
    """A grant from a permission as a document writes it, without apiVersion, kind and names."""
    permission = documents.Permission.model_validate_json(
        orjson.dumps({"name": "app", "application": "app", **rules})
    )
    held = documents.Application.model_validate_json(
        orjson.dumps({"name": "app", "title": "App", "enabled": True, **application})
    )
    entry = None
    if listing is not None:
        entry = documents.Listing.model_validate_json(
            orjson.dumps({"name": "app", "title": "App", "company": "Maker", **listing})
        )
    return configs.Grant(
        held,
        permission,
        entry,
        selections.selection(documents.PeopleWhere(where=exclude) if exclude else None, "users"),
        orgs=selections.selection(permission.orgs, "orgs"),
        courses=selections.selection(permission.courses, "courses"),
        classes=selections.selection(permission.classes, "classes"),
        people=selections.people(permission.people),
    )


def basic(**rules: Any) -> dict[str, Any]:
    """Basic access to everything, but for what is said otherwise."""
    return {"access": "basic", "orgs": "all", "courses": "all", **rules}


def ids(view: access.View, collection: str) -> set[str]:
    return {view.roster.sourced_id(collection, row) for row in view.rows[collection]}

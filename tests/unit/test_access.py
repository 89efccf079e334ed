"""Every rule of who sees what, on a district small enough to know by heart."""

from datetime import date
from typing import Any

import pytest

from rosterd import access, rosters
from tests.unit import districts
from tests.unit.districts import basic, ids


def see(
    rules: dict[str, Any], records: districts.Records | None = None, **more: Any
) -> access.View:
    roster = rosters.from_records(records or districts.records())
    return access.view(roster, districts.grant(rules, **more), districts.TODAY)


def in_class(view: access.View) -> set[str]:
    return {view.roster.record("enrollments", row)["user"] for row in view.rows["enrollments"]}


# ---------------------------------------------------------------- none, dead, full


@pytest.mark.parametrize(
    "rules,application",
    [
        ({"access": "none"}, {}),
        ({"access": "full"}, {"enabled": False}),
        ({"access": "full", "expires": "2026-03-01"}, {}),
        ({"access": "full"}, {"agreement": {"reference": "a", "expires": "2026-03-01"}}),
    ],
)
def test_a_dead_grant_is_refused_with_a_reason_and_has_no_rows(
    rules: dict[str, Any], application: dict[str, Any]
) -> None:
    view = see(rules, **application)

    assert view.refusal
    assert not any(view.rows.values())
    assert access.levels(view) == {"orgs": ("NO ACCESS", 0), "courses": ("NO ACCESS", 0)}


def test_a_grant_still_lives_on_its_last_day() -> None:
    assert see({"access": "full", "expires": "2026-03-02"}).refusal is None


def test_full_is_every_active_record_and_nothing_else() -> None:
    roster = rosters.from_records(districts.records(), {"users": ["uncle-e"]})

    view = access.view(roster, districts.grant({"access": "full"}), districts.TODAY)

    assert view.rows == dict(roster.active)
    assert "uncle-e" not in ids(view, "users")
    assert access.levels(view) == {"orgs": ("FULL ACCESS", 3), "courses": ("FULL ACCESS", 4)}


def test_people_never_shared_leave_with_all_that_is_theirs_full_access_or_not() -> None:
    for rules in ({"access": "full"}, basic(demographics=True, guardians=True)):
        view = see(rules, exclude="sourcedId='pupil-e' OR sourcedId='mother-e'")

        assert not {"pupil-e", "mother-e"} & ids(view, "users")
        assert not {"e1", "e6"} & ids(view, "enrollments")
        assert "pupil-e" not in ids(view, "demographics")
        assert "pupil-w" in ids(view, "users")


def test_for_people_never_shared_a_gap_counts_as_being_different() -> None:
    view = see({"access": "full"}, exclude="phone!='100'")

    assert ids(view, "users") == {"pupil-e"}


def test_records_that_cannot_be_shown_whole_are_not_shown() -> None:
    roster = rosters.from_records(
        districts.records(), {"orgs": ["west"], "courses": ["history"], "users": ["teacher-e"]}
    )

    view = access.view(roster, districts.grant({"access": "full"}), districts.TODAY)

    assert ids(view, "classes") == {"algebra-east", "art-east"}
    assert ids(view, "enrollments") == {"e1", "e7"}
    assert "teacher-e" not in ids(view, "demographics")
    # without any org left nobody could say who they are, unless an enrollment does
    assert "mother-e" not in ids(view, "users")
    assert "pupil-w" in ids(view, "users")


# ---------------------------------------------------------------- classes, enrollments, users


def test_classes_need_their_school_and_their_course() -> None:
    view = see(basic(orgs=["east"], courses=["algebra", "art"]))

    assert ids(view, "classes") == {"algebra-east", "art-east"}
    assert ids(view, "enrollments") == {"e1", "e2", "e7"}
    assert ids(view, "users") == {"pupil-e", "teacher-e", "pupil-w"}
    assert ids(view, "demographics") == ids(view, "resources") == set()


@pytest.mark.parametrize(
    "chosen,expected",
    [
        (["algebra-east", "algebra-west"], {"algebra-east"}),
        ({"where": "title~'history'"}, {"history-east"}),
        ({"ids": ["algebra-east", "history-east"], "where": "terms='fall'"}, {"history-east"}),
        ("all", {"algebra-east", "history-east", "art-east"}),
    ],
)
def test_choosing_classes_narrows_what_orgs_and_courses_pick(
    chosen: object, expected: set[str]
) -> None:
    assert ids(see(basic(orgs=["east"], classes=chosen)), "classes") == expected


@pytest.mark.parametrize(
    "day,expected",
    [
        ("2025-07-31", set()),
        ("2025-08-01", {"algebra-west", "history-east"}),
        ("2026-01-14", {"algebra-west", "history-east"}),
        ("2026-01-15", {"algebra-east", "history-east", "art-east"}),  # an end is not included
        ("2026-07-01", set()),
    ],
)
def test_current_classes_have_a_term_that_runs_today(day: str, expected: set[str]) -> None:
    grant = districts.grant(basic(classes={"current": True}))

    view = access.view(districts.roster(), grant, date.fromisoformat(day))

    assert ids(view, "classes") == expected


def test_orgs_can_be_chosen_by_what_is_above_them() -> None:
    view = see(basic(orgs={"under": ["district"], "where": "type='school'"}))

    assert view.granted["orgs"] == view.roster.rows("orgs", ["east", "west"])
    assert ids(view, "orgs") == {"district", "east", "west"}
    assert access.levels(view)["orgs"] == ("LIMITED ACCESS", 2)


def test_a_condition_on_a_missing_field_shares_nothing() -> None:
    view = see(basic(courses={"where": "courseCode!='X'"}))

    assert ids(view, "courses") == {"algebra"}


def test_nothing_selected_is_nothing_shared() -> None:
    view = see({"access": "basic", "orgs": ["nowhere"], "courses": "all"})

    assert view.refusal is None
    assert not any(view.rows.values())
    assert access.levels(view)["orgs"] == ("NO ACCESS", 0)


@pytest.mark.parametrize(
    "people,expected",
    [
        ({"roles": ["student"]}, {"pupil-e", "pupil-w", "helper"}),
        ({"roles": ["teacher"]}, {"teacher-e", "teacher-w"}),
        ({"roles": ["guardian", "parent"]}, set()),
        ({"roles": ["aide"]}, set()),  # an aide who is enrolled as a pupil is a pupil
        ({"where": "grades='05'"}, {"pupil-e"}),
        ({"where": "grades!='05'"}, {"pupil-w"}),
        ({"roles": ["teacher"], "where": "email~'t.e'"}, {"teacher-e"}),
    ],
)
def test_people_narrow_enrollments_and_users_together(
    people: dict[str, Any], expected: set[str]
) -> None:
    view = see(basic(people=people))

    assert ids(view, "users") == in_class(view) == expected


def test_a_role_of_a_person_counts_where_an_enrollment_says_another() -> None:
    records = districts.records()
    records["enrollments"] += [
        {**records["enrollments"][1], "sourcedId": "e9", "user": "head-e", "role": "administrator"},
        {**records["enrollments"][1], "sourcedId": "e10", "user": "uncle-e", "role": "proctor"},
    ]

    assert ids(see(basic(people={"roles": ["siteAdministrator"]}), records), "users") == {"head-e"}
    assert ids(see(basic(people={"roles": ["proctor"]}), records), "users") == {"uncle-e"}
    assert ids(see(basic(people={"roles": ["relative"]}), records), "users") == set()


def test_current_people_have_an_enrollment_that_runs_today() -> None:
    records = districts.records()
    for enrollment, dates in zip(
        records["enrollments"][:4],
        (
            {"beginDate": "2026-03-02"},
            {"endDate": "2026-03-02"},
            {"beginDate": "2026-03-03"},
            {"endDate": "2026-03-03"},
        ),
        strict=True,
    ):
        enrollment.update(dates)

    view = see(basic(people={"current": True}, courses=["algebra"]), records)

    assert ids(view, "enrollments") == {"e1", "e4", "e8"}
    assert ids(view, "users") == {"pupil-e", "teacher-w", "helper"}


# ---------------------------------------------------------------- people without a class


def test_unenrolled_people_are_off_by_default() -> None:
    assert not {"head-e", "office"} & ids(see(basic()), "users")


def test_unenrolled_staff_have_a_role_at_a_selected_org() -> None:
    view = see(basic(orgs=["east"], courses=["art"], unenrolledUsers=True))

    added = ids(view, "users") - in_class(view)
    # the office is above the selected org and not in it; family and pupils are no staff
    assert added == {"teacher-e", "teacher-w", "head-e"}
    assert "office" in ids(see(basic(orgs=["district"], unenrolledUsers=True)), "users")


def test_roles_of_unenrolled_people_can_be_named() -> None:
    rules = basic(orgs=["east"], courses=["art"], unenrolledUsers={"roles": ["siteAdministrator"]})

    assert ids(see(rules), "users") == {"pupil-w", "head-e"}


def test_an_unenrolled_pupil_has_no_enrollment_anywhere() -> None:
    rules = basic(orgs=["east"], courses=["latin"], unenrolledUsers={"roles": ["student", "aide"]})

    # pupil-e is enrolled in algebra, which is not shared; the helper is a pupil of the west
    assert ids(see(rules), "users") == {"newcomer-e"}


def test_unenrolled_people_hold_their_role_today_where_people_must_be_current() -> None:
    records = districts.records()
    records["users"][7]["roles"][0]["endDate"] = "2026-03-02"
    rules = basic(orgs=["east"], courses=["latin"], unenrolledUsers=True)

    assert "head-e" in ids(see(rules, records), "users")
    assert "head-e" not in ids(see({**rules, "people": {"current": True}}, records), "users")


def test_guardians_are_those_of_the_students_sent() -> None:
    east = see(basic(orgs=["east"], courses=["algebra"], guardians=True))
    both = see(basic(guardians=True))

    # an uncle names the pupil, a mother is named by her as well; whichever record says so
    assert ids(east, "users") == {"pupil-e", "teacher-e", "mother-e", "uncle-e"}
    assert {"mother-e", "uncle-e", "father-w"} <= ids(both, "users")
    assert not {"mother-e", "father-w"} & ids(see(basic()), "users")


def test_a_pupil_who_is_somebodys_relative_does_not_come_along() -> None:
    records = districts.records()
    sister = districts.user(
        "sister-w",
        districts.role("student", "west"),
        districts.role("relative", "east"),
        agents=["pupil-e"],
    )
    records["users"].append(sister)

    view = see(basic(orgs=["east"], courses=["algebra"], guardians=True), records)

    assert "sister-w" not in ids(view, "users")


def test_agents_of_pupils_who_are_no_guardians_do_not_come_along() -> None:
    records = districts.records()
    records["users"][0]["agents"].append("head-e")

    assert "head-e" not in ids(see(basic(guardians=True), records), "users")


# ---------------------------------------------------------------- what comes along


def test_orgs_come_with_their_ancestors_and_courses_with_a_reason() -> None:
    view = see(basic(orgs=["east"], courses=["art", "history", "latin"]))

    assert ids(view, "orgs") == {"east", "district"}
    # art has a class in the east, latin neither a class there nor a shared org
    assert ids(view, "courses") == {"art", "history"}
    assert access.levels(view)["courses"] == ("LIMITED ACCESS", 3)


def test_sessions_are_those_of_classes_with_what_is_above_and_their_grading_periods() -> None:
    view = see(basic(courses=["art"]))

    assert ids(view, "academicSessions") == {"spring", "year", "spring-1"}


def test_a_courses_year_brings_its_grading_periods_but_no_other_terms() -> None:
    records = districts.records()
    records["courses"][2]["schoolYear"] = "year"

    view = see(basic(courses=["art"]), records)

    assert ids(view, "academicSessions") == {"spring", "year", "spring-1", "fall-1"}


def test_demographics_are_those_of_the_students_sent() -> None:
    view = see(basic(orgs=["east"], demographics=True))

    assert ids(view, "demographics") == {"pupil-e", "pupil-w"}
    assert ids(see(basic(orgs=["east"])), "demographics") == set()
    named = see(basic(orgs=["east"], demographics={"roles": ["teacher"]}))
    assert ids(named, "demographics") == {"teacher-e"}


def test_a_student_role_elsewhere_makes_nobody_a_student_here() -> None:
    records = districts.records()
    records["users"][2]["roles"].append(districts.role("student", "west"))

    view = see(basic(orgs=["east"], demographics=True), records)

    assert "teacher-e" in ids(view, "users")
    assert "teacher-e" not in ids(view, "demographics")


def test_resources_are_those_of_courses_classes_and_users() -> None:
    records = districts.records()
    records["resources"].append({"sourcedId": "pad", "vendorResourceId": "p"})
    records["resources"].append({"sourcedId": "spare", "vendorResourceId": "s"})
    records["users"][1]["resources"] = ["pad"]

    assert ids(see(basic(resources=True), records), "resources") == {"book", "map", "pad"}
    east = see(basic(orgs=["east"], courses=["algebra"], resources=True), records)
    assert ids(east, "resources") == {"book"}
    assert ids(see(basic(), records), "resources") == set()


def test_orgs_that_are_parts_of_each_other_end_too() -> None:
    records = districts.records()
    records["orgs"][0]["parent"] = "east"

    assert ids(see(basic(orgs={"under": ["district"]}), records), "orgs") == {
        "district",
        "east",
        "west",
    }


# ---------------------------------------------------------------- explaining


def _explained(view: access.View, collection: str, sourced_id: str) -> list[str]:
    """The tree as lines: + where it holds, - where it does not."""
    row = view.roster.row(collection, sourced_id)
    assert row is not None

    def lines(reason: access.Reason, depth: int) -> list[str]:
        own = f"{'  ' * depth}{'+' if reason.holds else '-'} {reason.says}"
        return [own, *(line for part in reason.parts for line in lines(part, depth + 1))]

    return lines(access.explain(view, collection, row), 0)


def test_an_explanation_names_what_keeps_a_class_out() -> None:
    view = access.view(
        districts.roster(),
        districts.grant(districts.basic(orgs=["west"], courses={"where": "subjects~'math'"})),
        districts.TODAY,
    )

    lines = _explained(view, "classes", "art-east")

    assert lines[0] == "- classes art-east"
    assert lines[-2:] == [
        "    - its school is among the permission's orgs (east)",
        "    - its course is among the permission's courses (art)",
    ]


def test_an_explanation_tells_the_way_in_before_the_ways_that_are_shut() -> None:
    view = access.view(
        districts.roster(), districts.grant(districts.basic(orgs=["west"])), districts.TODAY
    )

    lines = _explained(view, "users", "teacher-w")

    assert lines[0].startswith("+")
    ways = [line.strip() for line in lines if line.startswith("    ") and line[4] in "+-"]
    assert ways == [
        "+ enrollment e4",
        "- enrollment e5",
        "- unenrolledUsers is off",
        "- guardians is off",
    ]


def test_an_explanation_of_a_refused_application_names_the_refusal() -> None:
    view = access.view(districts.roster(), districts.grant({"access": "none"}), districts.TODAY)

    assert _explained(view, "users", "pupil-e") == [
        "- the application gets nothing: its permission says access: none"
    ]

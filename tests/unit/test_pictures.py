"""What a record looks like to one application, and that no question tells more."""

from collections.abc import Sequence
from typing import Any

import pytest
from pyroaring import AbstractBitMap, BitMap

from rosterd import access, pictures, rosters
from rosterd.oneroster import filters, model, vocabularies
from rosterd.pictures import rules as field_rules
from tests.unit import districts
from tests.unit.districts import basic

FULL = {"access": "full"}


def picture(
    rules: dict[str, Any],
    records: districts.Records | None = None,
    *,
    version: str = "1.2",
    inactive: dict[str, list[str]] | None = None,
    held: pictures.Held | None = None,
    **more: Any,
) -> pictures.Picture:
    roster = rosters.from_records(records or districts.records(), inactive)
    view = access.view(roster, districts.grant(rules, **more), districts.TODAY)
    return pictures.Picture(view, version, held)


def given(made: pictures.Picture, collection: str, sourced_id: str) -> rosters.Record:
    row = made.view.roster.row(collection, sourced_id)
    assert row is not None
    assert row in made.view.rows[collection]
    return made.record(collection, row)


def found(made: pictures.Picture, collection: str, text: str) -> set[str]:
    tree = filters.parse(text, collection, made.version)
    return {made.view.roster.sourced_id(collection, row) for row in made.tree(collection, tree)}


def plain(made: pictures.Picture, collection: str) -> set[str]:
    return {made.view.roster.sourced_id(collection, row) for row in made.plain(collection)}


def order(
    made: pictures.Picture, collection: str, name: str, *, descending: bool = False
) -> list[str]:
    path = model.path(collection, name, made.version)
    assert path is not None
    rows = made.order(collection, path, descending=descending)
    return [made.view.roster.sourced_id(collection, row) for row in rows]


# ---------------------------------------------------------------- references


def test_optional_references_to_what_is_not_shared_are_left_out() -> None:
    made = picture(basic(orgs=["east"], courses=["algebra"]))

    assert "agents" not in given(made, "users", "pupil-e")
    assert "resources" not in given(made, "courses", "algebra")
    assert given(made, "users", "pupil-e")["primaryOrg"] == "east"
    assert given(picture(FULL), "users", "pupil-e")["agents"] == ["mother-e"]


def test_roles_at_orgs_that_are_not_shared_are_left_out() -> None:
    made = picture(basic(orgs=["east"]))

    assert given(made, "users", "teacher-w")["roles"] == [districts.role("teacher", "east")]


def test_who_has_no_role_left_gets_the_one_of_an_enrollment() -> None:
    made = picture(basic(orgs=["east"], courses=["art"]))

    assert given(made, "users", "pupil-w")["roles"] == [districts.role("student", "east")]
    assert given(made, "enrollments", "e7")["school"] == "east"
    older = picture(basic(orgs=["east"], courses=["art"]), version="1.1")
    assert given(older, "users", "pupil-w")["role"] == "student"
    assert given(older, "users", "pupil-w")["orgs"] == ["east"]


def test_who_came_without_any_role_gets_the_one_of_an_enrollment_too() -> None:
    records = districts.records()
    del records["users"][1]["roles"]  # pupil-w
    del records["users"][9]["roles"]  # newcomer-e, who has no enrollment either
    made = picture(FULL, records)

    # two enrollments say student; the first one gives the school
    assert given(made, "users", "pupil-w")["roles"] == [districts.role("student", "west")]
    assert "pupil-w" not in plain(made, "users")
    assert "pupil-w" in found(made, "users", "roles.role='student'")
    # a body without roles would be refused by strict clients, and nobody says what to put there
    assert "newcomer-e" not in found(made, "users", "sourcedId>''")


def test_of_several_enrollments_the_one_with_the_fewest_rights_says_the_role() -> None:
    records = districts.records()
    for sourced_id, word in (("e20", "administrator"), ("e21", "ext:guest"), ("e22", "teacher")):
        records["enrollments"].append(
            {**records["enrollments"][1], "sourcedId": sourced_id, "user": "father-w", "role": word}
        )

    def made_role() -> str:
        made = picture(basic(orgs=["east"]), records)
        return str(given(made, "users", "father-w")["roles"][0]["role"])

    assert made_role() == "ext:guest"
    records["enrollments"].append(
        {**records["enrollments"][0], "sourcedId": "e23", "user": "father-w"}
    )
    assert made_role() == "student"
    records["enrollments"] = [each for each in records["enrollments"] if each["sourcedId"] == "e20"]
    assert made_role() == "siteAdministrator"


def test_a_guardian_without_a_role_here_gets_one_at_the_childs_school() -> None:
    made = picture(basic(orgs=["east"], courses=["algebra"], guardians=True))

    # she is a parent in the west; what she is there is not said
    assert given(made, "users", "mother-e")["roles"] == [districts.role("guardian", "east")]
    # the child has no role at a shared org either, only an enrollment
    made = picture(basic(orgs=["east"], courses=["art"], guardians=True))
    assert given(made, "users", "father-w")["roles"] == [districts.role("guardian", "east")]


def test_a_course_of_an_org_that_is_not_shared_goes_to_its_classes_school() -> None:
    made = picture(basic(orgs=["east"], courses=["art"]))

    assert given(made, "courses", "art")["org"] == "east"


def test_a_course_with_classes_at_several_schools_goes_to_the_org_above_them() -> None:
    records = districts.records()
    records["orgs"].append({"sourcedId": "north", "name": "N", "type": "school"})
    records["courses"][0]["org"] = "north"
    rules = basic(orgs=["east", "west"])

    assert given(picture(rules, records), "courses", "algebra")["org"] == "district"
    del records["orgs"][2]["parent"]
    assert given(picture(rules, records), "courses", "algebra")["org"] == "east"


def test_what_a_course_is_given_does_not_tell_where_its_own_org_belongs() -> None:
    records = districts.records()
    rules = basic(orgs=["east"], courses=["art"])
    before = given(picture(rules, records), "courses", "art")
    del records["orgs"][2]["parent"]

    assert given(picture(rules, records), "courses", "art") == before


def test_children_are_the_shared_ones() -> None:
    made = picture(basic(orgs=["east"], courses=["art"]))

    assert given(made, "orgs", "district")["children"] == ["east"]
    assert given(made, "academicSessions", "year")["children"] == ["spring"]
    assert "children" not in given(made, "orgs", "east")
    assert found(made, "orgs", "children='east'") == {"district"}
    assert found(made, "orgs", "children='west'") == set()


def test_references_to_inactive_records_are_pruned_as_well() -> None:
    made = picture(FULL, inactive={"users": ["mother-e"], "academicSessions": ["fall"]})

    assert "agents" not in given(made, "users", "pupil-e")
    assert given(made, "classes", "history-east")["terms"] == ["spring"]
    assert "pupil-e" not in plain(made, "users")
    assert "history-east" not in plain(made, "classes")
    assert found(made, "users", "agents='mother-e'") == set()


# ---------------------------------------------------------------- hidden members


def test_hidden_members_are_not_sent_with_full_access_either() -> None:
    record = given(picture(FULL), "users", "pupil-e")

    assert not {"metadata", "password", "userProfiles"} & record.keys()


def test_only_metadata_keys_that_are_named_are_sent() -> None:
    made = picture({**FULL, "fields": {"share": ["users.metadata.bus"]}})

    assert given(made, "users", "pupil-e")["metadata"] == {"bus": "7"}
    assert "metadata" not in given(made, "users", "pupil-w")
    assert found(made, "users", "metadata.bus='7'") == {"pupil-e"}
    assert found(made, "users", "metadata.locker='9'") == set()
    assert "pupil-e" not in plain(made, "users")
    assert "pupil-w" in plain(made, "users")


def test_a_password_is_sent_when_it_is_named() -> None:
    made = picture({**FULL, "fields": {"share": ["users.password"]}})

    assert given(made, "users", "pupil-e")["password"] == "{plain}x"
    assert plain(made, "users") == set()


def _with_profiles() -> districts.Records:
    records = districts.records()
    records["users"][0]["userProfiles"] = [
        {
            "sourcedId": f"profile-{vendor}-{application}",
            "profileType": "p",
            "vendorId": vendor,
            **({"applicationId": application} if application else {}),
            "credentials": [{"type": "c", "username": "u", "password": "secret"}],
        }
        for vendor, application in (
            ("maker", "app"),
            ("maker", "else"),
            ("maker", ""),
            ("x", "app"),
        )
    ]
    records["users"][0]["roles"] = [
        districts.role("student", "east", userProfile="profile-maker-app"),
        districts.role("aide", "east", userProfile="profile-x-app"),
    ]
    return records


def test_profiles_are_those_of_the_listings_vendor_and_application() -> None:
    made = picture(
        {**FULL, "fields": {"share": ["users.userProfiles"]}},
        _with_profiles(),
        listing={"vendorId": "maker", "applicationId": "app"},
    )

    record = given(made, "users", "pupil-e")
    assert [each["sourcedId"] for each in record["userProfiles"]] == [
        "profile-maker-app",
        "profile-maker-",
    ]
    assert record["userProfiles"][0]["credentials"] == [{"type": "c", "username": "u"}]
    assert [role.get("userProfile") for role in record["roles"]] == ["profile-maker-app", None]
    assert found(made, "users", "userProfiles.applicationId='else'") == set()
    assert found(made, "users", "userProfiles.applicationId='app'") == {"pupil-e"}
    assert len(found(made, "users", "roles.userProfile~'profile-x'")) == 0
    assert "pupil-e" not in plain(made, "users")


@pytest.mark.parametrize(
    "share,listing",
    [
        ([], {"vendorId": "maker", "applicationId": "app"}),
        (["users.userProfiles"], {}),
        (["users.userProfiles"], {"vendorId": "other"}),
    ],
)
def test_nobody_gets_anothers_profiles_nor_the_roles_that_name_them(
    share: list[str], listing: dict[str, str]
) -> None:
    fields = {"fields": {"share": share}} if share else {}
    made = picture({**FULL, **fields}, _with_profiles(), listing=listing)

    record = given(made, "users", "pupil-e")
    assert "userProfiles" not in record
    assert [role.get("userProfile") for role in record["roles"]] == [None, None]
    assert found(made, "users", "userProfiles.vendorId>''") == set()
    assert found(made, "users", "roles.userProfile>''") == set()


# ---------------------------------------------------------------- withheld and masked


def test_a_withheld_field_is_no_oracle() -> None:
    made = picture({**FULL, "fields": {"withhold": ["users.phone", "users.agents"]}})

    assert not {"phone", "agents"} & given(made, "users", "pupil-e").keys()
    assert found(made, "users", "phone='100' OR phone~'1' OR phone>'0'") == set()
    everybody = {made.view.roster.sourced_id("users", row) for row in made.view.rows["users"]}
    assert found(made, "users", "phone!='100'") == everybody
    assert found(made, "users", "agents='mother-e'") == set()
    assert order(made, "users", "phone") == order(made, "users", "sourcedId")
    assert "pupil-e" not in plain(made, "users")
    assert "teacher-e" in plain(made, "users")


def test_a_withheld_parent_does_not_come_back_as_children() -> None:
    made = picture({**FULL, "fields": {"withhold": ["orgs.parent"]}})

    assert "parent" not in given(made, "orgs", "east")
    assert "children" not in given(made, "orgs", "district")
    assert found(made, "orgs", "children='east' OR parent='district'") == set()


@pytest.mark.parametrize("mask,expected", [("initial", "F"), ("constant", field_rules.CONSTANT)])
def test_a_masked_field_is_its_mask_for_every_question(mask: str, expected: str) -> None:
    made = picture({**FULL, "fields": {"mask": {"users.familyName": mask}}})

    assert given(made, "users", "pupil-e")["familyName"] == expected
    assert found(made, "users", "familyName~'pupil'") == set()
    assert len(found(made, "users", f"familyName='{expected}'")) == 11
    assert order(made, "users", "familyName") == order(made, "users", "sourcedId")
    assert order(made, "users", "familyName", descending=True) == order(made, "users", "sourcedId")
    assert plain(made, "users") == set()


def test_a_birth_date_can_be_masked_to_its_year() -> None:
    made = picture({**FULL, "fields": {"mask": {"demographics.birthDate": "year"}}})

    assert given(made, "demographics", "pupil-e")["birthDate"] == "2014-01-01"
    assert found(made, "demographics", "birthDate>'2014-01-01'") == set()
    assert found(made, "demographics", "birthDate='2014-01-01'") == {"pupil-e"}
    assert order(made, "demographics", "birthDate") == ["teacher-e", "pupil-w", "pupil-e"]


def test_an_initial_keeps_the_marks_of_its_letter() -> None:
    records = districts.records()
    records["users"][0]["familyName"] = "E\u0301mile"

    made = picture({**FULL, "fields": {"mask": {"users.familyName": "initial"}}}, records)

    assert given(made, "users", "pupil-e")["familyName"] == "E\u0301"


def test_metadata_can_be_masked_by_key() -> None:
    fields = {"share": ["users.metadata.bus"], "mask": {"users.metadata.bus": "constant"}}
    made = picture({**FULL, "fields": fields})

    assert given(made, "users", "pupil-e")["metadata"] == {"bus": field_rules.CONSTANT}
    assert found(made, "users", "metadata.bus='7'") == set()
    assert found(made, "users", f"metadata.bus='{field_rules.CONSTANT}'") == {"pupil-e"}


def test_a_mask_that_does_not_fit_takes_the_member_away() -> None:
    # the check refuses it; a picture must not send the value in the meantime
    made = picture(
        {**FULL, "fields": {"mask": {"users.agents": "initial", "users.grades": "year"}}}
    )

    assert not {"agents", "grades"} & given(made, "users", "pupil-e").keys()
    assert found(made, "users", "grades='05'") == set()


# ---------------------------------------------------------------- plain


def test_with_full_access_and_no_rules_all_is_stored_as_it_is_given() -> None:
    made = picture(FULL)

    for collection in model.COLLECTIONS:
        expected = made.view.rows[collection]
        if collection in ("orgs", "academicSessions"):  # parents are stored without children
            expected = expected - made.view.roster.relation(collection, "parent").gather(expected)
        assert made.plain(collection) == expected


@pytest.mark.parametrize("version", model.VERSIONS)
def test_plain_records_are_given_as_they_are_stored(version: str) -> None:
    made = picture(basic(orgs=["east"], guardians=True, resources=True), version=version)

    for collection in model.COLLECTIONS:
        for row in made.plain(collection):
            stored = rosters.bare(collection, made.view.roster.record(collection, row))
            assert made.record(collection, row) == vocabularies.as_given(
                collection, stored, version
            )
    assert {"teacher-e", "head-e", "uncle-e"} & plain(made, "users") == {"teacher-e", "uncle-e"}


# ---------------------------------------------------------------- versions


def test_what_stands_in_for_a_missing_member_can_be_asked_for() -> None:
    made = picture(FULL)

    assert given(made, "orgs", "east")["identifier"] == "east"
    assert found(made, "orgs", "identifier='east'") == {"east"}
    assert order(made, "orgs", "identifier") == ["district", "east", "west"]
    older = picture(FULL, version="1.1")
    assert found(older, "orgs", "identifier='east'") == set()


def test_an_older_picture_answers_in_older_words() -> None:
    made = picture(basic(orgs=["east"], unenrolledUsers=True), version="1.1")

    assert found(made, "users", "role='administrator'") == {"head-e"}
    assert found(made, "users", "role='teacher' AND orgs='east'") == {"teacher-e", "teacher-w"}
    assert found(made, "users", "orgs='west'") == set()
    assert made.rows("teachers") == made.view.roster.rows("users", ["teacher-e", "teacher-w"])


def test_listings_ask_the_record_as_it_is_given() -> None:
    records = districts.records()
    records["users"][2]["roles"].append(districts.role("student", "west"))

    made = picture(basic(orgs=["east"]), records)

    students = {made.view.roster.sourced_id("users", row) for row in made.rows("students")}
    assert students == {"pupil-e", "pupil-w"}
    assert made.rows("schools") == made.view.roster.rows("orgs", ["east"])
    assert made.rows("users") == made.view.rows["users"]


# ---------------------------------------------------------------- what the generation keeps


def test_every_record_of_a_view_is_active() -> None:
    made = picture(FULL)

    assert len(found(made, "users", "status='active'")) == 11
    assert found(made, "users", "status='tobedeleted'") == set()


class ByTurns:
    """Rows with an odd number are a day younger."""

    def dates(self, collection: str) -> Sequence[tuple[str, AbstractBitMap]]:
        days = (("2026-03-01T00:00:00.000Z", 0), ("2026-03-02T00:00:00.000Z", 1))
        return [(text, BitMap(range(half, 3, 2))) for text, half in days]

    def departures(self, collection: str) -> Sequence[pictures.Departure]:
        return ()


def test_dates_are_those_that_are_served() -> None:
    made = picture(FULL, held=ByTurns())

    assert found(made, "orgs", "dateLastModified>'2026-03-01T12:00:00Z'") == {"east"}
    assert order(made, "orgs", "dateLastModified", descending=True) == ["east", "district", "west"]


def test_sorting_by_a_pruned_member_uses_what_is_left() -> None:
    made = picture(basic(orgs=["east"], courses=["art", "history"]))

    assert order(made, "courses", "org") == ["art", "history"]
    assert order(picture(basic(courses=["art", "history"])), "courses", "org") == ["history", "art"]

"""Words: one total way down to 1.1, and the way up when a 1.1 source is imported."""

import pytest

from rosterd.oneroster import model, vocabularies


@pytest.mark.parametrize(
    "vocabulary,word,older",
    [
        ("role", "student", "student"),
        ("role", "counselor", "aide"),
        ("role", "principal", "administrator"),
        ("role", "systemAdministrator", "administrator"),
        ("role", "ext:student", "aide"),
        ("role", "never heard of", "aide"),
        ("enrollmentRole", "ext:aide", "proctor"),
        ("orgType", "ext:campus", "local"),
        ("sessionType", "ext:term", "semester"),
        ("classType", "ext:club", "scheduled"),
        ("sex", "female", "female"),
        ("sex", "unspecified", None),
        ("sex", "ext:own", None),
        ("resourceRole", "ext:nurse", "aide"),
    ],
)
def test_each_word_has_its_word_in_1p1(vocabulary: str, word: str, older: str | None) -> None:
    assert vocabularies.VOCABULARIES[vocabulary].demote(word) == older


@pytest.mark.parametrize("table", vocabularies.VOCABULARIES.values(), ids=lambda table: table.name)
def test_every_listed_word_goes_down_to_a_listed_one(table: vocabularies.Vocabulary) -> None:
    older = {table.demote(word) for word in table.words}
    assert older <= table.older | {None}
    assert table.other is None or table.other in table.older - {"student", "teacher", "school"}


def test_an_own_word_never_moves_a_record_between_listings() -> None:
    listed = {(listing.field, listing.value) for listing in model.LISTINGS.values()}
    for field, vocabulary in (("type", "orgType"), ("type", "sessionType"), ("roles.role", "role")):
        assert (field, vocabularies.VOCABULARIES[vocabulary].demote("ext:x")) not in listed


@pytest.mark.parametrize(
    "word,version,allowed",
    [
        ("ext:a.b-c_9", "1.2", True),
        ("ext:", "1.2", False),
        ("ext:a b", "1.2", False),
        ("xext:a", "1.2", False),
        ("ext:a", "1.1", False),
        ("administrator", "1.2", False),
        ("administrator", "1.1", True),
        ("principal", "1.1", False),
    ],
)
def test_a_word_is_allowed_where_its_version_lists_it(
    word: str, version: str, allowed: bool
) -> None:
    assert vocabularies.VOCABULARIES["role"].allows(word, version) is allowed


def test_lists_that_are_closed_take_no_own_words() -> None:
    assert not vocabularies.VOCABULARIES["importance"].allows("ext:a", "1.2")


NOWHERE: dict[str, str] = {}  # no org is known


def role(word: str, org: str = "s1", role_type: str = "primary") -> dict[str, str]:
    return {"roleType": role_type, "role": word, "org": org}


@pytest.mark.parametrize(
    "roles,older",
    [
        ([role("student"), role("teacher", "s2")], "teacher"),
        ([role("student"), role("ext:helper", "s2")], "student"),
        ([role("guardian"), role("student", "s2")], "student"),
        ([role("siteAdministrator"), role("teacher", "s2")], "teacher"),
        ([role("student"), role("teacher", "s1", "secondary")], "student"),
        ([role("relative", "s1", "secondary")], "relative"),
    ],
)
def test_a_1p1_user_has_the_primary_role_that_ranks_first(
    roles: list[dict[str, str]], older: str
) -> None:
    assert vocabularies.as_1p1("users", {"sourcedId": "u", "roles": roles})["role"] == older


def test_the_primary_org_comes_first_and_each_org_once() -> None:
    roles = [
        role("aide", "s3", "secondary"),
        role("aide", "s1"),
        role("proctor", "s1", "secondary"),
        role("aide", "s2"),
    ]
    user = {"sourcedId": "u", "roles": roles, "primaryOrg": "s2"}
    assert vocabularies.as_1p1("users", user)["orgs"] == ["s2", "s1", "s3"]


def test_a_primary_org_without_a_role_is_not_added() -> None:
    user = {"sourcedId": "u", "roles": [role("aide")], "primaryOrg": "elsewhere"}
    assert vocabularies.as_1p1("users", user)["orgs"] == ["s1"]


def test_1p1_users_lose_what_only_1p2_has_and_get_what_1p1_requires() -> None:
    user = {
        "sourcedId": "u",
        "givenName": "Ada",
        "pronouns": "she/her",
        "userMasterIdentifier": "m",
        "resources": ["r"],
        "roles": [role("student")],
    }
    assert vocabularies.as_1p1("users", user) == {
        "sourcedId": "u",
        "username": "u",
        "givenName": "Ada",
        "enabledUser": "true",
        "role": "student",
        "orgs": ["s1"],
    }


def test_a_sex_without_a_word_in_1p1_is_left_out() -> None:
    record = {"sourcedId": "u", "sex": "other", "birthDate": "2015-02-03"}
    assert vocabularies.as_1p1("demographics", record) == {
        "sourcedId": "u",
        "birthDate": "2015-02-03",
    }


def test_roles_of_a_resource_are_demoted_and_named_once() -> None:
    resource = {"sourcedId": "r", "roles": ["ext:a", "aide", "teacher", "ext:b"]}
    assert vocabularies.as_1p1("resources", resource)["roles"] == ["aide", "teacher"]


def test_the_sourced_id_stands_in_only_where_1p2_requires_a_member() -> None:
    org = {"sourcedId": "o1", "name": "North", "type": "school"}
    assert vocabularies.as_1p2("orgs", org)["identifier"] == "o1"
    assert vocabularies.as_1p2("orgs", {**org, "identifier": "77"})["identifier"] == "77"
    assert "identifier" not in vocabularies.as_1p1("orgs", org)
    course = {"sourcedId": "c1", "title": "Algebra"}
    assert vocabularies.as_1p2("courses", course)["courseCode"] == "c1"


@pytest.mark.parametrize(
    "org,newer",
    [
        ("school-1", "siteAdministrator"),
        ("district-1", "districtAdministrator"),
        ("state-1", "systemAdministrator"),
        ("unknown", "systemAdministrator"),
    ],
)
def test_an_administrator_of_1p1_leads_what_the_org_is(org: str, newer: str) -> None:
    types = {"school-1": "school", "district-1": "district", "state-1": "state"}
    user = {"sourcedId": "u", "role": "administrator", "orgs": [org, org]}
    assert vocabularies.from_1p1("users", user, types.get) == {
        "sourcedId": "u",
        "roles": [role(newer, org)],
    }


def test_a_1p1_enrollment_role_that_1p2_has_not_becomes_an_own_word() -> None:
    enrollment = {"sourcedId": "e", "role": "aide"}
    newer = vocabularies.from_1p1("enrollments", enrollment, NOWHERE.get)
    assert newer["role"] == "ext:aide"
    assert vocabularies.as_1p1("enrollments", newer)["role"] == "proctor"


def test_grades_of_1p1_stay_as_they_are() -> None:
    user = {"sourcedId": "u", "role": "student", "orgs": ["s1"], "grades": ["KG", "Other"]}
    assert vocabularies.from_1p1("users", user, NOWHERE.get)["grades"] == ["KG", "Other"]

"""Bodies of both versions, member by member."""

import orjson
import pytest

from rosterd.oneroster import rendering

ROSTER = b"https://roster.example.org/ims/oneroster/rostering/v1p2"
RESOURCES = b"https://roster.example.org/ims/oneroster/resources/v1p2"
USER = {
    "sourcedId": "u/1 a",
    "username": "ada",
    "enabledUser": "false",
    "givenName": "Ada",
    "familyName": "Lund",
    "roles": [
        {
            "roleType": "primary",
            "role": "student",
            "org": "s:1",
            "userProfile": "p1",
            "beginDate": "2025-08-01",
        }
    ],
    "userProfiles": [{"sourcedId": "p1", "profileType": "t", "vendorId": "v"}],
    "agents": ["u2"],
    "grades": ["05"],
    "resources": ["r1"],
}


def ref(collection: str, kind: str, sourced_id: str, encoded: str, mark: str) -> dict[str, str]:
    return {"href": f"{mark}/{collection}/{encoded}", "sourcedId": sourced_id, "type": kind}


def test_a_1p2_user() -> None:
    assert rendering.render("users", USER, "1.2") == {
        "sourcedId": "u/1 a",
        "status": "active",
        "username": "ada",
        "enabledUser": "false",
        "givenName": "Ada",
        "familyName": "Lund",
        "roles": [
            {
                "roleType": "primary",
                "role": "student",
                "org": ref("orgs", "org", "s:1", "s%3A1", rendering.MARK),
                "userProfile": "urn:rosterd:profile:p1",
                "beginDate": "2025-08-01",
            }
        ],
        "userProfiles": [
            {"profileId": "urn:rosterd:profile:p1", "profileType": "t", "vendorId": "v"}
        ],
        "agents": [ref("users", "user", "u2", "u2", rendering.MARK)],
        "grades": ["05"],
        "resources": [ref("resources", "resource", "r1", "r1", rendering.RESOURCES_MARK)],
    }


def test_a_1p1_user() -> None:
    assert rendering.render("users", USER, "1.1") == {
        "sourcedId": "u/1 a",
        "status": "active",
        "username": "ada",
        "enabledUser": "false",
        "givenName": "Ada",
        "familyName": "Lund",
        "role": "student",
        "orgs": [ref("orgs", "org", "s:1", "s%3A1", rendering.MARK)],
        "agents": [ref("users", "user", "u2", "u2", rendering.MARK)],
        "grades": ["05"],
    }


def test_a_page_is_whole_json_with_its_bases_and_dates() -> None:
    part = rendering.dated("2026-01-01T00:00:00.000Z") + rendering.fragment("users", USER, "1.2")
    text = rendering.page("users", rendering.Records([part, b",", part]), ROSTER, RESOURCES)
    assert text.startswith(b'{"users":[{"dateLastModified":"2026-01-01T00:00:00.000Z",')
    first, second = orjson.loads(text)["users"]
    assert first == second
    assert first["agents"][0]["href"] == f"{ROSTER.decode()}/users/u2"
    assert first["resources"][0]["href"] == f"{RESOURCES.decode()}/resources/r1"


def test_an_empty_page_is_an_empty_list() -> None:
    assert rendering.page("orgs", rendering.Records([]), ROSTER, RESOURCES) == b'{"orgs":[]}'


def test_what_comes_between_records_may_stand_for_them_in_stored_bytes() -> None:
    one = rendering.fragment("users", {**USER, "givenName": "Ünïcødé þÿ"}, "1.2")
    opening = b"," + rendering.dated("2026-01-01T00:00:00.000Z")
    stored = rendering.NEXT_BYTE.join([one, one])
    parts = [opening[1:], stored, opening, stored]

    page = rendering.page("users", rendering.Records(parts, following=opening), ROSTER, RESOURCES)
    plain = rendering.Records([opening[1:] + one, one, one, one], opening)

    assert page == rendering.page("users", plain, ROSTER, RESOURCES)
    assert [user["givenName"] for user in orjson.loads(page)["users"]] == ["Ünïcødé þÿ"] * 4


def test_a_single_body_has_one_key() -> None:
    part = rendering.dated("2026-01-01T00:00:00.000Z") + rendering.fragment(
        "demographics", {"sourcedId": "u", "sex": "ext:x"}, "1.2"
    )
    assert orjson.loads(rendering.single("demographics", [part], ROSTER, RESOURCES)) == {
        "demographics": {
            "dateLastModified": "2026-01-01T00:00:00.000Z",
            "sourcedId": "u",
            "status": "active",
            "sex": "ext:x",
        }
    }


def test_members_beside_the_standard_are_left_out() -> None:
    org = {"sourcedId": "o", "name": "N", "type": "school", "ext_phone": "5", "role": "x"}
    for version in ("1.1", "1.2"):
        assert "ext_phone" not in rendering.render("orgs", org, version)
        assert "role" not in rendering.render("orgs", org, version)


def test_children_are_rendered_when_they_are_given() -> None:
    org = {"sourcedId": "d", "name": "D", "type": "district", "children": ["s1", "s2"]}
    body = rendering.render("orgs", org, "1.2")
    assert [child["sourcedId"] for child in body["children"]] == ["s1", "s2"]
    assert "children" not in rendering.render("orgs", {**org, "children": []}, "1.2")


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_user_of_whom_nobody_said_so_is_enabled(version: str) -> None:
    user = {name: value for name, value in USER.items() if name != "enabledUser"}
    assert rendering.render("users", user, version)["enabledUser"] == "true"


def test_a_class_without_a_type_has_none() -> None:
    body = rendering.render(
        "classes",
        {"sourcedId": "c", "title": "T", "course": "k", "school": "s", "terms": ["t"]},
        "1.1",
    )
    assert list(body) == ["sourcedId", "status", "title", "course", "school", "terms"]


def test_a_tombstone_says_as_little_as_it_may() -> None:
    text = rendering.single(
        "user", [b"{" + rendering.tombstone("users", USER, "1.1")], ROSTER, ROSTER
    )
    body = orjson.loads(text)["user"]
    assert body["status"] == "tobedeleted"
    assert set(body) == {
        "sourcedId",
        "status",
        "username",
        "enabledUser",
        "givenName",
        "familyName",
        "role",
        "orgs",
    }


def test_what_a_value_says_cannot_end_its_string() -> None:
    name = 'Ada","role":"teacher'
    text = rendering.page(
        "users",
        rendering.Records([b"{" + rendering.fragment("users", {**USER, "givenName": name}, "1.1")]),
        ROSTER,
        ROSTER,
    )
    (body,) = orjson.loads(text)["users"]
    assert (body["givenName"], body["role"]) == (name, "student")

"""Members cut out of rendered JSON."""

from collections.abc import Mapping

import orjson
import pytest

from rosterd.oneroster import rendering, trimming

USER = {
    "sourcedId": "u1",
    "enabledUser": "true",
    "givenName": "Ada",
    "familyName": "Okafor",
    "roles": [{"roleType": "primary", "role": "student", "org": "s1"}],
    "phone": "555-0100",
    "email": "ada@example.org",
    "agents": ["g1", "g2"],
    "grades": ["05", "06"],
    "resources": ["r1"],
}


def left(record: Mapping[str, object], *names: str) -> dict[str, object]:
    fragment = trimming.without(frozenset(names))(rendering.fragment("users", record, "1.2"))
    body: dict[str, object] = orjson.loads(
        b"{" + fragment.replace(rendering.RESOURCES_BYTE, b"").replace(rendering.MARK_BYTE, b"")
    )
    return body


def test_texts_and_lists_go_and_all_else_stays() -> None:
    whole, cut = left(USER), left(USER, "phone", "agents", "grades", "resources")

    gone = {"phone", "agents", "grades", "resources"}
    assert cut == {name: value for name, value in whole.items() if name not in gone}


@pytest.mark.parametrize(
    "value",
    [
        'x","phone":"555',
        ',"phone":"555"',
        "\\",
        '\\"',
        '"',
        'a\\\\","phone":"',
        "]}",
        "line\u2028end",
        'ends with,"',
    ],
)
def test_what_a_value_says_is_never_taken_for_a_member(value: str) -> None:
    for name in ("givenName", "phone"):
        assert left({**USER, name: value}, "phone") == {
            key: held for key, held in left({**USER, name: value}).items() if key != "phone"
        }


def test_ids_full_of_brackets_do_not_end_a_list() -> None:
    assert "agents" not in left({**USER, "agents": ["]},{", '"]', "}]"]}, "agents")


def test_names_that_occur_further_down_are_never_cut() -> None:
    newer = trimming.separable("users", "1.2")

    assert {"phone", "email", "agents", "primaryOrg", "resources", "grades"} <= newer
    assert newer.isdisjoint({"identifier", "roles", "sourcedId", "userProfiles", "metadata"})


def test_what_a_version_requires_is_never_cut() -> None:
    assert "school" not in trimming.separable("enrollments", "1.2")
    assert "org" not in trimming.separable("courses", "1.1")

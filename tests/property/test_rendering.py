"""Laws of rendering, over every record that the model allows."""

import copy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rosterd.oneroster import model, rendering, vocabularies
from tests.property import records

ROSTER = b"https://roster.example.org/ims/oneroster/rostering/v1p2"
RESOURCES = b"https://roster.example.org/ims/oneroster/resources/v1p2"
VERSION = st.sampled_from(model.VERSIONS)

_CLOSED_PARTS = {
    "roles": {"roleType", "role", "org", "userProfile", "beginDate", "endDate"},
    "userIds": {"type", "identifier"},
    "userProfiles": {
        "profileId",
        "profileType",
        "vendorId",
        "applicationId",
        "description",
        "credentials",
    },
}


def members(collection: str, version: str) -> set[str]:
    return {field.name for field in model.COLLECTIONS[collection].members(version)}


def whole(collection: str, record: dict[str, Any], version: str) -> dict[str, Any]:
    """The record as a client reads it from a page of one."""
    part = rendering.dated("2026-01-01T00:00:00.000Z") + rendering.fragment(
        collection, record, version
    )
    page = rendering.page(collection, rendering.Records([part]), ROSTER, RESOURCES)
    (body,) = orjson.loads(page)[collection]
    return dict(body)


@given(records.ANY, VERSION)
def test_every_record_renders_with_all_that_is_required_and_nothing_else(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    collection, record = drawn
    body = whole(collection, record, version)
    base = {"sourcedId", "status", "dateLastModified"}
    assert set(body) <= members(collection, version) | base
    assert set(body) >= model.required(collection, version) | base
    for name, closed in _CLOSED_PARTS.items():
        if collection == "users":
            assert all(set(entry) <= closed for entry in body.get(name, ()))


@given(records.ANY)
def test_1p2_holds_every_member_of_the_record(drawn: tuple[str, dict[str, Any]]) -> None:
    collection, record = drawn
    assert set(record) <= set(whole(collection, record, "1.2"))


@given(records.ANY, VERSION)
def test_nothing_rendered_is_empty_or_a_boolean(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    pending: list[Any] = [whole(*drawn, version)]
    while pending:
        value = pending.pop()
        assert value not in ("", [], {}, None, True, False)
        if isinstance(value, dict | list):
            pending.extend(value.values() if isinstance(value, dict) else value)


@given(records.ANY)
def test_every_word_of_1p1_is_one_that_1p1_lists(drawn: tuple[str, dict[str, Any]]) -> None:
    collection, record = drawn
    body = whole(collection, record, "1.1")
    for field in model.COLLECTIONS[collection].members("1.1"):
        if field.vocabulary and field.name in body:
            held = body[field.name]
            older = vocabularies.VOCABULARIES[field.vocabulary].older
            assert set(held if isinstance(held, list) else [held]) <= older


@given(records.ANY, VERSION)
def test_rendering_leaves_the_record_as_it_was(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    collection, record = drawn
    before = copy.deepcopy(record)
    rendering.fragment(collection, record, version)
    rendering.tombstone(collection, record, version)
    assert record == before


@given(records.ANY, VERSION)
def test_what_was_turned_into_a_version_already_renders_the_same(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    collection, record = drawn
    given_ = vocabularies.as_given(collection, record, version)
    assert rendering.fragment(collection, given_, version) == rendering.fragment(
        collection, record, version
    )


@given(records.ANY, VERSION)
def test_a_reference_stands_under_the_service_of_its_target(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    pending: list[Any] = [whole(*drawn, version)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and "href" in value:
            base = RESOURCES if value["type"] == "resource" else ROSTER
            collection = next(
                name for name, of in model.COLLECTIONS.items() if of.singular == value["type"]
            )
            prefix = f"{base.decode()}/{collection}/"
            assert value["href"].startswith(prefix)
            assert "/" not in value["href"].removeprefix(prefix)
        elif isinstance(value, dict | list):
            pending.extend(value.values() if isinstance(value, dict) else value)


@given(records.ANY, VERSION)
def test_a_tombstone_holds_what_is_required_and_no_more(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    collection, record = drawn
    left = rendering.single(
        collection, [b"{" + rendering.tombstone(collection, record, version)], ROSTER, RESOURCES
    )
    body = orjson.loads(left)[collection]
    assert set(body) == model.required(collection, version) | {"status"}
    assert body["status"] == "tobedeleted"


@given(records.records("users"), st.lists(records.EXTENSION, min_size=1, max_size=3))
def test_an_own_role_makes_nobody_a_student_or_teacher(
    user: dict[str, Any], roles: list[str]
) -> None:
    user["roles"] = [{"roleType": "primary", "role": role, "org": "s"} for role in roles]
    assert whole("users", user, "1.1")["role"] == "aide"


@given(records.ANY, VERSION)
def test_values_of_a_path_are_those_of_the_record_in_that_version(
    drawn: tuple[str, dict[str, Any]], version: str
) -> None:
    collection, record = drawn
    given_ = vocabularies.as_given(collection, record, version)
    for field in model.COLLECTIONS[collection].members(version):
        path = model.path(collection, field.name, version)
        if path is None or field.name not in record | {"role": 1, "orgs": 1}:
            continue
        held = given_.get(field.name, [])
        expected = tuple(held) if isinstance(held, list) else (held,)
        assert model.values(record, path) == expected
        assert model.values(given_, path) == expected

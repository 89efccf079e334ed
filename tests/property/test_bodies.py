"""Laws of reading bodies: what we render comes back, and nothing anybody sends can break it."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rosterd.oneroster import bodies, model, rendering, vocabularies
from tests.property import records

BASE = b"https://roster.example.org/ims/oneroster/rostering/v1p2"
RESOURCES = b"https://roster.example.org/ims/oneroster/resources/v1p2"

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def sent(collection: str, record: dict[str, Any], version: str) -> Any:
    """The object that a client of ours finds in a page."""
    part = rendering.dated("2026-01-01T00:00:00.000Z") + rendering.fragment(
        collection, record, version
    )
    return orjson.loads(rendering.page("x", rendering.Records([part]), BASE, RESOURCES))["x"][0]


def comparable(collection: str, record: dict[str, Any]) -> dict[str, Any]:
    """Without what is derived, and with every list as a reader keeps it: trimmed, each text once."""
    plain = _trimmed(record)
    return {name: value for name, value in plain.items() if name != "children"}


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        kept = {_trimmed(key): _trimmed(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if key and each}
    if isinstance(value, list):
        each = [_trimmed(one) for one in value]
        if all(isinstance(one, str) for one in each):
            return [one for one in dict.fromkeys(each) if one]
        return [one for one in each if one]
    return value


def _meant(record: dict[str, Any]) -> bool:
    """Whether nothing in it is blank but for white space, which no reader would keep."""

    def texts(value: Any) -> Any:
        if isinstance(value, dict):
            for key, each in value.items():
                yield key
                yield from texts(each)
        elif isinstance(value, list):
            for each in value:
                yield from texts(each)
        else:
            yield value

    return all(text.strip() == text != "" for text in texts(record))


@given(records.ANY.filter(lambda drawn: _meant(drawn[1])))
def test_a_record_rendered_in_1p2_is_read_as_it_was(drawn: tuple[str, dict[str, Any]]) -> None:
    collection, record = drawn

    received = bodies.read(collection, sent(collection, record, "1.2"), "1.2", lambda _: None)

    assert received.faults == ()
    expected = vocabularies.as_given(collection, record, "1.2")
    assert received.record == comparable(collection, expected)
    assert received.status == "active"
    assert received.modified is not None


def test_inactive_of_1_0_is_read_as_tobedeleted() -> None:
    body = {"sourcedId": "a", "status": "inactive"}

    received = bodies.read("users", body, "1.1", lambda _: None)

    assert (received.record, received.status) == ({"sourcedId": "a"}, "tobedeleted")


@given(records.ANY.filter(lambda drawn: _meant(drawn[1])))
def test_a_record_that_went_through_1p1_is_the_same_to_1p1(
    drawn: tuple[str, dict[str, Any]],
) -> None:
    collection = drawn[0]
    body = sent(collection, comparable(*drawn), "1.1")  # no list of ours holds anything twice

    received = bodies.read(collection, body, "1.1", lambda _: "school")

    assert received.record is not None
    again = sent(collection, received.record, "1.1")
    assert {**again, "children": body.get("children")} == {
        **body,
        "children": body.get("children"),
    }


@given(records.COLLECTIONS, st.dictionaries(st.text(max_size=8), _ANYTHING, max_size=4), st.data())
def test_nothing_that_comes_raises(
    collection: str, body: dict[str, Any], data: st.DataObject
) -> None:
    for field in model.COLLECTIONS[collection].fields:
        if data.draw(st.integers(0, 3)) == 0:
            body[field.name] = data.draw(_ANYTHING)
    body["sourcedId"] = data.draw(st.just("a") | _ANYTHING)

    for version in model.VERSIONS:
        received = bodies.read(collection, body, version, lambda _: None)
        if received.record is not None and received.status == "active":
            rendering.fragment(collection, received.record, "1.2")


@given(_ANYTHING)
def test_what_is_no_object_is_no_record(body: Any) -> None:
    if not isinstance(body, dict):
        assert bodies.read("users", body, "1.2", lambda _: None).record is None

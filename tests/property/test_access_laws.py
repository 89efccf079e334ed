"""The laws of access, over districts and permissions that nobody would think of.

Each of them has been seen to fail: a line of the code was broken on purpose, and the law named it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from rosterd import access, configs, listings, pictures, rosters
from rosterd.oneroster import filters, model, rendering
from tests.property import reference_view
from tests.property import rosters_strategies as made
from tests.unit import districts


def shown(view: access.View) -> dict[str, set[str]]:
    return {collection: districts.ids(view, collection) for collection in model.COLLECTIONS}


def pictured(view: access.View) -> list[pictures.Picture]:
    return [pictures.Picture(view, version) for version in model.VERSIONS]


def given_records(picture: pictures.Picture, collection: str) -> dict[int, rosters.Record]:
    return {row: picture.record(collection, row) for row in picture.view.rows[collection]}


def asked(picture: pictures.Picture, collection: str) -> list[model.FieldPath]:
    """Every path of this version, and some keys of metadata."""
    names = [path.dotted for path in model.paths(collection)]
    names += ["metadata.bus", "metadata.code", "metadata.other"]
    found = [model.path(collection, name, picture.version) for name in names]
    return [path for path in found if path is not None and path.dotted != "dateLastModified"]


def leaves(path: model.FieldPath, values: set[str]) -> Iterator[filters.Leaf]:
    for operator in ("=", "!=", "<", ">=", "~"):
        for value in sorted(values):
            yield filters.Leaf(path, operator, value)


def values_of(district: made.District, collection: str, path: model.FieldPath) -> set[str]:
    """Values that the district holds, shared or not, and one that it does not."""
    held = district.records[collection]
    return {value for record in held for value in model.values(record, path)} | {"b"}


@st.composite
def cases(draw: st.DrawFn) -> tuple[made.District, configs.Grant]:
    district = draw(made.any_district())
    rules = draw(made.any_rules(district))
    return district, made.grant_of(rules, draw(made.EXCLUDES))


# ---------------------------------------------------------------- the view


@given(cases())
def test_a_view_is_what_the_rules_say_record_by_record(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case

    view = district.view(grant)

    event(f"users: {min(3, len(view.rows['users']))}+")
    assert shown(view) == reference_view.of(district, grant, made.TODAY)


@given(cases())
def test_an_explanation_says_yes_exactly_where_the_view_has_the_record(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case
    view = district.view(grant)

    for collection in model.COLLECTIONS:
        for row in range(len(district.records[collection])):
            reason = access.explain(view, collection, row)
            assert reason.holds == (row in view.rows[collection]), (collection, row, reason)


@given(st.data())
def test_narrowing_a_permission_never_grows_its_view(data: st.DataObject) -> None:
    district = data.draw(made.any_district())
    rules = data.draw(made.basic_rules(district))
    less = data.draw(made.narrower(rules))
    exclude = data.draw(made.EXCLUDES)

    wide = district.view(made.grant_of(rules))
    narrow = district.view(made.grant_of(less, exclude))

    for collection in model.COLLECTIONS:
        assert districts.ids(narrow, collection) <= districts.ids(wide, collection)


@given(st.data())
def test_full_holds_every_basic_view_and_that_holds_none(data: st.DataObject) -> None:
    district = data.draw(made.any_district())
    exclude = data.draw(made.EXCLUDES)
    full = district.view(made.grant_of({"access": "full"}, exclude))
    basic = district.view(made.grant_of(data.draw(made.basic_rules(district)), exclude))
    none = district.view(made.grant_of({"access": "none"}, exclude))

    for collection in model.COLLECTIONS:
        assert none.rows[collection] <= basic.rows[collection] <= full.rows[collection]
        assert full.rows[collection] <= full.roster.active[collection]
        assert not set(district.inactive.get(collection, ())) & districts.ids(full, collection)
    assert none.refusal
    assert not basic.refusal


# ---------------------------------------------------------------- the picture


@given(cases())
def test_no_id_of_a_record_that_is_not_shared_leaves(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case
    view = district.view(grant)
    everywhere = {each["sourcedId"] for held in district.records.values() for each in held}
    unshared = everywhere - set().union(*shown(view).values())

    for picture in pictured(view):
        for collection in model.COLLECTIONS:
            for record in given_records(picture, collection).values():
                # as text and as it is rendered, where hrefs hold ids percent-encoded
                text = orjson.dumps(record).decode()
                text += orjson.dumps(rendering.render(collection, record, picture.version)).decode()
                assert [each for each in unshared if each in text or _encoded(each) in text] == []


def _encoded(sourced_id: str) -> str:
    return sourced_id.replace("<", "%3C").replace(">", "%3E")


@given(cases())
def test_every_reference_of_a_picture_leads_into_the_view(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case
    view = district.view(grant)
    ids = shown(view)

    for picture in pictured(view):
        for collection in model.COLLECTIONS:
            for record in given_records(picture, collection).values():
                body = rendering.render(collection, record, picture.version)
                for target, sourced_id in _references(body):
                    assert sourced_id in ids[target]
        for user in given_records(picture, "demographics").values():
            assert user["sourcedId"] in ids["users"]


_TARGETS = {collection.singular: name for name, collection in model.COLLECTIONS.items()}


def _references(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "href" in node:
            yield _TARGETS[node["type"]], node["sourcedId"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@given(st.data())
def test_what_a_version_requires_is_there(data: st.DataObject) -> None:
    # a record whose required reference was deleted is not shown, but sessions are
    district = data.draw(made.any_district(inactive=False))
    view = district.view(made.grant_of(data.draw(made.any_rules(district))))

    for picture in pictured(view):
        for collection in model.COLLECTIONS:
            required = model.required(collection, picture.version)
            for record in given_records(picture, collection).values():
                assert required <= rendering.render(collection, record, picture.version).keys()


@given(cases())
def test_plain_rows_are_stored_as_they_are_given(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case

    for picture in pictured(district.view(grant)):
        for collection in model.COLLECTIONS:
            plain = picture.plain(collection)
            assert plain <= picture.view.rows[collection]
            event(f"plain {collection}: {bool(plain)}")
            for row in plain:
                stored = rosters.bare(collection, picture.view.roster.record(collection, row))
                kept = rendering.fragment(collection, stored, picture.version)
                record = picture.record(collection, row)
                assert kept == rendering.fragment(collection, record, picture.version)


@given(cases())
def test_a_leaf_accepts_what_the_given_records_say(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case

    for picture in pictured(district.view(grant)):
        for collection in model.COLLECTIONS:
            records = given_records(picture, collection)
            for path in asked(picture, collection):
                for leaf in leaves(path, values_of(district, collection, path)):
                    test = filters.predicate(leaf, missing=True)
                    expected = {row for row, it in records.items() if test(model.values(it, path))}
                    assert set(picture.leaf(collection, leaf)) == expected, leaf


@given(cases())
def test_orders_go_by_what_the_given_records_say(
    case: tuple[made.District, configs.Grant],
) -> None:
    district, grant = case

    for picture in pictured(district.view(grant)):
        for collection in model.COLLECTIONS:
            records = given_records(picture, collection)
            for path in asked(picture, collection):
                first = {row: model.values(it, path)[:1] for row, it in records.items()}
                by_id = sorted(records, key=lambda row: records[row]["sourcedId"])
                for descending in (False, True):
                    present = [row for row in by_id if first[row]]
                    present.sort(key=first.__getitem__, reverse=descending)
                    expected = [*present, *(row for row in by_id if not first[row])]
                    order = picture.order(collection, path, descending=descending)
                    assert list(order) == expected, path


# ---------------------------------------------------------------- non-interference


def answers(
    view: access.View, queries: dict[tuple[str, str], list[filters.Leaf]]
) -> Iterator[tuple[Any, ...]]:
    """Every answer that an application could ask for, as bytes and ids."""
    for picture in pictured(view):
        version = picture.version

        def body(listing: listings.Listing, version: str, ask: pictures.Picture) -> bytes:
            collection = listing.collection
            rows = listing.page(0, 1000)
            parts = [
                b"{" + rendering.fragment(collection, ask.record(collection, row), version)
                for row in rows
            ]
            return rendering.page(collection, rendering.Records(parts), b"https://r", b"https://s")

        for name in model.LISTINGS:
            listing = listings.make(picture, name)
            yield version, name, listing.total, body(listing, version, picture)
        for collection in model.COLLECTIONS:
            for path in asked(picture, collection):
                for descending in (False, True):
                    sorted_ = listings.make(picture, collection, sort=path, descending=descending)
                    yield version, path, descending, body(sorted_, version, picture)
            for leaf in queries[version, collection]:
                yield leaf, body(listings.make(picture, collection, where=leaf), version, picture)


def _queries(
    view: access.View, *both: made.District, some: Callable[[list[Any]], list[Any]]
) -> dict[tuple[str, str], list[filters.Leaf]]:
    queries = {}
    for picture in pictured(view):
        for collection in model.COLLECTIONS:
            every = [
                leaf
                for path in asked(picture, collection)
                for leaf in leaves(
                    path, set().union(*(values_of(d, collection, path) for d in both))
                )
            ]
            queries[picture.version, collection] = some(every)
    return queries


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # many changes move the view
@given(st.data())
def test_what_is_outside_a_view_changes_no_answer_of_it(data: st.DataObject) -> None:
    district = data.draw(made.any_district())
    rules = {**data.draw(made.basic_rules(district)), **data.draw(made.field_rules())}
    grant = made.grant_of(rules, data.draw(made.EXCLUDES))
    view = district.view(grant)
    assume(view.rows["users"])
    other = data.draw(made.elsewhere(district, view))
    again = other.view(grant)
    assume(shown(again) == shown(view))
    event(f"differs: {other.records != district.records}")
    event(f"users: {min(3, len(view.rows['users']))}+")
    dice = data.draw(made.DICE)
    queries = _queries(
        view, district, other, some=lambda every: dice.sample(every, min(12, len(every)))
    )

    for one, two in zip(answers(view, queries), answers(again, queries), strict=True):
        assert one == two

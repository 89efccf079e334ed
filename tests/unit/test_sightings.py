"""Audiences of rows, and the members that rules let out."""

from pyroaring import BitMap, FrozenBitMap

from rosterd import sightings
from rosterd.oneroster import model
from tests.integration import vendors


def test_rows_are_grouped_by_all_who_see_them() -> None:
    sets = {"a": BitMap([1, 2, 3]), "b": BitMap([2, 3, 9]), "c": BitMap([2, 3])}
    assert sightings.grouped(BitMap([1, 2, 3, 4]), sets) == {
        (): BitMap([4]),
        ("a",): BitMap([1]),
        ("a", "b", "c"): BitMap([2, 3]),
    }


def test_views_that_stay_the_same_cost_nothing() -> None:
    views = {"a": {"users": FrozenBitMap([1, 2])}}
    assert list(sightings.differences(views, views, ["users", "orgs"])) == []
    assert list(sightings.differences(views, {}, ["users"])) == [("users", {(): BitMap([1, 2])})]


def test_a_difference_is_kept_only_where_it_is_smaller() -> None:
    before = {"a": BitMap(range(100))}
    assert sightings.smallest({"a": BitMap(range(99))}, [(7, before)]) == (
        7,
        {(): BitMap([99])},
    )
    base, groups = sightings.smallest({"a": BitMap([200])}, [(7, before)])
    assert (base, groups) == (None, {("a",): BitMap([200])})


def test_packed_marks_tell_cheaply_what_they_do_not_hold() -> None:
    rows = FrozenBitMap([3, 5, 900_000])
    _, packed = sightings.Partition.of_values(rows, [70_000, 8, 70_000]).packed()
    assert sightings.mentions(packed, [8])
    assert sightings.mentions(packed, [70_000])
    assert not sightings.mentions(packed, [9, 70_001])


def test_fields_follow_withhold_mask_share_and_what_was_picked() -> None:
    rules = vendors.FULL + (
        "\nfields: {withhold: [users.phone, orgs.parent], mask: {users.familyName: initial},"
        " share: [users.metadata.bus]}"
    )
    grant = vendors.config({"app": vendors.Vendor(rules)}).grant("app")
    newer = sightings.served(grant, "users", "1.2")
    older = sightings.served(grant, "users", "1.1")
    assert "metadata.bus" in newer.sent
    assert {"phone", "password", "userProfiles"}.isdisjoint(newer.sent)
    assert newer.masked == {"familyName": "initial"}
    assert "roles" in newer.sent
    assert "role" not in newer.sent
    assert {"role", "orgs"} <= set(older.sent)
    assert "children" not in sightings.served(grant, "orgs", "1.2").sent
    picked = sightings.served(grant, "users", "1.2", frozenset({"sourcedId", "phone", "metadata"}))
    assert picked.sent == ("sourcedId", "metadata.bus")


def test_a_tombstone_has_the_required_members_only() -> None:
    for version in model.VERSIONS:
        fields = sightings.departed("users", version)
        required = model.required("users", version)
        assert set(fields.sent) == required | {"sourcedId", "status", "dateLastModified"}
        assert fields.document()["departed"] is True


def test_spans_of_readers_that_come_and_go() -> None:
    told = sightings.spans([(1, ["a", "b"]), (4, ["b"]), (6, ["a"]), (7, ["a"])])
    assert [(span.reader, span.begun, span.ended) for span in told if span.reader == "a"] == [
        ("a", 1, 4),
        ("a", 6, None),
    ]
    assert [(span.begun, span.ended) for span in told if span.reader == "b"] == [(1, 6)]

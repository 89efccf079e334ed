"""Listings: which rows, in which order, page by page."""

from typing import Any

import pytest

from rosterd import access, listings, pictures, rosters
from rosterd.oneroster import filters, model
from tests.unit import districts
from tests.unit.districts import basic


def listed(
    rules: dict[str, Any],
    name: str,
    *,
    where: str | None = None,
    sort: str | None = None,
    descending: bool = False,
    within: list[str] | None = None,
    version: str = "1.2",
) -> tuple[listings.Listing, list[str]]:
    roster = districts.roster()
    view = access.view(roster, districts.grant(rules), districts.TODAY)
    collection = model.LISTINGS[name].collection
    listing = listings.make(
        pictures.Picture(view, version),
        name,
        within=None if within is None else roster.rows(collection, within),
        where=None if where is None else filters.parse(where, collection, version),
        sort=None if sort is None else model.path(collection, sort, version),
        descending=descending,
    )
    page = listing.page(0, 100)
    return listing, [roster.sourced_id(collection, row) for row in page]


def test_unsorted_listings_go_by_row() -> None:
    _, ids = listed({"access": "full"}, "classes")

    assert ids == ["algebra-east", "algebra-west", "history-east", "art-east"]


def test_pages_put_together_are_the_listing() -> None:
    for sort in (None, "familyName"):
        listing, ids = listed({"access": "full"}, "users", sort=sort)
        roster = districts.roster()

        pages = [listing.page(offset, 3) for offset in range(0, 15, 3)]

        assert [len(page) for page in pages] == [3, 3, 3, 2, 0]
        assert [roster.sourced_id("users", row) for page in pages for row in page] == ids
        assert listing.total == 11


@pytest.mark.parametrize(
    "name,expected",
    [
        ("schools", ["east", "west"]),
        ("terms", ["fall", "spring"]),
        ("gradingPeriods", ["fall-1", "spring-1"]),
        ("students", ["pupil-e", "pupil-w", "newcomer-e", "helper"]),
        ("teachers", ["teacher-e", "teacher-w"]),
        ("resources", ["book", "map"]),
    ],
)
@pytest.mark.parametrize("version", model.VERSIONS)
def test_each_kind_of_listing(name: str, expected: list[str], version: str) -> None:
    _, ids = listed({"access": "full"}, name, version=version)

    assert ids == expected


def test_filters_and_relations_narrow_and_never_reach_beyond_the_view() -> None:
    rules = basic(orgs=["east"])

    _, ids = listed(rules, "users", where="role='student' OR sourcedId>''", version="1.1")
    assert "father-w" not in ids
    _, ids = listed(rules, "users", within=["pupil-e", "father-w"])
    assert ids == ["pupil-e"]
    listing, ids = listed(rules, "students", where="grades='06'")
    assert ids == ["pupil-w"]
    assert listing.total == 1


def test_sorted_listings_keep_filters_and_put_missing_values_last() -> None:
    rules = {"access": "full"}

    _, ids = listed(rules, "students", sort="grades")
    assert ids == ["pupil-e", "pupil-w", "helper", "newcomer-e"]
    _, ids = listed(rules, "students", sort="grades", descending=True)
    assert ids == ["pupil-w", "pupil-e", "helper", "newcomer-e"]


def test_a_refused_application_would_have_nothing_to_list() -> None:
    listing, ids = listed({"access": "none"}, "users", sort="familyName")

    assert ids == []
    assert listing.total == 0


def test_a_roster_without_records_has_empty_listings() -> None:
    view = access.view(
        rosters.from_records({}), districts.grant(basic(guardians=True)), districts.TODAY
    )

    for version in model.VERSIONS:
        for name in model.LISTINGS:
            assert listings.make(pictures.Picture(view, version), name).page(0, 10) == []

"""The benches themselves, on a district so small that this is part of every test run."""

from collections.abc import Iterator

import pytest

from tests.bench import districts, measuring
from tests.bench.applications import CUT, FULL, THIRD

USERS = f"{measuring.ROSTERING}/users"


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> districts.District:
    return districts.district(tmp_path_factory.mktemp("bench"), 1000)


@pytest.fixture(scope="module")
def served(
    district: districts.District, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[measuring.Server]:
    with measuring.serving(district, tmp_path_factory.mktemp("serving")) as server:
        yield server


def test_the_bare_handler_gives_equal_bytes(served: measuring.Server) -> None:
    (ours,) = served.client(FULL).get([f"{USERS}?limit=100&offset=300"])
    served._told("PUT", "/page?equal", ours.body)
    (bare,) = served.client("").get(["/page?equal"])

    assert ours.total == 1000
    assert bare.body == ours.body
    assert ours.body.count(b'"sourcedId":"student-') >= 50


def test_the_applications_see_what_their_names_say(served: measuring.Server) -> None:
    totals = {name: served.total(name, USERS) for name in (FULL, THIRD, CUT)}

    assert 0 < totals[CUT] < totals[THIRD] < totals[FULL]
    (cut,) = served.client(CUT).get([f"{USERS}?limit=1000"])
    assert b'"email"' not in cut.body
    assert b'"agents"' not in cut.body


def test_both_are_measured_in_the_process_that_serves(served: measuring.Server) -> None:
    before = served.cpu()
    found = served.measure(FULL, USERS, limit=50, requests=2, rounds=2)

    assert found.cost > 0
    assert found.bare > 0
    assert found.ratio > 0
    assert served.cpu() > before
    assert 2**20 < served.memory() < 2**30
    assert served.first(FULL, f"{USERS}?sort=familyName") > 0


def test_the_process_makes_views_and_swaps_worlds(
    district: districts.District, served: measuring.Server
) -> None:
    made = served.do("views")
    (before,) = served.client(FULL).get([f"{USERS}?limit=1000"])
    served.do("swap", generation=str(district.generations / district.after))
    (after,) = served.client(FULL).get([f"{USERS}?limit=1000"])

    assert made["views"] == 100
    assert made["records"] > 10_000
    assert b"@new." not in before.body
    assert b"@new." in after.body


def test_results_are_a_table() -> None:
    results = measuring.Results()

    assert results.add("a page", 2.5, 3, "x bare")
    assert not results.add("another page", 3.5, 3, "x bare")
    assert results.table().splitlines() == [
        "what             measured   allowed",
        "a page        2.50 x bare  3 x bare",
        "another page  3.50 x bare  3 x bare",
    ]

"""How fast and how big the daemon is, as ratios to what cannot be faster.

`make bench`, alone on the machine. Pages are of 100 records unless it says otherwise.
"""

import os
import random
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.bench import districts, measuring
from tests.bench.applications import CUT, FULL, THIRD

pytestmark = pytest.mark.bench

NEWER, OLDER = measuring.ROSTERING, measuring.OLDER
BARE = "x bare"
PATHS = [f"{base}/{name}" for base in (NEWER, OLDER) for name in ("users", "enrollments")]

# The aims are 2.5 for a page, 3 for a sorted or filtered one, 4 for a signed one. Alone on the machine
# that these numbers come from, a page of a full view takes 2.1 to 2.4, of a 30 % view 2.35 to 2.6, a
# signed one 3.0 to 3.5, a sorted one 2.9 to 3.7. So the first three are held, with a little room for
# what else a machine does, and the last one to get no worse. What is left is memory for the most
# part: a page is read from wherever it lies, and a sorted one from a hundred places, while the bare
# handler sends a body that it has just been given.
PAGE = 2.6
THIRD_PAGE = 2.7
SORTED_PAGE = 3.8
SIGNED_PAGE = 4


def measured(
    server: measuring.Server, results: measuring.Results, what: str, allowed: float, *asked: Any,
    **more: Any,
) -> bool:  # fmt: skip
    found = server.measure(*asked, **more)
    return results.add(f"{what} ({1000 * found.cost:.0f} us)", found.ratio, allowed, BARE)


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_a_full_view(
    path: str, server: measuring.Server, results: measuring.Results
) -> None:
    assert measured(server, results, f"full view {_short(path)}", PAGE, FULL, path)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_a_third(path: str, server: measuring.Server, results: measuring.Results) -> None:
    assert measured(server, results, f"30 % view {_short(path)}", THIRD_PAGE, THIRD, path)


@pytest.mark.parametrize("path", [f"{OLDER}/users", f"{OLDER}/enrollments"])
def test_a_page_of_a_signed_request(
    path: str, server: measuring.Server, results: measuring.Results
) -> None:
    what = f"signed, full view {_short(path)}"
    assert measured(server, results, what, SIGNED_PAGE, FULL, path, signed=True)


@pytest.mark.parametrize("path", [f"{NEWER}/users", f"{OLDER}/users"])
def test_a_page_without_what_is_withheld_that_nobody_has_seen_yet(
    path: str, server: measuring.Server, results: measuring.Results
) -> None:
    what = f"withheld and pruned {_short(path)}"
    assert measured(server, results, what, 6, CUT, path)


def test_a_page_at_the_end_costs_what_the_first_costs(
    server: measuring.Server, results: measuring.Results
) -> None:
    for name in ("users", "enrollments"):
        path = f"{NEWER}/{name}"
        end = server.total(FULL, path) * 9 // 10
        # in turns, so that what else the machine does hits both
        ratios = []
        for _ in range(5):
            first = server.measure(FULL, path, offsets=range(400), requests=48, rounds=1)
            last = server.measure(FULL, path, offsets=range(end, end + 400), requests=48, rounds=1)
            ratios.append(last.ratio / first.ratio)
        ratio = statistics.median(ratios)
        assert results.add(f"page at 90 % {_short(path)}", ratio, 1.2, "x first")


SORTED = (
    "sort=familyName",
    "sort=username&orderBy=desc",
    "filter=familyName~'ma'",
    "filter=givenName='Quinn'%20OR%20email~'7'",
    "filter=enabledUser='true'&sort=givenName",
)


@pytest.mark.parametrize("query", SORTED)
def test_a_sorted_or_filtered_page(
    query: str, server: measuring.Server, results: measuring.Results
) -> None:
    path = f"{NEWER}/users?{query}"
    first = server.first(FULL, path)
    fine = [
        results.add(f"first page {query}", first, 100, "ms"),
        measured(server, results, f"next pages {query}", SORTED_PAGE, FULL, path),
    ]
    assert all(fine)


def test_ten_thousand_records_at_once(server: measuring.Server, results: measuring.Results) -> None:
    found = server.measure(FULL, f"{NEWER}/users", limit=10_000, requests=4, rounds=3, again=True)
    assert results.add("limit=10000 users", found.cost, 50, "ms")


def test_the_size_of_the_roster_does_not_matter(
    small: districts.District,
    server: measuring.Server,
    work: Path,
    results: measuring.Results,
) -> None:
    path = f"{NEWER}/users"
    with measuring.serving(small, work / "small") as other:
        other.walk(FULL, path)
        ratios = [
            server.measure(FULL, path, rounds=1).ratio
            / other.measure(FULL, path, rounds=1, again=True).ratio
            for _ in range(5)
        ]
    ratio = statistics.median(ratios)
    assert results.add("full view users, 100k users : 10k users", ratio, 1.5, "x")


# ---------------------------------------------------------------- views


def test_a_hundred_views(server: measuring.Server, results: measuring.Results) -> None:
    found = [server.do("views")["seconds"] for _ in range(3)]
    assert results.add("100 views", statistics.median(found), 2, "s")


# ---------------------------------------------------------------- memory


def test_anonymous_memory_with_a_swap_of_worlds(
    big: districts.District, work: Path, results: measuring.Results
) -> None:
    with measuring.serving(big, work / "memory") as server:
        _ask_around(server)
        served = server.memory()
        swap = str(big.generations / big.after)
        peak = measuring.meanwhile(lambda: server.do("swap", generation=swap), server.memory)
        _ask_around(server)
        most = max([served, server.memory(), *peak])
    fine = [
        results.add("anonymous memory, served", served / 2**20, 500, "MiB"),
        results.add("anonymous memory, most", most / 2**20, 500, "MiB"),
    ]
    assert all(fine)


def _ask_around(server: measuring.Server) -> None:
    """What makes a process remember things: walks, sorts, filters, pruned records."""
    for application in (FULL, THIRD, CUT):
        for base in (NEWER, OLDER):
            for name in ("users", "enrollments", "classes"):
                server.walk(application, f"{base}/{name}")
    for query in SORTED:
        server.walk(FULL, f"{NEWER}/users?{query}")
    server.walk(FULL, f"{NEWER}/enrollments?sort=sourcedId&orderBy=desc")


# ---------------------------------------------------------------- imports


def test_an_import_against_reading_and_writing(
    big: districts.District, work: Path, results: measuring.Results
) -> None:
    _, took = districts.build(work / "imported", 1, None, big.first)
    least = districts.bare_import(big.first, work / "columns.db")
    # The aim is 2; measured are 11 to 13.4. Rows are checked, rendered in two versions and linked in Python, which reading
    # and writing leaves to C: what is held here is that it gets no worse.
    what = f"import of {_lines(big.first / 'enrollments.csv'):,} enrollments ({took:.0f} s)"
    assert results.add(what, took / least, 14, "x csv and columns")


def test_pages_go_on_during_an_import(
    big: districts.District, work: Path, results: measuring.Results
) -> None:
    folder = work / "swapped"
    shutil.copytree(big.generations / big.before, folder / big.before, copy_function=os.link)
    asked = {
        "number": 2,
        "folder": str(folder),
        "former": big.before,
        "source": "sis",
        "delivery": str(big.second),
        "limit": 2**34,
    }
    dice = random.Random(3)
    path = f"{NEWER}/users"
    with measuring.serving(big, work / "importing") as server:
        total = server.total(FULL, path)
        server.walk(FULL, path)

        def page() -> float:
            offset = dice.randrange(total - 200)
            return server.client(FULL).latency(f"{path}?limit=100&offset={offset}")

        found = measuring.Pauses(page)
        found.during(lambda: server.do("import", sources=["sis"], **{"import": asked}))
    results.add("p99 of pages at rest", found.at_rest(0.99), 5, measuring.AT_REST)
    results.add("p50 of pages during an import", found.share(0.5), 5, measuring.AT_REST)
    assert results.add("p99 of pages during an import", found.share(0.99), 5, measuring.AT_REST)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1


def _short(path: str) -> str:
    return f"{'1.1' if OLDER in path else '1.2'} {path.rpartition('/')[2]}"

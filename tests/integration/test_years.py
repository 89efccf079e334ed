"""A year of nights: what is kept of it stays small, and is asked in a second."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rosterd import disclosures, storage
from rosterd.storage import shown, sqlite
from tests.bench import years

SMALL = years.Size(nights=21, applications=12, people=5_000, each=6, churn=0.01)
WHOLE = years.Size(nights=365, applications=100, people=100_000, each=10, churn=0.01)
GIGABYTE = 10**9


def test_a_night_costs_what_changed_and_not_what_there_is(tmp_path: Path) -> None:
    store = sqlite.open_store(tmp_path / "state.db")
    bitmaps = 0
    for views in years.write(store, SMALL):
        bitmaps += sum(len(rows.serialize()) for view in views.values() for rows in view.values())
    kept = sum(
        len(each.marks) + len(each.rows.serialize())
        for name in ("users", "demographics", "enrollments")
        for each in _kept(store, name)
    )
    answer = disclosures.student(store, tmp_path / "journal", years.NAMED, "p7")
    store.close()

    assert kept < bitmaps / 5  # both of what was seen and of what was received
    assert len(answer["applications"]) > 1
    received = [entry for each in answer["applications"] for entry in each["did_receive"]]
    assert received
    assert {commit for entry in received for commit in entry["commits"]} <= answer["commits"].keys()


def _kept(store: storage.Store, collection: str) -> Iterator[shown.Kept]:
    for number, _ in list(store.sightings(collection)):
        yield store.sighting(collection, number)
    yield from store.received(collection)


@pytest.mark.soak
def test_a_year_of_a_hundred_applications_is_small_and_quick_to_ask(tmp_path: Path) -> None:
    sizes = _written(tmp_path, WHOLE)
    assert sizes[-1] < GIGABYTE, f"{sizes[-1]:,} bytes"

    store = sqlite.open_store(tmp_path / "state.db", readonly=True)
    for person in ("p7", "p55555", "p99999"):
        begun = time.perf_counter()
        disclosures.student(store, tmp_path / "journal", years.NAMED, person)
        took = time.perf_counter() - begun
        assert took < 1.0
    begun = time.perf_counter()
    disclosures.view(store, "app-007", years.START + timedelta(days=WHOLE.nights))
    took = time.perf_counter() - begun
    store.close()
    assert took < 1.0


def _written(folder: Path, size: years.Size) -> list[int]:
    """Bytes of the store after each night, its log put into it at the end."""
    path = folder / "state.db"
    store = sqlite.open_store(path)
    sizes = [path.stat().st_size for _ in years.write(store, size)]
    store.close()
    return [*sizes[:-1], path.stat().st_size]

"""A year of nights: what is kept of it stays small."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rosterd import disclosures, storage
from rosterd.storage import shown, sqlite
from tests.bench import years

SMALL = years.Size(nights=21, applications=12, people=5_000, each=6, churn=0.01)
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
def test_a_year_of_a_hundred_applications_is_small(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = sqlite.open_store(path)
    for _ in years.write(store, years.WHOLE):
        pass
    store.close()
    assert path.stat().st_size < GIGABYTE

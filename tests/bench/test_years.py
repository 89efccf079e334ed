"""Asking about one of a hundred thousand people after a year of nights. Writing it takes minutes."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from rosterd import disclosures
from rosterd.storage import sqlite
from tests.bench import measuring, years


@pytest.mark.bench
def test_a_year_is_asked_in_a_second(work: Path, results: measuring.Results) -> None:
    path = work / "year.db"
    store = sqlite.open_store(path)
    for _ in years.write(store, years.WHOLE):
        pass
    store.close()
    store = sqlite.open_store(path, readonly=True)
    asked = []
    for person in ("p7", "p55555", "p99999"):
        begun = time.process_time()
        disclosures.student(store, work / "journal", years.NAMED, person)
        asked.append(time.process_time() - begun)
    begun = time.process_time()
    disclosures.view(store, "app-007", years.START + timedelta(days=years.WHOLE.nights))
    viewed = time.process_time() - begun
    store.close()

    results.add("a year of disclosures", path.stat().st_size / 1e6, 1000, "MB")
    fine = [
        results.add("audit student after a year", max(asked), 1, "s"),
        results.add("audit view after a year", viewed, 1, "s"),
    ]
    assert all(fine)

"""The big district, the process that serves it, and the table of what was measured."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import applications, districts, measuring


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """Where districts are kept from one run to the next; `pytest --cache-clear` forgets them."""
    return pytestconfig.cache.mkdir("bench")


@pytest.fixture(scope="session")
def small(cache: Path) -> districts.District:
    return districts.district(cache, 10_000)


@pytest.fixture(scope="session")
def big(cache: Path) -> districts.District:
    return districts.district(cache, 100_000)


@pytest.fixture(scope="session")
def work(cache: Path) -> Iterator[Path]:
    """A folder on the disk of the districts, so that files can be linked."""
    folder = cache / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def results() -> Iterator[measuring.Results]:
    results = measuring.Results()
    yield results
    print(f"\n\n{results.table()}")


@pytest.fixture(scope="module")
def server(big: districts.District, work: Path) -> Iterator[measuring.Server]:
    """Serves the big district, every file of which has been read once."""
    with measuring.serving(big, work / "serving") as server:
        for name in ("users", "enrollments"):
            for base in (measuring.ROSTERING, measuring.OLDER):
                server.walk(applications.FULL, f"{base}/{name}")
        yield server

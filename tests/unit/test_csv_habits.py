"""Whole packages with the habits of real exporters: what is read of them, and what is said.

Each folder of `tests/fixtures/csv` has an `expected.json` beside its files: the records, and every
problem as it is printed. Whoever changes one reads it line by line against the files.
"""

import functools
import json
from pathlib import Path
from typing import BinaryIO

import pytest

from rosterd.oneroster.csv import files, reader

FOLDERS = sorted((Path(__file__).parent.parent / "fixtures" / "csv").iterdir())


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_package_of_another_exporter_is_read_as_it_was_meant(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    openers = {path.name: functools.partial(_opened, path) for path in folder.glob("*.csv")}
    bundle = reader.read(openers)
    records = {
        name: [
            row.record if row.status == "active" else {row.status: row.record["sourcedId"]}
            for row in bundle.collection(name)
        ]
        for name in files.READING_ORDER
    }
    told = sorted(str(problem) for problem in bundle.problems.kept)

    assert bundle.version == expected["version"]
    assert records == expected["records"]
    assert told == expected["problems"]

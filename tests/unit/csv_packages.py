"""CSV packages as bytes, opened for reading."""

import io
from collections.abc import Iterable
from typing import Any

from rosterd.oneroster.csv import files, reader
from tests import packages

Record = dict[str, Any]


def opened(package: dict[str, bytes], default_mode: str | None = None) -> reader.Bundle:
    openers = {name: lambda data=data: io.BytesIO(data) for name, data in package.items()}
    return reader.read(openers, default_mode=default_mode)


def district(**replaced: bytes) -> dict[str, bytes]:
    """The small district of `tests.packages`, some files (by stem) with other bytes."""
    return packages.contents(packages.district()) | {
        f"{stem}.csv": data for stem, data in replaced.items()
    }


def with_rows(name: str, *rows: dict[str, str], version: str = "1.2") -> dict[str, bytes]:
    """The small district with these rows instead of its own in one file."""
    return packages.contents(packages.district() | {name: list(rows)}, version=version)


def sheet(name: str, *lines: str, version: str = "1.2") -> bytes:
    """A file of the standard's header and these lines."""
    header = ",".join(files.FILES[version][name].header)
    return "\r\n".join((header, *lines, "")).encode()


def read(bundle: reader.Bundle, *names: str) -> dict[str, list[Record]]:
    """The records of all collections, or those named, read in order."""
    wanted: Iterable[str] = names or files.READING_ORDER
    return {name: [row.record for row in bundle.collection(name)] for name in wanted}


def told(bundle: reader.Bundle, path: str = "") -> list[tuple[str, int, int, str]]:
    """(file, line, column, code) of every problem kept, in one file or in all."""
    return [
        (problem.path, problem.line, problem.column, problem.code)
        for problem in bundle.problems.kept
        if path in ("", problem.path)
    ]

"""Invented districts, imported once and kept: what the benches are asked about.

A district is two deliveries and two generations: the first of everything, and the one of the night
after, in which some people changed and some enrollments are gone.
"""

import asyncio
import csv
import os
import resource
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rosterd import __version__, samples
from rosterd.generations import building, calling, layout

SEED = 1
_EVERY = 40  # one line of so many is another one the night after


@dataclass(frozen=True)
class District:
    """Folders; generations by name below `generations`."""

    users: int
    first: Path
    second: Path
    generations: Path
    before: str
    after: str


def district(cache: Path, users: int) -> District:
    """The district of that many users, made when the cache does not have it yet."""
    key = f"{users}-seed{SEED}-{__version__}-{layout.FORMAT}.{layout.RENDERING}"
    folder = cache / key
    if not folder.exists():
        work = cache / f".{key}-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        first, second = work / "first", work / "second"
        write(first, users)
        night_after(first, second)
        before, _ = build(work / "generations", 1, None, first)
        build(work / "generations", 2, before, second)
        work.rename(folder)
    names = sorted(each.name for each in (folder / "generations").iterdir())
    return District(
        users, folder / "first", folder / "second", folder / "generations", names[0], names[1]
    )


def write(folder: Path, users: int) -> None:
    folder.mkdir(parents=True)
    samples.write_district(lambda name: (folder / name).open("wb"), users, SEED)


def night_after(first: Path, second: Path) -> None:
    """The delivery in which some users have another e-mail and some enrollments are over."""
    shutil.copytree(first, second)
    users = (first / "users.csv").read_text("utf-8").splitlines(keepends=True)
    changed = [
        line.replace("@", "@new.", 1) if number % _EVERY == 1 else line
        for number, line in enumerate(users)
    ]
    (second / "users.csv").write_text("".join(changed), "utf-8", newline="")
    with (first / "enrollments.csv").open("rb") as every:
        kept = [line for number, line in enumerate(every) if number % _EVERY != 1]
    (second / "enrollments.csv").write_bytes(b"".join(kept))


def build(folder: Path, number: int, former: str | None, delivery: Path) -> tuple[str, float]:
    """Import in the real subprocess; gives the generation's name and the seconds of CPU."""
    request = building.Request(
        number=number,
        folder=str(folder),
        former=former,
        source="sis",
        sources=("sis",),
        delivery=str(delivery),
        limit=2**34,
    )
    before = _children()
    event = asyncio.run(calling.build(request))
    assert event["event"] == "built", event
    return str(event["name"]), _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


BARE_IMPORT = """
import csv, pathlib, sys, apsw
connection = apsw.Connection(sys.argv[2])
connection.pragma("journal_mode", "off")
connection.pragma("synchronous", "off")
connection.execute("begin")
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        columns = ",".join(f'"{name}"' for name in header)
        connection.execute(f'create table "{path.stem}" ({columns})')
        marks = ",".join("?" * len(header))
        connection.executemany(f'insert into "{path.stem}" values ({marks})', rows)
connection.execute("commit")
"""
"""The least that any import does: read the CSV, write the columns."""


def bare_import(delivery: Path, target: Path) -> float:
    """Seconds of CPU of reading a delivery and writing its columns as they are."""

    async def run() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BARE_IMPORT, str(delivery), str(target)
        )
        return await process.wait()

    before = _children()
    assert asyncio.run(run()) == 0
    return _children() - before


def schools(delivery: Path) -> list[str]:
    """sourcedIds of the schools, in their order."""
    with (delivery / "orgs.csv").open(encoding="utf-8", newline="") as file:
        return [row["sourcedId"] for row in csv.DictReader(file) if row["type"] == "school"]

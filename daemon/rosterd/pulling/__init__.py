"""Reading a roster from another OneRoster server.

What comes is kept as it came, one line for each record, and is turned into a package of CSV, which
then goes the way of every delivery: one importer, one set of checks, one diff. A pull that was cut
goes on with the collections that are not whole yet. A server that pages for ever, says a total that
it does not give, or changes while it is read leads to no package at all: half a roster in bulk
would read as "everybody else has left".
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from rosterd import errors
from rosterd.oneroster import bodies, model
from rosterd.oneroster.csv import writer
from rosterd.pulling import asking, walking

__all__ = ["Pulled", "Upstream", "pull"]

Upstream = asking.Upstream
OPTIONAL: Final = frozenset({"demographics", "resources"})
"""Collections that a server may keep from us: they are then absent, and nothing else is."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull brought; no values. `faults` counts members that could not be read."""

    mode: str
    records: Mapping[str, int]
    """Collection -> records received; those that the server keeps from us are not named."""
    unusable: Mapping[str, int]
    """Collection -> records that could not be made into rows."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """ "collection.member" -> how often."""


async def pull(
    upstream: Upstream,
    folder: Path,
    *,
    since: datetime | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Pulled:
    """Read everything (or what changed at `since` or later) into `folder/package`, a CSV bundle.

    `folder` may hold what an earlier try of the same pull left; the package is only there when it
    is whole. Raises errors.InputError when somebody has to mend something, errors.TemporaryError
    when a later try may go through.
    """
    received = folder / "received"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    received.mkdir(mode=0o700, exist_ok=True)
    async with asking.asking(upstream) as ask:
        for collection in model.COLLECTIONS:
            await _receive(ask, collection, received, since, beat)
    return await asyncio.to_thread(_package, upstream.version, folder, since is not None)


async def _receive(
    ask: asking.Asking,
    collection: str,
    folder: Path,
    since: datetime | None,
    beat: Callable[[], None],
) -> None:
    """Leave the collection's records as lines, and a mark that they are all there."""
    done, lines = folder / f"{collection}.done", folder / f"{collection}.jsonl"
    if done.exists():
        return
    lines.unlink(missing_ok=True)
    left = ask.upstream.most_bytes - sum(each.stat().st_size for each in folder.iterdir())
    try:
        count = await walking.walk(ask, collection, lines, since, beat, most_bytes=left)
    except asking.Withheld as error:
        if collection not in OPTIONAL:
            raise errors.InputError(str(error)) from error
        lines.unlink(missing_ok=True)
        count = None
    with walking.private(done) as file:
        file.write(json.dumps({"records": count}).encode())


# ---------------------------------------------------------------- the package


class _Counts:
    def __init__(self) -> None:
        self.records: dict[str, int] = {}
        self.unusable: dict[str, int] = {}
        self.faults: dict[str, int] = {}

    def note(self, collection: str, received: bodies.Received) -> None:
        self.records[collection] = self.records.get(collection, 0) + 1
        if received.record is None:
            self.unusable[collection] = self.unusable.get(collection, 0) + 1
        for member in received.faults:
            name = f"{collection}.{member}"
            self.faults[name] = self.faults.get(name, 0) + 1


def _package(version: str, folder: Path, delta: bool) -> Pulled:  # noqa: FBT001 - a private step
    """Write the CSV beside, then put it in its place at once."""
    received, making, package = folder / "received", folder / "making", folder / "package"
    types = {
        str(body.get("sourcedId")): str(body.get("type"))
        for body in _bodies(received / "orgs.jsonl")
        if isinstance(body, dict)
    }
    counts = _Counts()
    mode = "delta" if delta else "bulk"
    writing: set[str] = set()

    def records(collection: str) -> Iterator[model.Record]:
        first = collection not in writing
        writing.add(collection)
        for body in _bodies(received / f"{collection}.jsonl"):
            read = bodies.read(collection, body, version, types.get)
            if first:
                counts.note(collection, read)
            if read.record is None or (mode == "bulk" and read.status != "active"):
                continue
            yield _row(read, mode)

    if making.exists():
        for file in making.iterdir():
            file.unlink()
    making.mkdir(mode=0o700, exist_ok=True)
    writer.write("1.2", records, lambda name: walking.private(making / name), mode=mode)
    if not package.exists():
        making.rename(package)
    return Pulled(mode, counts.records, counts.unusable, counts.faults)


def _row(read: bodies.Received, mode: str) -> model.Record:
    record = dict(read.record or {})
    if mode == "delta":
        record["status"] = read.status
        moment = read.modified.isoformat(timespec="milliseconds") if read.modified else ""
        record["dateLastModified"] = moment.replace("+00:00", "Z")
    return record


def _bodies(lines: Path) -> Iterator[Any]:
    if not lines.exists():
        return
    with lines.open("rb") as file:
        for line in file:
            yield orjson.loads(line)

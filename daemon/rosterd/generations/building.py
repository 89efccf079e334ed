"""The import subprocess: from what a source delivered to a new generation beside the former one.

A process of its own, because an import is CPU for seconds and the daemon must go on answering. It
reads one JSON request on stdin and writes JSON lines on stdout: progress, and at last one of

    {"event": "built", "name", "number", "digest", "report"}
    {"event": "unchanged", "digest", "report"?}     nothing that is served would differ
    {"event": "aside", "digest"}                    it was built before, and is held
    {"event": "refused", "message", "problems"}     an author has to mend the delivery
    {"event": "later", "message"}                   it is still changing
    {"event": "failed", "message"}                  our fault, or the machine's

Everything happens in a folder with a temporary name. It is flushed to the disk and renamed at the
end, so a crash at any moment leaves nothing but a folder that the next start removes. No message
ever holds a value of a record; not even a traceback does.
"""

import contextlib
import dataclasses
import gc
import secrets
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rosterd import errors
from rosterd.generations import (
    columns,
    deliveries,
    deltas,
    keeping,
    layout,
    linking,
    mapped,
    reports,
    speaking,
    tables,
)
from rosterd.oneroster.csv import reader

Tell = Callable[[dict[str, Any]], None]
ADDITIONS: Final = "+additions"
"""Behind the digest of a delivery whose removals were not read."""
_EVENTS_EVERY: Final = 50_000


@dataclass(frozen=True, slots=True)
class Request:
    """What to import, and where to."""

    number: int
    """Of the generation to be built; greater than all before."""
    folder: str
    """The folder in which generations are folders."""
    former: str | None
    """Name of the generation that is served now."""
    source: str
    sources: tuple[str, ...]
    """All sources that are declared; rows of others may be taken over."""
    delivery: str
    """A folder or a zip."""
    limit: int
    """Most bytes of the delivery, unpacked."""
    known: str | None = None
    """Digest of the delivery that was read last: an equal one is not read again."""
    default_mode: str | None = None
    seen: tuple[deliveries.Seen, ...] | None = None
    """How the delivery looked when it had settled; None takes it as it is."""
    aside: str | None = None
    """Digest of the delivery from which a held generation was built on `former` already."""
    additions_only: bool = False
    """Whether records that the delivery removes stay."""
    keep: str | None = None
    """Folder in which the delivery is kept as it was received, as a zip."""
    beside: str | None = None
    """A folder with what the delivery was made from; it is kept with it."""
    unread: tuple[tuple[str, int], ...] = ()
    """(collection, records that were left out before it became a delivery)."""


@dataclass(frozen=True, slots=True)
class _Former:
    contents: layout.Contents
    folder: Path
    tables: Mapping[str, mapped.Table]


def build(request: Request, tell: Tell) -> dict[str, Any]:
    """Import a delivery; gives the last event. Raises InputError or TemporaryError.

    Whatever happens, no temporary folder of this import is left, and the former generation is as
    it was.
    """
    folder = Path(request.folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    copy, work = folder / f".delivery-{mark}", folder / f".building-{mark}"
    try:
        tell({"event": "copying"})
        delivery = deliveries.take(
            Path(request.delivery), copy, limit=request.limit, seen=request.seen
        )
        tell(
            {"event": "copied", "files": len(delivery.files), "bytes": sum(delivery.files.values())}
        )
        # without its removals it is another delivery: it is read again when they may be
        digest = delivery.digest + (ADDITIONS if request.additions_only else "")
        delivery = dataclasses.replace(delivery, digest=digest)
        if digest == request.known:
            return {"event": "unchanged", "digest": digest}
        if digest == request.aside:
            return {"event": "aside", "digest": digest}
        if request.keep is not None:
            file, size = keeping.keep(request, delivery)
            tell({"event": "kept", "digest": digest, "file": file, "bytes": size})
        work.mkdir(mode=0o700)
        name = f"generation-{request.number:08d}-{mark}"
        report = _Build(request, delivery, work, tell).run()
        if not report["touched"]:
            return {"event": "unchanged", "digest": digest, "report": report}
        work.rename(folder / name)
        layout.sync_folder(folder)
        tell({"event": "renamed"})
        return {
            "event": "built",
            "name": name,
            "number": request.number,
            "digest": digest,
            "report": report,
        }
    finally:
        for left in (copy, copy.with_name(copy.name + "-zip"), work):
            _remove(left)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class _Build:
    """One build: tables in the order in which they can be judged."""

    def __init__(
        self, request: Request, delivery: deliveries.Delivery, work: Path, tell: Tell
    ) -> None:
        self._request = request
        self._delivery = delivery
        self._work = work
        self._tell = tell
        self._former = _former(request)
        known = self._former.contents.sources if self._former else ()
        named = {request.source, *request.sources}
        self._sources = (*known, *([request.source] if request.source not in known else ()))
        self._source = self._sources.index(request.source)
        gone = (index for index, name in enumerate(self._sources) if name not in named)
        self._import = tables.Import(
            request.number, self._source, frozenset(gone), request.additions_only
        )
        former_columns = self._former.folder / layout.COLUMNS if self._former else None
        self._writer = columns.Writer(work / layout.COLUMNS, former_columns)
        self._tables: dict[str, tables.Table] = {}
        self._done: dict[str, layout.Table] = {}
        self._stale = (
            self._former is not None and self._former.contents.rendering != layout.RENDERING
        )

    def run(self) -> dict[str, Any]:
        """Fill the working folder; gives the report, with whether anything is served otherwise."""
        bundle = reader.read(self._delivery.openers(), default_mode=self._request.default_mode)
        report = reports.Report(bundle, self._delivery.problems)
        for name, count in self._request.unread:
            report.unread(name, count)
        touched = False
        try:
            for name in linking.ORDER:
                touched |= self._collection(name, bundle, report)
            self._tell({"event": "writing"})
            self._writer.close()
        finally:
            for table in self._tables.values():
                table.abandon()
            self._writer.abandon()
        self._write_contents()
        self._tell({"event": "written"})
        return {**report.as_json(), "touched": touched or self._former is None}

    def _collection(self, name: str, bundle: reader.Bundle, report: reports.Report) -> bool:
        """Build one collection; whether anything of it is served otherwise than before."""
        known = self._former.contents.tables[name] if self._former else None
        told = name in bundle.names or deltas.concerns(bundle, name) or self._leaving(name)
        moved = any(self._tables[each].moved for each in linking.targets(name) - {name})
        if known and self._former and not (told or moved or self._stale) and name in _LEAVES:
            layout.link_files(self._work, name, self._former.folder, known)
            self._done[name] = known
            return False
        former = self._former.tables[name] if self._former else None
        table = tables.Table(self._work, name, former, self._writer, self._tables)
        self._tables[name] = table
        if known and self._former and not (told or moved or self._stale):
            layout.link_files(self._work, name, self._former.folder, known)
            self._done[name] = known
            return False
        self._absorb(table, bundle, report)
        table.link(self._request.number, report)
        if self._stale:
            table.render_all(self._request.number)
        report.count(table, self._source)
        self._done[name] = table.close()
        self._tell({"event": "collection", "name": name, "rows": table.delivered})
        touched = table.touched
        if name in _LEAVES:
            del self._tables[name]  # nobody refers to them, and they are the big ones
        return touched

    def _absorb(self, table: tables.Table, bundle: reader.Bundle, report: reports.Report) -> None:
        def absorb(delivered: Iterator[Any], untold: frozenset[str]) -> None:
            counted = self._counted(table.name, delivered)
            table.absorb(counted, self._import, untold, report)

        name, linked = table.name, deltas.concerns(bundle, table.name)
        additions_only = self._request.additions_only
        table.begin(self._source, additions_only=additions_only)
        former = frozenset(table.owned(self._source) if linked else ())
        if name in bundle.names:
            stayed = set(table.staying)
            absorb(bundle.collection(name, org_type=self._org_type), bundle.untold(name))
            table.return_of(stayed)
            if bundle.modes[name] == "bulk":
                table.forget_missing(self._source, additions_only=additions_only)
        if linked:
            changes = deltas.changes(
                bundle, table, self._source, self._org_type, report, former=former
            )
            absorb(changes, frozenset())

    def _leaving(self, name: str) -> bool:
        """Whether rows of a former delivery only stayed, and may go now."""
        former = self._former.tables[name] if self._former else None
        return (
            former is not None
            and not self._request.additions_only
            and bool(former.bitmap("staying"))
        )

    def _counted(self, name: str, delivered: Iterator[Any]) -> Iterator[Any]:
        """The same rows; tells that the work goes on."""
        for count, row in enumerate(delivered, 1):
            yield row
            if count % _EVENTS_EVERY == 0:
                self._tell({"event": "reading", "name": name, "rows": count})

    def _org_type(self, sourced_id: str) -> str | None:
        record = self._tables["orgs"].known(sourced_id)
        return str(record["type"]) if record and "type" in record else None

    def _write_contents(self) -> None:
        before = self._former.contents.deliveries if self._former else {}
        contents = layout.Contents(
            number=self._request.number,
            sources=self._sources,
            deliveries={**before, self._request.source: self._delivery.digest},
            tables=self._done,
        )
        with (self._work / layout.CONTENTS).open("xb") as file:
            file.write(contents.encoded())
            file.flush()
            layout.sync(file.fileno())
        layout.sync_folder(self._work)


_LEAVES: Final = ("enrollments", "demographics")
"""Collections that no other refers to: they need not be loaded unless they change."""


def _former(request: Request) -> _Former | None:
    if request.former is None:
        return None
    folder = Path(request.folder) / request.former
    contents = layout.decode((folder / layout.CONTENTS).read_bytes())
    opened = {name: mapped.Table(folder, name, table) for name, table in contents.tables.items()}
    return _Former(contents, folder, opened)


# ---------------------------------------------------------------- the process


def answer(request: Request, tell: Tell) -> None:
    """Build, and tell how it ended; never raises."""
    try:
        tell(build(request, tell))
    except errors.InputError as error:
        message = str(error).partition("\n")[0]
        problems = [problem.as_json() for problem in error.problems[: reports.KEPT]]
        tell({"event": "refused", "message": message, "problems": problems})
    except errors.TemporaryError as error:
        tell({"event": "later", "message": str(error)})
    except Exception as error:  # noqa: BLE001 - whatever it is: its text may hold a pupil's data
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        places = " < ".join(f"{Path(each.filename).name}:{each.lineno}" for each in frames[::-1])
        reason = f" ({error.strerror})" if isinstance(error, OSError) else ""
        tell({"event": "failed", "message": f"{type(error).__name__}{reason} at {places}"})


def main() -> None:
    """Read the request and answer it."""
    gc.disable()  # millions of records pass, none of them in a cycle: looking would cost a third
    raw = speaking.asked()
    seen = None if raw["seen"] is None else tuple(deliveries.Seen(**each) for each in raw["seen"])
    request = Request(**{**raw, "sources": tuple(raw["sources"]), "seen": seen})
    answer(request, speaking.tell)


if __name__ == "__main__":
    main()

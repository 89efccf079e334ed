"""What comes in, answered from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from rosterd import importing, storage
from rosterd.importing import releasing
from rosterd.oneroster import model
from rosterd.operating import moments
from rosterd.web import desk

_COUNTED: Final = ("before", "added", "changed", "removed", "errors", "warnings")


@dataclass(frozen=True, kw_only=True)
class Rosters:
    """Implements web.desk.Rosters."""

    store: storage.Storage
    imports_loop: importing.Importing
    releases: releasing.Releasing

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        """The newest first."""
        there = await self.imports_loop.received.there()
        processed = await self.imports_loop.received.processed_there()
        return [
            _import(
                each,
                kept=(each.source, each.delivery) in there,
                processed=each.number in processed,
            )
            for each in await self.store.run(lambda kept: kept.imports(limit))
        ]

    async def held_imports(self) -> Sequence[desk.HeldImport]:
        """By source."""
        return [_held(each) for each in await self.store.run(lambda kept: kept.held_imports())]

    async def release_import(self, signed: str, signature: str, who: str) -> desk.HeldImport:
        """Let go what a person signed for."""
        held = await self.releases.release(signed.encode(), signature, who)
        self.imports_loop.wake()
        return _held(held)

    async def take_received(self, number: int, who: str) -> BinaryIO:
        """The delivery of an import as it was received, as a zip."""
        return await self.imports_loop.received.take(number, who)

    async def take_processed(self, number: int, who: str) -> BinaryIO:
        """What the roster held of the source after an import, as a zip."""
        return await self.imports_loop.received.take(number, who, "processed")

    async def import_now(self, source: str, who: str) -> desk.Import:
        """Read a source now, on record; gives what became of it."""
        imported = await self.imports_loop.byhand.run(source, who)
        self.imports_loop.wake()
        there = await self.imports_loop.received.there()
        kept = (imported.source, imported.delivery) in there
        return _import(imported, kept=kept, processed=False)


def _held(each: storage.Held) -> desk.HeldImport:
    return {
        "source": each.source,
        "revision": each.revision,
        "since": moments.text(each.since),
        "generation": each.number,
        "excesses": list(each.excesses),
        "collections": _moves(each.report),
        "released": each.released,
    }


def _moves(report: Mapping[str, Any]) -> list[desk.Moves]:
    """In the order of the standard; then files of no collection, such as roles, that had problems."""
    files = {name.removesuffix(".csv"): counts for name, counts in report.get("files", {}).items()}
    others = sorted(files.keys() - model.COLLECTIONS.keys())
    names = [name for name in model.COLLECTIONS if name in files]
    names += [name for name in others if files[name].get("errors") or files[name].get("warnings")]
    told: list[desk.Moves] = []
    for name in names:
        said = {count: int(files[name].get(count, 0)) for count in _COUNTED}
        told.append({"collection": name, **said})  # type: ignore[typeddict-item]  # its members are there
    return told


def _import(each: storage.Import, *, kept: bool, processed: bool) -> desk.Import:
    files = _files(each.report)
    return {
        "number": each.number,
        "source": each.source,
        "state": each.state,
        "started": moments.text(each.started),
        "ended": moments.text(each.ended),
        "generation": each.generation,
        "added": _sum(files, "added"),
        "changed": _sum(files, "changed"),
        "removed": _sum(files, "removed"),
        "errors": _sum(files, "errors"),
        "warnings": _sum(files, "warnings"),
        "problem": each.problem,
        "kept": kept,
        "processed": processed,
        "report": each.report or {},
    }


def _files(report: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    files = (report or {}).get("files", {})
    return list(files.values()) if isinstance(files, Mapping) else list(files)


def _sum(files: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(file.get(name, 0)) for file in files)

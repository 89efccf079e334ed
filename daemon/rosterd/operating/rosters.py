"""What comes in, answered from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rosterd import storage
from rosterd.operating import moments
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Rosters:
    """Implements web.desk.Rosters."""

    store: storage.Storage

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        """The newest first."""
        return [_import(each) for each in await self.store.run(lambda kept: kept.imports(limit))]


def _import(each: storage.Import) -> desk.Import:
    files = _files(each.report)
    return {
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
        "report": each.report or {},
    }


def _files(report: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    files = (report or {}).get("files", {})
    return list(files.values()) if isinstance(files, Mapping) else list(files)


def _sum(files: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(file.get(name, 0)) for file in files)

"""What is wrong now, as the loops and the world say it: what notifications are made from.

The loops do not know each other, and who tells people knows none of them. Here their statuses become
incidents: names of documents, counts as plans tell them, the loops' own sentences. Nothing of a
record.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from rosterd import exporting, guards, importing, notifying, reconciling, storage, worlds
from rosterd.importing import holding

PATIENCE: Final = timedelta(minutes=15)
"""A commit that waits for people, or a repository that is away, is told of after this long: both are
usual for a while."""
_WAITING: Final = frozenset(("NotVouched", "Temporary", "Starting"))
_FAILED: Final = frozenset(("failed", "refused"))
_LOOKED_THROUGH: Final = 200
"""Imports, for the newest that was served; looked through once for each import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observing:
    """Gives what is wrong now."""

    served: worlds.Worlds
    store: storage.Storage
    reconciling: reconciling.Reconciling
    importing: importing.Importing
    exporting: exporting.Exporting
    clock: Callable[[], datetime]
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Source -> number of its last import, rows with errors of what is served."""

    async def look(self) -> notifying.Seen:
        """All of it, and what cannot be told now."""
        exports, unknown = await self._exports()
        found = (
            *exports,
            *self._holds(),
            *self._commits(),
            *self._endings(),
        )
        imports, pending = await self._imports()
        undecided = self._undecided({each.key for each in found})
        return notifying.Seen((*found, *imports), unknown | pending | undecided)

    async def _exports(self) -> tuple[list[notifying.Incident], frozenset[str]]:
        config = self.served.current.config
        found, unknown = [], set()
        targets = config.targets if config is not None else {}
        for name in sorted(each.name for each in targets.values() if each.enabled):
            run = await self._last_run(name)
            key = f"export:{name}"
            if run is None or run.state == "running":
                unknown.add(key)  # another attempt: it is not over yet
            elif run.state in _FAILED:
                title = f"delivery to {name} {'failed' if run.state == 'failed' else 'is refused'}"
                text = f"{run.name}: {run.problem}" if run.name else run.problem
                found.append(
                    notifying.Incident("exports", key, title, text, run.state, run.application)
                )
        return found, frozenset(unknown)

    async def _last_run(self, target: str) -> storage.Run | None:
        runs = await self.store.run(lambda store: store.export_runs(1, target=target))
        return runs[0] if runs else None

    def _holds(self) -> Iterator[notifying.Incident]:
        world = self.served.current
        for each in guards.holds(world):
            name = each["application"]
            moved = ", ".join(
                f"{one['collection']} +{one['gain']} -{one['lose']}" for one in each["collections"]
            )
            text = f"{each['why']}: {moved}. `rosterd status` shows what to commit to let it go"
            title = (
                f"{name} is held" if not each["stopped"] else f"{name} is refused: held too long"
            )
            yield notifying.Incident("holds", f"hold:{name}", title, text, each["stopped"], name)
        status = self.reconciling.status
        if status.condition("Guarded").fine is False:
            title = f"commit {(status.candidate or '?')[:12]} is held"
            yield notifying.Incident("holds", "plan", title, status.message, status.reason)
        said = guards.suspended(world, ())
        if said is not None and said["long"]:
            title = "applying and exporting are suspended for long"
            text = f"since {said['since']}: {said['reason']}"
            yield notifying.Incident("holds", "suspended", title, text)

    def _commits(self) -> Iterator[notifying.Incident]:
        status = self.reconciling.status
        if status.current or status.condition("Guarded").fine is False:
            return
        if status.reason in _WAITING and self.clock() - status.since < PATIENCE:
            return
        what = f"commit {status.candidate[:12]}" if status.candidate else "the repository"
        title = f"{what} is not applied"
        yield notifying.Incident("commits", "commit", title, status.message, status.reason)

    def _undecided(self, found: Collection[str]) -> frozenset[str]:
        """What was told of a commit is over when the newest one is served, and not before: not
        while the daemon starts, while people are waited for, or while the repository is away.
        """
        world = self.served.current
        unknown = set() if world.ready else {f"hold:{name}" for name in world.holds}
        if not self.reconciling.status.current:
            unknown |= {"commit", "plan"}
        return frozenset(unknown - set(found))

    async def _imports(self) -> tuple[list[notifying.Incident], frozenset[str]]:
        found, unknown = [], set()
        for name, status in self.importing.statuses().items():
            key = f"import:{name}"
            if status.state in ("waiting", "importing"):
                unknown.add(key)
            elif status.state in ("held", "refused", "failed"):
                word = {"held": "is held", "refused": "was refused"}.get(status.state, "failed")
                title = f"the import of {name} {word}"
                found.append(
                    notifying.Incident("imports", key, title, status.reason, status.state, name)
                )
            dropped = await self._dropped(name)
            if dropped:
                few = holding.few(dropped)
                title = f"the last import of {name} left out {few} rows with errors"
                text = "`rosterd roster imports` shows them by file"
                found.append(
                    notifying.Incident("imports", f"rows:{name}", title, text, subject=name)
                )
        return found, frozenset(unknown)

    async def _dropped(self, source: str) -> int:
        """Rows with errors of what is served of a source: a delivery that was refused, or read
        again without a difference, has not mended them.
        """
        last = await self.store.run(lambda store: store.last_import(source))
        if last is None:
            return 0
        number, dropped = self._known.get(source, (0, 0))
        if last.number == number:
            return dropped
        if not _served(last):
            every = await self.store.run(lambda store: store.imports(_LOOKED_THROUGH))
            mine = (each for each in every if each.source == source and _served(each))
            served = next(mine, None)
        else:
            served = last
        dropped = _dropped(served.report) if served is not None else dropped
        self._known[source] = (last.number, dropped)
        return dropped

    def _endings(self) -> Iterator[notifying.Incident]:
        world = self.served.current
        for each in world.config.endings(world.today) if world.config is not None else ():
            key = f"ending:{each.application}:{each.what}:{each.last}"
            level = "urgent" if each.urgent else "soon"
            title = f"the {each.what} of {each.application} ends on {each.last}"
            yield notifying.Incident(
                "endings", key, title, str(each), level, each.application, reminds=False
            )


def _served(imported: storage.Import) -> bool:
    """Whether it says how many rows of what is served had errors."""
    return imported.state in ("imported", "unchanged") and "files" in (imported.report or {})


def _dropped(report: Mapping[str, Any] | None) -> int:
    """Rows of all files that had errors."""
    files = (report or {}).get("files", {})
    each = files.values() if isinstance(files, Mapping) else files
    return sum(int(file.get("errors", 0)) for file in each)

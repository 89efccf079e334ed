"""What goes out over SFTP, asked of the loop that delivers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from rosterd import exporting, importing, sftp, storage
from rosterd.operating import moments
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Exports:
    """Implements web.desk.Exports."""

    store: storage.Storage
    exports_loop: exporting.Exporting
    imports_loop: importing.Importing

    async def exports(self, limit: int) -> Sequence[desk.Export]:
        """The newest first."""
        return [
            _export(each) for each in await self.store.run(lambda kept: kept.export_runs(limit))
        ]

    async def run_export(self, target: str, who: str) -> desk.Export:
        """Deliver now; gives the run, whatever became of it."""
        return _export(await self.exports_loop.run_now(target, who))

    async def hand_out(self, application: str, form: str, who: str) -> BinaryIO:
        """A zip of its files in one form, on record under `who`."""
        return await self.exports_loop.hand(application, form, who)

    async def test_target(self, target: str, who: str) -> desk.Tested:
        """Sign in at a target as deliveries do, or at a source of that name as fetches do."""
        if not self.exports_loop.has(target) and self.imports_loop.byhand.has(target):
            return await self.test_source(target, who)
        return _tested(target, await self.exports_loop.test(target, who))

    async def test_source(self, source: str, who: str) -> desk.Tested:
        """Sign in at a source as fetches do."""
        return _tested(source, await self.imports_loop.byhand.test(source, who))

    async def secrets(self) -> Sequence[desk.Secret]:
        """Names, never values."""
        return [
            {
                "name": each.name,
                "document": each.document,
                "set": moments.maybe(each.set_at),
                "used": each.used,
                "needed": each.needed,
            }
            for each in await self.exports_loop.named_secrets()
        ]

    async def set_secret(self, name: str, value: str, who: str) -> str:
        """Keep a secret's value; gives the document it belongs to."""
        return await self.exports_loop.set_secret(name, value, who)


def _tested(name: str, probe: sftp.Probe) -> desk.Tested:
    return {
        "target": name,
        "server": probe.server,
        "host_key": probe.host_key,
        "steps": list(probe.steps),
    }


def _export(run: storage.Run) -> desk.Export:
    return {
        "target": run.target,
        "application": run.application,
        "slot": run.slot,
        "state": run.state,
        "attempt": run.attempt,
        "started": moments.text(run.started),
        "ended": moments.maybe(run.ended),
        "mode": run.mode,
        "file": run.name,
        "bytes": run.bytes,
        "rows": sum((run.rows or {}).values()),
        "problem": run.problem,
    }

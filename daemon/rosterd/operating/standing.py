"""How the daemon is, answered from the loops and the world that is served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import rosterd
from rosterd import (
    exporting,
    guards,
    importing,
    ledger,
    metering,
    previewing,
    readiness,
    reconciling,
    requesting,
    settings,
    storage,
    worlds,
)
from rosterd.operating import moments
from rosterd.web import desk, operators, planned

_STATES = {
    "Applied": "applied",
    "NotVouched": "waiting",
    "NotPinned": "untrusted",
    "Temporary": "unreachable",
    "Starting": "starting",
}
"""Reason of the reconcile status → the word operators read; every other reason is `refused`."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Implements web.desk.Standing."""

    machine: settings.Settings
    served: worlds.Worlds
    store: storage.Storage
    reconcile_loop: reconciling.Reconciling
    imports_loop: importing.Importing
    exports_loop: exporting.Exporting
    requests_loop: requesting.Requesting
    book: ledger.Ledger
    pulse: readiness.Pulse
    people: operators.Operators
    previews: previewing.Previews
    clock: Callable[[], datetime]
    started: datetime
    hooks: Mapping[str, int]
    """What became of webhooks -> how many since the start."""
    unreached: Callable[[], list[str]]
    """Who cannot be notified, and why."""

    def status(self) -> desk.Status:
        """The daemon at a glance."""
        rule = self.reconcile_loop.rule
        return {
            "version": rosterd.__version__,
            "started": moments.text(self.started),
            "now": moments.text(self.clock()),
            "review": {**rule.as_json(), "words": str(rule)},  # type: ignore[typeddict-item]  # its members are there
            "repository": self._repository(),
            "served": self._served(),
            "sources": [
                {
                    "name": name,
                    "state": each.state,
                    "reason": each.reason,
                    "stale": each.stale,
                    "paused": each.paused,
                }
                for name, each in self.imports_loop.statuses().items()
            ],
            "silent": self.pulse.silent(),
            "guards": self._guards(),
            "requests": self.requests_loop.status.as_json(),  # type: ignore[typeddict-item]  # its members are there
            "conditions": [
                each.as_json()  # type: ignore[misc]  # a typed dictionary's keys, checked by a test
                for each in self.reconcile_loop.status.conditions
            ],
            "history": [
                each.as_json()  # type: ignore[misc]  # the same
                for each in self.reconcile_loop.history
            ],
            "endings": self._endings(),
            "warnings": [
                *([keyless] if (keyless := self.reconcile_loop.keyless) else []),
                *([problem] if (problem := self.people.problem) else []),
                *guards.warnings(self.served.current),
                *self.unreached(),
            ],
        }

    def _guards(self) -> desk.Guards:
        world = self.served.current
        return {
            "holds": guards.holds(world),  # type: ignore[typeddict-item]  # its members are there
            "blocks": guards.blocks(world),  # type: ignore[typeddict-item]  # the same
            "suspended": guards.suspended(world, self.exports_loop.waiting),  # type: ignore[typeddict-item]  # the same
            "frozen": guards.frozen(world, self.clock()),
            "unmet": [
                {"target": name, "why": list(why)}
                for name, why in sorted(self.exports_loop.unmet().items())
            ],
        }

    def _endings(self) -> list[desk.Ending]:
        world = self.served.current
        return [
            {
                "application": each.application,
                "what": each.what,
                "last": each.last.isoformat(),
                "days": each.days,
                "urgent": each.urgent,
                "message": str(each),
            }
            for each in (world.config.endings(world.today) if world.config is not None else ())
        ]

    async def metrics(self) -> bytes:
        """Numbers for a monitoring program, in Prometheus' text format."""
        exported, imported = await self.store.run(lambda kept: kept.last_successes())
        return metering.text(
            metering.Readings(
                version=rosterd.__version__,
                now=self.clock(),
                status=self.reconcile_loop.status,
                passes=self.reconcile_loop.counts,
                world=self.served.current,
                requests=self.book.totals,
                exported=exported,
                imported=imported,
                hooks=self.hooks,
                corrected=self.reconcile_loop.corrected,
                silent=self.pulse.silent(),
                loops=self.pulse.beats,
                suspended=self._suspended(),
                held=len(self.served.current.holds),
                blocked=len(self.served.current.blocks),
                sources={
                    name: (each.state == "held", bool(each.stale))
                    for name, each in self.imports_loop.statuses().items()
                },
                unmet=self.exports_loop.unmet(),
            )
        )

    def _suspended(self) -> datetime | None:
        config = self.served.current.config
        said = config.repository.suspended if config is not None else None
        if config is None or said is None:
            return None
        return datetime.combine(said.since, time(), ZoneInfo(config.repository.timezone))

    def _repository(self) -> desk.Repository:
        status = self.reconcile_loop.status
        state = _STATES.get(status.reason, "refused")
        return {
            "id": self.machine.repository.id,
            "branch": self.machine.repository.branch,
            "looked": moments.maybe(status.fetched),
            "fetched": status.candidate,
            "state": state,  # type: ignore[typeddict-item]  # the values of the table above
            "reason": "" if state == "applied" else status.message,
            "missing": [
                {
                    "path": each.path or "(the rewritten history)",
                    "needed": each.needed,
                    "have": list(each.people),
                }
                for each in status.missing
            ],
            "problems": [str(problem) for problem in status.problems],
        }

    def _served(self) -> desk.Served:
        world = self.served.current
        status = self.reconcile_loop.status
        number = world.generation.number if world.generation is not None else None
        active = world.generation.roster.active if world.generation is not None else {}
        return {
            "ready": world.ready,
            "commit": world.commit,
            "applied": moments.maybe(status.applied),
            "people": list(status.people),
            "generation": number,
            "published": moments.maybe(world.published.get(number) if number is not None else None),
            "today": world.today.isoformat(),
            "counts": {collection: len(rows) for collection, rows in active.items()},
        }

    async def reconcile(self) -> desk.Status:
        """Look at the repository now; gives the status after that pass."""
        await self.reconcile_loop.reconcile()
        return self.status()

    async def accept_rewrite(self, former: str, newest: str, reason: str, who: str) -> desk.Status:
        """Take a rewritten history when enough people vouch for it; gives the status after that."""
        await self.reconcile_loop.accept_rewrite(former, newest, reason, who)
        return self.status()

    async def review(self, range_: str) -> Mapping[str, Any]:
        """Who vouches for what in a range of commits, as the daemon sees it."""
        found = await self.reconcile_loop.review(range_)
        return found.as_json()

    async def plan(self, files: Mapping[str, bytes], who: str) -> planned.Plan:
        """What these documents would mean for the roster that is served; on record under `who`."""
        return (await self.previews.show(files, who)).as_json()  # type: ignore[return-value]  # its members are there

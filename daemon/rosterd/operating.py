"""What operators see and may ask for, answered from the loops.

The control socket, the console and its JSON all speak to this one desk. It puts together what the
loops already know and changes nothing itself: permissions change by commits alone.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import rosterd
from rosterd import (
    access,
    blocking,
    configs,
    credentials,
    disclosures,
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
class Operating:
    """Implements web.desk.Desk."""

    machine: settings.Settings
    served: worlds.Worlds
    store: storage.Storage
    reconcile_loop: reconciling.Reconciling
    imports_loop: importing.Importing
    exports_loop: exporting.Exporting
    requests_loop: requesting.Requesting
    keys: credentials.Credentials
    blocking: blocking.Blocking
    inquiries: disclosures.Inquiries
    book: ledger.Ledger
    pulse: readiness.Pulse
    people: operators.Operators
    previews: previewing.Previews
    clock: Callable[[], datetime]
    started: datetime
    hooks: Mapping[str, int]
    """What became of webhooks -> how many since the start."""

    def status(self) -> desk.Status:
        """The daemon at a glance."""
        rule = self.reconcile_loop.rule
        return {
            "version": rosterd.__version__,
            "started": _text(self.started),
            "now": _text(self.clock()),
            "review": {**rule.as_json(), "words": str(rule)},  # type: ignore[typeddict-item]  # its members are there
            "repository": self._repository(),
            "served": self._served(),
            "sources": [
                {"name": name, "state": each.state, "reason": each.reason}
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
            ],
        }

    def _guards(self) -> desk.Guards:
        world = self.served.current
        return {
            "holds": guards.holds(world),  # type: ignore[typeddict-item]  # its members are there
            "blocks": guards.blocks(world),  # type: ignore[typeddict-item]  # the same
            "suspended": guards.suspended(world, self.exports_loop.waiting),  # type: ignore[typeddict-item]  # the same
            "frozen": guards.frozen(world, self.clock()),
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

    async def head(self) -> desk.Head:
        """The newest record."""
        number, digest = await self.store.run(lambda kept: kept.head())
        return {"number": number, "head": f"sha256:{digest}" if number else ""}

    async def records(self, after: int, limit: int) -> Sequence[desk.Record]:
        """The chain from the record behind `after` on, the oldest first."""
        found = await self.store.run(lambda kept: kept.recorded(after, limit))
        return [
            {
                "number": each.number,
                "kind": each.kind,
                "time": each.time.isoformat(),
                "previous": each.previous,
                "head": each.head,
                "entry": base64.b64encode(each.entry).decode(),
            }
            for each in found
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
            "looked": _maybe(status.fetched),
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
            "applied": _maybe(status.applied),
            "people": list(status.people),
            "generation": number,
            "published": _maybe(world.published.get(number) if number is not None else None),
            "today": world.today.isoformat(),
            "counts": {collection: len(rows) for collection, rows in active.items()},
        }

    async def applications(self) -> Sequence[desk.Application]:
        """All of the accepted config, by name, with what each sees now."""
        world = self.served.current
        if world.config is None:
            return []
        recent = await self.book.accesses(5000)
        rest = _latest(recent, "rest")
        sftp = _latest(recent, "sftp")
        return [
            self._application(world, world.config, name, rest.get(name), sftp.get(name))
            for name in sorted(world.config.applications)
        ]

    def _application(
        self,
        world: worlds.World,
        config: configs.Config,
        name: str,
        rest: datetime | None,
        sftp: datetime | None,
    ) -> desk.Application:
        application = config.applications[name]
        grant = world.grant(name) or config.grant(name)
        view = world.view(name) if world.generation is not None else None
        levels: Mapping[str, desk.Level] = (
            {
                collection: {"level": level, "count": count}
                for collection, (level, count) in access.levels(view).items()
            }
            if view is not None
            else {}
        )
        return {
            "name": name,
            "title": application.title,
            "access": grant.permission.access if grant.permission is not None else "none",
            "enabled": application.enabled,
            "development": grant.listing is not None and grant.listing.development,
            "versions": list(application.rest.versions) if application.rest.enabled else [],
            "refusal": grant.refusal(world.today),
            "orgs": levels.get("orgs"),
            "courses": levels.get("courses"),
            "counts": {
                collection: len(rows) for collection, rows in (view.rows if view else {}).items()
            },
            "rest": _maybe(rest),
            "sftp": _maybe(sftp),
            "targets": sorted(
                target.name for target in config.targets.values() if target.application == name
            ),
        }

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        """The newest first."""
        return [_import(each) for each in await self.store.run(lambda kept: kept.imports(limit))]

    async def exports(self, limit: int) -> Sequence[desk.Export]:
        """The newest first."""
        return [
            _export(each) for each in await self.store.run(lambda kept: kept.export_runs(limit))
        ]

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

    async def reveal(self, application: str, who: str) -> Sequence[credentials.Pair]:
        """Key and secret, on record under `who`."""
        return await self.keys.reveal(application, who)

    async def seen(self, application: str, moment: datetime | None) -> Mapping[str, Any]:
        """What an application could see at a moment, None for now."""
        return await self.inquiries.view(application, moment or self.clock())

    async def person(
        self, sourced_id: str, who: str, *, since: datetime | None, until: datetime | None
    ) -> Mapping[str, Any]:
        """Who could see and who received the records of one person, on record under `who`."""
        answer = await self.inquiries.student(sourced_id, who, since=since, until=until)
        config = self.served.current.config
        titles = {name: each.title for name, each in config.applications.items()} if config else {}
        for each in answer["applications"]:
            each["title"] = titles.get(each["application"])
        return answer

    async def block(self, application: str, reason: str, who: str) -> None:
        """Stop it at once, on record under `who`."""
        await self.blocking.block(application, reason, who)

    async def unblock(self, application: str, reason: str, who: str) -> None:
        """Let it get what its documents say again, on record under `who`."""
        await self.blocking.unblock(application, reason, who)

    async def run_export(self, target: str, who: str) -> desk.Export:
        """Deliver now; gives the run, whatever became of it."""
        return _export(await self.exports_loop.run_now(target, who))

    async def test_target(self, target: str, who: str) -> desk.Tested:
        """Sign in at a target as deliveries do."""
        probe = await self.exports_loop.test(target, who)
        return {
            "target": target,
            "server": probe.server,
            "host_key": probe.host_key,
            "steps": list(probe.steps),
        }

    async def set_secret(self, name: str, value: str, who: str) -> str:
        """Keep a secret's value; gives the document it belongs to."""
        return await self.exports_loop.set_secret(name, value, who)

    async def secrets(self) -> Sequence[desk.Secret]:
        """Names, never values."""
        return [
            {
                "name": each.name,
                "document": each.document,
                "set": _maybe(each.set_at),
                "used": each.used,
                "needed": each.needed,
            }
            for each in await self.exports_loop.named_secrets()
        ]


def _latest(accesses: Sequence[storage.Access], kind: str) -> dict[str, datetime]:
    """The last answered access of each application; what was refused is no access."""
    found: dict[str, datetime] = {}
    for each in accesses:
        if each.kind == kind and not each.status.startswith(("4", "5", "failed", "refused")):
            found[each.application] = max(each.time, found.get(each.application, each.time))
    return found


def _import(each: storage.Import) -> desk.Import:
    files = _files(each.report)
    return {
        "source": each.source,
        "state": each.state,
        "started": _text(each.started),
        "ended": _text(each.ended),
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


def _export(run: storage.Run) -> desk.Export:
    return {
        "target": run.target,
        "application": run.application,
        "slot": run.slot,
        "state": run.state,
        "attempt": run.attempt,
        "started": _text(run.started),
        "ended": _maybe(run.ended),
        "mode": run.mode,
        "file": run.name,
        "bytes": run.bytes,
        "rows": sum((run.rows or {}).values()),
        "problem": run.problem,
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _maybe(moment: datetime | None) -> str | None:
    return _text(moment) if moment is not None else None

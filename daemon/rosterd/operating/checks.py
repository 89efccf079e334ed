"""Sanity checks, asked of the loop that runs and compares them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rosterd import chain, errors, examining, storage, worlds
from rosterd.operating import moments
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Implements web.desk.Checks."""

    served: worlds.Worlds
    store: storage.Storage
    checks_loop: examining.Examining
    clock: Callable[[], datetime]

    async def sanity(self, application: str, who: str, *, samples: bool) -> desk.Checked:
        """What every check finds in what it sees now, against the run before."""
        examined = await self.checks_loop.ask(application)
        if samples and any(each.finding.sample for each in examined.checks):
            note = chain.Note("looked", who, application, self.clock(), {"what": "sanity"})
            await self.store.run(lambda kept: kept.note(note))
        run, previous = examined.run, examined.previous
        return {
            "application": application,
            "generation": run.generation,
            "commit": run.commit,
            "time": moments.text(run.time),
            "previous": moments.text(previous.time) if previous is not None else None,
            "findings": [_check(each, samples=samples) for each in examined.checks],
            "unmet": list(examined.unmet),
        }

    async def sanity_runs(self, application: str, limit: int) -> Sequence[desk.SanityRun]:
        """The newest first. Raises errors.InputError when there is no such application."""
        config = self.served.current.config
        if config is None or application not in config.applications:
            raise errors.InputError(f"cannot check {application}: no application has that name")
        return [
            {
                "generation": each.generation,
                "commit": each.commit,
                "time": moments.text(each.time),
                "counts": dict(each.counts),
            }
            for each in await self.checks_loop.history(application, limit)
        ]


def _check(each: examining.Compared, *, samples: bool) -> desk.Check:
    found, before = each.finding, each.before
    known = found.count is not None and before is not None
    return {
        "check": found.check,
        "title": found.title,
        "severity": found.severity,
        "collection": found.collection,
        "count": found.count,
        "before": before,
        "difference": (found.count or 0) - (before or 0) if known else None,
        "since": moments.text(each.since),
        "sample": list(found.sample) if samples else [],
    }

"""What goes on record about an applied change, and about the keys and the rule it was judged by.

An auditor asks years later, when the settings have changed and git may have lost what was squashed:
so the record says by itself who stood behind a change, under which rule, and what it did to what
vendors see.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import rosterd
from rosterd import chain, errors, git, plans, settings, statements, storage
from rosterd.git import people, ranges

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a config may be applied: what keys can say, whose they are, which statements count."""

    proven: str
    people: tuple[str, ...]
    counted: storage.Counted | None = None
    paths: tuple[statements.PathVerdict, ...] = ()
    """Who stands behind which path."""
    notes: tuple[storage.Note, ...] = ()
    """What else goes on record with the change, such as a release that it makes use of."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """How a candidate came to be judged."""

    trigger: str = ""
    former: str | None = None
    """The commit that was applied before."""
    commits: int = 0
    claimed: tuple[ranges.Claimed, ...] = ()
    started: datetime | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the record."""


class Recording:
    """Knows the settings that a record has to name."""

    def __init__(
        self,
        machine: settings.Settings,
        mirror: git.Mirror,
        store: storage.Storage,
        rule: plans.Rule,
        clock: Callable[[], datetime],
    ) -> None:
        self._machine = machine
        self._mirror = mirror
        self._store = store
        self._rule = rule.as_json()
        self._asks = str(rule)
        self._clock = clock
        self._keys: dict[str, Any] | None = None

    async def look(self) -> None:
        """Put on record whose keys count and under which rule: at the start, and when it changed."""
        found = await asyncio.to_thread(self._listed)
        if found != self._keys:
            why = "start" if self._keys is None else "changed"
            subject = self._machine.repository.id
            note = chain.Note("keys", chain.DAEMON, subject, self._clock(), {**found, "why": why})
            await self._store.run(lambda kept: kept.note(note))
            self._keys = found
            if self.problem:
                _log.warning("nobody's key counts: %s", self.problem)

    @property
    def problem(self) -> str:
        """Why nobody's key counts: a list that is not there or cannot be read; "" when all is well."""
        return str((self._keys or {}).get("problem", ""))

    async def occasion(self, former: str | None, commit: str, trigger: str) -> Occasion:
        """What the mirror knows of the way from one commit to the other."""
        started = self._clock()
        count, claimed = await ranges.commits(self._mirror, former, commit)
        return Occasion(trigger, former, count, claimed, started)

    def applied(
        self,
        occasion: Occasion,
        proof: Proof,
        plan: plans.Plan,
        applied: storage.Applied,
        generation: int | None,
    ) -> chain.Note:
        """The record of a change. Counts of few people are not in it: it is shown to auditors."""
        repository = self._machine.repository
        details = {
            "commit": applied.commit,
            "from": occasion.former,
            "repository": repository.id,
            "branch": repository.branch,
            "commits": occasion.commits,
            "claimed": [_claim(each) for each in occasion.claimed],
            "proven": proof.proven,
            "people": sorted(proof.people),
            "paths": [
                {"path": each.path, "needed": each.needed, "people": sorted(each.people)}
                for each in proof.paths
            ],
            "rule": self._rule,
            "plan": plan.digest,
            "planned": plans.as_json(plan),
            "applications": sorted(_touched(plan)),
            "documents": chain.documents_digest(applied.documents),
            "generation": generation,
            "trigger": occasion.trigger,
            "started": chain.text(occasion.started or applied.time),
            "version": rosterd.__version__,
            **occasion.more,
        }
        return chain.Note("applied", chain.DAEMON, applied.commit, applied.time, details)

    def _listed(self) -> dict[str, Any]:
        review = self._machine.review
        found: dict[str, Any] = {
            "rule": self._rule,
            "asks": self._asks,
            "version": rosterd.__version__,
            "people": {},
            "revoked": [],
        }
        try:
            listed = people.load(review.allowed_signers, review.revoked_keys, self._clock())
        except errors.InputError as error:
            return found | {"problem": str(error)}  # nobody's key counts then, which is on record
        for print_, key in sorted(listed.keys.items()):
            spaces = "" if key.namespaces is None else f" for {','.join(sorted(key.namespaces))}"
            found["people"].setdefault(key.person, []).append(f"{key.type} {print_}{spaces}")
        return found | {"revoked": sorted(listed.revoked)}


def _claim(each: ranges.Claimed) -> dict[str, Any]:
    said = {"commit": each.commit, "author": each.author, "committer": each.committer}
    return {**said, "trailers": list(each.trailers), "signature": each.signature}


def _touched(plan: plans.Plan) -> set[str]:
    """The applications that a plan is about."""
    named = {change.application for change in plan.changes if change.application is not None}
    return named | {each.application for each in plan.exposure or ()}

"""Making a vouched-for candidate what is served: one transaction, then one swap.

The plan is made while no other proposal can come between, judged, and stored together with all
that belongs to it. A process that dies before the transaction ends has changed nothing; one that
dies after it serves the new config when it starts again.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rosterd import (
    access,
    configs,
    credentials,
    disclosures,
    errors,
    guards,
    holdings,
    plans,
    storage,
    worlds,
)
from rosterd.reconciling import candidates, recording

_log = logging.getLogger(__name__)


Proof = recording.Proof
Judge = Callable[[plans.Plan], Proof]
"""Judges a plan; raises what ends the pass when the candidate may not be applied."""


class Applying:
    """What is applied, and the way to apply something else."""

    def __init__(
        self,
        store: storage.Storage,
        served: worlds.Worlds,
        keys: credentials.Credentials | None,
        clock: Callable[[], datetime],
        record: recording.Recording,
        *,
        watch: disclosures.Watch | None = None,
    ) -> None:
        self._store = store
        self._worlds = served
        self._keys = keys
        self._clock = clock
        self._recording = record
        self._watch = watch
        self.applied: storage.Applied | None = None
        self.proven = ""
        self.plan: plans.Plan | None = None
        """Of the last change that this process applied."""
        self.problems: tuple[errors.Problem, ...] = ()
        """Warnings of the documents that are served."""
        self._loaded = False

    def forget(self) -> None:
        """Ask the store again: it may hold something else than was taken for granted."""
        self._loaded = False

    async def load(self, *, sound: bool) -> None:
        """Know what is applied, and serve it if nobody has begun to and the store is `sound`."""
        if not self._loaded:
            self.applied = await self._store.run(lambda kept: kept.applied())
            history = await self._store.run(lambda kept: kept.history(1))
            self.proven = history[0].record.read().get("proven", "") if history else ""
            self._loaded = True
        applied = self.applied
        if sound and applied is not None and self._worlds.current.commit != applied.commit:
            candidate = candidates.checked(applied.commit, applied.documents)
            if candidate.config is not None:
                await self._worlds.propose_config(candidate.config, applied.commit, self.hold)

    async def hold(self, old: worlds.World, new: worlds.World) -> None:
        """Store what applications hold, for a swap of which the rest is stored already."""
        async with disclosures.noticed(self._watch, old, new) as seen:
            await self._store.run(
                lambda store: store.keep_holdings(
                    holdings.writes(old.held, new.held),
                    seen=seen,
                    guards=guards.kept(new),
                    notes=guards.notes(old, new, self._clock()),
                )
            )

    async def apply(
        self,
        candidate: candidates.Candidate,
        config: configs.Config,
        judge: Judge,
        occasion: recording.Occasion,
    ) -> None:
        """Plan against the world as it is, judge, store, swap: all of it, or nothing."""
        attempt = _Attempt(candidate, config, judge, occasion)
        # Not to be stopped half-way: what is stored is also swapped and adopted.
        task = asyncio.ensure_future(
            self._worlds.propose_config(
                config, candidate.commit, lambda old, new: self._record(attempt, old, new)
            )
        )
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # being stopped is what is told
                await task
            raise
        finally:
            self._adopt(attempt)

    async def _record(self, attempt: "_Attempt", old: worlds.World, new: worlds.World) -> None:
        plan = await _plan(old, new)
        proof = attempt.judge(plan)
        now = self._clock()
        previous = self.applied.head if self.applied else ""
        commit = attempt.candidate.commit
        applied = storage.Applied(
            commit=commit,
            documents=attempt.candidate.documents,
            plan=plan.digest,
            people=proof.people,
            time=now,
            revisions=_revisions(self.applied, old, new, plan),
        )
        renames = _renames(old.config, attempt.config)
        prepared = None
        if self._keys:
            prepared = _ended(self._keys.prepared(attempt.config, renames.applications), new)
        generation = new.generation.number if new.generation is not None else None
        note = self._recording.applied(attempt.occasion, proof, plan, applied, generation)
        made = prepared.notes if prepared else ()
        async with disclosures.noticed(self._watch, old, new) as seen:
            head = await self._store.run(
                lambda store: store.apply(
                    applied,
                    previous=previous,
                    notes=(note, *proof.notes, *made, *guards.notes(old, new, now)),
                    counted=proof.counted,
                    credentials=prepared.rows if prepared else None,
                    revoked=prepared.revoked if prepared else (),
                    held=holdings.writes(old.held, new.held),
                    seen=seen,
                    guards=guards.kept(new),
                    renames=renames,
                )
            )
        attempt.stored = (dataclasses.replace(applied, head=head), proof, plan)
        attempt.prepared = prepared

    def _adopt(self, attempt: "_Attempt") -> None:
        if attempt.stored is None:
            return
        self.applied, proof, self.plan = attempt.stored
        self.proven = proof.proven
        self.problems = attempt.candidate.problems
        if attempt.prepared is not None and self._keys is not None:
            self._keys.adopt(attempt.prepared)
        _log.info(
            "applied commit=%s plan=%s changes=%d review=%r",
            self.applied.commit,
            self.applied.plan,
            len(self.plan.changes),
            proof.proven,
        )


@dataclass(slots=True)
class _Attempt:
    candidate: candidates.Candidate
    config: configs.Config
    judge: Judge
    occasion: recording.Occasion
    stored: tuple[storage.Applied, Proof, plans.Plan] | None = None
    prepared: credentials.Prepared | None = None


async def _plan(old: worlds.World, new: worlds.World) -> plans.Plan:
    if new.config is None:
        raise AssertionError("a config is proposed")
    if new.generation is None:
        return plans.make(old.config, new.config)
    former: dict[str, access.View] = {}
    views: dict[str, access.View] = {}
    for world, found in ((old, former), (new, views)):
        for name in world.config.applications if world.config else ():
            # What the documents say, not what a hold makes of them: that is what people vouch for.
            found[name] = world.newest(name)
            await asyncio.sleep(0)  # one view takes milliseconds: requests go on between two
    return plans.make(old.config, new.config, former, views)


def _renames(old: configs.Config | None, new: configs.Config) -> storage.Renames:
    if old is None:
        return storage.Renames()
    return storage.Renames(configs.renames(old, new), configs.renames(old, new, "SftpTarget"))


def _revisions(
    before: storage.Applied | None, old: worlds.World, new: worlds.World, plan: plans.Plan
) -> dict[str, int]:
    """The number of each application's view: one higher where its grant or its records changed."""
    if new.config is None:
        raise AssertionError("a config is proposed")
    moved = {each.application for each in plan.exposure or ()}
    former = before.revisions if before else {}
    return {
        name: former.get(name, 0)
        + (name in moved or old.grant(name) != new.grant(name) or name not in former)
        for name in sorted(new.config.applications)
    }


def _ended(prepared: credentials.Prepared, new: worlds.World) -> credentials.Prepared:
    """The same, with the tokens of grants that are dead under the new config ended as well."""
    dead = set()
    for name in new.config.applications if new.config else ():
        grant = new.grant(name)
        if grant is None or grant.refusal(new.today) or not grant.application.rest.enabled:
            dead.add(name)
    return dataclasses.replace(prepared, revoked=prepared.revoked | dead)

"""Whether enough people vouch for the newest commit: the keys that count, what was said, the verdict.

All of it is asked anew in each pass: a key that was revoked since, a statement that ended since, or
one that came since, is seen when it matters, which is when the candidate would be applied.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rosterd import errors, git, plans, settings, statements, storage
from rosterd.git import people, witnesses
from rosterd.reconciling import applying, conditions


@dataclass(frozen=True, slots=True)
class Testimony:
    """What was said about the candidate and counts, and what of it makes a proof."""

    changed: tuple[statements.Transition, ...]
    passed: tuple[statements.Transition, ...]
    stated: tuple[statements.Statement, ...]
    ignored: tuple[str, ...]
    used: frozenset[str]
    rewritten: tuple[str, str] | None = None

    def proof(
        self,
        need: Callable[[str], int],
        plan: plans.Plan,
        problems: tuple[errors.Problem, ...] = (),
    ) -> applying.Proof:
        """Why it may be applied; conditions.Stop says who is missing."""
        verdict = statements.judge(self.changed, self.stated, need, self.used)
        if not verdict.accepted:
            raise conditions.Stop(
                "Vouched",
                "NotVouched",
                "waits for people to vouch for it: "
                + "; ".join(str(missing) for missing in verdict.missing[:5]),
                missing=verdict.missing,
                ignored=self.ignored,
                plan=plan,
                problems=problems,
            )
        counted = storage.Counted(
            statements.spent(self.changed, self.passed, self.stated, self.used),
            statements.turned(self.changed, self.passed),
            self.rewritten,
        )
        return applying.Proof(verdict.proven, verdict.people, counted, verdict.paths)


class Vouching:
    """Asks the mirror and the store; judges nothing twice."""

    def __init__(
        self,
        machine: settings.Settings,
        mirror: git.Mirror,
        store: storage.Storage,
        clock: Callable[[], datetime],
    ) -> None:
        self.rule = rule(machine.review)
        self._review = machine.review
        self._store = store
        self._clock = clock
        self._witnesses = witnesses.Witnesses(
            mirror, repository=machine.repository.id, branch=machine.repository.branch
        )

    async def listed(self) -> people.People:
        """Whose keys count now; conditions.Stop when that cannot be told."""
        review = self._review
        try:
            return await asyncio.to_thread(
                people.load, review.allowed_signers, review.revoked_keys, self._clock()
            )
        except errors.InputError as error:
            raise conditions.Stop(
                "Vouched", "Keys", error.args[0], problems=error.problems
            ) from error

    async def hear(
        self, accepted: str, newest: str, changed: tuple[statements.Transition, ...]
    ) -> Testimony:
        """What counts of all that was said about the way from `accepted` to `newest`."""
        listed = await self.listed()
        since = await self._store.run(lambda kept: kept.rewritten())
        heard = await self._witnesses.hear(
            accepted, newest, changed, listed, self._clock(), since=since
        )
        stated, overtaken = await self._fresh(heard.stated)
        used = await self._used(stated)
        return Testimony(changed, heard.passed, stated, (*heard.ignored, *overtaken), used)

    async def _fresh(
        self, stated: Sequence[statements.Statement]
    ) -> tuple[tuple[statements.Statement, ...], tuple[str, ...]]:
        paths = {change.path for each in stated for change in each.transitions}
        found = await self._store.run(lambda kept: kept.turns(paths))
        turns = {place: statements.Turn(*times) for place, times in found.items()}
        return statements.fresh(stated, turns)

    async def _used(self, stated: Sequence[statements.Statement]) -> frozenset[str]:
        digests = [
            statement.digest(change.path)
            for statement in stated
            for change in statement.transitions
        ]
        return await self._store.run(lambda kept: kept.used_statements(digests))


def rule(review: settings.Review) -> plans.Rule:
    """How many people the settings ask for."""
    kinds = {str(kind): number for kind, number in review.kinds.items()}
    effects = {str(effect): number for effect, number in review.effects.items()}
    return plans.Rule(review.people, kinds, effects)

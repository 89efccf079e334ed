"""Whether enough people vouch for the newest commit: the keys that count, what was said, the verdict.

All of it is asked anew in each pass: a key that was revoked since, a statement that ended since, or
one that came since, is seen when it matters, which is when the candidate would be applied.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rosterd import chain, errors, git, plans, settings, statements, storage
from rosterd.git import people, witnesses
from rosterd.reconciling import applying, conditions, reviewing

_HISTORY = 20_000
"""Commits before a pin whose changes have had their turn."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A history that an operator asks to take in the place of the accepted one."""

    former: str
    """The accepted commit, or the beginning of its id."""
    newest: str
    reason: str
    actor: str
    time: datetime

    def matches(self, accepted: str, newest: str) -> bool:
        """Whether these two commits are meant."""
        return accepted.startswith(self.former) and newest.startswith(self.newest)

    def ends(self, changed: tuple[statements.Transition, ...]) -> tuple[str, str]:
        """The full ids of both commits, of the one step that people vouched for."""
        return changed[0].old or "", changed[0].new or ""

    def note(
        self, changed: tuple[statements.Transition, ...], verdict: statements.Verdict
    ) -> chain.Note:
        """What goes on record of it."""
        former, newest = self.ends(changed)
        details = {
            "from": former,
            "to": newest,
            "reason": self.reason,
            "proven": verdict.proven,
            "people": list(verdict.people),
        }
        return chain.Note("rewritten", self.actor, newest, self.time, details)


@dataclass(frozen=True, slots=True)
class Testimony:
    """What was said about the candidate and counts, and what of it makes a proof."""

    changed: tuple[statements.Transition, ...]
    passed: tuple[statements.Transition, ...]
    stated: tuple[statements.Statement, ...]
    ignored: tuple[str, ...]
    used: frozenset[str]
    rewrite: Rewrite | None = None

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
            None if self.rewrite is None else self.rewrite.ends(self.changed),
        )
        notes = () if self.rewrite is None else (self.rewrite.note(self.changed, verdict),)
        return applying.Proof(verdict.proven, verdict.people, counted, verdict.paths, notes)

    def needed(self, plan: plans.Plan, rule: plans.Rule) -> Callable[[str], int]:
        """How many people have to vouch for a path: for a rewritten history as many as for the
        change that needs the most.
        """
        return plans.needed(plan, rule) if self.rewrite is None else lambda _: rule.most


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
        self._wanted: Rewrite | None = None
        self._mirror = mirror
        self._names = (machine.repository.id, machine.repository.branch)
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

    async def pinned(self, commit: str) -> applying.Proof:
        """What lets the first commit be applied: the administrator's word. All that its history went
        through has had its turn, so that no approval from before a lost store comes back.
        """
        lines = await self._mirror.commits(f"--max-count={_HISTORY}", commit)
        passed = [each for own in await self._mirror.own_changes(lines) for each in own.transitions]
        counted = storage.Counted(turned=statements.turned((), passed))
        return applying.Proof("pinned by the administrator of this machine", (), counted)

    @contextlib.contextmanager
    def wanting(self, rewrite: Rewrite) -> Iterator[None]:
        """Passes that begin in the block take this rewrite, if people vouch for it."""
        self._wanted = rewrite
        try:
            yield
        finally:
            self._wanted = None

    async def descends(self, accepted: str, newest: str) -> Rewrite | None:
        """Nothing when the branch goes on from what was accepted; otherwise the rewrite that was
        asked for. conditions.Stop when that is not what happened.
        """
        if await self._mirror.is_ancestor(accepted, newest):
            return None
        if self._wanted is not None and self._wanted.matches(accepted, newest):
            return self._wanted
        former, tip = accepted[:12], newest[:12]
        if await self._mirror.is_ancestor(newest, accepted):
            reason, message = (
                "RolledBack",
                (
                    f"the branch was set back to {tip}, which {former} descends from: to go back,"
                    " commit a revert"
                ),
            )
        else:
            reason, message = (
                "HistoryRewritten",
                (
                    f"the branch at {tip} does not descend from the accepted {former}: its history was"
                    f" rewritten. If that was meant: `rosterd approve {tip} --rewrite {former}` by each"
                    f" of you, then `rosterd accept-rewrite {former} {tip} --reason TEXT`"
                ),
            )
        raise conditions.Stop("Vouched", reason, message)

    async def hear(
        self,
        accepted: str,
        newest: str,
        changed: tuple[statements.Transition, ...],
        rewrite: Rewrite | None = None,
    ) -> Testimony:
        """What counts of all that was said about the way from `accepted` to `newest`."""
        listed = await self.listed()
        if rewrite is not None:
            heard = await self._witnesses.rewriting(
                accepted, newest, changed, listed, self._clock()
            )
            step = statements.Transition(statements.HISTORY, accepted, newest)
            return await self._counting((step,), heard, rewrite)
        since = await self._store.run(lambda kept: kept.rewritten())
        heard = await self._witnesses.hear(
            accepted, newest, changed, listed, self._clock(), since=since
        )
        return await self._counting(changed, heard)

    async def review(self, text: str, accepted: str, newest: str) -> statements.Review:
        """Who vouches for what in a range ("" is what waits), as it stands now."""
        range_ = await reviewing.Range.of(self._mirror, text or f"{accepted}..{newest}", newest)
        changed = await self._mirror.changes(range_.base, range_.commit)
        listed = await self.listed()
        since = await self._store.run(lambda kept: kept.rewritten())
        # Apart from the loop's own, which remembers what the accepted history said.
        apart = witnesses.Witnesses(self._mirror, repository=self._names[0], branch=self._names[1])
        heard = await apart.hear(
            range_.base, range_.commit, changed, listed, self._clock(), since=since
        )
        used: frozenset[str] = frozenset()
        if range_.base == accepted:
            counting = await self._counting(changed, heard)
            heard = replace(heard, stated=counting.stated, ignored=counting.ignored)
            used = counting.used
        question = reviewing.Question(changed, listed, self.rule)
        return await reviewing.review(range_, question, heard, used)

    async def _counting(
        self,
        changed: tuple[statements.Transition, ...],
        heard: witnesses.Testimony,
        rewrite: Rewrite | None = None,
    ) -> Testimony:
        """What of it has not had its say yet."""
        stated, overtaken = await self._fresh(heard.stated, (*changed, *heard.passed))
        used = await self._used(stated)
        return Testimony(changed, heard.passed, stated, (*heard.ignored, *overtaken), used, rewrite)

    async def _fresh(
        self,
        stated: Sequence[statements.Statement],
        wanted: Sequence[statements.Transition],
    ) -> tuple[tuple[statements.Statement, ...], tuple[str, ...]]:
        paths = {change.path for each in stated for change in each.transitions}
        found = await self._store.run(lambda kept: kept.turns(paths))
        turns = {place: statements.Turn(*times) for place, times in found.items()}
        return statements.fresh(stated, turns, wanted)

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

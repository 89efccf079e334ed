"""One open request against what is accepted: its documents, and who stands behind them.

A plan on the live roster answers questions about it: does this id exist, how many are there? So it
is made only of documents that a listed person vouches for, each of them, by a signed commit or a
detached statement that counts today. Everybody else's request gets the plan of its documents alone,
which says nothing that the documents do not say.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rosterd import (
    configs,
    errors,
    loading,
    plans,
    previewing,
    settings,
    statements,
    storage,
    worlds,
)
from rosterd.git import inbox, people, witnesses
from rosterd.requesting.seen import Seen

_KEPT: Final = 500
ALONE: Final = "planned without the roster: nobody listed vouches for its documents"


@dataclass(frozen=True, slots=True)
class _Read:
    """The documents that a request would bring."""

    config: configs.Config | None
    problems: tuple[errors.Problem, ...]
    changed: tuple[statements.Transition, ...]


class Judging:
    """Judges requests; what has not changed since is not judged again."""

    def __init__(
        self,
        machine: settings.Settings,
        kept: inbox.Inbox,
        store: storage.Storage,
        clock: Callable[[], datetime],
    ) -> None:
        self._review = machine.review
        self._inbox = kept
        self._store = store
        self._clock = clock
        self._witnesses = witnesses.Witnesses(
            kept, repository=machine.repository.id, branch=machine.repository.branch
        )
        self._seen: dict[str, tuple[tuple[object, ...], Seen]] = {}

    async def judge(self, head: inbox.Head, world: worlds.World, stated: str) -> Seen:
        """What is known of a request now; `stated` moves whenever statements do."""
        listed = await self._listed()
        key = (
            *(head.commit, world.commit, stated, listed.digest, world.today),
            # a statement ends within an hour of what was said of it, and a roster when it is replaced
            self._clock().strftime("%Y%m%d%H"),
            world.generation.number if world.generation is not None else None,
        )
        before = self._seen.get(head.ref)
        if before is not None and before[0] == key:
            return before[1]
        seen = await self._judged(head, world, listed)
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        self._seen[head.ref] = (key, seen)
        return seen

    async def _judged(self, head: inbox.Head, world: worlds.World, listed: people.People) -> Seen:
        accepted = world.commit or ""
        merged = await self._inbox.merged(accepted, head.commit)
        if merged.tree is None:
            state = "accepted" if merged.accepted else "conflict"
            return _without(head, state, merged.reason)
        try:
            read = await self._read(accepted, merged.tree)
        except errors.InputError as error:
            return _without(head, "unreadable", error.args[0], error.problems)
        if read.config is None:
            count = sum(problem.severity == "error" for problem in read.problems)
            what = f"{count} problem{'s' if count != 1 else ''} in its documents"
            return _without(head, "invalid", what, read.problems)
        structure = self._ruled(plans.make(world.config, read.config))
        who = await self._vouching(accepted, head.commit, read.changed, listed)
        live, message = structure, ALONE if read.changed else ""
        if who or not read.changed:
            live = self._ruled(await previewing.plan(world, read.config))
            message = "" if world.generation is not None else "there is no roster yet"
        return Seen(
            head.number,
            head.ref,
            head.commit,
            "valid",
            message,
            people=who,
            plan=live,
            structure=structure,
            problems=read.problems,
        )

    def _ruled(self, plan: plans.Plan) -> plans.Plan:
        return plans.under_rule(plan, self._review.people)

    async def _read(self, accepted: str, tree: str) -> _Read:
        files = {
            path: entry.blob
            for path, entry in (await self._inbox.tree(tree)).items()
            if _is_document(path)
        }
        contents = await self._inbox.contents(files.values())
        if missing := sorted(path for path, blob in files.items() if blob not in contents):
            raise errors.TemporaryError(f"cannot read {missing[0]} of a request")
        texts = {path: contents[blob] for path, blob in files.items()}
        config, problems = await asyncio.to_thread(_checked, texts)
        changed = tuple(
            change
            for change in await self._inbox.changes(accepted, tree)
            if _is_document(change.path)
        )
        return _Read(config, problems, changed)

    # ------------------------------------------------------------ who stands behind it

    async def _vouching(
        self,
        accepted: str,
        head: str,
        changed: tuple[statements.Transition, ...],
        listed: people.People,
    ) -> tuple[str, ...]:
        """Listed people who vouch for it: somebody for each document, else nobody at all."""
        if not changed or not listed.keys or not await self._inbox.few_commits(accepted, head):
            return ()
        since = await self._store.run(lambda kept: kept.rewritten())
        heard = await self._witnesses.hear(
            accepted, head, changed, listed, self._clock(), since=since
        )
        paths = {change.path for each in heard.stated for change in each.transitions}
        found = await self._store.run(lambda kept: kept.turns(paths))
        turns = {place: statements.Turn(*times) for place, times in found.items()}
        stated, _ = statements.fresh(heard.stated, turns)
        digests = [each.digest(change.path) for each in stated for change in each.transitions]
        used = await self._store.run(lambda kept: kept.used_statements(digests))
        verdict = statements.judge(changed, stated, lambda _: 1, used)
        return verdict.people if verdict.accepted else ()

    async def _listed(self) -> people.People:
        """Whose keys count now; nobody's when that cannot be told: the pass of the loop that
        accepts says so.
        """
        review = self._review
        try:
            return await asyncio.to_thread(
                people.load, review.allowed_signers, review.revoked_keys, self._clock()
            )
        except errors.InputError:
            return people.NOBODY


def _without(
    head: inbox.Head,
    state: str,
    message: str,
    problems: tuple[errors.Problem, ...] = (),
) -> Seen:
    return Seen(head.number, head.ref, head.commit, state, message, problems=problems)  # type: ignore[arg-type]  # one of the table


def _checked(
    texts: dict[str, bytes],
) -> tuple[configs.Config | None, tuple[errors.Problem, ...]]:
    return configs.check(loading.load(texts))


def _is_document(path: str) -> bool:
    return path.lower().endswith((".yaml", ".yml")) and not path.startswith(".")

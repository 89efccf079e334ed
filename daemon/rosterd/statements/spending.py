"""Which statements have had their say, and count no more.

Two ways of telling, because two things can be done with an approval of the past. One that the
daemon counted is recorded by its digest. One that was kept from the daemon (whoever hosts the
repository decides which refs it shows) until its change was made and undone is told by time: the
signer says when she made it, and the store says when each path last left a content and when it last
came to one. To lie about that time helps nobody but the signer, who could sign anew anyway.

An approval of a later step is made before its beginning is accepted, and stays good: nothing has
left that beginning since.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rosterd.statements import judging
from rosterd.statements.saying import Blob, Transition


@dataclass(frozen=True, slots=True)
class Turn:
    """When accepted changes last led a path away from one content, and when they last led to it."""

    left: datetime | None = None
    reached: datetime | None = None


Turns = Mapping[tuple[str, Blob], Turn]
"""(path, content) -> its turn, for contents that accepted changes went through."""


def spent(
    changed: Iterable[Transition],
    passed: Iterable[Transition],
    statements: Sequence[judging.Statement],
    used: Collection[str] = frozenset(),
) -> frozenset[str]:
    """Digests of what has counted once `changed` is accepted; none of `used` is given again.

    For each path: every link that lies on some way from old to new, and every link between contents
    that the branch went through (`passed`: the transitions of each commit accepted, also where they
    cancel each other). What leads elsewhere, such as the approval of a later step, stays good.
    """
    ends = {change.path: change for change in changed}
    seen: dict[str, set[Blob]] = {}
    for change in passed:
        seen.setdefault(change.path, set()).update((change.old, change.new))
    ways: dict[str, tuple[Mapping[Blob, set[Blob]], Mapping[Blob, set[Blob]]]] = {}
    for path, people in judging.by_path(statements, used).items():
        links = [link for spoken in people.values() for link in spoken]
        ways[path] = judging.reach(links), judging.reach([(new, old) for old, new in links])
    digests = set()
    for statement in statements:
        for change in statement.transitions:
            digest = statement.digest(change.path)
            if digest in used:
                continue
            through = seen.get(change.path, set())
            if (change.old in through and change.new in through) or (
                change.path in ends and _on_the_way(change, ends[change.path], *ways[change.path])
            ):
                digests.add(digest)
    return frozenset(digests)


def turned(
    changed: Iterable[Transition], passed: Iterable[Transition]
) -> frozenset[tuple[str, Blob, Blob]]:
    """(path, left, reached) of everything that is had, once `changed` is accepted."""
    return frozenset((change.path, change.old, change.new) for change in (*changed, *passed))


def fresh(
    stated: Iterable[judging.Statement], turns: Turns, wanted: Iterable[Transition] = ()
) -> tuple[tuple[judging.Statement, ...], tuple[str, ...]]:
    """(the statements without what was overtaken since they were made, a reason for each of those
    that would begin or end a change that is `wanted`).

    A transition is overtaken when, at or after the statement's time, an accepted change led its
    path away from the old content or to the new one: then it was made for a change that has been.
    Commits say no time that could be believed; `git.witnesses` tells theirs by what they grew from.
    What had its say about something else, long ago, is nothing that anybody has to know.
    """
    kept, reasons = [], []
    wanted = tuple(wanted)
    begun = {(change.path, change.old) for change in wanted}
    ended = {(change.path, change.new) for change in wanted}
    for statement in stated:
        good = tuple(
            change for change in statement.transitions if not _overtaken(change, statement, turns)
        )
        gone = [change for change in statement.transitions if change not in good]
        if any((each.path, each.old) in begun or (each.path, each.new) in ended for each in gone):
            reasons.append(
                f"statement {statement.name[:12]}: its change was made and undone since it was"
                f" signed at {statement.made:%Y-%m-%dT%H:%M:%SZ}; it has to be approved again"
            )
        if good:
            kept.append(replace(statement, transitions=good))
    return tuple(kept), tuple(reasons)


def _overtaken(change: Transition, statement: judging.Statement, turns: Turns) -> bool:
    if statement.made is None:
        return False
    left = turns.get((change.path, change.old), Turn()).left
    reached = turns.get((change.path, change.new), Turn()).reached
    return any(time is not None and time >= statement.made for time in (left, reached))


def _on_the_way(
    change: Transition,
    end: Transition,
    forward: Mapping[Blob, set[Blob]],
    backward: Mapping[Blob, set[Blob]],
) -> bool:
    """Whether the link lies on some way from the one end to the other."""
    return change.old in forward.get(end.old, {end.old}) | {end.old} and change.new in backward.get(
        end.new, {end.new}
    ) | {end.new}

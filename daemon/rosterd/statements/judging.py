"""Whether what people said carries a change, path by path.

A chain of transitions has to lead from the accepted content to the candidate's, each link vouched
for by enough different people. Composition is per person: what Alice said in three steps counts as
said in one, what Alice and Bob said in two halves is one person each.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from rosterd.statements.saying import HISTORY, Blob, Transition


@dataclass(frozen=True, slots=True)
class Statement:
    """What one person vouches for; its signature is verified already."""

    person: str
    key: str
    """Fingerprint of the key that signed."""
    source: Literal["commit", "detached"]
    name: str
    """Commit id, or the name of the statement's ref: for people who look."""
    subject: str
    """sha256 of the signed bytes."""
    transitions: tuple[Transition, ...]
    made: datetime | None = None
    """When its signer says that she made it; None for commits, whose dates say nothing."""

    def digest(self, path: str) -> str:
        """What is recorded when this statement has counted for `path`."""
        return sha256(f"{self.person}\0{self.subject}\0{path}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """How far one changed path is vouched for."""

    path: str
    needed: int
    have: int
    """The most different people who vouch for each link of one chain from old to new."""
    people: tuple[str, ...]
    """When enough: all who vouch for that chain. Otherwise: who vouches so far."""

    @property
    def enough(self) -> bool:
        return self.have >= self.needed

    def __str__(self) -> str:
        so_far = ", ".join(self.people) or "nobody"
        path = "the rewritten history" if self.path == HISTORY else self.path
        if self.enough:
            return f"{path}: vouched for by {so_far}"
        return f"{path}: needs {counted(self.needed)}, has {self.have} ({so_far})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the statements carry a candidate."""

    paths: tuple[PathVerdict, ...]

    @property
    def accepted(self) -> bool:
        return all(verdict.enough for verdict in self.paths)

    @property
    def missing(self) -> tuple[PathVerdict, ...]:
        return tuple(verdict for verdict in self.paths if not verdict.enough)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whose keys stand behind an accepted candidate, sorted."""
        return tuple(sorted({person for verdict in self.paths for person in verdict.people}))

    @property
    def proven(self) -> str:
        """The most that keys can say about the candidate, in words."""
        if not self.paths:
            return "nothing to vouch for: no file differs"
        least = min(verdict.have for verdict in self.paths)
        if least == 0:
            return "unproven: changes that nobody's key vouches for"
        keys = "one person's key" if least == 1 else f"{counted(least)}'s keys"
        partly = " for some of the changes" if least == 1 and len(self.people) > 1 else ""
        return f"vouched for by {keys}{partly} ({', '.join(self.people)})"


def judge(
    changed: Iterable[Transition],
    statements: Iterable[Statement],
    needed: Callable[[str], int],
    used: Collection[str] = frozenset(),
) -> Verdict:
    """Judge each changed path: a chain of transitions has to lead from old to new, each link vouched
    for by enough different people.

    A link is vouched for by a person when her own statements, composed, lead from its one end to
    the other. `used` holds the digests (Statement.digest) that have counted before.
    """
    said = by_path(statements, used)
    return Verdict(
        tuple(
            _judged(change, said.get(change.path, {}), needed(change.path))
            for change in sorted(changed, key=lambda change: change.path)
        )
    )


def counted(people: int) -> str:
    """A number of people in words, as far as words are usual."""
    words = {0: "nobody", 1: "one person", 2: "two people", 3: "three people", 4: "four people"}
    return words.get(people, f"{people} people")


Links = list[tuple[Blob, Blob]]


def by_path(statements: Iterable[Statement], used: Collection[str]) -> dict[str, dict[str, Links]]:
    """Path -> person -> links she states, without what has counted before."""
    found: dict[str, dict[str, Links]] = {}
    for statement in statements:
        for change in statement.transitions:
            if statement.digest(change.path) not in used:
                people = found.setdefault(change.path, {})
                people.setdefault(statement.person, []).append((change.old, change.new))
    return found


def reach(links: Iterable[tuple[Blob, Blob]]) -> dict[Blob, set[Blob]]:
    """For every beginning of a link: all that its links lead to, over any number of them."""
    steps: dict[Blob, set[Blob]] = {}
    for old, new in links:
        steps.setdefault(old, set()).add(new)
    reach: dict[Blob, set[Blob]] = {}
    for start in steps:
        found: set[Blob] = set()
        queue = [start]
        while queue:
            for new in steps.get(queue.pop(), ()):
                if new not in found:
                    found.add(new)
                    queue.append(new)
        reach[start] = found
    return reach


def _judged(change: Transition, people: Mapping[str, Links], needed: int) -> PathVerdict:
    vouchers: dict[tuple[Blob, Blob], set[str]] = {}
    for person, links in people.items():
        for old, reached in reach(links).items():
            for new in reached:
                vouchers.setdefault((old, new), set()).add(person)
    have = 0
    for least in range(len(people), 0, -1):
        strong = [link for link, persons in vouchers.items() if len(persons) >= least]
        if change.new in reach(strong).get(change.old, ()):
            have = least
            break
    if have and have >= needed:
        behind = _behind(change, vouchers, have)
    else:
        behind = _so_far(change, vouchers, needed)
    return PathVerdict(change.path, needed, have, tuple(sorted(behind)))


def _behind(
    change: Transition, vouchers: Mapping[tuple[Blob, Blob], set[str]], least: int
) -> set[str]:
    """Everybody on the links, of `least` people each, of the shortest chain from old to new."""
    came: dict[Blob, Blob] = {}
    queue = [change.old]
    for state in queue:
        for (old, new), persons in vouchers.items():
            if old == state and len(persons) >= least and new not in came:
                came[new] = old
                queue.append(new)
        if change.new in came:
            break
    behind: set[str] = set()
    state = change.new
    while True:
        behind |= vouchers[came[state], state]
        state = came[state]
        if state == change.old:
            return behind


def _so_far(
    change: Transition, vouchers: Mapping[tuple[Blob, Blob], set[str]], needed: int
) -> set[str]:
    """Who vouches for the rest of the way, from where enough people have brought it."""
    strong = [link for link, persons in vouchers.items() if len(persons) >= max(needed, 1)]
    reached = {change.old} | reach(strong).get(change.old, set())
    rests = [vouchers.get((state, change.new), set()) for state in reached]
    return max(rests, key=lambda persons: (len(persons), sorted(persons)))

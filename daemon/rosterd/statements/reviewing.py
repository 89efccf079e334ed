"""What is proven, only claimed and missing of a change, path by path: for people who look.

Proven is what keys say. Claimed is everything else that looks like a review: a forge's signature,
trailers of a commit message; it is shown because people look for it, and counts for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rosterd.statements import judging
from rosterd.statements.saying import Transition


@dataclass(frozen=True, slots=True)
class Voucher:
    """One statement that lies on the way of a path, from its old content to its new one."""

    person: str
    key: str
    source: str
    """"commit" or "detached"."""
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """One path of a change."""

    path: str
    needed: int
    have: int
    proven: tuple[Voucher, ...]
    claimed: tuple[str, ...]
    could: tuple[str, ...]
    """Listed people who do not vouch for it yet."""

    @property
    def missing(self) -> int:
        return max(self.needed - self.have, 0)

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "needed": self.needed,
            "have": self.have,
            "missing": self.missing,
            "proven": [
                {"person": each.person, "key": each.key, each.source: each.name}
                for each in self.proven
            ],
            "claimed": list(self.claimed),
            "could": list(self.could) if self.missing else [],
        }


@dataclass(frozen=True, slots=True)
class Review:
    """A change and who stands behind it."""

    base: str
    commit: str
    rows: tuple[Row, ...]
    proven: str
    """The most that keys can say about all of it."""
    rule: str
    notes: tuple[str, ...] = ()
    """What to know besides: statements that count nothing, documents that cannot be read."""

    @property
    def complete(self) -> bool:
        return not any(row.missing for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        return {
            "base": self.base,
            "commit": self.commit,
            "complete": self.complete,
            "proven": self.proven,
            "rule": self.rule,
            "paths": [row.as_json() for row in self.rows],
            "notes": list(self.notes),
        }


def rows(
    changed: Iterable[Transition],
    verdict: judging.Verdict,
    stated: Sequence[judging.Statement],
    listed: Iterable[str],
    claimed: Mapping[str, Sequence[str]],
) -> tuple[Row, ...]:
    """A row for each path that was judged; `claimed` are texts by path."""
    everybody = sorted(set(listed))
    ends = {change.path: change for change in changed}
    ways = {
        path: [link for links in people.values() for link in links]
        for path, people in judging.by_path(stated, ()).items()
    }
    found = []
    for path in verdict.paths:
        end, links = ends[path.path], ways.get(path.path, [])
        ahead = {end.old} | judging.reach(links).get(end.old, set())
        behind = {end.new} | judging.reach([(new, old) for old, new in links]).get(end.new, set())
        vouchers = tuple(
            Voucher(each.person, each.key, each.source, each.name)
            for each in sorted(stated, key=lambda each: (each.person, each.name))
            if any(
                change.path == path.path and change.old in ahead and change.new in behind
                for change in each.transitions
            )
        )
        could = tuple(person for person in everybody if person not in path.people)
        claims = tuple(claimed.get(path.path, ()))
        found.append(Row(path.path, path.needed, path.have, vouchers, claims, could))
    return tuple(found)

"""How many people have to vouch for each path of a candidate.

The machine's settings say it: one number for every change, others for kinds of documents and for
effects where somebody set them. The list of effects is closed:

    narrowing  a document changes so that it can give nothing to anybody, whatever the roster
    widening   any other change of a document
    gaining    an application gains something today, on the roster that is served
    files      a file that is no document

Where several numbers were set for one path, the highest counts. A narrowing for which none was set
needs one fewer than a widening of that kind, but at least one. What an application gains today can
raise what is needed, and never lowers it: what it gains tomorrow, nobody knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rosterd import documents
from rosterd.plans import diffing, exposing, narrowing

Needed = Callable[[str], int]
"""Path -> how many people have to vouch for it."""
EFFECTS: Final = ("narrowing", "widening", "gaining", "files")


class Planned(Protocol):
    """What of a plan is asked."""

    @property
    def changes(self) -> tuple[diffing.Change, ...]: ...

    @property
    def exposure(self) -> tuple[exposing.Exposure, ...] | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """How many different people vouch for a change; `kinds` and `effects` hold what was set apart."""

    people: int = 2
    kinds: Mapping[str, int] = field(default_factory=dict)
    effects: Mapping[str, int] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """What the strictest change needs; a rewritten history needs as many."""
        return max(self.people, *self.kinds.values(), *self.effects.values(), self.people)

    def widening(self, kind: str) -> int:
        """For a change of a document of this kind that may give somebody something."""
        return self._highest(self.kinds.get(kind), self.effects.get("widening"))

    def narrowing(self, kind: str) -> int:
        """For one that cannot."""
        base, own = self.kinds.get(kind), self.effects.get("narrowing")
        if own is None:
            return fewer(self.people if base is None else base)
        return own if base is None else max(own, fewer(base))

    def files(self) -> int:
        """For a file that is no document."""
        return self._highest(self.effects.get("files"))

    def gaining(self, kind: str) -> int:
        """For a document about an application that gains something."""
        return max(self.widening(kind), self.effects.get("gaining", 0))

    def _highest(self, *numbers: int | None) -> int:
        return max((each for each in numbers if each is not None), default=self.people)

    def as_json(self) -> dict[str, Any]:
        return {"people": self.people, "kinds": dict(self.kinds), "effects": dict(self.effects)}

    def __str__(self) -> str:
        """One line for people."""
        apart = [
            f"{name}: {number}"
            for table in (self.kinds, self.effects)
            for name, number in sorted(table.items())
        ]
        many = {
            0: "nobody has to vouch",
            1: "one person alone vouches",
            2: "two people vouch",
            3: "three people vouch",
            4: "four people vouch",
        }
        said = many.get(self.people, f"{self.people} people vouch") + " for a change"
        return f"{said} ({', '.join(apart)})" if apart else said


def fewer(people: int) -> int:
    """One fewer, but at least one where anybody is asked at all."""
    return min(people, max(people - 1, 1))


def needed(plan: Planned, rule: Rule) -> Needed:
    """How many people have to vouch for a path.

    An application that gains something raises every document about it to the number of a widening;
    when none of these changed, the gain follows from something else, and everything is raised.
    """
    changes = {change.path: change for change in plan.changes}
    gaining = {each.application for each in plan.exposure or () if each.gains}
    everything = bool(gaining - {change.application for change in plan.changes})

    def number(path: str) -> int:
        change = changes.get(path)
        if change is None and not narrowing.is_document_path(path):
            return max(rule.files(), rule.effects.get("gaining", 0) if everything else 0)
        kind = change.kind if change else _kind(path)
        if everything or (change is not None and change.application in gaining):
            return rule.gaining(kind)
        # A document whose meaning stays (its comments changed) opens nothing either.
        return rule.narrowing(kind) if change is None or change.narrowing else rule.widening(kind)

    return number


def strictest(rule: Rule) -> Needed:
    """The number for a path of which nobody can tell what its change means."""

    def number(path: str) -> int:
        if not narrowing.is_document_path(path):
            return max(rule.files(), rule.effects.get("gaining", 0))
        return rule.gaining(_kind(path))

    return number


def _kind(path: str) -> str:
    return documents.FOLDERS.get(path.partition("/")[0], "Repository")

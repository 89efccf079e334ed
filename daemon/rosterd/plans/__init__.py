"""What a candidate changes: documents, and what each application gains and loses.

A plan is a value that is made before anything is applied; pull requests, the daemon and auditors
look at the same one. It is deterministic: the same two configs over the same roster give the same
bytes, and their digest names the plan. It holds counts and names of documents, never a person's
id, name, or what a condition about people compares with.
"""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from rosterd import configs
from rosterd.plans import diffing, exposing, narrowing, needing, noticing

__all__ = [
    "PEOPLE",
    "SMALL",
    "Change",
    "Delta",
    "Exposure",
    "FieldChange",
    "Needed",
    "Notice",
    "Plan",
    "Rule",
    "Views",
    "as_json",
    "count",
    "diff",
    "exposure",
    "make",
    "narrowing",
    "needed",
    "strictest",
    "totals",
    "under_rule",
]

PEOPLE: Final = frozenset({"users", "enrollments", "demographics"})
"""Collections whose counts are counts of people."""
SMALL: Final = 10
"""Counts of people below this are not told outside the console."""

Change = diffing.Change
FieldChange = diffing.FieldChange
Delta = exposing.Delta
Exposure = exposing.Exposure
Notice = noticing.Notice
Views = exposing.Views
Needed = needing.Needed
Rule = needing.Rule
needed = needing.needed
strictest = needing.strictest
diff = diffing.diff
exposure = exposing.exposure


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, and the exposure of every application that they touch.

    `exposure` is None when there was no roster to compare on. The warnings follow from the rest, so
    the digest is without them.
    """

    changes: tuple[Change, ...]
    exposure: tuple[Exposure, ...] | None
    warnings: tuple[Notice, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 of the plan as it may be told.

        Not of the exact one: it stands beside the plan wherever that is shown, and a few guesses at
        a digest would tell a count that is too small to be told.
        """
        values = as_json(replace(self, warnings=()))
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


def make(
    old: configs.Config | None,
    new: configs.Config,
    old_views: Views | None = None,
    new_views: Views | None = None,
) -> Plan:
    """The plan from `old` (None: nothing was applied) to `new`; without views no exposure."""
    shown = None
    if new_views is not None:
        shown = exposure(old_views or {}, new_views)
    changes = diff(old, new)
    return Plan(changes, shown, noticing.notices(old, new, changes, shown))


def under_rule(plan: Plan, people: int) -> Plan:
    """The same plan, warning of a review rule of fewer than two people."""
    return replace(plan, warnings=(*noticing.of_rule(people), *plan.warnings))


def as_json(plan: Plan, *, exact: bool = False) -> dict[str, Any]:
    """The plan as JSON values; small counts of people are only told when `exact`."""
    return {
        "v": 1,
        "warnings": [
            {"name": each.name, "subject": each.subject, "text": each.text}
            for each in plan.warnings
        ],
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "name": change.name,
                "path": change.path,
                "narrowing": change.narrowing,
                "fields": [
                    {"field": each.field, "old": each.old, "new": each.new}
                    for each in change.fields
                ],
            }
            for change in plan.changes
        ],
        "exposure": None
        if plan.exposure is None
        else [_exposure_json(each, exact=exact) for each in plan.exposure],
    }


def count(collection: str, number: int, *, exact: bool) -> int | str:
    """A number of records, as it may be told."""
    if exact or collection not in PEOPLE or number == 0 or number >= SMALL:
        return number
    return f"<{SMALL}"


def totals(collection: str, delta: Delta, *, exact: bool) -> tuple[int, int] | None:
    """(before, after) where they may be told: not where a small number of people, those who come,
    go or stay, could be told from them.
    """
    stay = delta.before - delta.lost
    numbers = (delta.before, delta.after, delta.gained, delta.lost, stay)
    if exact or collection not in PEOPLE or all(n == 0 or n >= SMALL for n in numbers):
        return delta.before, delta.after
    return None


def _exposure_json(each: Exposure, *, exact: bool) -> dict[str, Any]:
    collections: dict[str, dict[str, int | str]] = {}
    for collection, delta in each.collections.items():
        told = {
            "gained": count(collection, delta.gained, exact=exact),
            "lost": count(collection, delta.lost, exact=exact),
        }
        both = totals(collection, delta, exact=exact)
        if both is not None:
            told |= {"before": both[0], "after": both[1]}
        collections[collection] = told
    return {
        "application": each.application,
        "refused": {"before": each.refused_before, "after": each.refused_after},
        "collections": collections,
        "levels": {
            "before": {name: list(level) for name, level in each.levels_before.items()},
            "after": {name: list(level) for name, level in each.levels_after.items()},
        },
        "fields": {"gained": list(each.fields_gained), "lost": list(each.fields_lost)},
    }

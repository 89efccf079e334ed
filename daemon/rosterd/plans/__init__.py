"""What a candidate changes: documents, and what each application gains and loses.

A plan is a value that is made before anything is applied; pull requests, the daemon and auditors
look at the same one. It is deterministic: the same two configs over the same roster give the same
bytes, and their digest names the plan. It holds counts and names of documents, never a person's
id, name, or what a condition about people compares with.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from pyroaring import FrozenBitMap

from rosterd import access, configs, documents
from rosterd.oneroster import model
from rosterd.plans import narrowing as narrowing_

PEOPLE: Final = frozenset({"users", "enrollments", "demographics"})
"""Collections whose counts are counts of people."""
SMALL: Final = 10
"""Counts of people below this are not told outside the console."""

Views = Mapping[str, access.View]
"""Application -> its view; all over one roster."""

narrowing = narrowing_.narrowing
"""Whether replacing one document by another can give nothing to anybody, whatever the roster."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value of a document; None where there is none. JSON texts, or "…" for what is hidden."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One document that came, went or changed."""

    kind: str
    name: str
    action: Literal["added", "removed", "changed"]
    fields: tuple[FieldChange, ...]
    narrowing: bool
    application: str | None
    """Whose view it is about, where it is about one."""

    @property
    def path(self) -> str:
        """Where the document stands in the repository."""
        return documents.path_of(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Delta:
    """Records of one collection, for one application."""

    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one application gains and loses. `refused_*` say why it gets nothing, None if it gets
    its part; `levels_*` are those of access.levels.
    """

    application: str
    refused_before: str | None
    refused_after: str | None
    collections: Mapping[str, Delta]
    levels_before: Mapping[str, tuple[str, int]]
    levels_after: Mapping[str, tuple[str, int]]
    fields_gained: tuple[str, ...]
    fields_lost: tuple[str, ...]

    @property
    def gains(self) -> bool:
        """Whether the application sees anything that it does not see now."""
        return bool(self.fields_gained) or any(each.gained for each in self.collections.values())

    @property
    def loses(self) -> bool:
        return bool(self.fields_lost) or any(each.lost for each in self.collections.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, and the exposure of every application that they touch.

    `exposure` is None when there was no roster to compare on.
    """

    changes: tuple[Change, ...]
    exposure: tuple[Exposure, ...] | None

    @property
    def digest(self) -> str:
        """sha256 of the exact plan."""
        text = json.dumps(as_json(self, exact=True), sort_keys=True, separators=(",", ":"))
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
    return Plan(diff(old, new), shown)


def diff(old: configs.Config | None, new: configs.Config) -> tuple[Change, ...]:
    """What changed document by document, by kind and name."""
    before, after = _documents(old), _documents(new)
    changes = []
    for kind, name in sorted(before.keys() | after.keys(), key=_order):
        was, is_ = before.get((kind, name)), after.get((kind, name))
        if was != is_:
            changes.append(_change(kind, name, was, is_))
    return tuple(changes)


def exposure(old: Views, new: Views) -> tuple[Exposure, ...]:
    """What each application gains and loses; those without any difference are left out."""
    found = (
        _exposure(application, old.get(application), new.get(application))
        for application in sorted(old.keys() | new.keys())
    )
    return tuple(each for each in found if each is not None)


def needed(plan: Plan, people: int) -> Callable[[str], int]:
    """How many people have to vouch for a path, when `people` is the number for a change.

    A structural narrowing needs one fewer, but at least one. An application that gains something
    raises every document about it to the full number; when none of these changed, the gain follows
    from something else, and everything needs the full number.
    """
    fewer = min(people, max(people - 1, 1))
    narrow = {change.path: change for change in plan.changes if change.narrowing}
    gaining = {each.application for each in plan.exposure or () if each.gains}
    touched = {change.application for change in plan.changes}
    everything = bool(gaining - touched)
    changed = {change.path for change in plan.changes}

    def number(path: str) -> int:
        if path in narrow:
            return people if everything or narrow[path].application in gaining else fewer
        # A document whose meaning stays (its comments changed) opens nothing either.
        return fewer if path not in changed and narrowing_.is_document_path(path) else people

    return number


def as_json(plan: Plan, *, exact: bool = False) -> dict[str, Any]:
    """The plan as JSON values; small counts of people are only told when `exact`."""
    return {
        "v": 1,
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


# ---------------------------------------------------------------- documents

Key = tuple[str, str]
_KINDS: Final = tuple(documents.KINDS)


def _order(key: Key) -> tuple[int, str]:
    return _KINDS.index(key[0]), key[1]


def _documents(config: configs.Config | None) -> dict[Key, documents.AnyDocument]:
    if config is None:
        return {}
    every: Iterable[documents.AnyDocument] = (
        *config.applications.values(),
        *config.permissions.values(),
        *config.targets.values(),
        *config.listings.values(),
        *config.sources.values(),
        config.repository,
    )
    return {(document.kind, document.name): document for document in every}


def _change(
    kind: str,
    name: str,
    old: documents.AnyDocument | None,
    new: documents.AnyDocument | None,
) -> Change:
    before = _flat(documents.plain(old)) if old is not None else {}
    after = _flat(documents.plain(new)) if new is not None else {}
    fields = tuple(
        FieldChange(field, before.get(field), after.get(field))
        if not _hidden(field)
        else FieldChange(field, _veiled(before.get(field)), _veiled(after.get(field)))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    )
    action: Literal["added", "removed", "changed"] = "changed"
    if old is None:
        action = "added"
    elif new is None:
        action = "removed"
    about = new if new is not None else old
    application = name if kind == "Application" else getattr(about, "application", None)
    return Change(kind, name, action, fields, narrowing(old, new), application)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted field -> JSON text; lists stay whole."""
    flat: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat |= _flat(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(item, ensure_ascii=False)
    return flat


def _hidden(field: str) -> bool:
    """Whether a value may compare with what pupils are called or known by."""
    return field.endswith("where") or field.startswith(("people.where", "exclude."))


def _veiled(value: str | None) -> str | None:
    return None if value is None else "…"


# ---------------------------------------------------------------- exposure

_NONE: Final = FrozenBitMap()
_NOTHING: Final[Mapping[str, tuple[str, int]]] = {
    "orgs": ("NO ACCESS", 0),
    "courses": ("NO ACCESS", 0),
}


def _exposure(
    application: str, old: access.View | None, new: access.View | None
) -> Exposure | None:
    collections = {}
    for collection in model.COLLECTIONS:
        before = old.rows[collection] if old is not None else _NONE
        after = new.rows[collection] if new is not None else _NONE
        both = before.intersection_cardinality(after)
        delta = Delta(len(before), len(after), len(after) - both, len(before) - both)
        if delta.before or delta.after:
            collections[collection] = delta
    gained, lost = _fields(old, new)
    was, is_ = _refusal(old), _refusal(new)
    moved = any(each.gained or each.lost for each in collections.values())
    if not (moved or gained or lost or was != is_):
        return None
    return Exposure(
        application,
        was,
        is_,
        collections,
        access.levels(old) if old is not None else _NOTHING,
        access.levels(new) if new is not None else _NOTHING,
        gained,
        lost,
    )


def _refusal(view: access.View | None) -> str | None:
    return "there is no such application" if view is None else view.refusal


def _fields(
    old: access.View | None, new: access.View | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields gained and lost by an application that has its part before and after.

    A mask that changes counts both ways: what it showed goes, what it shows comes.
    """
    if old is None or new is None or old.refusal is not None or new.refusal is not None:
        return (), ()
    was, is_ = old.grant, new.grant
    gained = (was.withheld - is_.withheld) | (is_.shared - was.shared)
    lost = (is_.withheld - was.withheld) | (was.shared - is_.shared)
    for field in was.masks.keys() | is_.masks.keys():
        before, after = was.masks.get(field), is_.masks.get(field)
        if before != after:
            if before is not None and field not in is_.withheld:
                gained |= {field}
            if after is not None and field not in was.withheld:
                lost |= {field}
    return tuple(sorted(gained)), tuple(sorted(lost))


def _exposure_json(each: Exposure, *, exact: bool) -> dict[str, Any]:
    collections: dict[str, dict[str, int | str]] = {}
    for collection, delta in each.collections.items():
        told = {
            "gained": count(collection, delta.gained, exact=exact),
            "lost": count(collection, delta.lost, exact=exact),
        }
        # Two totals would tell the small difference between them.
        if exact or collection not in PEOPLE:
            told |= {"before": delta.before, "after": delta.after}
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

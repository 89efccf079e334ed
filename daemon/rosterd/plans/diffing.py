"""What changed, document by document and field by field.

What a document compares people with stays hidden, wherever the change is told.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from rosterd import configs, documents
from rosterd.plans import narrowing

VEIL: Final = "…"
"""What stands for a condition."""
Key = tuple[str, str]
"""Kind and name of a document."""
Action = Literal["added", "removed", "changed"]


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
    action: Action
    fields: tuple[FieldChange, ...]
    narrowing: bool
    application: str | None
    """Whose view it is about, where it is about one."""

    @property
    def path(self) -> str:
        """Where the document stands in the repository."""
        return documents.path_of(self.kind, self.name)


def diff(old: configs.Config | None, new: configs.Config) -> tuple[Change, ...]:
    """What changed document by document, by kind and name."""
    before, after = documents_of(old), documents_of(new)
    changes = []
    for kind, name in sorted(before.keys() | after.keys(), key=_order):
        was, is_ = before.get((kind, name)), after.get((kind, name))
        if was != is_:
            changes.append(_change(kind, name, was, is_))
    return tuple(changes)


_KINDS: Final = tuple(documents.KINDS)


def _order(key: Key) -> tuple[int, str]:
    return _KINDS.index(key[0]), key[1]


def documents_of(config: configs.Config | None) -> dict[Key, documents.AnyDocument]:
    """Every document by (kind, name); none when there is no config."""
    if config is None:
        return {}
    every: Iterable[documents.AnyDocument] = (
        *config.applications.values(),
        *config.permissions.values(),
        *config.targets.values(),
        *config.listings.values(),
        *config.sources.values(),
        *config.templates.values(),
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
        FieldChange(field, _shown(field, before), _shown(field, after))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    )
    action: Action = "changed"
    if old is None:
        action = "added"
    elif new is None:
        action = "removed"
    about = new if new is not None else old
    application = name if kind == "Application" else getattr(about, "application", None)
    return Change(kind, name, action, fields, narrowing.narrowing(old, new), application)


def told(document: documents.AnyDocument) -> dict[str, str | None]:
    """Field -> what it says, as it may be told: conditions are hidden."""
    flat = _flat(documents.plain(document))
    return {field: _shown(field, flat) for field in flat}


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


def _shown(field: str, values: Mapping[str, str]) -> str | None:
    """A value as it may be told: conditions are hidden, also those inside of lists."""
    value = values.get(field)
    if value is None:
        return None
    if _hidden(field):
        return VEIL
    if not value.startswith("["):
        return value
    return json.dumps(_veiled(json.loads(value)), ensure_ascii=False)


def _veiled(value: Any) -> Any:
    if isinstance(value, list):
        return [_veiled(each) for each in value]
    if isinstance(value, dict):
        return {name: VEIL if name == "where" else _veiled(each) for name, each in value.items()}
    return value

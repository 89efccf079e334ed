"""The plan inside a record: which documents changed, and what vendors gained and lost.

Read from JSON, where counts of few people are words ("<10") and stay words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rosterd.auditing import events

SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a document, before and after."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Change:
    """One document."""

    action: str
    kind: str
    name: str
    narrowing: bool
    fields: tuple[Field, ...]

    @property
    def sign(self) -> str:
        return SIGNS.get(self.action, "?")


@dataclass(frozen=True, slots=True)
class Count:
    """Records of one collection; texts, because few people are not counted."""

    collection: str
    gained: str
    lost: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of one application."""

    application: str
    state: str
    counts: tuple[Count, ...]
    levels: tuple[str, ...]
    fields_gained: tuple[str, ...]
    fields_lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan as it was recorded. `effects` is None when there was no roster to compare on."""

    digest: str
    warnings: tuple[str, ...]
    changes: tuple[Change, ...]
    effects: tuple[Effect, ...] | None


def read(content: Mapping[str, Any]) -> Planned | None:
    """The plan of an entry; None when it has none, as the first version's."""
    plan = content.get("planned")
    if not isinstance(plan, Mapping):
        return None
    exposure = plan.get("exposure")
    return Planned(
        digest=events.shown(content.get("plan", "")),
        warnings=tuple(
            events.shown(f"{each.get('subject', '?')}: {each.get('text', '?')}")
            for each in _list(plan, "warnings")
        ),
        changes=tuple(map(_change, _list(plan, "changes"))),
        effects=None if exposure is None else tuple(map(_effect, _list(plan, "exposure"))),
    )


def lines(planned: Planned) -> Iterator[str]:
    """The plan as lines of text."""
    for warning in planned.warnings:
        yield f"! {warning}"
    for change in planned.changes:
        narrowing = "  (only takes away)" if change.narrowing else ""
        yield f"{change.sign} {change.kind} {change.name}{narrowing}"
        if change.action == "changed":
            yield from _aligned([(each.name, each.old, "→", each.new) for each in change.fields])
    if not planned.changes:
        yield "No document changed its meaning."
    if planned.effects is None:
        yield "There was no roster to compare on: who gained and lost what is not known."
        return
    if not planned.effects:
        yield "No application gained or lost anything."
    for effect in planned.effects:
        yield from _effect_lines(effect)


def _effect_lines(effect: Effect) -> Iterator[str]:
    yield f"{effect.application}: {effect.state}"
    yield from (f"    {level}" for level in effect.levels)
    for word, names in (("gained", effect.fields_gained), ("lost", effect.fields_lost)):
        if names:
            yield f"    {word} the fields {', '.join(names)}"
    rows = [(each.collection, each.gained, each.lost) for each in effect.counts]
    if rows:
        yield from _aligned([("collection", "gained", "lost"), *rows])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("    " + "  ".join(cells)).rstrip()


def _list(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = values.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _change(value: Mapping[str, Any]) -> Change:
    return Change(
        action=events.shown(value.get("action", "?")),
        kind=events.shown(value.get("kind", "?")),
        name=events.shown(value.get("name", "?")),
        narrowing=value.get("narrowing") is True,
        fields=tuple(
            Field(events.shown(each.get("field", "?")), _value(each, "old"), _value(each, "new"))
            for each in _list(value, "fields")
        ),
    )


def _value(each: Mapping[str, Any], name: str) -> str:
    value = each.get(name)
    text = "(not set)" if value is None else events.shown(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _effect(value: Mapping[str, Any]) -> Effect:
    collections = value.get("collections")
    counts = [
        Count(events.shown(name), _signed("+", each.get("gained")), _signed("-", each.get("lost")))
        for name, each in (collections if isinstance(collections, Mapping) else {}).items()
        if isinstance(each, Mapping) and (each.get("gained") or each.get("lost"))
    ]
    fields = value.get("fields")
    names = fields if isinstance(fields, Mapping) else {}
    return Effect(
        application=events.shown(value.get("application", "?")),
        state=_state(value, counts, names),
        counts=tuple(counts),
        levels=tuple(_levels(value.get("levels"))),
        fields_gained=tuple(map(events.shown, names.get("gained") or ())),
        fields_lost=tuple(map(events.shown, names.get("lost") or ())),
    )


def _signed(sign: str, number: Any) -> str:
    if not number:
        return "0"
    return f"{sign}{number:,}" if isinstance(number, int) else events.shown(f"{sign}{number}")


def _state(value: Mapping[str, Any], counts: Sequence[Count], fields: Mapping[str, Any]) -> str:
    refused = value.get("refused")
    refused = refused if isinstance(refused, Mapping) else {}
    before, after = refused.get("before"), refused.get("after")
    if before is None and after is not None:
        return events.shown(f"ended ({after})")
    if before is not None and after is None:
        return events.shown(f"began (until then: {before})")
    if after is not None:
        return events.shown(f"stayed refused ({after})")
    words = []
    if fields.get("gained") or any(each.gained != "0" for each in counts):
        words.append("gained")
    if fields.get("lost") or any(each.lost != "0" for each in counts):
        words.append("lost")
    return " and ".join(words) or "nothing changed"


def _levels(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    before, after = value.get("before"), value.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for name in ("orgs", "courses"):
        was, is_ = before.get(name), after.get(name)
        if (
            was != is_
            and isinstance(was, list)
            and isinstance(is_, list)
            and len(was) == len(is_) == 2
        ):
            yield events.shown(f"{name}: {was[0]} ({was[1]}) → {is_[0]} ({is_[1]})")

"""A plan for people to read in a terminal: aligned text, what matters most first.

Markdown for a pull request stands beside it, and both tell the same sections.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rosterd import plans
from rosterd.plans.rendering import sections

SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
NO_ROSTER: Final = "There is no roster to compare on: who gains and loses what is not known."
_WIDEST: Final = 60
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"


def text(plan: plans.Plan, *, exact: bool = False) -> str:
    """The plan as lines; small counts of people are only told when `exact`."""
    return "\n".join(_lines(plan, exact=exact)) + "\n"


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> Iterator[str]:
    """Rows with their columns aligned; columns whose cells are all numbers to the right."""
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    right = [
        all(cell.lstrip("+-<").isdigit() for cell in column[1:]) and len(column) > 1
        for column in zip(*rows, strict=True)
    ]
    for row in rows:
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        yield (indent + "  ".join(cells)).rstrip()


def plain(text: str) -> str:
    """Text with nothing in it that a terminal obeys: who approves a change reads what its author
    wrote, and must not be shown less, or in another order, than is there.
    """
    return "".join(_UNKNOWN if _obeyed(each) else each for each in text)


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def state(each: plans.Exposure) -> str:
    """What becomes of an application, in a few words."""
    before, after = each.refused_before, each.refused_after
    if before is None and after is None:
        return ", ".join(_words(each)) or "nothing changes"
    if before is None:
        return f"ends ({after})"
    if after is None:
        return f"begins (until now: {before})"
    return f"stays refused ({after})"


def gained(collection: str, delta: plans.Delta, *, exact: bool = False) -> str:
    """How many records come, as it may be told."""
    return _count("+", collection, delta.gained, exact=exact)


def lost(collection: str, delta: plans.Delta, *, exact: bool = False) -> str:
    """How many records go, as it may be told."""
    return _count("-", collection, delta.lost, exact=exact)


def both(collection: str, delta: plans.Delta, *, exact: bool = False) -> tuple[str, str]:
    """How many there were and will be; an ellipsis where that would tell of a few people."""
    told = plans.totals(collection, delta, exact=exact)
    return ("…", "…") if told is None else (str(told[0]), str(told[1]))


# ---------------------------------------------------------------- lines


def _lines(plan: plans.Plan, *, exact: bool) -> Iterator[str]:
    if plan.warnings:
        yield "Warnings"
        rows = [(f"! {each.name}", each.subject, each.text) for each in plan.warnings]
        yield from table(rows)
        yield ""
    if not plan.changes:
        yield "No document changes."
        yield ""
    for section, parts in sections.parts(plan):
        yield section
        for part in parts:
            yield from _part(part)
        yield ""
    if plan.exposure is None:
        yield NO_ROSTER
    else:
        yield "What applications gain and lose"
        if not plan.exposure:
            yield "  No application gains or loses anything."
        for each in plan.exposure:
            yield from _exposure(each, exact=exact)
    yield ""
    yield f"plan sha256:{plan.digest}"


def _part(part: sections.Part) -> Iterator[str]:
    change = part.change
    narrowing = "  (only takes away)" if change.narrowing else ""
    yield f"  {SIGNS[change.action]} {change.kind} {change.name}{narrowing}"
    if change.action == "changed" and part.entries:
        yield from table([_field(each) for each in part.entries], "      ")
    elif change.action == "added" and part.entries:
        rows = [(each.label, _short(each.new)) for each in part.entries]
        yield from table(rows, "      ")


def _field(entry: sections.Entry) -> tuple[str, str, str, str]:
    return entry.label, _short(entry.old), "→", _short(entry.new)


def _short(value: str | None) -> str:
    if value is None:
        return "(not set)"
    line = plain(" ".join(value.split()))
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


def _exposure(each: plans.Exposure, *, exact: bool) -> Iterator[str]:
    yield f"  {each.application}: {state(each)}"
    if each.fields_gained:
        yield f"      gains the fields {', '.join(each.fields_gained)}"
    if each.fields_lost:
        yield f"      loses the fields {', '.join(each.fields_lost)}"
    for collection in ("orgs", "courses"):
        before, after = each.levels_before[collection], each.levels_after[collection]
        if before != after:
            yield f"      {collection}: {before[0]} ({before[1]}) → {after[0]} ({after[1]})"
    rows = [
        (
            collection,
            gained(collection, delta, exact=exact),
            lost(collection, delta, exact=exact),
            *both(collection, delta, exact=exact),
        )
        for collection, delta in each.collections.items()
        if delta.gained or delta.lost
    ]
    if rows:
        yield from table([("collection", "gains", "loses", "before", "after"), *rows], "      ")


def _count(sign: str, collection: str, number: int, *, exact: bool) -> str:
    told = plans.count(collection, number, exact=exact)
    return f"{sign}{told}" if told else "0"


def _words(each: plans.Exposure) -> Iterable[str]:
    if each.gains:
        yield "gains"
    if each.loses:
        yield "loses"

"""A plan for people to read in a terminal: aligned text, what matters most first."""

from collections.abc import Iterable, Iterator, Sequence

from rosterd import plans

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_WIDEST = 60


def text(plan: plans.Plan, *, exact: bool = False) -> str:
    """The plan as lines; small counts of people are only told when `exact`."""
    return "\n".join(_lines(plan, exact=exact)) + "\n"


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> Iterator[str]:
    """Rows with their columns aligned; columns whose cells are all numbers to the right."""
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


def _lines(plan: plans.Plan, *, exact: bool) -> Iterator[str]:
    if not plan.changes:
        yield "No document changes."
    for change in plan.changes:
        narrowing = "  (only takes away)" if change.narrowing else ""
        yield f"{_SIGNS[change.action]} {change.kind} {change.name}{narrowing}"
        if change.action == "changed":
            yield from table([_field(each) for each in change.fields], "    ")
    yield ""
    if plan.exposure is None:
        yield "There is no roster to compare on: who gains and loses what is not known."
        return
    if not plan.exposure:
        yield "No application gains or loses anything."
    for each in plan.exposure:
        yield from _exposure(each, exact=exact)
    yield ""
    yield f"plan sha256:{plan.digest}"


def _field(change: plans.FieldChange) -> tuple[str, str, str, str]:
    return change.field, _short(change.old), "→", _short(change.new)


def _short(value: str | None) -> str:
    if value is None:
        return "(not set)"
    return value if len(value) <= _WIDEST else f"{value[: _WIDEST - 1]}…"


def _exposure(each: plans.Exposure, *, exact: bool) -> Iterator[str]:
    yield f"{each.application}: {_state(each)}"
    if each.fields_gained:
        yield f"    gains the fields {', '.join(each.fields_gained)}"
    if each.fields_lost:
        yield f"    loses the fields {', '.join(each.fields_lost)}"
    for collection in ("orgs", "courses"):
        before, after = each.levels_before[collection], each.levels_after[collection]
        if before != after:
            yield f"    {collection}: {before[0]} ({before[1]}) → {after[0]} ({after[1]})"
    rows = [
        (
            collection,
            _count("+", collection, delta.gained, exact=exact),
            _count("-", collection, delta.lost, exact=exact),
        )
        for collection, delta in each.collections.items()
        if delta.gained or delta.lost
    ]
    if rows:
        yield from table([("collection", "gains", "loses"), *rows], "    ")


def _count(sign: str, collection: str, number: int, *, exact: bool) -> str:
    told = plans.count(collection, number, exact=exact)
    return f"{sign}{told}" if told else "0"


def _state(each: plans.Exposure) -> str:
    before, after = each.refused_before, each.refused_after
    if before is None and after is None:
        return ", ".join(_words(each)) or "nothing changes"
    if before is None:
        return f"ends ({after})"
    if after is None:
        return f"begins (until now: {before})"
    return f"stays refused ({after})"


def _words(each: plans.Exposure) -> Iterable[str]:
    if each.gains:
        yield "gains"
    if each.loses:
        yield "loses"

"""A plan as a comment of a pull request: warnings first, a table, details folded away.

Whoever opens a request chooses names, hosts and titles, and the comment is written by somebody
whom people trust. So what comes from the repository stands in code spans, where no forge sees a
mention, a link, a reference or a command; and no line of the comment begins with it. What is too
long for a forge goes section by section, with a word about it, and is never cut in the middle.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from rosterd import errors, plans
from rosterd.plans import rendering
from rosterd.plans.rendering import sections

LIMIT: Final = 65_536
"""Most bytes of a comment: GitHub takes as many characters, the others more."""
_LONGEST: Final = 300
_ROOM: Final = 600
"""Bytes kept for the word about what was left out."""
_SUMMED: Final = ("users", "enrollments", "demographics", "classes")
_APART: Final = "\N{ZERO WIDTH SPACE}"


def page(
    plan: plans.Plan,
    *,
    heading: Sequence[str] = (),
    problems: Sequence[errors.Problem] = (),
    limit: int = LIMIT,
) -> str:
    """The plan for a comment of at most `limit` bytes; `heading` are lines of ours above it."""
    blocks = [*_blocks(plan)]
    if problems:
        blocks.insert(0, _problems(problems))
    return fitted("\n".join(heading), blocks, f"\nplan `sha256:{plan.digest}`\n", limit)


def refusal(
    heading: Sequence[str], problems: Sequence[errors.Problem], *, limit: int = LIMIT
) -> str:
    """The comment for documents of which there is no plan."""
    return fitted("\n".join(heading), [_problems(problems)] if problems else [], "\n", limit)


def fitted(head: str, blocks: Sequence[str], tail: str, limit: int) -> str:
    """Head, as many whole blocks as there is room for, a word about the others, and the tail.

    A block that is too long is left out, and those behind it are tried: the summary of a large
    change must not hide a later, smaller section.
    """
    room = limit - len(head.encode()) - len(tail.encode()) - _ROOM
    kept, left = [], 0
    for block in blocks:
        size = len(block.encode()) + 1
        if size <= room:
            kept.append(block)
            room -= size
        else:
            left += 1
    if left:
        sections_ = "section was" if left == 1 else "sections were"
        kept.append(
            f"\n**{left} {sections_} too long for a comment.**"
            " `rosterd plan` shows all of it to an operator.\n"
        )
    return "\n".join([part for part in (head, *kept) if part]) + tail


def code(value: str) -> str:
    """Repository data as a code span, also inside a table: nothing in it means anything."""
    line = _plain(value)
    if not line:
        return "(empty)"
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line.replace('|', chr(92) + '|')}{pad}{fence}"


def words(value: str) -> str:
    """Repository data inside a sentence, or inside HTML: shown as it is, and nothing more."""
    line = _plain(value).replace("://", f":{_APART}//").replace("www.", f"www{_APART}.")
    return line.translate(_SPELLED)


_SPELLED: Final = str.maketrans(
    {sign: f"&#{ord(sign)};" for sign in "\\`*_[]|<>&\"'{}"}
    # the forges look for references in what was rendered: apart from its number it is none
    | {sign: f"{sign}{_APART}" for sign in "#!~$%^"}
)


def _plain(value: str) -> str:
    """One line without characters that hide, turn or break it; no address is an address."""
    seen = "".join(
        " " if unicodedata.category(each) in {"Zl", "Zp", "Cc"} else each
        for each in value
        if unicodedata.category(each) != "Cf"
    )
    line = " ".join(seen.split())
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST - 1]}…"
    return line.replace("@", f"@{_APART}")


# ---------------------------------------------------------------- blocks


def _blocks(plan: plans.Plan) -> Iterator[str]:
    if plan.warnings:
        yield "\n".join(
            [
                f"### ⚠ {len(plan.warnings)} warning{'s' if len(plan.warnings) != 1 else ''}\n",
                *(
                    f"- **{each.name}** {code(each.subject)}: {words(each.text)}"
                    for each in plan.warnings
                ),
                "",
            ]
        )
    if plan.exposure is None:
        yield f"_{rendering.NO_ROSTER}_\n"
    elif plan.exposure:
        yield _summary(plan.exposure)
        for each in plan.exposure:
            yield _details(each)
    else:
        yield "No application gains or loses anything.\n"
    if not plan.changes:
        yield "No document changes.\n"
    for section, parts in sections.parts(plan):
        lines = [line for part in parts for line in _part(part)]
        yield _folded(f"{section}: {_documents(len(parts))}", lines)


def _documents(number: int) -> str:
    return f"{number} document{'s' if number != 1 else ''}"


def _summary(exposure: Sequence[plans.Exposure]) -> str:
    titles = " | ".join(_SUMMED)
    rows = [f"| application | | {titles} | fields |", f"|---|---|{'---|' * (len(_SUMMED) + 1)}"]
    for each in exposure:
        cells = [*(_moved(each, name) for name in _SUMMED), _fields(each)]
        rows.append(
            f"| {code(each.application)} | {words(rendering.state(each))} | {' | '.join(cells)} |"
        )
    return "\n".join(["### What applications gain and lose\n", *rows, ""])


def _fields(each: plans.Exposure) -> str:
    signs = (("+", len(each.fields_gained)), ("-", len(each.fields_lost)))
    return " ".join(f"{sign}{number}" for sign, number in signs if number) or "-"


def _moved(each: plans.Exposure, collection: str) -> str:
    delta = each.collections.get(collection)
    if delta is None or not (delta.gained or delta.lost):
        return "-"
    signs = (rendering.gained(collection, delta), rendering.lost(collection, delta))
    return html.escape(" ".join(sign for sign in signs if sign != "0"))


def _details(each: plans.Exposure) -> str:
    lines = []
    for verb, fields in (("gains", each.fields_gained), ("loses", each.fields_lost)):
        if fields:
            lines.append(f"- {verb} the fields {', '.join(code(field) for field in fields)}")
    for collection in ("orgs", "courses"):
        was, is_ = each.levels_before[collection], each.levels_after[collection]
        if was != is_:
            lines.append(f"- {collection}: {was[0]} ({was[1]}) → {is_[0]} ({is_[1]})")
    moved = {name: delta for name, delta in each.collections.items() if delta.gained or delta.lost}
    if moved:
        lines += ["", "| collection | gains | loses | before | after |", "|---|--:|--:|--:|--:|"]
    for name, delta in moved.items():
        cells = (
            *(rendering.gained(name, delta), rendering.lost(name, delta)),
            *rendering.both(name, delta),
        )
        lines.append(f"| {name} | {html.escape(' | '.join(cells))} |")
    return _folded(f"{each.application}: {rendering.state(each)}", lines)


def _part(part: sections.Part) -> Iterator[str]:
    change = part.change
    narrowing = " (only takes away)" if change.narrowing else ""
    yield f"- {change.action} {change.kind} {code(change.name)}{narrowing}"
    for each in part.entries if change.action != "removed" else ():
        new = code(each.new) if each.new is not None else "(not set)"
        if change.action == "added":
            yield f"  - {words(each.label)}: {new}"
        else:
            old = code(each.old) if each.old is not None else "(not set)"
            yield f"  - {words(each.label)}: {old} → {new}"


def _problems(problems: Sequence[errors.Problem]) -> str:
    failures = [each for each in problems if each.severity == "error"] or problems
    lines = [f"- {code(str(each))}" for each in failures[:100]]
    if len(failures) > 100:
        lines.append(f"- and {len(failures) - 100} more")
    return "\n".join(["### Problems\n", *lines, ""])


def _folded(summary: str, lines: Sequence[str]) -> str:
    inside = "\n".join(lines)
    return f"<details><summary>{words(summary)}</summary>\n\n{inside}\n\n</details>\n"

"""A report as one HTML file: no script, nothing fetched, readable in ten years and on paper.

Everything in it may have been typed by an attacker who hopes for an auditor's browser: the template
escapes every value, and the page forbids itself to run or load anything.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rosterd.auditing import events, papers, planned, reports, sheets

_LISTED: Final = 60
"""Documents of one sort whose names are listed; of more there is a number."""


def page(report: reports.Report) -> str:
    """The whole file."""
    paper = papers.template(
        "report.html",
        moment=sheets.moment,
        worded=events.worded,
        shown=events.shown,
        short=_short,
        rule=events.rule,
    )
    return paper.render(
        report=report,
        period=sheets.period(report),
        proof=sheets.proof(report),
        people=_people(report.keys),
        changes=[_change(each) for each in report.section("applied").events],
        sections=[section for section in report.sections if section.name != "applied"],
        details=_details,
        head=sheets.head,
    )


def _short(digest: str) -> str:
    return digest[:12]


def _people(keys: events.Event | None) -> list[tuple[str, list[str]]]:
    found = keys.content.get("people") if keys is not None else None
    if not isinstance(found, Mapping):
        return []
    return [
        (events.shown(person), [events.shown(key) for key in listed])
        for person, listed in sorted(found.items())
        if isinstance(listed, list)
    ]


def _details(event: events.Event) -> list[tuple[str, list[str]]]:
    """(name, lines) of what the sentence has not said already."""
    found = []
    for name, value in event.details.items():
        lines = [events.rule(value)] if name == "rule" else list(_each(value))
        if lines and not all(line in event.sentence for line in lines):
            found.append((name, lines))
    return found


def _each(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (events.worded({name: item}) for name, item in value.items())
    elif isinstance(value, list):
        yield from map(events.worded, value)
    elif value is not None:
        yield events.worded(value)


def _change(event: events.Event) -> dict[str, Any]:
    """What the template says of one applied change."""
    plan = planned.read(event.content)
    content = event.content
    return {
        "event": event,
        "commit": events.shown(content.get("commit", "?")),
        "former": content.get("from"),
        "proven": events.shown(content.get("proven", "?")),
        "nobody": not content.get("people"),
        "trigger": events.worded(content.get("trigger")),
        "rule": events.rule(content.get("rule")),
        "version": events.worded(content.get("version")),
        "paths": _paths(event),
        "claims": sheets.claims(event),
        "commits": content.get("commits"),
        "plan": plan,
        "whole": _whole(plan),
        "changed": [each for each in plan.changes if each.action == "changed"] if plan else [],
    }


def _paths(event: events.Event) -> list[tuple[list[str], str, str]]:
    """(files, people needed, who vouched): files of the same people together."""
    found: dict[tuple[str, str], list[str]] = {}
    for path, needed, people in sheets.paths(event):
        found.setdefault((needed, people), []).append(path)
    return [(files, *same) for same, files in found.items()]


def _whole(plan: planned.Planned | None) -> list[tuple[str, str, int, list[str]]]:
    """(action, kind, how many, names) of documents that came or went, in the order of the plan."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in plan.changes if plan is not None else ():
        if each.action != "changed":
            found.setdefault((each.action, each.kind), []).append(each.name)
    return [(*sort, len(names), names[:_LISTED]) for sort, names in found.items()]

"""Reports as plain text and as CSV.

A cell that a spreadsheet would take for a formula gets an apostrophe in front: who can name a
document or write a commit could otherwise run something on an auditor's machine.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rosterd.auditing import events, planned, reports

COLUMNS: Final = (
    "number", "time", "kind", "actor", "subject", "applications", "what", "people", "commit",
    "plan", "head",
)  # fmt: skip
_FORMULA: Final = frozenset("=+-@\t\r\n")


def text(report: reports.Report) -> str:
    """The report as lines for a terminal or a mail."""
    return "\n".join(_lines(report)) + "\n"


def sheet(report: reports.Report) -> str:
    """One row for each record of the period, the oldest first; RFC 4180."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for each in report.events:
        row = (
            str(each.number),
            moment(each.time),
            each.kind,
            each.actor,
            each.subject,
            ", ".join(sorted(each.applications)),
            each.sentence,
            events.worded(each.content.get("people", [])) if each.kind == "applied" else "",
            str(each.content.get("commit", "")),
            str(each.content.get("plan", "")),
            f"sha256:{each.head}",
        )
        writer.writerow([_safe(events.shown(cell)) for cell in row])
    return out.getvalue()


def record(event: events.Event) -> list[tuple[str, str]]:
    """(name, value) of everything a record says, its plan apart; values may have several lines."""
    pairs = [
        ("number", str(event.number)),
        ("time", moment(event.time)),
        ("what", event.sentence),
        ("by", event.actor),
        ("head", f"sha256:{event.head}"),
        ("follows", _follows(event)),
    ]
    for name, value in event.details.items():
        if name not in {"planned", "paths", "claimed"}:
            pairs.append((name, (events.rule if name == "rule" else events.worded)(value)))
    for name, wanted in (("paths", _paths), ("claimed", _claimed)):
        found = list(wanted(event))
        if found:
            pairs.append(("vouched for" if name == "paths" else "only claimed", "\n".join(found)))
    return pairs


def moment(time: datetime) -> str:
    """A time for people: UTC, seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ")


def _follows(event: events.Event) -> str:
    previous = str(event.content.get("previous", ""))
    return events.shown(f"sha256:{previous}") if previous else "nothing: it is the first"


def paths(event: events.Event) -> list[tuple[str, str, str]]:
    """(path, people needed, people who vouched) of an applied change."""
    found = event.content.get("paths")
    return [
        (
            events.shown(each.get("path", "?")),
            events.shown(each.get("needed", "?")),
            events.worded(each.get("people", [])),
        )
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def claims(event: events.Event) -> list[tuple[str, str, str, str]]:
    """(commit, author, committer, trailers) as the commits of a change present themselves."""
    found = event.content.get("claimed")
    return [
        (
            events.shown(each.get("commit", "?")),
            events.shown(each.get("author", "?")),
            events.shown(each.get("committer", "?")),
            events.worded(each.get("trailers", [])),
        )
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def _paths(event: events.Event) -> Iterator[str]:
    for path, needed, people in paths(event):
        yield f"{path}: {people} ({needed} needed)"


def _claimed(event: events.Event) -> Iterator[str]:
    for commit, author, committer, trailers in claims(event):
        more = "" if trailers == "-" else f"; {trailers}"
        yield f"{commit[:12]} by {author}, committed by {committer}{more}"


def _lines(report: reports.Report) -> Iterator[str]:
    yield f"Audit report: {report.repository or 'rosterd'}"
    yield f"Period:  {period(report)}"
    yield f"Made:    {moment(report.made)} by rosterd {report.version}"
    yield f"Chain:   {proof(report)}"
    for name, place in (("Before:", report.before), ("Last:", report.last)):
        yield f"{name:<8} {head(place)}"
    if report.keys is not None:
        yield f"In force when it began: {report.keys.sentence}"
    for section in report.sections:
        yield from ("", section.title, "=" * len(section.title))
        for each in section.events:
            yield f"{moment(each.time)}  #{each.number}  {each.sentence}"
            if section.name == "applied":
                yield from (f"    {line}" for line in _applied(each))
    if not report.sections:
        yield from ("", "Nothing is on record in this period.")


def _applied(event: events.Event) -> Sequence[str]:
    lines = [*_paths(event)]
    plan = planned.read(event.content)
    return [*lines, *(planned.lines(plan) if plan is not None else ())]


def period(report: reports.Report) -> str:
    """From when to when."""
    since = "the beginning" if report.since is None else moment(report.since)
    return f"from {since} until {moment(report.until)}"


def proof(report: reports.Report) -> str:
    """What a check of the chain found."""
    verdict = report.verdict
    if verdict.fine:
        return f"{verdict.count:,} records, each follows the one before it"
    return f"BROKEN at record {verdict.bad}: {verdict.problem}"


def head(place: tuple[int, str]) -> str:
    """A place in the chain."""
    return f"record {place[0]}, head sha256:{place[1]}" if place[0] else "no record yet"


def _safe(cell: str) -> str:
    # a full-width = is one too, and some programs pass over the spaces in front
    first = {unicodedata.normalize("NFKC", text[:1]) for text in (cell, cell.lstrip())}
    return f"'{cell}" if first & _FORMULA else cell

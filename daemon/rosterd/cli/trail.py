"""The chain of records, for whoever asks: a list, one record, a proof, a report.

The running daemon is asked through its socket. Where it does not run, and for an auditor who has a
copy of state.db, the file itself is read, and nothing is written to it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

import rosterd
from rosterd import chain, errors
from rosterd.auditing import events, pages, planned, reports, sheets
from rosterd.cli import asking, records, tables, wording

_store: Final = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Read this state.db, such as a copy; no daemon and no settings are needed.",
)


class Moment(click.ParamType[datetime]):
    """A date or a time, UTC unless it says otherwise; `last` makes a date the end of that day."""

    name = "DATE|TIME"

    def __init__(self, *, last: bool = False) -> None:
        self._last = last

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """An aware datetime."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date or time; write 2026-09-01 or 2026-09-01T12:00Z")
        if len(value) <= len("2026-09-01") and self._last:
            moment += timedelta(days=1)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@asking.settings_option
@_store
@asking.json_option
@click.option("--since", type=Moment(), default=None, help="From this day or time on.")
@click.option("--until", type=Moment(last=True), default=None, help="Up to this day or time.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind; may be given again.")
@click.option("--application", default=None, help="Only what is about this application.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many."
)
def log(
    *,
    settings_path: Path,
    store_path: Path | None,
    as_json: bool,
    since: datetime | None,
    until: datetime | None,
    kinds: tuple[str, ...],
    application: str | None,
    limit: int,
) -> None:
    """List what is on record, the newest first."""
    unknown = sorted(set(kinds) - chain.KINDS.keys())
    if unknown:
        known = ", ".join(sorted(chain.KINDS))
        raise click.UsageError(f"there is no kind of record {unknown[0]}; known are: {known}")
    filtered = since or until or kinds or application
    every = map(
        events.event, records.read(settings_path, store_path, newest=None if filtered else limit)
    )
    found = events.chosen(every, since=since, until=until, kinds=kinds, application=application)[
        -limit:
    ]
    found.reverse()
    if as_json:
        wording.print_json({"records": [each.as_json() for each in found]})
        return
    tables.show(
        ["time", "number", "kind", "by", "subject", "what", "head"],
        [
            (
                sheets.moment(each.time), each.number, each.kind, each.actor,
                _brief(each.subject), each.sentence, each.head[:12],
            )
            for each in found
        ],
        right=["number"],
        below=["subject", "what", "head"],
        empty="nothing is on record here",
    )  # fmt: skip


@click.command()
@click.argument("name", metavar="NUMBER|HEAD|COMMIT")
@asking.settings_option
@_store
@asking.json_option
def show(name: str, settings_path: Path, store_path: Path | None, as_json: bool) -> None:
    """Show one record: who, what, under which rule, with the plan.

    It is named by its number, by the first characters of its head or of its commit; a commit can
    have more than one.
    """
    found = events.find(map(events.event, records.read(settings_path, store_path)), name)
    if as_json:
        wording.print_json({"records": [each.as_json() for each in found]})
        return
    for index, each in enumerate(found):
        if index:
            click.echo()
        tables.fields(sheets.record(each))
        plan = planned.read(each.content)
        if plan is not None:
            click.echo("\nThe plan, as it was recorded:")
            for line in planned.lines(plan):
                click.echo(f"  {line}")


@click.command()
@asking.settings_option
@_store
@asking.json_option
@click.option("--head", default=None, metavar="sha256:…", help="A head that was kept elsewhere.")
@click.option("--number", type=click.IntRange(1), default=None, help="The number kept with it.")
def verify(
    *,
    settings_path: Path,
    store_path: Path | None,
    as_json: bool,
    head: str | None,
    number: int | None,
) -> None:
    """Prove that records are what was recorded.

    Every digest is taken again. With --head, a head that was kept elsewhere (in the journal, in a
    report), it is proven that the chain still contains it, and so that nothing before it was
    changed. Without one, that is not known, and this says so. Exit status 1 when something is wrong.
    """
    if number is not None and head is None:
        raise click.UsageError("--number is the number of a head: give --head too")
    known = _digest(head) if head is not None else None
    kept = records.whole(settings_path, store_path)
    verdict = chain.verify(kept.records)
    problems = _problems(kept, verdict, known, number)
    if as_json:
        place = chain.place_of(kept.records, known) if known else None
        click.echo(
            wording.json_text(
                {
                    "fine": not problems,
                    "records": len(kept.records),
                    "holding": verdict.count,
                    "head": f"sha256:{verdict.head}" if verdict.head else None,
                    "bad": verdict.bad,
                    "problems": problems,
                    "known": None if known is None else {"head": f"sha256:{known}", "at": place},
                    "unseen": _unseen(kept, known, number),
                }
            )
        )
    else:
        for line in _told(kept, verdict, known, problems):
            click.echo(line)
        for line in _unseen(kept, known, number):
            click.echo(f"not seen: {line}")
    raise SystemExit(1 if problems else 0)


@click.command()
@asking.settings_option
@_store
@click.option("--from", "since", type=Moment(), default=None, help="First day or time.")
@click.option("--to", "until", type=Moment(last=True), default=None, help="Last day or time.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", "csv", "html"]),
    default="text",
    show_default=True,
    help="html is one file that needs no other.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write it here. Default: standard output.",
)
def export(
    *,
    settings_path: Path,
    store_path: Path | None,
    since: datetime | None,
    until: datetime | None,
    kind: str,
    output: Path | None,
) -> None:
    """Write a report of a period, for an auditor.

    Exit status 1 when the chain of records is broken; the report says where.
    """
    now = datetime.now(UTC)
    if since is not None and since >= (until or now):
        raise click.UsageError("--from has to lie before --to, and not in the future")
    report = reports.make(
        list(records.read(settings_path, store_path)),
        since=since,
        until=min(until or now, now),
        made=now,
        version=rosterd.__version__,
    )
    content = _FORMATS[kind](report)
    if output is None:
        click.echo(content, nl=False)
    else:
        try:
            output.write_text(content, encoding="utf-8", newline="")
        except OSError as error:
            raise errors.InputError(f"cannot write {output}: {error.strerror}") from error
    if not report.verdict.fine:
        click.echo(f"rosterd: {sheets.proof(report)}", err=True)
        raise SystemExit(1)


_FORMATS: Final[dict[str, Callable[[reports.Report], str]]] = {
    "text": sheets.text,
    "json": lambda report: f"{wording.json_text(report.as_json())}\n",
    "csv": sheets.sheet,
    "html": pages.page,
}


# ---------------------------------------------------------------- what verify says


def _problems(
    kept: records.Kept, verdict: chain.Verdict, known: str | None, number: int | None
) -> list[str]:
    problems = []
    if not verdict.fine:
        problems.append(f"record {verdict.bad} is not what was recorded: {verdict.problem}")
    problems += kept.disagreements
    if known is not None:
        place = chain.place_of(kept.records[: verdict.count], known)
        if place is None:
            problems.append(
                f"the chain does not contain the head sha256:{known}: records up to it were changed"
                f" or cut off (it has {len(kept.records)})"
            )
        elif number is not None and number != place:
            problems.append(f"the head sha256:{known} is that of record {place}, not of {number}")
    return problems


def _told(
    kept: records.Kept, verdict: chain.Verdict, known: str | None, problems: Sequence[str]
) -> list[str]:
    if problems:
        return [click.style(f"wrong: {problem}", fg="red") for problem in problems]
    if not verdict.count:
        return ["fine: nothing is on record yet"]
    lines = [
        f"fine: records 1 to {verdict.count} have their digests, and each follows the one before it",
        f"head: sha256:{verdict.head} (record {verdict.count})",
    ]
    if kept.compared:
        lines.append("fine: the applied config in the store is the one on record")
    if known is not None:
        place = chain.place_of(kept.records, known)
        lines.append(f"fine: the head you kept is record {place}: nothing up to it was changed")
    return lines


def _unseen(kept: records.Kept, known: str | None, number: int | None) -> list[str]:
    """What a check like this cannot see, said plainly."""
    found = []
    if known is None:
        found.append(
            "records cut off the end, and a chain written anew from the first record on. Give a"
            " head that was kept elsewhere, from the journal or a report: --head sha256:…"
        )
    else:
        place = chain.place_of(kept.records, known)
        if place is not None and place < len(kept.records):
            found.append(
                f"records cut off behind record {len(kept.records)}, or changed between"
                f" {place + 1} and {len(kept.records)} with all digests made anew: the head you"
                " kept is older"
            )
        elif place is not None:
            found.append("records cut off behind the head you kept")
    if not kept.compared:
        found.append(
            "whether the store agrees with its records: the daemon was asked, not the file"
        )
    return found


def _digest(head: str) -> str:
    digest = head.strip().removeprefix("sha256:").lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise click.UsageError("--head has to be a whole head: sha256: and 64 hexadecimal digits")
    return digest


def _brief(subject: str) -> str:
    """A commit is told by its first characters."""
    is_commit = len(subject) in {40, 64} and set(subject) <= set("0123456789abcdef")
    return subject[:12] if is_commit else subject

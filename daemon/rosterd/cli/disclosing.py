"""Who could see what, and who received it: asked of the daemon, or of its store when it is down."""

import asyncio
import getpass
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

import rosterd
from rosterd import chain, disclosures, errors, storage, vault
from rosterd import settings as settings_module
from rosterd.auditing import persons
from rosterd.cli import asking, completing, tables, trail, wording

_Work = Callable[[disclosures.Inquiries], Coroutine[Any, Any, disclosures.Answer]]


@click.command()
@click.argument("application", metavar="APP", shell_complete=completing.applications)
@asking.settings_option
@asking.json_option
@click.option(
    "--at",
    "moment",
    type=trail.Moment(last=True),
    default=None,
    help="Default: now. A date is the end of that day.",
)
def view(application: str, *, settings_path: Path, as_json: bool, moment: datetime | None) -> None:
    """Show what an application could see at a time, and under which commit."""
    at = min(moment or datetime.now(UTC), datetime.now(UTC))
    query = f"at={chain.text(at)}"  # whole: a change of this very second counts
    answer = _answered(
        settings_path,
        lambda: asking.call(
            settings_path, "GET", f"/v1/applications/{asking.segment(application)}/seen?{query}"
        ),
        lambda inquiries: inquiries.view(application, at),
    )
    if as_json:
        wording.print_json(answer)
        return
    people = ", ".join(answer["people"]) or "nobody: it is unproven"
    tables.fields(
        [
            ("application", answer["application"]),
            ("at", f"{persons.day(answer['at'])} UTC"),
            ("access", f"none: {answer['refusal']}" if answer["refusal"] else "yes"),
            *((name, f"{level}, {count}") for name, (level, count) in answer["levels"].items()),
            ("commit", answer["commit"] or "none"),
            ("vouched for by", people),
            ("generation", answer["generation"] or "none"),
            ("so since", f"{persons.day(answer['since'])} UTC"),
        ]
    )
    if answer["refusal"]:
        return
    click.echo()
    fields = answer["fields"]
    tables.show(
        ["records", "count", "members"],
        [
            (name, count, persons.allowed({each: fields[each][name] for each in fields}))
            for name, count in answer["records"].items()
        ],
        right=["count"],
        below=["members"],
        empty="nothing",
    )


@click.command()
@click.argument("sourced_id", metavar="ID|-")
@asking.settings_option
@asking.json_option
@click.option("--since", type=trail.Moment(), default=None, help="From this day or time on.")
@click.option("--until", type=trail.Moment(last=True), default=None, help="Up to this day or time.")
@click.option(
    "--html", default=None, metavar="FILE|-", help="Write a page that needs no other file."
)
def student(
    sourced_id: str,
    *,
    settings_path: Path,
    as_json: bool,
    since: datetime | None,
    until: datetime | None,
    html: str | None,
) -> None:
    """Show who could see and who received the records of a person.

    ID is the sourcedId; with - it is read from standard input, so that it stays out of the shell's
    history. That this was asked is put on record, without the id.
    """
    person = sys.stdin.read().strip() if sourced_id == "-" else sourced_id
    said = {"id": person}
    said |= {
        name: moment.isoformat()
        for name, moment in (("since", since), ("until", until))
        if moment is not None
    }
    answer = _answered(
        settings_path,
        lambda: asking.call(settings_path, "POST", "/v1/person", said),
        lambda inquiries: inquiries.student(person, _myself(), since=since, until=until),
    )
    if html is not None:
        _write(
            html,
            persons.page(
                answer, person=person, made=datetime.now(UTC), version=rosterd.__version__
            ),
        )
    if as_json:
        wording.print_json(answer)
    elif html is None:
        _tell(answer)


def _tell(answer: disclosures.Answer) -> None:
    click.echo("Could see:")
    tables.show(
        ["application", "records", "from", "to", "commits"],
        persons.seen_rows(answer),
        below=["commits"],
        empty="nobody, in this time",
    )
    click.echo("\nDid receive (recorded before it was sent):")
    tables.show(
        ["application", "records", "by", "first", "last", "commits"],
        persons.received_rows(answer),
        below=["commits"],
        empty="nobody, in this time",
    )
    if answer["commits"]:
        click.echo("\nVouched for by:")
        tables.show(
            ["commit", "people"],
            [
                (commit[:12], ", ".join(people) or "nobody: it is unproven")
                for commit, people in answer["commits"].items()
            ],
        )


def _write(name: str, page: str) -> None:
    """A page about a pupil is for its owner's eyes."""
    if name == "-":
        click.echo(page, nl=False)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(name, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
    except OSError as error:
        raise errors.InputError(f"cannot write {name}: {error.strerror}") from error


def _answered(
    settings_path: Path, ask: Callable[[], disclosures.Answer], work: _Work
) -> disclosures.Answer:
    """The daemon's answer; where it does not run, the same from its store."""
    try:
        return ask()
    except errors.TemporaryError:
        machine = asking.read_settings(settings_path)
        if not machine.state_db.exists():
            raise
    return asyncio.run(_alone(machine, work))


async def _alone(machine: settings_module.Settings, work: _Work) -> disclosures.Answer:
    chest = vault.load(machine.secrets.vault_key)
    async with storage.open_sqlite(machine.state_db) as state:
        named = await state.run(lambda store: disclosures.prepare(store, chest))
        path, folder = machine.state_db, machine.disclosures
        inquiries = disclosures.Inquiries(
            state, path, folder, named, clock=lambda: datetime.now(UTC)
        )
        return await work(inquiries)


def _myself() -> str:
    return f"{getpass.getuser()} (uid {os.getuid()})"

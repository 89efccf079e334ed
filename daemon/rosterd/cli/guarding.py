"""What is held back, and the emergency stop: `rosterd app block` and `rosterd app unblock`."""

from pathlib import Path
from typing import Any

import click

from rosterd.cli import asking, completing, tables, wording


@click.command()
@click.argument("name", shell_complete=completing.applications)
@click.option("--reason", required=True, help="Why, for the record and for your colleagues.")
@asking.settings_option
@asking.json_option
def block(name: str, reason: str, settings_path: Path, as_json: bool) -> None:
    """Stop application NAME at once, without a commit.

    Its tokens end, REST refuses it and nothing is delivered, until `rosterd app unblock`. What it
    may see is not changed by this: settle that by a commit. It is on record under your name.
    """
    _ask(name, "block", reason, settings_path, as_json=as_json)
    if not as_json:
        click.echo(f"{name} is blocked. Disable it by a commit, or unblock it, when you know more.")


@click.command()
@click.argument("name", shell_complete=completing.applications)
@click.option("--reason", required=True, help="Why, for the record and for your colleagues.")
@asking.settings_option
@asking.json_option
def unblock(name: str, reason: str, settings_path: Path, as_json: bool) -> None:
    """Let application NAME get what its documents say again."""
    _ask(name, "unblock", reason, settings_path, as_json=as_json)
    if not as_json:
        click.echo(f"{name} is not blocked any more.")


def _ask(name: str, what: str, reason: str, settings_path: Path, *, as_json: bool) -> None:
    path = f"/v1/applications/{asking.segment(name)}/{what}"
    answer = asking.call(settings_path, "POST", path, {"reason": reason})
    if as_json:
        wording.print_json(answer)


def show(guards: dict[str, Any]) -> None:
    """What `rosterd status` says of guards; nothing when nothing is held back."""
    suspended = guards["suspended"]
    if suspended is not None:
        owed = f"; waiting: {', '.join(suspended['waiting'])}" if suspended["waiting"] else ""
        click.echo(
            f"\nApplying and exporting are suspended since {suspended['since']}:"
            f" {suspended['reason']}{owed}"
        )
    if guards["frozen"] is not None:
        click.echo(f"\nThe freeze {guards['frozen']!r} is on: only what takes away is applied.")
    if guards["blocks"]:
        click.echo("\nBlocked on this machine:")
        tables.show(
            ["application", "since", "by", "drift", "reason"],
            [
                (
                    each["application"],
                    wording.time(each["since"]),
                    each["actor"],
                    "yes" if each["drift"] else "no",
                    each["reason"],
                )
                for each in guards["blocks"]
            ],
            below=["reason"],
        )
    if guards["unmet"]:
        click.echo("\nDeliveries that wait until the application gets what it needs:")
        tables.show(
            ["target", "waits for"],
            [(each["target"], "; ".join(each["why"])) for each in guards["unmet"]],
        )
    for each in guards["holds"]:
        _show_hold(each)
    if guards["holds"]:
        _show_release(guards["holds"])


def _show_hold(hold: dict[str, Any]) -> None:
    state = f"refused: {hold['stopped']}" if hold["stopped"] else "served as before"
    click.echo(
        f"\nHeld: {hold['application']} is {state}, since {wording.time(hold['since'])};"
        f" {hold['why']}."
    )
    tables.show(
        ["collection", "gains", "loses", "too much"],
        [
            (each["collection"], each["gain"], each["lose"], "yes" if each["over"] else "")
            for each in hold["collections"]
        ],
        right=["gains", "loses"],
        empty="nothing can be compared any more",
    )


def _show_release(holds: list[dict[str, Any]]) -> None:
    """One document for all that is held, so that it can be copied as it stands."""
    several = len(holds) > 1
    which = "; leave out whom you do not mean" if several else ""
    click.echo(f"\nIf that is meant, commit to rosterd.yaml{which}:\n")
    click.echo("    release:")
    for each in holds:
        if several:
            click.echo(f"      # {each['application']}")
        for line in each["release"].splitlines()[1:]:
            click.echo(f"    {line}")

"""Writing to an application's developers: `rosterd app email`."""

from pathlib import Path

import click

from rosterd.cli import asking, completing, wording

TEMPLATES = ("enabled", "disabled", "credentials-rotated", "permission-changed", "export-failing")


@click.command()
@click.argument("name", shell_complete=completing.applications)
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    default="enabled",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--to",
    metavar="ADDRESS",
    help="Another of its developers than the first, who signed it up.",
)
@click.option("--preview", is_flag=True, help="Show the letter; send and record nothing.")
@asking.settings_option
@asking.json_option
def email(  # noqa: PLR0917 - click passes them by name
    name: str, template: str, to: str | None, preview: bool, settings_path: Path, as_json: bool
) -> None:
    """Write to a developer of application NAME; that is kept on record.

    Key and secret are never in a mail: there is a link in it that shows them once, within 72 hours.
    A new letter with a link ends the link before it.
    """
    answer = asking.call(
        settings_path,
        "POST",
        f"/v1/applications/{asking.segment(name)}/email",
        {"template": template, "to": to, "preview": preview},
    )
    if as_json:
        wording.print_json(answer)
        return
    if not answer["sent"]:
        click.echo(
            f"To: {answer['to']}\nSubject: {answer['subject']}\n\n{answer['text']}", nl=False
        )
        return
    click.echo(f"sent to {answer['to']}: {answer['subject']}")
    if answer["link_ends"]:
        click.echo(f"its link shows key and secret once, until {wording.time(answer['link_ends'])}")

"""Commands that ask the daemon about applications and rosters, as operators may.

None of them changes a permission: that takes a commit.
"""

from pathlib import Path

import click

from rosterd.cli import (
    asking,
    catalogue,
    completing,
    faults,
    grouping,
    guarding,
    incoming,
    letters,
    looking,
    preparing,
    showing,
    tables,
    wording,
)


@click.group(cls=grouping.Group)
def app() -> None:
    """Look at applications; commits change them."""


@app.command("credentials")
@click.argument("name", shell_complete=completing.applications)
@asking.settings_option
@asking.json_option
def show_credentials(name: str, settings_path: Path, as_json: bool) -> None:
    """Show key and secret of NAME; that is kept on record.

    Hand them to the vendor over a channel that you would trust with the roster itself.
    """
    answer = asking.call(
        settings_path, "POST", f"/v1/applications/{asking.segment(name)}/credentials"
    )
    if as_json:
        wording.print_json(answer)
        raise SystemExit(0 if answer["credentials"] else 1)
    for pair in answer["credentials"]:
        rows = [
            ("key", pair["key"]),
            ("secret", pair["secret"]),
            ("made", wording.time(pair["created"])),
        ]
        if pair["retires"]:
            rows.append(("retires", wording.time(pair["retires"])))
        tables.fields(rows)
    if not answer["credentials"]:
        click.echo("no credentials: the application has no REST access in the accepted commit")
        raise SystemExit(1)


for _command in (
    showing.list_applications,
    showing.show_application,
    showing.preview,
    catalogue.search,
    preparing.add,
    preparing.copy_permission,
    preparing.remove,
    guarding.block,
    guarding.unblock,
    letters.email,
):
    app.add_command(_command)


@click.group(cls=grouping.Group)
def roster() -> None:
    """Look at the rosters that came in."""


@roster.command("imports")
@asking.settings_option
@asking.json_option
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
def list_imports(settings_path: Path, as_json: bool, limit: int) -> None:
    """List imports with what they added, changed, removed."""
    answer = asking.call(settings_path, "GET", f"/v1/imports?limit={limit}")
    if as_json:
        wording.print_json(answer)
        return
    tables.show(
        ["number", "ended", "source", "state", "generation", "added", "changed", "removed",
         "errors", "warnings", "kept", "problem"],
        [
            (
                each["number"], wording.time(each["ended"]), each["source"], each["state"],
                each["generation"],
                each["added"], each["changed"], each["removed"], each["errors"],
                each["warnings"], "yes" if each["kept"] else "no", each["problem"],
            )
            for each in answer["imports"]
        ],
        right=["number", "generation", "added", "changed", "removed", "errors", "warnings"],
        below=["generation", "source", "kept", "problem"],
        empty="nothing was imported yet: a document under sources/ names the folder to read, and"
        " imports.sources in the settings the folders that it may name; a"
        " delivery has to lie there, unmoved for as long as `settle` says",
    )  # fmt: skip
    faults.show(answer["imports"])


roster.add_command(looking.browse)
roster.add_command(incoming.list_held)
roster.add_command(incoming.release)
roster.add_command(incoming.import_now)
roster.add_command(incoming.export_received)
roster.add_command(incoming.export_processed)

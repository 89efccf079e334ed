"""Commands that ask the daemon about applications and rosters, as operators may.

None of them changes a permission: that takes a commit.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from rosterd.cli import asking, guarding, tables, wording


@click.group()
def app() -> None:
    """Look at applications; commits change them."""


@app.command("list")
@asking.settings_option
@asking.json_option
def list_applications(settings_path: Path, as_json: bool) -> None:
    """List applications: what they may see, and last use."""
    answer = asking.call(settings_path, "GET", "/v1/applications")
    if as_json:
        wording.print_json(answer)
        return
    tables.show(
        ["name", "title", "orgs", "courses", "users", "last REST", "last SFTP", "note"],
        [
            (
                each["name"],
                each["title"] + (" DEV" if each["development"] else ""),
                _level(each["orgs"]),
                _level(each["courses"]),
                each["counts"].get("users", 0),
                wording.time(each["rest"]),
                wording.time(each["sftp"]),
                each["refusal"],
            )
            for each in answer["applications"]
        ],
        right=["users"],
        below=["note"],
        empty="no applications: add documents under applications/ and permissions/",
    )


@app.command("credentials")
@click.argument("name")
@asking.settings_option
@asking.json_option
def show_credentials(name: str, settings_path: Path, as_json: bool) -> None:
    """Show key and secret of NAME; that is kept on record.

    Hand them to the vendor over a channel that you would trust with the roster itself.
    """
    answer = asking.call(
        settings_path, "POST", f"/v1/applications/{quote(name, safe='')}/credentials"
    )
    if as_json:
        wording.print_json(answer)
        return
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


app.add_command(guarding.block)
app.add_command(guarding.unblock)


@click.group()
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
        ["ended", "source", "state", "generation", "added", "changed", "removed", "errors",
         "warnings", "problem"],
        [
            (
                wording.time(each["ended"]), each["source"], each["state"], each["generation"],
                each["added"], each["changed"], each["removed"], each["errors"],
                each["warnings"], each["problem"],
            )
            for each in answer["imports"]
        ],
        right=["generation", "added", "changed", "removed", "errors", "warnings"],
        below=["generation", "source", "problem"],
        empty="nothing was imported yet: a document under sources/ names the folder to read, and"
        " imports.sources in the settings the folders that it may name; a"
        " delivery has to lie there, unmoved for as long as `settle` says",
    )  # fmt: skip


def _level(level: dict[str, Any] | None) -> str:
    return "-" if level is None else f"{level['level']} {level['count']:,}"

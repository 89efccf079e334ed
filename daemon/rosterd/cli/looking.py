"""Looking at single records: what a selection picks, who somebody is, who sees them and why.

What is asked is on record with the daemon, under who asked and without whom they sought. Records
come from sources that others fill, so nothing of them reaches the terminal as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rosterd.cli import asking, completing, tables, wording

COLLECTIONS = (
    "orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics",
    "resources",
)  # fmt: skip


@click.command()
@click.argument("collection", type=click.Choice(["orgs", "courses", "classes", "users"]))
@click.argument("selection")
@asking.settings_option
@asking.json_option
def select(collection: str, selection: str, settings_path: Path, as_json: bool) -> None:
    """Show what a SELECTION of a document picks now.

    SELECTION is what stands behind `orgs:`, `courses:`, `classes:` or (for users) `people:`: all,
    [ids], {under: […], where: …}; or a condition alone, such as "type='school'".

    Exit status: 0 when it picks something, 1 when it picks nothing.
    """
    body = {"collection": collection, "selection": wording.yaml_value(selection)}
    answer = asking.call(settings_path, "POST", "/v1/select", body)
    if as_json:
        wording.print_json(answer)
    else:
        click.echo(f"{answer['count']:,} of {answer['of']:,} {collection}.")
        if answer["rows"]:
            click.echo()
            _rows(answer["rows"])
        if answer["count"] > len(answer["rows"]) > 0:
            click.echo(f"and {answer['count'] - len(answer['rows']):,} more.")
    if not answer["count"]:
        raise SystemExit(1)


@click.command()
@click.argument("text")
@click.option(
    "--application",
    default=None,
    metavar="NAME",
    help="Within what NAME sees.",
    shell_complete=completing.applications,
)
@click.option("--all", "everywhere", is_flag=True, help="In all of the roster: the default.")
@asking.settings_option
@asking.json_option
def find(
    text: str, application: str | None, everywhere: bool, settings_path: Path, as_json: bool
) -> None:
    """Find users and classes by TEXT: a part of a name, an id, a username or an address.

    Within an application they are found as it gets them: what is withheld finds nobody. In all of
    the roster it is told which applications see each of them.

    Exit status: 0 when something was found, 1 when nothing was.
    """
    if application is not None and everywhere:
        raise click.UsageError("say either --application or --all")
    body = {"text": text, "application": application or ""}
    answer = asking.call(settings_path, "POST", "/v1/find", body)
    if as_json:
        wording.print_json(answer)
    else:
        for collection in ("users", "classes"):
            hits = [each for each in answer["hits"] if each["collection"] == collection]
            _hits(collection, answer["totals"][collection], hits, everywhere=application is None)
    if not answer["hits"]:
        raise SystemExit(1)


def _hits(
    collection: str, total: int, hits: Sequence[Mapping[str, Any]], *, everywhere: bool
) -> None:
    click.echo(f"{total:,} {collection}" + ("" if total <= len(hits) else f", first {len(hits)}"))
    if not hits:
        return
    seen = ["seen by"] if everywhere else []
    tables.show(
        ["id", "name", "more", *seen],
        [
            (
                each["id"],
                each["name"],
                _details(each["details"]),
                *([", ".join(each["applications"]) or "nobody"] if everywhere else []),
            )
            for each in hits
        ],
        below=["more"],
    )
    click.echo()


@click.command()
@click.argument("application", shell_complete=completing.applications)
@click.argument("collection", type=click.Choice(COLLECTIONS))
@click.argument("sourced_id", metavar="ID")
@asking.settings_option
@asking.json_option
def explain(
    application: str, collection: str, sourced_id: str, settings_path: Path, as_json: bool
) -> None:
    """Say why APPLICATION sees the record of COLLECTION with this ID, or why not.

    + holds and - does not; of what stands under "any of", one + is enough.

    Exit status: 0 when it sees the record, 1 when not.
    """
    body = {"application": application, "collection": collection, "id": sourced_id}
    answer = asking.call(settings_path, "POST", "/v1/explain", body)
    if as_json:
        wording.print_json(answer)
    else:
        sees = "sees" if answer["sees"] else "does not see"
        named = f" ({answer['name']})" if answer["name"] else ""
        click.echo(tables.plain(f"{application} {sees} {sourced_id}{named} of {collection}:"))
        for line, holds in _lines(answer["reason"], 0):
            click.echo(
                click.style(tables.plain(line, indented=True), fg="green" if holds else "red")
            )
        if answer["held"]:
            click.echo("Its change is held: this is about what it is served from.")
    if not answer["sees"]:
        raise SystemExit(1)


def _lines(reason: Mapping[str, Any], depth: int) -> Iterator[tuple[str, bool]]:
    """The tree as lines, each with whether it holds."""
    sign = "+" if reason["holds"] else "-"
    any_of = " (any of)" if reason["either"] and len(reason["parts"]) > 1 else ""
    yield f"{'  ' * depth}{sign} {reason['says']}{any_of}", reason["holds"]
    for part in reason["parts"]:
        yield from _lines(part, depth + 1)


@click.command()
@click.argument("collection", type=click.Choice(COLLECTIONS))
@click.option("--search", default="", metavar="TEXT", help="Only records that TEXT finds.")
@click.option(
    "--status",
    type=click.Choice(["active", "departed", "all"]),
    default="active",
    show_default=True,
    help="departed: delivered once, and gone since.",
)
@click.option("--sort", default="", metavar="[-]FIELD", help="By a field; -FIELD downwards.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True)
@asking.settings_option
@asking.json_option
def browse(  # noqa: PLR0917 - click passes its options by name
    collection: str,
    search: str,
    status: str,
    sort: str,
    limit: int,
    offset: int,
    settings_path: Path,
    as_json: bool,
) -> None:
    """Browse the records of COLLECTION in the roster that is served, page by page.

    Exit status 1 when --search finds nothing.
    """
    body = {
        "search": search, "status": status, "sort": sort, "limit": limit, "offset": offset,
    }  # fmt: skip
    answer = asking.call(settings_path, "POST", f"/v1/roster/{asking.segment(collection)}", body)
    if search and not answer["total"]:
        if as_json:
            wording.print_json(answer)
        else:
            click.echo("nothing was found")
        raise SystemExit(1)
    if as_json:
        wording.print_json(answer)
        return
    rows = answer["rows"]
    _rows(rows)
    last = answer["offset"] + len(rows)
    if rows:
        click.echo(f"{answer['offset'] + 1:,} to {last:,} of {answer['total']:,}.")
    if last < answer["total"] and rows:
        click.echo(f"Go on with --offset {last}.")


def _rows(rows: Sequence[Mapping[str, Any]]) -> None:
    tables.show(
        ["id", "name", "status", "more"],
        [(each["id"], each["name"], each["status"], _details(each["details"])) for each in rows],
        below=["more"],
        empty="no records",
    )


def _details(details: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())

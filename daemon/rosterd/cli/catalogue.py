"""`rosterd app search`: the catalogue of applications that can be added."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from rosterd import documents, errors, loading
from rosterd.cli import asking, reading, tables, wording


@click.command()
@click.argument("text", default="")
@click.option("--development", is_flag=True, help="Also those that their vendor still develops.")
@click.option(
    "--repository",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    metavar="DIR",
    help="Search the catalogue of this clone. Default: that of the daemon's accepted commit.",
)
@asking.settings_option
@asking.json_option
def search(
    text: str, development: bool, folder: Path | None, settings_path: Path, as_json: bool
) -> None:
    """Search the catalogue for TEXT in name, title or company.

    Without TEXT all of it is listed. `rosterd app add` writes the documents of an entry.

    Exit status 1 when nothing was found.
    """
    if folder is None:
        listings = asking.call(settings_path, "GET", "/v1/catalog")["listings"]
    else:
        listings = list(_in_folder(folder))
    words = text.casefold().split()
    meant = [each for each in listings if all(word in _said(each) for word in words)]
    found = [each for each in meant if development or not each["development"]]
    if as_json:
        wording.print_json({"listings": found})
        raise SystemExit(1 if text and not found else 0)
    tables.show(
        ["listing", "title", "company", "reads", "added as"],
        [
            (
                each["name"],
                each["title"] + (" DEV" if each["development"] else ""),
                each["company"],
                ", ".join(each["versions"]) or "-",
                ", ".join(each["added"]),
            )
            for each in found
        ],
        empty="nothing in the catalogue is called that",
    )
    if hidden := len(meant) - len(found):
        click.echo(f"{hidden} more with --development.")
    raise SystemExit(1 if text and not found else 0)


def _said(listing: Mapping[str, Any]) -> str:
    return f"{listing['name']} {listing['title']} {listing['company']}".casefold()


def _in_folder(folder: Path) -> Iterator[Mapping[str, Any]]:
    loaded = loading.load(reading.documents(".", folder))
    listings = [e.document for e in loaded.documents if isinstance(e.document, documents.Listing)]
    if not listings and not (folder / documents.REPOSITORY_FILE).is_file():
        raise errors.InputError(f"cannot search {folder}: it is no clone of a config repository")
    added: dict[str, list[str]] = {}
    for each in loaded.documents:
        document = each.document
        if isinstance(document, documents.Application) and document.listing:
            added.setdefault(document.listing, []).append(document.name)
    for listing in sorted(listings, key=lambda each: each.title.casefold()):
        needs = listing.needs
        yield {
            "name": listing.name,
            "title": listing.title,
            "company": listing.company,
            "description": listing.description,
            "development": listing.development,
            "versions": list((needs.versions if needs is not None else None) or ()),
            "added": sorted(added.get(listing.name, ())),
        }

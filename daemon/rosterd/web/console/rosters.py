"""The roster: what was imported and how it went, what is held, and its records page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rosterd.oneroster import model
from rosterd.web import desk
from rosterd.web.console import pages, wording

_IMPORTS: Final = 20
_PAGE: Final = 50
PERSONAL: Final = ("users", "enrollments", "demographics")
"""Collections whose records are of single people: for operators alone."""
_SHOWN: Final = 12
"""Digits of a revision that the command takes."""
CHANGES: Final = ("added", "changed", "removed")
STATUSES: Final = {"active": "Active", "departed": "Departed", "all": "All"}


async def _page(asked: pages.Asked) -> pages.Context:
    status = asked.desk.status()
    return {
        "imports": [{**each, "files": _files(each)} for each in await asked.desk.imports(_IMPORTS)],
        "served": status["served"],
        "sources": status["sources"],
        "held": [held(each) for each in await asked.desk.held_imports()],
        "paused": [each for each in status["sources"] if each["paused"]],
        "changes": CHANGES,
        "collections": _collections(asked),
    }


@dataclass(frozen=True, slots=True)
class Held:
    """An import that waits, and what a person types to let it go."""

    shown: desk.HeldImport
    over: frozenset[tuple[str, str]]
    """(collection, change) that is too much."""
    why: tuple[str, ...]
    command: str


def held(each: desk.HeldImport) -> Held:
    """The console lets nothing go: a listed key signs, and it is at the person's desk."""
    why = tuple(
        f"{wording.count(said['number'])} of {wording.count(said['before'])}"
        f" {said['collection']} {said['change']}"
        for said in each["excesses"]
    )
    return Held(
        each,
        frozenset((said["collection"], said["change"]) for said in each["excesses"]),
        why,
        f'rosterd roster release {each["revision"][:_SHOWN]} --reason "…"',
    )


def _files(each: desk.Import) -> dict[str, Mapping[str, Any]]:
    """File -> its counts, those without any left out."""
    files = each.get("report", {}).get("files", {})
    return dict(sorted(files.items())) if isinstance(files, Mapping) else {}


def _collections(asked: pages.Asked) -> list[str]:
    personal = asked.who.may("operator")
    return [name for name in model.COLLECTIONS if personal or name not in PERSONAL]


async def _browse(asked: pages.Asked) -> pages.Context:
    collection = asked.name
    if collection not in model.COLLECTIONS:
        raise pages.Missing(f"there is no collection {collection}")
    if collection not in _collections(asked):
        raise pages.Forbidden("records of single people take the role operator")
    search = asked.text("search") if asked.posted else ""
    status = asked.one_of("status", STATUSES, "active")
    offset = asked.number("offset")
    found = await _found(asked, search, status, offset)
    if not found["rows"] and found["total"]:  # it has become shorter since the page before
        offset = (found["total"] - 1) // _PAGE * _PAGE
        found = await _found(asked, search, status, offset)
    details = list(dict.fromkeys(name for row in found["rows"] for name in row["details"]))
    return {
        "collection": collection,
        "collections": _collections(asked),
        "personal": collection in PERSONAL,
        "search": search,
        "status": status,
        "statuses": STATUSES,
        "rows": found["rows"],
        "details": details,
        "paging": pages.Paging(offset, _PAGE, found["total"]),
    }


async def _found(asked: pages.Asked, search: str, status: str, offset: int) -> desk.Page:
    return await asked.desk.browse(
        asked.name, asked.who.name, search=search, status=status, offset=offset, limit=_PAGE
    )


PAGES: Final = (
    pages.Page("/roster", "roster.html", _page, label="Roster"),
    pages.Page("/roster/{name}", "browse.html", _browse, under="/roster"),
    pages.Page("/roster/{name}", "browse.html", _browse, method="POST", under="/roster"),
)

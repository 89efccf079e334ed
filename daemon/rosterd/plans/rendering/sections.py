"""A plan's documents told as what they are: who sees what, where data goes, people, sources.

A reviewer asks different questions of a host, of a contact and of a permission. So each changed
field belongs to one section, under a word that people use; what no row of the table names goes
with the rest of its document.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rosterd import plans

SEES: Final = "Who sees what"
GOES: Final = "Where data goes"
PEOPLE: Final = "People"
SOURCES: Final = "Where data comes from"
CATALOGUE: Final = "Catalogue"
REPOSITORY: Final = "The repository"
SECTIONS: Final = (SEES, GOES, PEOPLE, SOURCES, CATALOGUE, REPOSITORY)

_OF_KIND: Final = {
    "Application": SEES,
    "Permission": SEES,
    "SftpTarget": GOES,
    "ExportTemplate": GOES,
    "Listing": CATALOGUE,
    "RosterSource": SOURCES,
    "Repository": REPOSITORY,
}
_FIELDS: Final = {
    ("Application", "rest"): (GOES, None),
    ("Application", "owner"): (PEOPLE, None),
    ("Application", "developers"): (PEOPLE, None),
    ("Listing", "developers"): (PEOPLE, None),
    ("Repository", "contact"): (PEOPLE, None),
    ("SftpTarget", "host"): (GOES, "server"),
    ("SftpTarget", "hostKeys"): (GOES, "server's keys"),
    ("SftpTarget", "username"): (GOES, "signs in as"),
    ("SftpTarget", "directory"): (GOES, "folder"),
    ("SftpTarget", "export.days"): (GOES, "days"),
    ("SftpTarget", "export.time"): (GOES, "time"),
    ("SftpTarget", "export.timezone"): (GOES, "timezone"),
    ("SftpTarget", "export.when"): (GOES, "when"),
    ("SftpTarget", "export.template"): (GOES, "format"),
    ("SftpTarget", "export.mode"): (GOES, "mode"),
    ("SftpTarget", "export.fileName"): (GOES, "file name"),
    ("RosterSource", "directory"): (SOURCES, "folder"),
    ("RosterSource", "host"): (SOURCES, "server"),
    ("RosterSource", "hostKeys"): (SOURCES, "server's keys"),
    ("RosterSource", "username"): (SOURCES, "signs in as"),
    ("RosterSource", "url"): (SOURCES, "server"),
    ("RosterSource", "resourcesUrl"): (SOURCES, "server of resources"),
    ("RosterSource", "authentication.tokenUrl"): (SOURCES, "server of tokens"),
}
"""(kind, field or its first word) -> section, and the word for the field where its name is none."""
_DULL: Final = frozenset({"apiVersion", "kind", "name", "export"})
"""Fields of a new document that its heading says already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One changed field; `old` and `new` are None where there is none."""

    label: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """What one document's change has to say in one section."""

    change: plans.Change
    entries: tuple[Entry, ...]


def parts(plan: plans.Plan) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """(section, its parts), without the sections that have none."""
    found: dict[str, list[Part]] = {section: [] for section in SECTIONS}
    for change in plan.changes:
        for section, entries in _divided(change).items():
            found[section].append(Part(change, tuple(entries)))
    for section, each in found.items():
        if each:
            yield section, tuple(each)


def _divided(change: plans.Change) -> dict[str, list[Entry]]:
    """Entries by section. A document is named in the section of its kind, even without a field."""
    divided: dict[str, list[Entry]] = {}
    home = _OF_KIND.get(change.kind, REPOSITORY)
    for field in change.fields:
        if field.field in _DULL or change.action == "removed":
            continue
        section, label = _place(change.kind, field.field)
        divided.setdefault(section, []).append(
            Entry(label or field.field, worded(field.old), worded(field.new))
        )
    if change.action != "changed" or not divided:
        divided.setdefault(home, [])
    return divided


def _place(kind: str, field: str) -> tuple[str, str | None]:
    first = field.partition(".")[0]
    return (
        _FIELDS.get((kind, field))
        or _FIELDS.get((kind, first))
        or (
            _OF_KIND.get(kind, REPOSITORY),
            None,
        )
    )


def worded(value: str | None) -> str | None:
    """A JSON text as people write it: lists with commas, contacts as `Name <address>`."""
    if value is None or value == "…":
        return value
    return _word(json.loads(value))


def _word(value: Any) -> str:
    match value:
        case str():
            return value
        case list():
            return ", ".join(_word(each) for each in value) or "nothing"
        case {"name": name, "email": email}:
            return f"{name} <{email}>"
        case True:
            return "yes"
        case False:
            return "no"
        case _:
            return json.dumps(value, ensure_ascii=False)

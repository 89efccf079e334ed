"""What lies at a source: a delivery that could be read, or why there is none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rosterd import documents
from rosterd.generations import deliveries

MANIFEST: Final = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Sight:
    """What lies at a source and could be read: a folder or a zip, as it looks from outside."""

    path: Path
    files: tuple[deliveries.Seen, ...]
    beside: Path | None = None
    """Folder with what it was made from."""
    unread: tuple[tuple[str, int], ...] = ()
    """(collection, records of another server that no row could be made from)."""


def look(source: documents.RosterSource, allowed: Iterable[Path]) -> tuple[Sight | None, str]:
    """What could be read, or why nothing can. `allowed` are the settings' folders for sources."""
    folder = Path(source.directory or "/").resolve()
    if not any(folder.is_relative_to(each.resolve()) for each in allowed):
        return None, "its directory lies under none of the settings' imports.sources"
    files, reason = chosen(source, deliveries.look(folder))
    if not files:
        return None, reason
    return Sight(folder / files[0].name if is_zip(files) else folder, files), ""


def chosen(
    source: documents.RosterSource, files: Sequence[deliveries.Seen]
) -> tuple[tuple[deliveries.Seen, ...], str]:
    """Which of the files of a folder are the delivery (its CSV files and its marker, or one zip);
    none, and why, when there is none.
    """
    names = {each.name.casefold() for each in files}
    if source.marker is not None and source.marker.casefold() not in names:
        return (), f"the marker {source.marker} is not there yet"
    data = tuple(each for each in files if deliveries.is_data(each.name))
    marked = source.marker is not None or source.manifest is not None
    if data and (marked or MANIFEST in names):
        kept = (source.marker or "").casefold()
        return tuple(each for each in files if each in data or each.name.casefold() == kept), ""
    zips = [each for each in files if each.name.casefold().endswith(".zip")]
    if zips:
        return (max(zips, key=lambda each: (each.modified, each.name)),), ""
    return (), f"{MANIFEST} is not there yet" if data else "there is no delivery"


def is_zip(files: Sequence[deliveries.Seen]) -> bool:
    """Whether what `chosen` gave is a zip."""
    return len(files) == 1 and files[0].name.casefold().endswith(".zip")

"""Whether a package is what the standard says, told to whoever wrote it.

The reader asks what an exporter meant and takes what it can; this asks whether every consumer
would take it. So it forgives nothing that the standard forbids, demands nothing that it does not,
and goes on after each fault: an author wants all of them at once.

    manifests   the manifest and the set of files
    scanning    bytes to rows
    sheets      header, cells, sourcedIds, references of one file
    tables, formats     the columns of all files, and what their cells may hold
    semantics   questions over several rows, as warnings
    wording     every code with its words
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rosterd import errors
from rosterd.oneroster.csv import files
from rosterd.oneroster.csv.checking import (
    manifests,
    scanning,
    semantics,
    sheets,
    tables,
    wording,
)

MOST = wording.MOST
Opener = scanning.Opener
Findings = wording.Findings


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `modes` has the files that were judged, by stem; `version` is "1.1" or
    "1.2", or "" when nothing could be read.
    """

    version: str
    modes: Mapping[str, str]
    problems: tuple[errors.Problem, ...]
    errors: int
    warnings: int
    left_out: int
    """Problems that were counted and are not among `problems`."""


def check(folder: Mapping[str, Opener], found: Findings | None = None) -> Report:
    """Judge a package, given as file name -> opener. Any bytes give a report, never an exception.

    `found` may hold problems of the packaging already.
    """
    found = Findings() if found is None else found
    folder = _named(folder, found)
    stated = manifests.read(folder, found)
    unknown = {f"{stem}.csv" for table in files.FILES.values() for stem in table}
    for name in sorted(folder.keys() & unknown):
        if name.removesuffix(".csv") not in files.FILES[stated.version]:
            found.add(name, 0, 0, "unknown-file", stated.version)
    modes = {
        stem: stated.modes[stem]
        for stem in tables.ORDER
        if stated.modes.get(stem, "absent") != "absent" and f"{stem}.csv" in folder
    }
    known = sheets.Known(stated, partial="delta" in stated.modes.values())
    if stated.version == "1.2" and modes.get("users") == "bulk" and "roles" not in modes:
        found.add("users.csv", 0, 0, "no-roles-file")
    facts = semantics.Facts(
        found,
        pairs_wanted=bool(modes.keys() & {"userResources", "results"}),
        roles_complete=modes.get("roles") == "bulk",
    )
    for stem in modes:
        for rows in sheets.Sheet(stem, known, found).read(folder[f"{stem}.csv"]):
            semantics.judge(stem, rows, facts)
    semantics.finish(facts)
    return _report(stated.version, modes, found)


def unread(found: Findings) -> Report:
    """The report of a package that could not even be unpacked."""
    return _report("", {}, found)


def _report(version: str, modes: Mapping[str, str], found: Findings) -> Report:
    return Report(version, modes, found.problems(), found.errors, found.warnings, found.left_out)


def _named(folder: Mapping[str, Opener], found: Findings) -> dict[str, Opener]:
    """The files under the standard's names; those of no version are told and left out."""
    stems = {stem for table in files.FILES.values() for stem in table}
    spelled = {f"{stem}.csv".casefold(): f"{stem}.csv" for stem in (*stems, "manifest")}
    named: dict[str, Opener] = {}
    # a file with the right name comes before one that is merely spelled like it
    for name in sorted(folder, key=lambda one: (one not in spelled.values(), one)):
        right = spelled.get(name.casefold())
        if right is None:
            found.add(name, 0, 0, "unknown-file", "1.1 or 1.2")
        elif right in named:
            found.add(name, 0, 0, "duplicate-file")
        else:
            named[right] = folder[name]
            if name != right:
                found.add(name, 0, 0, "file-name", right)
    return named


__all__ = ["MOST", "Findings", "Opener", "Report", "check", "unread"]

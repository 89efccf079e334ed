"""What the manifest says, and whether the files that are there are those it speaks of.

A fault in it is told and the best guess taken, so that the rest of the package is still judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rosterd.oneroster.csv import files, lines, manifest
from rosterd.oneroster.csv.checking import scanning, wording

_SYSTEM = ("source.systemName", "source.systemCode")
_NEWER = files.FILES["1.2"].keys() - files.FILES["1.1"].keys()


@dataclass(frozen=True, slots=True)
class Stated:
    """`modes` has absent, bulk or delta for every data file of the version, by stem."""

    version: str
    modes: Mapping[str, str]


def read(folder: Mapping[str, scanning.Opener], found: wording.Findings) -> Stated:
    """Judge the manifest and the set of files."""
    present = {name.removesuffix(".csv") for name in folder} & _stems()
    if manifest.NAME not in folder:
        return _assumed(folder, present, found)
    if lines.foreign(folder[manifest.NAME]):
        found.add(manifest.NAME, 0, 0, "other-encoding")
        return _in_bulk(present)
    values = _values(folder[manifest.NAME], found)
    version = _version(values, present, found)
    _judge_names(values, version, found)
    modes = {stem: _mode(values, stem, present, found) for stem in files.FILES[version]}
    for stem, mode in modes.items():
        file, line = f"{stem}.csv", values.get(f"file.{stem}", (0, ""))[0]
        if mode == "absent" and stem in present:
            found.add(manifest.NAME, line, 0, "not-declared", file)
        elif mode != "absent" and stem not in present:
            found.add(manifest.NAME, line, 0, "missing-file", file)
    if set(modes.values()) == {"absent"} and not present:
        found.add(manifest.NAME, 0, 0, "only-manifest")
    # what is there is judged, whatever the manifest says of it
    taken = {
        stem: "bulk" if mode == "absent" and stem in present else mode
        for stem, mode in modes.items()
    }
    return Stated(version, taken)


def _stems() -> set[str]:
    return {stem for table in files.FILES.values() for stem in table}


def _assumed(
    folder: Mapping[str, scanning.Opener], present: set[str], found: wording.Findings
) -> Stated:
    stated = _in_bulk(present)
    if not folder:
        found.add(manifest.NAME, 0, 0, "no-files")
    elif present == files.SEVEN:
        found.add(manifest.NAME, 0, 0, "old-package")
    else:
        found.add(manifest.NAME, 0, 0, "no-manifest", stated.version)
    return stated


def _in_bulk(present: set[str]) -> Stated:
    version = _guessed(present)
    modes = {stem: "bulk" if stem in present else "absent" for stem in files.FILES[version]}
    return Stated(version, modes)


def _guessed(present: set[str]) -> str:
    return "1.2" if present & _NEWER else "1.1"


def _values(opener: scanning.Opener, found: wording.Findings) -> dict[str, tuple[int, str]]:
    """Property -> (line, value)."""
    values: dict[str, tuple[int, str]] = {}
    header = False
    for block in scanning.blocks(manifest.NAME, opener, found):
        for line, row in zip(block.lines, block.rows, strict=True):
            if not header:
                header = True
                if tuple(row) != manifest.HEADER:
                    found.add(manifest.NAME, line, 0, "bad-header")
                if not row[0].startswith(("manifest.", "oneroster.", "file.", "source.")):
                    continue
            if len(row) != len(manifest.HEADER):
                found.add(manifest.NAME, line, 0, "row-width")
            if row[0] in values:
                found.add(manifest.NAME, line, 0, "repeated-property")
            values.setdefault(row[0], (line, row[1] if len(row) > 1 else ""))
    if not header:
        found.add(manifest.NAME, 0, 0, "no-header")
    return values


def _version(
    values: Mapping[str, tuple[int, str]], present: set[str], found: wording.Findings
) -> str:
    line, value = values.get("manifest.version", (0, ""))
    if not value:
        found.add(manifest.NAME, line, 0, "missing-property", "manifest.version")
    elif value != "1.0":
        found.add(manifest.NAME, line, 0, "bad-version", "manifest.version", "1.0")
    line, value = values.get("oneroster.version", (0, ""))
    if value in files.FILES:
        return value
    if not value:
        found.add(manifest.NAME, line, 0, "missing-property", "oneroster.version")
    else:
        found.add(manifest.NAME, line, 0, "bad-version", "oneroster.version", "1.1 or 1.2")
    for version in files.FILES:
        if value.startswith(version):
            return version
    return _guessed(present)


def _judge_names(
    values: Mapping[str, tuple[int, str]], version: str, found: wording.Findings
) -> None:
    expected = {"manifest.version", "oneroster.version", *_SYSTEM}
    expected |= {f"file.{stem}" for stem in files.FILES[version]}
    for name, (line, _) in values.items():
        if name not in expected:
            found.add(manifest.NAME, line, 1, "bad-property")


def _mode(
    values: Mapping[str, tuple[int, str]], stem: str, present: set[str], found: wording.Findings
) -> str:
    name = f"file.{stem}"
    line, value = values.get(name, (0, ""))
    if value in files.MODES:
        return value
    if value:
        found.add(manifest.NAME, line, 2, "bad-mode", name)
    else:
        found.add(manifest.NAME, line, 0, "missing-property", name)
    return "bulk" if stem in present else "absent"

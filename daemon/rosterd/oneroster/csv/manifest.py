"""What a package says of itself: its version, and how each of its files is meant.

The manifest decides over life and death of records: a bulk file deletes what it does not hold. So
nothing is guessed here. Where the manifest says nothing, a source may declare a default, which is
reviewed like everything in the repository; without one the package is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rosterd import errors
from rosterd.oneroster.csv import files, lines, problems

NAME = "manifest.csv"
HEADER = ("propertyName", "value")

_SYSTEM = ("source.systemName", "source.systemCode")


@dataclass(frozen=True, slots=True)
class Manifest:
    """`modes` has absent, bulk or delta for every data file of the version, by stem."""

    version: str
    modes: Mapping[str, str]
    system_name: str | None = None
    system_code: str | None = None


def rows(
    version: str,
    modes: Mapping[str, str],
    system_name: str | None = None,
    system_code: str | None = None,
) -> Iterator[tuple[str, str]]:
    """The rows of a manifest, the header first, in the standard's order."""
    yield HEADER
    yield "manifest.version", "1.0"
    yield "oneroster.version", version
    for name in files.FILES[version]:
        yield f"file.{name}", modes.get(name, "absent")
    for name, value in zip(_SYSTEM, (system_name, system_code), strict=True):
        if value:
            yield name, value


def read(
    name: str,
    opener: lines.Opener | None,
    present: frozenset[str],
    default_mode: str | None,
    found: problems.Problems,
) -> Manifest:
    """Read a manifest, or make one out of the default when there is none or it is empty.

    `present` holds the stems of the data files that are there. InputError with every fault.
    """
    reading = _Reading(name, present, default_mode, found)
    stated = opener is not None and reading.load(opener)
    if not stated:
        if default_mode is None:
            seven = opener is None and present == files.SEVEN
            raise problems.refusal(
                [problems.problem(name, 0, 0, "old-package" if seven else "no-manifest")]
            )
        found.add(name, 0, 0, "default-mode", NAME)
    return reading.manifest(stated=stated)


class _Reading:
    def __init__(
        self,
        name: str,
        present: frozenset[str],
        default_mode: str | None,
        found: problems.Problems,
    ) -> None:
        self._name = name
        self._present = present
        self._default = default_mode
        self._found = found
        self._values: dict[str, tuple[int, str]] = {}
        self._refused: list[errors.Problem] = []

    def load(self, opener: lines.Opener) -> bool:
        """Take in the properties; False when there are none."""
        line = 0
        for before, _, block in lines.blocks(self._name, opener, self._found):
            line = before
            for row in block:
                line += 1
                cells = [cell.strip() for cell in row]
                if line == 1:
                    self._header(row, cells)
                elif any(cells):
                    self._property(line, cells)
        return bool(self._values)

    def manifest(self, *, stated: bool) -> Manifest:
        version = self._version(stated=stated)
        modes = {
            stem: self._mode(f"file.{stem}", stem, stated=stated) for stem in files.FILES[version]
        }
        expected = {
            "manifest.version",
            "oneroster.version",
            *_SYSTEM,
            *(f"file.{stem}" for stem in modes),
        }
        spelled = {name.casefold() for name in expected}
        for name, (line, _) in self._values.items():
            if name not in spelled:
                self._unknown(line)
        if self._refused:
            raise problems.refusal(self._refused)
        system = [self._values.get(name.casefold(), (0, ""))[1] or None for name in _SYSTEM]
        return Manifest(version, modes, system[0], system[1])

    def _header(self, row: Iterable[str], cells: list[str]) -> None:
        while cells and not cells[-1]:
            cells.pop()
        if [cell.casefold() for cell in cells] != [cell.casefold() for cell in HEADER]:
            self._refuse(1, "bad-header")
        elif tuple(row) != HEADER:
            self._found.add(self._name, 1, 0, "manifest-form", "the header")

    def _property(self, line: int, cells: list[str]) -> None:
        name, value = cells[0].casefold(), cells[1] if len(cells) > 1 else ""
        if any(cells[2:]):
            self._found.add(self._name, line, 3, "manifest-form", "the row")
        if name in self._values:
            self._refuse(line, "repeated-property", "the property")
        self._values.setdefault(name, (line, value))

    def _version(self, *, stated: bool) -> str:
        if stated:
            line, value = self._values.get("manifest.version", (0, ""))
            if not value:
                self._missing(line, "manifest.version")
            elif value not in ("1.0", "1"):
                self._refuse(line, "bad-version", "manifest.version")
        line, value = self._values.get("oneroster.version", (0, ""))
        for version in files.FILES:
            if value == version or value.startswith(f"{version}."):
                if value != version:
                    self._found.add(self._name, line, 2, "manifest-form", "oneroster.version")
                return version
        if value:
            self._refuse(line, "bad-version", "oneroster.version")
            raise problems.refusal(self._refused)
        if stated:
            self._missing(line, "oneroster.version")
        newer = files.FILES["1.2"].keys() - files.FILES["1.1"].keys()
        return "1.2" if self._present & newer else "1.1"

    def _mode(self, name: str, stem: str, *, stated: bool) -> str:
        line, value = self._values.get(name.casefold(), (0, ""))
        mode = value.casefold()
        if mode in files.MODES:
            if mode != value:
                self._found.add(self._name, line, 2, "manifest-form", name)
            return mode
        if value:
            self._refuse(line, "bad-mode", name)
        elif stated:
            self._missing(line, name)
        # What is not there is left alone, never taken for an empty complete set.
        return self._default if self._default and stem in self._present else "absent"

    def _missing(self, line: int, name: str) -> None:
        if self._default is None:
            self._refuse(line, "missing-property", name)
        else:
            self._found.add(self._name, line, 0, "default-mode", name)

    def _unknown(self, line: int) -> None:
        if self._default is None:
            self._refuse(line, "bad-property", "the name")
        else:
            self._found.add(self._name, line, 1, "unknown-property", "the name")

    def _refuse(self, line: int, code: str, name: str = "") -> None:
        self._refused.append(problems.problem(self._name, line, 0, code, name))

"""`rosterd csv check`: whether a package is what the standard says, before anybody imports it.

It needs nothing but the package. A zip is unpacked under the same limits as a delivery of a source,
since whoever made it may be nobody's friend, and the copy goes when the command ends.
"""

import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import click

from rosterd import errors
from rosterd.cli import asking, grouping, waiting
from rosterd.generations import deliveries
from rosterd.oneroster.csv import checking

_LIMIT = 64 * 2**30
_WIDEST = 56


@click.group(cls=grouping.Group)
def csv() -> None:
    """Look at OneRoster CSV packages."""


@csv.command()
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=checking.MOST,
    show_default=True,
    help="Show this many problems of each file and code; 0 shows all.",
)
@asking.json_option
def check(path: Path, most: int, as_json: bool) -> None:
    """Hold the OneRoster 1.1 or 1.2 CSV package at PATH, a folder or a zip, against the standard.

    Bulk and delta, gradebook files included. Every problem is shown with its file, line and column
    and a code. Exit status: 0 when there is no error (warnings may remain), 1 when there is one.
    """
    found = checking.Findings(most)
    with tempfile.TemporaryDirectory(prefix="rosterd-check-") as scratch:
        files = _taken(path, Path(scratch, "copy"), found)
        report = _checked(files, found) if files is not None else checking.unread(found)
    if as_json:
        click.echo(json.dumps(_json(report), indent=2))
    else:
        _print(report)
    sys.exit(1 if report.errors else 0)


def _checked(files: Mapping[str, checking.Opener], found: checking.Findings) -> checking.Report:
    """The report; meanwhile a person sees how much of the bytes is read."""
    sizes: dict[str, int] = {}
    reading: dict[str, BinaryIO] = {}

    def watched(name: str, opener: checking.Opener) -> checking.Opener:
        with opener() as file:
            sizes[name] = file.seek(0, os.SEEK_END)

        def opened() -> BinaryIO:
            reading[name] = opener()
            return reading[name]

        return opened

    def part() -> float:
        read = sum(sizes[name] if file.closed else file.tell() for name, file in [*reading.items()])
        return read / max(sum(sizes.values()), 1)

    watching = {name: watched(name, opener) for name, opener in files.items()}
    with waiting.shown("checking", part):
        return checking.check(watching, found)


def _taken(
    path: Path, copy: Path, found: checking.Findings
) -> Mapping[str, checking.Opener] | None:
    """Openers of a copy; None when it cannot be unpacked, which is noted then."""
    if not path.is_dir():
        _look_into(path, found)
    try:
        with waiting.shown("copying"):
            openers = deliveries.take(path, copy, limit=_LIMIT).openers()
    except errors.RosterdError as error:
        if not found.errors:
            reason = str(error).removeprefix("cannot read the delivery").lstrip(": ")
            found.add(_plain(path.name), 0, 0, "bad-archive", reason)
        return None
    return {_plain(name): opener for name, opener in openers.items()}


def _look_into(path: Path, found: checking.Findings) -> None:
    """What the names in a zip tell; whether it can be unpacked is asked afterwards."""
    if path.suffix != ".zip":
        found.add(_plain(path.name), 0, 0, "zip-name")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError):
        return
    for name in sorted(set(names)):
        if "/" in name:
            found.add(_plain(name), 0, 0, "zip-folder")
        elif not deliveries.is_data(name):
            found.add(_plain(name), 0, 0, "unknown-file", "1.1 or 1.2")
        if names.count(name) > 1:
            found.add(_plain(name), 0, 0, "duplicate-file")


def _plain(name: str) -> str:
    """A name that a terminal can show, whatever somebody called a file."""
    return name if name.isprintable() else ascii(name)[1:-1]


# ---------------------------------------------------------------- what is told


def _json(report: checking.Report) -> dict[str, object]:
    return {
        "version": report.version,
        "files": dict(report.modes),
        "errors": report.errors,
        "warnings": report.warnings,
        "left_out": report.left_out,
        "problems": [problem.as_json() for problem in report.problems],
    }


def _print(report: checking.Report) -> None:
    places = [_place(problem) for problem in report.problems]
    place_width = min(_WIDEST, max(map(len, places), default=0))
    code_width = max((len(problem.code) for problem in report.problems), default=0)
    for problem, place in zip(report.problems, places, strict=True):
        style = "red" if problem.severity == "error" else "yellow"
        word = click.style(f"{problem.severity:<7}", fg=style)
        text = f"{place:<{place_width}}  {word}  {problem.code:<{code_width}}  {problem.message}"
        click.echo(text)
    if report.left_out:
        more = f"… and {report.left_out:,} more of the same kinds; --most 0 shows all"
        click.echo(click.style(more, dim=True))
    if report.problems:
        click.echo()
    what = f"OneRoster {report.version}, {_modes(report)}" if report.version else "nothing checked"
    click.echo(f"{what}: {_closing(report)}.")


def _place(problem: errors.Problem) -> str:
    numbers = [str(number) for number in (problem.line, problem.column) if number]
    return ":".join((problem.path, *numbers))


def _modes(report: checking.Report) -> str:
    modes: Sequence[str] = sorted(set(report.modes.values())) or ["no data"]
    return f"{_counted(len(report.modes), 'file')} checked ({' and '.join(modes)})"


def _closing(report: checking.Report) -> str:
    said = [_counted(report.errors, "error")]
    if report.warnings:
        said.append(_counted(report.warnings, "warning"))
    return ", ".join(said)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}" if number else f"no {word}s"

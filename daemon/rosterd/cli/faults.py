"""What was wrong with the deliveries that came last, below the list of imports.

Counts alone send an administrator to the console or to `--json`; the file and the line are what she
tells the people of the student system.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rosterd import errors
from rosterd.cli import tables

_MOST = 20


def show(imports: Sequence[Mapping[str, Any]]) -> None:
    """Print the problems of the newest import of each source; `imports` are the newest first."""
    newest = {each["source"]: each for each in reversed(imports)}
    for each in newest.values():
        found = each["report"].get("problems", ())
        if not found:
            continue
        click.echo(f"\nWhat was wrong with import {each['number']}, of {each['source']}:")
        tables.show(
            ["place", "severity", "what"],
            [_row(problem) for problem in found[:_MOST]],
            below=["what"],
        )
        told = each["errors"] + each["warnings"]
        if (more := max(told, len(found)) - min(len(found), _MOST)) > 0:
            click.echo(f"and {more:,} more; the console and --json show more of them.")


def _row(problem: Mapping[str, Any]) -> tuple[str, str, str]:
    place = errors.Problem(problem["path"], problem["line"], problem["column"], "")
    return str(place).rstrip(": "), problem["severity"], problem["message"]

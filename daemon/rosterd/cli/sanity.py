"""What a vendor would trip over in what one application sees, now and over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rosterd import errors
from rosterd.cli import asking, completing, tables, wording


@click.command()
@click.argument("application", shell_complete=completing.applications)
@click.option(
    "--check", "checks", multiple=True, metavar="NAME", help="Only this check; repeatable."
)
@click.option("--history", is_flag=True, help="The runs that are kept, the newest first.")
@asking.settings_option
@asking.json_option
def sanity(
    application: str, checks: tuple[str, ...], settings_path: Path, *, history: bool, as_json: bool
) -> None:
    """Say what a vendor would trip over in what APPLICATION sees.

    It is compared with the run before: one is made whenever what the application sees changed. Ids
    are named for a look at the records, which is on record; runs are kept as numbers alone.

    Exit status: 0 when no check of the severity error found anything, 1 otherwise.
    """
    path = f"/v1/applications/{asking.segment(application)}/sanity"
    if history:
        answer = asking.call(settings_path, "GET", f"{path}/history?limit=1000")
        _history(answer, checks, as_json=as_json)
        return
    answer = asking.call(settings_path, "GET", path)
    findings = answer["findings"]
    _known(checks, [each["check"] for each in findings])
    if checks:
        findings = [each for each in findings if each["check"] in checks]
    if as_json:
        wording.print_json({**answer, "findings": findings})
    else:
        _show(answer, findings)
    if any(each["count"] and each["severity"] == "error" for each in findings):
        raise SystemExit(1)


def _known(asked: Sequence[str], names: Sequence[str]) -> None:
    if unknown := {*asked} - {*names}:
        known = ", ".join(names)
        raise errors.InputError(f"cannot run {min(unknown)}: the checks are {known}")


def _show(answer: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> None:
    tables.show(
        ["check", "severity", "found", "before", "difference", "since", "for example"],
        [
            (
                each["check"],
                each["severity"],
                _count(each["count"]),
                "" if each["before"] is None else each["before"],
                "" if not each["difference"] else f"{each['difference']:+,}",
                wording.time(each["since"]),
                ", ".join(each["sample"]),
            )
            for each in findings
        ],
        right=["found", "before", "difference"],
        below=["for example"],
    )
    before = answer["previous"]
    against = f"compared with the run of {wording.time(before)}" if before else "the first run"
    click.echo(f"\nGeneration {answer['generation']}; {against}.")
    for each in answer["unmet"]:
        click.echo(click.style(f"needed and not so: {tables.harmless(each)}", fg="yellow"))


def _history(answer: Mapping[str, Any], checks: Sequence[str], *, as_json: bool) -> None:
    runs = answer["runs"]
    names = list(runs[0]["counts"]) if runs else []
    if runs:
        _known(checks, names)
    if as_json:
        if checks:
            runs = [
                {**each, "counts": {name: each["counts"].get(name) for name in checks}}
                for each in runs
            ]
        wording.print_json({**answer, "runs": runs})
        return
    # a column for each check would be wider than any terminal: those that ever found something
    shown = checks or [name for name in names if any(each["counts"].get(name) for each in runs)]
    tables.show(
        ["run", "generation", "commit", "found"],
        [
            (
                wording.time(each["time"]),
                each["generation"],
                wording.short(each["commit"]),
                ", ".join(f"{name} {_count(each['counts'].get(name))}" for name in shown)
                or "nothing",
            )
            for each in runs
        ],
        right=["generation"],
        below=["found"],
        empty="no run is kept yet",
    )


def _count(count: int | None) -> str:
    return "withheld" if count is None else f"{count:,}"

"""`rosterd review` and `rosterd accept-rewrite`: who stands behind what.

`review` answers from the daemon's own view, or in a clone from a list of keys that one has; both
tell proven and claimed apart.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from rosterd import errors, plans, statements
from rosterd import settings as settings_module
from rosterd.cli import approving, asking, tables, wording
from rosterd.git import clones, mirrors, people
from rosterd.reconciling import reviewing, vouching

_file = click.Path(path_type=Path, dir_okay=False)
_dir = click.Path(path_type=Path, file_okay=False, exists=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says about a review in a clone."""

    text: str | None
    folder: Path
    remote: str
    branch: str | None
    repository: str | None
    allowed_signers: Path | None
    revoked_keys: Path | None
    people: int | None
    machine: settings_module.Settings | None


@click.command()
@click.argument("text", metavar="[RANGE]", required=False)
@click.option(
    "--settings",
    "settings_path",
    type=_file,
    default=None,
    help="The daemon's settings file: its keys, rule, id and branch. Without a clone the daemon is"
    f" asked. Default there: {asking.DEFAULT_SETTINGS}.",
)
@click.option(
    "-C", "--clone", "folder", type=_dir, default=None, help="Look in this clone instead."
)
@click.option("--allowed-signers", type=_file, default=None, help="People and keys, for a clone.")
@click.option(
    "--revoked-keys", type=_file, default=None, help="Default: revoked_keys beside that file."
)
@click.option("--people", type=click.IntRange(0, 10), default=None, help="Default: 2.")
@click.option("--remote", default="origin", show_default=True, help="Where the clone is hosted.")
@click.option("--branch", default=None, help="The daemon's branch. Default: main.")
@click.option("--repository", default=None, help="The repository's id in the daemon's settings.")
@asking.json_option
def review(settings_path: Path | None, as_json: bool, **given: Any) -> None:
    """Show of each changed path what is proven by key, what is only claimed, and what is missing.

    RANGE is A..B, or one commit or branch: then everything since it left the daemon's branch.
    Without it: what waits to be accepted.

    Exit status 1 when something is missing.
    """
    if given["folder"] is None and given["allowed_signers"] is None:
        place = settings_path or asking.DEFAULT_SETTINGS
        found = asking.call(place, "GET", f"/v1/review?range={quote(given['text'] or '')}")
    else:
        machine = asking.read_settings(settings_path) if settings_path else None
        folder = given.pop("folder") or Path()
        found = asyncio.run(_in_clone(Wanted(folder=folder, machine=machine, **given)))
    if as_json:
        wording.print_json(found)
    else:
        _show(found)
    raise SystemExit(0 if found["complete"] else 1)


async def _in_clone(wanted: Wanted) -> dict[str, Any]:
    machine = wanted.machine
    branch = wanted.branch or (machine.repository.branch if machine else "main")
    clone = clones.Clone(wanted.folder)
    tip = await clone.tip(wanted.remote, branch)
    if tip is None:
        raise errors.InputError(f"cannot find the branch {branch} in {wanted.folder}")
    name = wanted.repository or (machine.repository.id if machine else "")
    name = name or await approving.repository_id(clone, wanted.remote)
    await clone.fetch_statements(wanted.remote)
    first, dots, last = (wanted.text or "HEAD").partition("..")
    ends = [
        await clone.resolve(each or "HEAD") for each in (first, last.lstrip("."))[: 1 + bool(dots)]
    ]
    repository = settings_module.Repository(id=name, url=str(await clone.store()), branch=branch)
    now = datetime.now(UTC)
    found = await reviewing.of_clone(
        mirrors.Mirror(await clone.store(), repository),
        "..".join(ends),
        tip,
        names=(name, branch),
        listed=people.load(*_keys(wanted), now),
        rule=_rule(wanted),
        now=now,
    )
    note = "what the daemon has counted already is not known in a clone; it may ask for more"
    return {**found.as_json(), "notes": [*found.notes, note]}


def _keys(wanted: Wanted) -> tuple[Path, Path]:
    """The two lists; both have to be there."""
    machine = wanted.machine
    allowed = wanted.allowed_signers or (machine.review.allowed_signers if machine else None)
    if allowed is None:
        raise errors.InputError(
            "cannot tell whose keys count: name the list with --allowed-signers, or --settings"
        )
    revoked = wanted.revoked_keys
    if revoked is None and wanted.allowed_signers is None and machine is not None:
        revoked = machine.review.revoked_keys
    return allowed, revoked or allowed.with_name("revoked_keys")


def _rule(wanted: Wanted) -> plans.Rule:
    if wanted.people is not None or wanted.machine is None:
        return plans.Rule(2 if wanted.people is None else wanted.people)
    return vouching.rule(wanted.machine.review)


def _show(found: dict[str, Any]) -> None:
    if found["base"] == found["commit"]:
        click.echo(f"Nothing waits: there is no change after {found['commit'][:12]}.")
        return
    click.echo(f"{found['base'][:12]}..{found['commit'][:12]}: {found['proven']}")
    click.echo(f"The rule: {found['rule']}.")
    click.echo()
    rows = [row for path in found["paths"] for row in _rows(path)]
    tables.show(("path", "is", "by"), rows, empty="nothing changed")
    for note in found["notes"]:
        click.echo(f"note: {tables.harmless(note)}")


def _rows(path: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The lines of one path; its name stands in the first."""
    lines = [
        (
            "proven",
            f"{each['person']}, key {each['key']}, "
            + (
                f"commit {each['commit'][:12]}"
                if "commit" in each
                else f"statement {each['detached'][:12]}"
            ),
        )
        for each in path["proven"]
    ]
    lines += [("claimed", each) for each in path["claimed"]]
    if path["missing"]:
        number = "one more person" if path["missing"] == 1 else f"{path['missing']} more people"
        could = f": {', '.join(path['could'])}" if path["could"] else "; nobody else is listed"
        lines.append(("missing", number + could))
    return [(path["path"] if not place else "", *line) for place, line in enumerate(lines)]


# ---------------------------------------------------------------- accept-rewrite


@click.command("accept-rewrite")
@click.argument("former", metavar="FROM")
@click.argument("newest", metavar="TO")
@click.option("--reason", required=True, help="Why the history was rewritten; it goes on record.")
@asking.settings_option
@asking.json_option
def accept_rewrite(
    former: str, newest: str, reason: str, settings_path: Path, as_json: bool
) -> None:
    """Take the rewritten history of TO in the place of the accepted commit FROM.

    TO has to be the tip of the branch. As many people as the strictest change needs have to vouch
    for it first, each with `rosterd approve TO --rewrite FROM`. From then on the branch is followed
    as usual; no commit of the former history vouches for anything any more.
    """
    body = {"from": former, "to": newest, "reason": reason}
    answer = asking.call(settings_path, "POST", "/v1/rewrite", body)
    taken = answer["served"]["commit"] or ""
    done = taken.startswith(newest)
    if as_json:
        wording.print_json(answer)
    elif done:
        people_ = ", ".join(answer["served"]["people"]) or "nobody"
        click.echo(f"Took {taken[:12]} in the place of {former[:12]}, vouched for by {people_}.")
    else:
        why = answer["repository"]["reason"] or answer["repository"]["state"]
        click.echo(f"Not taken: {tables.harmless(why)}")
        for each in answer["repository"]["missing"]:
            have = ", ".join(each["have"]) or "nobody"
            click.echo(f"  it needs {statements.counted(each['needed'])} and has {have}")
    raise SystemExit(0 if done else 1)

"""`rosterd approve`: vouching for a change in one's own clone, with one's own git and key."""

import asyncio
import json
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from rosterd import errors, statements
from rosterd.cli import asking
from rosterd.git import clones
from rosterd.plans import rendering

_folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("commit")
@click.option("--key", default=None, help=f"{clones.KEY} Default: git's user.signingkey.")
@click.option("-C", "--clone", "folder", type=_folder, default=Path(), help="Your clone.")
@click.option("--remote", default="origin", show_default=True, help="Where to push it to.")
@click.option("--branch", default="main", show_default=True, help="The branch it is meant for.")
@click.option(
    "--repository",
    default=None,
    help="The repository's id in the daemon's settings. Default: from --settings, else git's"
    " rosterd.repository, else the last part of the remote's URL without .git.",
)
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The daemon's settings file, where you have it: for the id and the branch.",
)
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 366), help="Lifetime."
)
@click.option("--no-push", is_flag=True, help="Only write the ref in your clone.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@asking.json_option
def approve(  # noqa: PLR0917 - click passes its options by name
    commit: str,
    key: str | None,
    folder: Path,
    remote: str,
    branch: str,
    repository: str | None,
    settings_path: Path | None,
    days: int,
    no_push: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Vouch with your key for what COMMIT changes.

    COMMIT may be BASE..COMMIT, too. A commit that the branch does not have yet stands for everything since it left the branch; one
    that is on the branch already, for its own change. What you vouch for are the contents of files,
    so it goes on counting when the commits are squashed, merged or rebased.
    """
    if settings_path is not None:
        machine = asking.read_settings(settings_path)
        repository, branch = repository or machine.repository.id, machine.repository.branch
    clone = clones.Clone(folder)

    async def prepare() -> tuple[clones.Change, str, str]:
        tip = await clone.tip(remote, branch)
        change = await clone.change(commit, tip)
        name = repository or await _repository_id(clone, remote)
        return change, name, clones.absolute(key) or await clone.setting("user.signingkey")

    change, name, signing_key = asyncio.run(prepare())
    if not change.transitions:
        raise errors.InputError(f"cannot vouch for {commit}: it changes nothing")
    if not signing_key:
        raise errors.InputError(
            "cannot sign: name a key with --key, or set git's user.signingkey to an ssh key"
        )
    click.echo(_vouching(change, name, branch), err=as_json)
    if not yes and sys.stdin.isatty() and not click.confirm("Vouch for this?", err=as_json):
        raise click.Abort
    now = datetime.now(UTC)
    claim = statements.Claim(
        repository=name,
        branch=branch,
        transitions=change.transitions,
        made=now,
        not_after=now.replace(microsecond=0) + timedelta(days=days),
        nonce=secrets.token_hex(16),
    )

    async def give() -> tuple[str, bool]:
        signed = statements.payload(claim)
        blob = statements.sealed(signed, await clone.sign(signed, signing_key))
        refs = await clone.keep(blob, change.commit)
        push = not no_push and bool(await clone.remote_url(remote))
        if push:
            await clone.push(remote, refs)
        return refs[0], push

    ref, pushed = asyncio.run(give())
    _told(ref, claim, remote if pushed else None, as_json=as_json)


async def _repository_id(clone: clones.Clone, remote: str) -> str:
    configured = await clone.setting("rosterd.repository")
    if configured:
        return configured
    url = (await clone.remote_url(remote)).rstrip("/")
    name = url.replace(":", "/").rsplit("/", 1)[-1].removesuffix(".git")
    if not name:
        raise errors.InputError("cannot tell which repository this is: name it with --repository")
    return name


def _vouching(change: clones.Change, repository: str, branch: str) -> str:
    rows = [("change", "path", "new content (sha256)")]
    for each in change.transitions:
        action = "added" if each.old is None else "removed" if each.new is None else "changed"
        rows.append((action, each.path, each.new_sha256 or ""))
    base = change.base[:12] if change.base else "nothing"
    return "\n".join(
        [
            f"You vouch for {base}..{change.commit[:12]} on the branch {branch} of {repository}:",
            *rendering.table(rows),
            "Look at it with:",
            f"  git diff {base} {change.commit[:12]}"
            if change.base
            else f"  git show {change.commit[:12]}",
        ]
    )


def _told(ref: str, claim: statements.Claim, remote: str | None, *, as_json: bool) -> None:
    if as_json:
        told = {"ref": ref, "pushed": remote is not None, "statement": None}
        told["statement"] = json.loads(statements.payload(claim))
        click.echo(json.dumps(told, indent=2))
        return
    until = f"{claim.not_after:%Y-%m-%d %H:%M} UTC"
    if remote is None:
        click.echo(f"Your statement is in {ref} of this clone, and counts nothing before a push.")
    else:
        click.echo(f"Your statement is pushed to {remote} as {ref}. It counts until {until}.")

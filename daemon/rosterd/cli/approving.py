"""`rosterd approve`: vouching for a change in one's own clone, with one's own git and key.

What is signed is shown first: the paths, and what their documents would say. Who has no rosterd gets
lines for a shell instead (`--print`), with nothing but ssh-keygen and git in them.
"""

import asyncio
import json
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from rosterd import errors, plans, statements
from rosterd.cli import asking, byhand, reading, tables, wording
from rosterd.git import clones
from rosterd.plans import rendering


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    commit: str
    rewrite: str | None
    key: str | None
    folder: Path
    remote: str
    branch: str
    repository: str | None
    settings_path: Path | None
    days: int
    no_push: bool
    print_only: bool
    yes: bool
    as_json: bool


@click.command()
@click.argument("commit")
@click.option("--key", default=None, help=f"{clones.KEY} Default: git's user.signingkey.")
@asking.clone_options
@click.option("--rewrite", metavar="FROM", help="Vouch for COMMIT in the place of the commit FROM.")
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 366), help="Lifetime."
)
@click.option("--no-push", is_flag=True, help="Only write the ref in your clone.")
@click.option(
    "--print", "print_only", is_flag=True, help="Sign nothing: print what to run by hand."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@asking.json_option
def approve(**given: Any) -> None:
    """Vouch with your key for what COMMIT changes.

    COMMIT may be BASE..COMMIT, too. A commit that the branch does not have yet stands for everything
    since it left the branch; one that is on the branch already, for its own change. What you vouch
    for are the contents of files, so it goes on counting when the commits are squashed, merged or
    rebased.

    With --rewrite you vouch for a history that was written anew: see `rosterd accept-rewrite`.
    """
    wanted = Wanted(**given)
    change, claim = asyncio.run(_prepared(wanted))
    if wanted.print_only:
        lines = byhand.lines(claim, change.commit, wanted.remote, clones.absolute(wanted.key))
        if wanted.as_json:
            payload = statements.payload(claim).decode()
            click.echo(json.dumps({"payload": payload, "lines": lines}, indent=2))
        else:
            click.echo(
                "".join(f"# {line}\n".replace("#  ", "#   ") for line in _told(change, claim))
            )
            click.echo("\n".join(lines))
        return
    key = asyncio.run(_key(wanted))
    for line in (*_told(change, claim), *asyncio.run(_plan(wanted, change))):
        click.echo(line, err=wanted.as_json)
    if not wanted.yes and sys.stdin.isatty():
        click.confirm("Vouch for this?", abort=True, err=wanted.as_json)
    ref, pushed = asyncio.run(_give(wanted, change, claim, key))
    _thank(ref, claim, wanted.remote if pushed else None, as_json=wanted.as_json)


async def _prepared(wanted: Wanted) -> tuple[clones.Change, statements.Claim]:
    repository, branch = wanted.repository, wanted.branch
    if wanted.settings_path is not None:
        machine = asking.read_settings(wanted.settings_path)
        repository, branch = repository or machine.repository.id, machine.repository.branch
    clone = clones.Clone(wanted.folder)
    tip = await clone.tip(wanted.remote, branch)
    name = repository or await repository_id(clone, wanted.remote)
    rewrite = None
    if wanted.rewrite is None:
        change = await clone.change(wanted.commit, tip)
    else:
        change = await clone.between(wanted.rewrite, wanted.commit)
        rewrite = (change.base or "", change.commit)
    if not change.transitions and rewrite is None:
        raise errors.InputError(f"cannot vouch for {wanted.commit}: it changes nothing")
    now = datetime.now(UTC)
    return change, statements.Claim(
        repository=name,
        branch=branch,
        transitions=change.transitions,
        made=now,
        not_after=now.replace(microsecond=0) + timedelta(days=wanted.days),
        nonce=secrets.token_hex(16),
        rewrite=rewrite,
    )


async def repository_id(clone: clones.Clone, remote: str) -> str:
    """The repository's name in statements, as far as a clone can tell it."""
    configured = await clone.setting("rosterd.repository")
    if configured:
        return configured
    name = named_by(await clone.remote_url(remote))
    if not name:
        raise errors.InputError("cannot tell which repository this is: name it with --repository")
    return name


def named_by(url: str) -> str:
    """What a repository is called where nobody said otherwise; "" for an empty URL."""
    return url.rstrip("/").replace(":", "/").rsplit("/", 1)[-1].removesuffix(".git")


def _told(change: clones.Change, claim: statements.Claim) -> Iterator[str]:
    """What is vouched for, path by path."""
    base = change.base[:12] if change.base else "nothing"
    commit, place = change.commit[:12], f"on the branch {claim.branch} of {claim.repository}"
    if claim.rewrite:
        yield f"You vouch for {commit} in the place of {base}, the history before it included, {place}:"
    else:
        yield f"You vouch for {base}..{commit} {place}:"
    rows = [("change", "path", "new content (sha256)")]
    for each in change.transitions:
        action = "added" if each.old is None else "removed" if each.new is None else "changed"
        rows.append((action, each.path, each.new_sha256 or ""))
    if change.transitions:
        yield from rendering.table(rows)
    else:
        yield "  no file differs"
    yield "Look at it with:"
    yield f"  git diff {base} {commit}" if change.base else f"  git show {commit}"


async def _plan(wanted: Wanted, change: clones.Change) -> list[str]:
    """What the documents say before and after; what is wrong with them where they cannot be read."""
    clone = clones.Clone(wanted.folder)
    try:
        new = reading.require_valid(await clone.files(change.commit), change.commit[:12])
        old = None
        if change.base:
            old = reading.require_valid(await clone.files(change.base), change.base[:12])
    except errors.InputError as error:
        return [f"There is no plan of it: {tables.harmless(str(error))}"]
    place = f"-C {shlex.quote(str(wanted.folder))} " if wanted.folder != Path() else ""
    settings = wanted.settings_path or "FILE"
    return [
        *rendering.text(plans.make(old, new)).rstrip().splitlines(),
        "To see who gains and loses how much, ask the daemon (--server URL from elsewhere):",
        f"  rosterd plan {place}--to {change.commit[:12]} --settings {settings}",
    ]


async def _key(wanted: Wanted) -> str:
    key = clones.absolute(wanted.key) or await clones.Clone(wanted.folder).setting(
        "user.signingkey"
    )
    if not key:
        raise errors.InputError(
            "cannot sign: name a key with --key, or set git's user.signingkey to an ssh key"
        )
    return key


async def _give(
    wanted: Wanted, change: clones.Change, claim: statements.Claim, key: str
) -> tuple[str, bool]:
    """(name of the statement's ref, whether it was pushed)."""
    clone = clones.Clone(wanted.folder)
    signed = statements.payload(claim)
    blob = statements.sealed(signed, await clone.sign(signed, key))
    refs = await clone.keep(blob, change.commit)
    push = not wanted.no_push and bool(await clone.remote_url(wanted.remote))
    if push:
        await clone.push(wanted.remote, refs)
    return refs[0], push


def _thank(ref: str, claim: statements.Claim, remote: str | None, *, as_json: bool) -> None:
    if as_json:
        said = json.loads(statements.payload(claim))
        told = {"ref": ref, "pushed": remote is not None, "statement": said}
        wording.print_json(told)
        return
    until = f"{claim.not_after:%Y-%m-%d %H:%M} UTC"
    if remote is None:
        click.echo(f"Your statement is in {ref} of this clone, and counts nothing before a push.")
    else:
        click.echo(f"Your statement is pushed to {remote} as {ref}. It counts until {until}.")

"""Commands about the config repository: begin one, trust one, vouch for a change, see a plan.

None of them asks the daemon. `approve` runs in a reviewer's own clone, with her own git and key.
"""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from rosterd import configs, errors, git, loading, plans, statements
from rosterd import settings as settings_module
from rosterd.cli import asking, beginnings
from rosterd.git import clones, mirrors
from rosterd.plans import rendering

_folder = click.Path(path_type=Path, file_okay=False)
_KEY_HELP = "Key to sign with: a key file, or a public key whose private half is in the ssh agent."


# ---------------------------------------------------------------- init


@click.command()
@click.argument("folder", metavar="DIR", type=_folder)
@click.option("--title", default="My school district", show_default=True, help="The district.")
@click.option("--timezone", default="UTC", show_default=True, help="Such as America/Chicago.")
@click.option("--branch", default="main", show_default=True)
@click.option("--key", default=None, help=_KEY_HELP)
def init(folder: Path, title: str, timezone: str, branch: str, key: str | None) -> None:
    """Make a config repository in DIR, with its first commit."""
    if folder.exists() and any(folder.iterdir()):
        raise errors.InputError(f"cannot make a repository in {folder}: it is not empty")
    files = beginnings.files(title, timezone)
    _require_valid(files, str(folder))
    signing_key = _absolute(key)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside and moved when it is whole: a key that cannot sign leaves nothing in the way.
    with tempfile.TemporaryDirectory(prefix=".rosterd-init-", dir=folder.parent) as beside:
        made = Path(beside) / folder.name
        commit = asyncio.run(_init(made, files, branch, signing_key))
        made.replace(folder)
    click.echo(f"Made {folder} with its first commit {commit}.")
    click.echo("Push it to where the daemon finds it, then pin it on the daemon's machine:")
    click.echo(f"  rosterd trust {commit}")


async def _init(folder: Path, files: Mapping[str, bytes], branch: str, key: str | None) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    clone = clones.Clone(folder)
    await clone.git("init", "--quiet", f"--initial-branch={branch}")
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    await clone.git("add", "--all")
    sign = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}"] if key else []
    # A person's own commit.gpgsign stays in force when no key is named.
    await clone.git(
        *(*sign, "commit", "--quiet", "--message", "Begin the config repository"),
        *(["--gpg-sign"] if key else []),
    )
    return await clone.resolve("HEAD")


def _absolute(key: str | None) -> str | None:
    """The key as git finds it from another folder; the text of a public key stays as it is."""
    if not key or key.startswith(("key::", "ssh-", "ecdsa-", "sk-")):
        return key
    return str(Path(key).expanduser().resolve())


# ---------------------------------------------------------------- trust


@click.command()
@click.argument("commit")
@asking.settings_option
def trust(commit: str, settings_path: Path) -> None:
    """Pin COMMIT as the first one that is accepted.

    That is on your word as administrator. Look at it first: everything it says is served. It counts until something was accepted; from
    then on each commit is judged by who vouches for it.
    """
    machine = asking.read_settings(settings_path)
    full, warnings = asyncio.run(_trusted(machine, commit))
    pin = machine.repository.trusted_root
    _write_whole(pin, f"{full}\n")
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"Pinned {full} in {pin}.")
    click.echo("The daemon serves it at its next look; `rosterd status` says so.")


async def _trusted(machine: settings_module.Settings, commit: str) -> tuple[str, tuple[str, ...]]:
    """(full id, warnings). Looked up in the repository itself, without touching the mirror: that
    belongs to the daemon's user.
    """
    with tempfile.TemporaryDirectory() as folder:
        mirror = git.Mirror(Path(folder) / "look.git", machine.repository)
        try:
            await mirror.fetch()
        except errors.TemporaryError as error:
            if not mirrors.is_id(commit):
                raise errors.TemporaryError(
                    f"cannot look {commit} up, and it is no full commit id: {error}"
                ) from error
            return commit, (f"the repository could not be asked, so nothing was checked: {error}",)
        full = await mirror.resolve(commit)
        if not await mirror.is_ancestor(full, mirrors.CANDIDATE):
            raise errors.InputError(
                f"cannot trust {full}: the branch {machine.repository.branch} does not have it"
            )
        tree = await mirror.tree(full)
        contents = await mirror.contents(entry.blob for entry in tree.values())
        files = {path: contents[entry.blob] for path, entry in tree.items()}
    _require_valid(files, full[:12])
    return full, ()


def _write_whole(path: Path, text: str) -> None:
    """The file is either the old one or the new one, whatever happens meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        with new.open("w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o644)  # the daemon is another user, and it is no secret
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise errors.InputError(f"cannot write {path}: {error.strerror}") from error


# ---------------------------------------------------------------- approve


@click.command()
@click.argument("commit")
@click.option("--key", default=None, help=f"{_KEY_HELP} Default: git's user.signingkey.")
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
        return change, name, _absolute(key) or await clone.setting("user.signingkey")

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
    claim = statements.Claim(
        repository=name,
        branch=branch,
        transitions=change.transitions,
        not_after=datetime.now(UTC).replace(microsecond=0) + timedelta(days=days),
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


# ---------------------------------------------------------------- plan


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", default=".")
@click.option("-C", "--clone", "folder", type=_folder, default=Path(), help="Where commits are.")
@asking.json_option
def plan(old: str, new: str, folder: Path, as_json: bool) -> None:
    """Show what changes from OLD to NEW.

    Each is a folder, or a commit of the clone; NEW is the current folder when left out. Without a roster the documents are compared, not what
    applications gain and lose.
    """
    before, after = (_read(name, folder) for name in (old, new))
    made = plans.make(_require_valid(before, old), _require_valid(after, new))
    if as_json:
        click.echo(json.dumps({"digest": made.digest, **plans.as_json(made)}, indent=2))
    else:
        click.echo(rendering.text(made), nl=False)


def _read(name: str, folder: Path) -> Mapping[str, bytes]:
    """The files of a folder or of a commit."""
    path = folder / name
    if not path.is_dir():
        return asyncio.run(clones.Clone(folder).files(name))
    files = {}
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path).as_posix()
        if file.suffix.lower() in {".yaml", ".yml"} and not relative.startswith("."):
            with contextlib.suppress(IsADirectoryError):
                files[relative] = file.read_bytes()
    return files


def _require_valid(files: Mapping[str, bytes], what: str) -> configs.Config:
    config, problems = configs.check(loading.load(files))
    if config is None:
        raise errors.InputError(f"the documents of {what} have problems", problems)
    return config

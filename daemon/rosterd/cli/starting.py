"""Beginning: a config repository, and the first commit of it that a daemon trusts.

Neither command asks the daemon: `trust` writes what the daemon looks for.
"""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from rosterd import errors, git
from rosterd import settings as settings_module
from rosterd.cli import asking, beginnings, reading
from rosterd.git import clones, mirrors

_folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=_folder)
@click.option("--title", default="My school district", show_default=True, help="The district.")
@click.option("--timezone", default="UTC", show_default=True, help="Such as America/Chicago.")
@click.option("--branch", default="main", show_default=True)
@click.option("--key", default=None, help=clones.KEY)
def init(folder: Path, title: str, timezone: str, branch: str, key: str | None) -> None:
    """Make a config repository in DIR, with its first commit."""
    if folder.exists() and any(folder.iterdir()):
        raise errors.InputError(f"cannot make a repository in {folder}: it is not empty")
    files = beginnings.files(title, timezone)
    reading.require_valid(files, str(folder))
    signing_key = clones.absolute(key)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside and moved when it is whole: a key that cannot sign leaves nothing in the way.
    with tempfile.TemporaryDirectory(prefix=".rosterd-init-", dir=folder.parent) as beside:
        made = Path(beside) / "made"
        commit = asyncio.run(_init(made, files, branch, signing_key))
        if folder.is_dir():  # an empty one, perhaps the one that its owner stands in
            for each in made.iterdir():
                each.replace(folder / each.name)
        else:
            made.replace(folder)
    click.echo(f"Made {folder} with its first commit {commit}.")
    click.echo("Push it to where the daemon finds it:")
    click.echo(f"  git -C {shlex.quote(str(folder))} remote add origin URL")
    click.echo(f"  git -C {shlex.quote(str(folder))} push -u origin {branch}")
    click.echo("Then pin it on the daemon's machine:")
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
    reading.require_valid(files, full[:12])
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

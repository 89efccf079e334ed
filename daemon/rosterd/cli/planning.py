"""`rosterd plan`: what changes between two folders or two commits."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import click

from rosterd import configs, errors, loading, plans
from rosterd.cli import asking
from rosterd.git import clones
from rosterd.plans import rendering

_folder = click.Path(path_type=Path, file_okay=False)


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
    made = plans.make(require_valid(before, old), require_valid(after, new))
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


def require_valid(files: Mapping[str, bytes], what: str) -> configs.Config:
    """The config that these files are; errors.InputError with every problem of theirs."""
    config, problems = configs.check(loading.load(files))
    if config is None:
        raise errors.InputError(f"the documents of {what} have problems", problems)
    return config

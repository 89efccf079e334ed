"""Commands that need nothing but files: `rosterd check` and `rosterd schema`.

They run on a laptop and in a pull request's checks, without the daemon, its settings or a secret,
and find what the daemon would find: it is the same code.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from rosterd import configs, documents, errors, loading
from rosterd.cli import asking, tables, wording

_WIDEST = 56  # a longer place pushes its own message to the right, not everybody's


@click.command()
@click.argument("target", metavar="[DIR|COMMIT]", default=".")
@click.option(
    "--repository",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take COMMIT from the git repository in DIR.",
)
@asking.json_option
def check(target: str, repository: Path | None, as_json: bool) -> None:
    """Check the documents of a folder or of a commit.

    Every problem is shown at once, with its place and with what would be right.

    Exit status: 0 when there is no error (warnings may remain), 1 when there is one.
    """
    loading.require_fast_parser()
    files, problems = _read(target, repository)
    loaded = loading.load(files)
    _, found = configs.check(loaded)
    everything = sorted({*problems, *found})
    wrong = sum(problem.severity == "error" for problem in everything)
    count = len(loaded.documents) + len(loaded.broken)
    if as_json:
        report = {
            "documents": count,
            "errors": wrong,
            "warnings": len(everything) - wrong,
            "problems": [problem.as_json() for problem in everything],
        }
        wording.print_json(report)
    else:
        _print(everything, wrong, count)
    sys.exit(1 if wrong else 0)


def _print(problems: Sequence[errors.Problem], wrong: int, documents_read: int) -> None:
    lines = [tables.harmless(str(each).removesuffix(each.message)) for each in problems]
    places = [line.removesuffix("warning: ") for line in lines]
    width = min(_WIDEST, max((len(place) for place in places), default=0))
    for problem, place in zip(problems, places, strict=True):
        style = "red" if problem.severity == "error" else "yellow"
        word = click.style(f"{problem.severity:<7}", fg=style)
        click.echo(f"{place:<{width}} {word}  {tables.harmless(problem.message)}")
    if problems:
        click.echo()
    warned = len(problems) - wrong
    said = [_counted(wrong, "error"), *([_counted(warned, "warning")] if warned else [])]
    click.echo(f"{_counted(documents_read, 'document')} checked: {', '.join(said)}.")


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- where documents come from


def _read(
    target: str, repository: Path | None
) -> tuple[Mapping[str, bytes], Sequence[errors.Problem]]:
    """(files, problems of reading): of a folder when there is one, else of a commit."""
    folder = Path(target)
    if repository is None and folder.is_dir():
        inside = folder.resolve()
        if inside.name in documents.FOLDERS and (inside.parent / "rosterd.yaml").is_file():
            raise click.UsageError(
                f"{target} is a part of the repository in {inside.parent}; check that, since"
                " documents are checked together"
            )
        return _folder(folder)
    return _commit(target, repository or Path()), ()


def _commit(name: str, folder: Path) -> Mapping[str, bytes]:
    from rosterd.git import clones

    clone = clones.Clone(folder)
    try:
        commit = asyncio.run(clone.resolve(name))
    except errors.RosterdError as error:
        raise click.UsageError(f"{name} is neither a folder nor a commit: {error}") from error
    return asyncio.run(clone.files(commit))


def _folder(folder: Path) -> tuple[Mapping[str, bytes], Sequence[errors.Problem]]:
    """YAML below the folder, hidden folders and links left alone."""
    files: dict[str, bytes] = {}
    problems = [
        errors.Problem(name, 0, 0, "this folder is a symbolic link; put the files here", "link")
        for name in documents.FOLDERS
        if (folder / name).is_symlink()
    ]
    for path in _yaml(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            message = "a document is a file of its own, never a symbolic link"
            problems.append(errors.Problem(name, 0, 0, message, "link"))
            continue
        if not path.is_file():  # a pipe would be waited for
            problems.append(errors.Problem(name, 0, 0, "a document is a regular file", "link"))
            continue
        try:
            with path.open("rb") as file:
                files[name] = file.read(loading.MAX_BYTES + 1)
        except OSError as error:
            message = f"cannot read this file: {error.strerror}"
            problems.append(errors.Problem(name, 0, 0, message, "unreadable"))
    return files, problems


def _yaml(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith((".yaml", ".yml")):
                yield Path(parent, name)


# ---------------------------------------------------------------- schemas


@click.command()
@click.argument("kind", metavar="[KIND]", required=False, type=click.Choice(list(documents.KINDS)))
@click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the schema of every kind into DIR.",
)
def schema(kind: str | None, directory: Path | None) -> None:
    """Show the JSON Schema of a KIND, or write all of them.

    KIND is Application, Permission, SftpTarget, Listing, RosterSource or Repository. Editors use the
    files of a --directory to complete fields and to mark mistakes.
    """
    if (kind is None) == (directory is None):
        raise click.UsageError("name either a KIND or a --directory")
    if directory is None:
        click.echo(documents.schema_text(str(kind)), nl=False)
        return
    directory.mkdir(parents=True, exist_ok=True)
    for each in documents.KINDS:
        file = directory / documents.schema_file(each)
        file.write_text(documents.schema_text(each), encoding="utf-8", newline="\n")
        click.echo(file)

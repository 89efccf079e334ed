"""Preparing a change of the repository: files in a clone, and the git commands that go on.

Nothing here asks the daemon or changes what is shared. The documents are written where the person
is at home, checked as the daemon will check them, and a reviewed commit makes them true.
"""

import codecs
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rosterd import configs, documents, drafting, editing, errors, loading
from rosterd.cli import asking, completing, reading, tables, wording

_repository_option = click.option(
    "--repository",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    metavar="DIR",
    help="Your clone of the config repository. Default: the current folder.",
)


@click.command()
@click.argument("listing", shell_complete=completing.listings)
@click.option("--name", default=None, help="What it is called here. Default: as the entry is.")
@_repository_option
@asking.json_option
def add(listing: str, name: str | None, folder: Path, as_json: bool) -> None:
    """Write the documents of an application from the catalogue's LISTING.

    It starts disabled, with the permission that its vendor recommends, or none. Read them, change
    them, then commit: the git commands are printed.
    """
    loaded = _loaded(folder)
    chosen = name or listing
    _require_readable(loaded, documents.path_of("Listing", listing), "permissions/")
    named = {each.name: each for each in _of(loaded, documents.Listing)}
    if listing not in named:
        hint = documents.nearest(listing, list(named))
        raise errors.InputError(f"cannot add {listing}: catalog/ has no such entry{hint}")
    texts = drafting.from_listing(named[listing], chosen)
    for path in texts:
        if os.path.lexists(folder / path):
            raise errors.InputError(
                f"cannot write {path}: it is there already; choose another --name"
            )
    taken = [each.name for each in _of(loaded, documents.Permission) if each.application == chosen]
    if taken:
        raise errors.InputError(f"cannot add {chosen}: the permission {taken[0]} is for it already")
    files = {path: text.encode() for path, text in texts.items()}
    wrong = _misread(files)
    if wrong:
        raise errors.InputError(f"cannot add {chosen}", wrong)
    _write(folder, files)
    _tell(folder, loaded, f"add-{chosen}", f"Add {chosen}", written=list(files), as_json=as_json)


@click.command("copy-permission")
@click.argument("source", metavar="FROM", shell_complete=completing.known_applications)
@click.argument("target", metavar="TO", shell_complete=completing.known_applications)
@_repository_option
@asking.json_option
def copy_permission(source: str, target: str, folder: Path, as_json: bool) -> None:
    """Give application TO the rules that application FROM has.

    Only the rules are copied, not the name or the last day. It is a copy: later changes of one do
    not change the other. Comments and order of the file stay.
    """
    loaded = _loaded(folder)
    papers = [documents.path_of("Application", each) for each in (source, target)]
    _require_readable(loaded, *papers, "permissions/")
    known = {each.name for each in _of(loaded, documents.Application)}
    for each in (source, target):
        if each not in known:
            hint = documents.nearest(each, sorted(known))
            raise errors.InputError(f"cannot copy: no application is called {each}{hint}")
    if source == target:
        raise errors.InputError(f"cannot copy the rules of {source} to itself")
    given = _permission_of(loaded, source)
    if given is None:
        raise errors.InputError(f"cannot copy: {source} has no permission")
    held = _permission_of(loaded, target)
    rules = _rules(given)
    if held is None:
        path = documents.path_of("Permission", target)
        content = editing.permission(target, given.path, _text(given)).encode()
    else:
        path = held.path
        old = _rules(held)
        changed = {name for name in editing.RULES if rules.get(name) != old.get(name)}
        if not changed:
            _tell_same(source, target, as_json=as_json)
            return
        text = editing.copied(_text(held), _text(given), editing.RULES, changed)
        mark = codecs.BOM_UTF8 if held.content.startswith(codecs.BOM_UTF8) else b""
        content = mark + text.encode()
    _require_copy({path: content}, given, held)
    _write(folder, {path: content})
    message = f"Give {target} the rules of {source}"
    _tell(folder, loaded, f"permission-{target}", message, written=[path], as_json=as_json)


@click.command()
@click.argument("name", shell_complete=completing.known_applications)
@_repository_option
@asking.json_option
def remove(name: str, folder: Path, as_json: bool) -> None:
    """Delete the documents of application NAME: its own, its permission and its targets.

    Its access ends when the commit is applied, at the next reconcile; what it holds already, it
    holds.
    """
    loaded = _loaded(folder)
    own = documents.path_of("Application", name)
    _require_readable(loaded, own, "permissions/", "sftp-targets/")
    papers = _papers(loaded, name)
    application = next(
        (each.document for each in papers if isinstance(each.document, documents.Application)), None
    )
    if application is None:
        known = sorted(each.name for each in _of(loaded, documents.Application))
        hint = documents.nearest(name, known)
        raise errors.InputError(f"cannot remove {name}: no application has that name{hint}")
    if application.protected:
        raise errors.InputError(
            f"cannot remove {name}: it is protected; commit `protected: false` first and have that"
            " applied, then remove it. `access: none` takes effect at once all the same"
        )
    for each in papers:
        try:
            (folder / each.path).unlink()
        except OSError as error:
            raise errors.InputError(f"cannot remove {each.path}: {error.strerror}") from error
    removed = [each.path for each in papers]
    _tell(folder, loaded, f"remove-{name}", f"Remove {name}", removed=removed, as_json=as_json)


# ---------------------------------------------------------------- what the clone holds


def _loaded(folder: Path) -> loading.Loaded:
    if not (folder / documents.REPOSITORY_FILE).is_file():
        raise errors.InputError(
            f"cannot find {documents.REPOSITORY_FILE} in {folder}: name your clone with"
            " --repository DIR"
        )
    return loading.load(reading.documents(".", folder))


def _require_readable(loaded: loading.Loaded, *places: str) -> None:
    """Every document at these paths or below these folders can be read.

    One that cannot might be the very one that is meant: a permission that is broken would be written
    over, or left behind.
    """
    broken = {path for path in loaded.broken if path.startswith(places)}
    if broken:
        raise errors.InputError(
            "cannot prepare a change beside documents that cannot be read; mend them first",
            [each for each in loaded.problems if each.path in broken],
        )


def _of(loaded: loading.Loaded, kind: type[Any]) -> list[Any]:
    return [each.document for each in loaded.documents if isinstance(each.document, kind)]


def _permission_of(loaded: loading.Loaded, application: str) -> loading.Located | None:
    for each in loaded.documents:
        document = each.document
        if isinstance(document, documents.Permission) and document.application == application:
            return each
    return None


def _papers(loaded: loading.Loaded, name: str) -> list[loading.Located]:
    """The documents about an application."""
    return [
        each
        for each in loaded.documents
        if (isinstance(each.document, documents.Application) and each.document.name == name)
        or (
            isinstance(each.document, documents.Permission | documents.SftpTarget)
            and each.document.application == name
        )
    ]


def _rules(located: loading.Located) -> dict[str, Any]:
    said = documents.plain(located.document)
    return {name: said[name] for name in editing.RULES if name in said}


def _text(located: loading.Located) -> str:
    return located.content.decode("utf-8-sig")


def _misread(files: Mapping[str, bytes]) -> tuple[errors.Problem, ...]:
    return loading.load(files).problems


def _require_copy(
    files: Mapping[str, bytes], given: loading.Located, held: loading.Located | None
) -> None:
    """The text says what was meant, and nothing else changed: or it is not written."""
    loaded = loading.load(files)
    if not loaded.documents:
        raise errors.InputError("cannot copy these rules by editing the text", loaded.problems)
    made = loaded.documents[0]
    same = _rules(made) == _rules(given)
    if held is not None:
        before, after = documents.plain(held.document), documents.plain(made.document)
        same = same and all(
            before.get(name) == after.get(name) for name in {*before, *after} - {*editing.RULES}
        )
    if not same:
        raise errors.InputError(
            "cannot copy these rules by editing the text: copy them by hand, then run"
            " `rosterd check`"
        )


# ---------------------------------------------------------------- telling


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        place = folder / path
        if place.is_symlink() or place.parent.is_symlink():
            raise errors.InputError(
                f"cannot write {path}: it is a symbolic link; put the file there"
            )
        try:
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
        except OSError as error:
            raise errors.InputError(f"cannot write {path}: {error.strerror}") from error


def _tell_same(source: str, target: str, *, as_json: bool) -> None:
    if as_json:
        wording.print_json({"written": [], "removed": [], "problems": [], "commands": []})
    else:
        click.echo(f"{target} has the rules of {source} already: there is nothing to write.")


def _tell(
    folder: Path,
    before: loading.Loaded,
    branch: str,
    message: str,
    *,
    as_json: bool,
    written: Sequence[str] = (),
    removed: Sequence[str] = (),
) -> None:
    """What was done, what is wrong by it, and how to go on. Exits 1 for new errors."""
    _, known = configs.check(before)
    _, found = configs.check(loading.load(reading.documents(".", folder), before))
    problems = [each for each in found if each not in known]
    paths = [*written, *removed]
    commands = [
        *([f"cd {shlex.quote(str(folder))}"] if folder != Path() else []),
        f"git switch -c {branch}",
        f"git add {' '.join(paths)}",
        f"git commit -S -m '{message}'",
        f"git push -u origin {branch}",
    ]
    wrong = [each for each in problems if each.severity == "error"]
    if as_json:
        wording.print_json(
            {
                "written": list(written),
                "removed": list(removed),
                "problems": [each.as_json() for each in problems],
                "commands": commands,
            }
        )
    else:
        for path in written:
            click.echo(f"wrote   {path}")
        for path in removed:
            click.echo(f"removed {path}")
        if removed:
            click.echo("\nAccess ends when the commit is applied, at the next reconcile.")
        else:
            click.echo("\nNothing is shared by this yet: read the files, then let a commit say so.")
        if wrong:
            click.echo("\nTo mend first:\n")
        for each in wrong:
            click.echo(f"    {tables.plain(str(each))}")
        click.echo("\nWhen it is as you want it:\n")
        click.echo("".join(f"    {command}\n" for command in commands), nl=False)
    if wrong:
        sys.exit(1)

"""Deliveries: what ran, running one by hand, testing a target, and the secrets targets name.

A secret's value comes from standard input alone: on a command line every user of the machine would
see it, and the shell would remember it.
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import click

from rosterd import errors
from rosterd.cli import asking, grouping, tables, wording

_MOST_BYTES = 60_000  # more than any key has, less than a request may have
_SCRATCH = ".rosterd-"
_FINE = frozenset({"delivered", "unchanged", "superseded"})


@click.group(cls=grouping.Group)
def export() -> None:
    """Look at deliveries over SFTP, or run one."""


@export.command("run")
@click.argument("target", required=False)
@click.option("--application", help="With --to: whose files.")
@click.option(
    "--template",
    default="oneroster-1.2",
    show_default=True,
    help="With --to: their form, oneroster-1.1 or the name of an ExportTemplate among others.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write files into this folder, new or empty, instead of delivering them.",
)
@asking.settings_option
@asking.json_option
def run_export(
    *,
    target: str | None,
    application: str | None,
    template: str,
    folder: Path | None,
    settings_path: Path,
    as_json: bool,
) -> None:
    """Deliver to TARGET now, beside its schedule; or write an application's files to a folder.

    The folder is for receivers that take no SFTP, such as Microsoft School Data Sync. It is on
    record who took the files, and whose records are in them. Exit status 1 when a delivery did not
    arrive.
    """
    if folder is not None and application is not None and target is None:
        _hand_out(settings_path, application, template, folder, as_json=as_json)
        return
    if target is None or folder is not None or application is not None:
        raise click.UsageError("name a TARGET, or --application NAME and --to DIR")
    answer = asking.call(
        settings_path, "POST", f"/v1/targets/{asking.segment(target)}/run", wait=3600.0
    )
    if as_json:
        wording.print_json(answer)
    else:
        tables.fields(
            [
                ("target", answer["target"]),
                ("state", _with_reason(answer)),
                ("mode", answer["mode"]),
                ("file", answer["file"] or "-"),
                ("bytes", f"{answer['bytes']:,}"),
                ("rows", f"{answer['rows']:,}"),
            ]
        )
    raise SystemExit(0 if answer["state"] in _FINE else 1)


def _hand_out(
    settings_path: Path, application: str, template: str, folder: Path, *, as_json: bool
) -> None:
    try:
        sizes, losses = _written(settings_path, application, template, folder)
    except OSError as error:
        raise errors.InputError(f"cannot write to {folder}: {error.strerror or error}") from error
    if as_json:
        found = {"application": application, "template": template, "files": sizes}
        wording.print_json({**found, "left_out": losses})
        return
    rows = [(name, f"{size:,}") for name, size in sizes.items()]
    tables.show(["file", "bytes"], rows, right=["bytes"], empty="there is nothing to write")
    for each in losses:
        click.echo(each)


def _written(
    settings_path: Path, application: str, template: str, folder: Path
) -> tuple[dict[str, int], list[str]]:
    """Sizes of the files by name, and what they leave out.

    Until all of them are whole they lie in a hidden folder, which goes whatever happens short of
    kill -9: half a package that is taken for a whole one would end accounts.
    """
    _empty(folder)
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
            package = Path(scratch) / "package"
            path = f"/v1/applications/{asking.segment(application)}/files"
            asking.fetch(settings_path, path, {"template": template}, package)
            found = _unpacked(package, Path(scratch))
            _empty(folder, besides=Path(scratch).name)  # all this took a while
            for name in found[0]:
                (Path(scratch) / name).rename(folder / name)
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return found


def _empty(folder: Path, *, besides: str = "") -> None:
    """Raises errors.InputError when there is anything else in the folder."""
    names = sorted(each.name for each in folder.iterdir()) if folder.exists() else []
    found = [name for name in names if name != besides]
    if not found:
        return
    problem = f"cannot write to {folder}: there is something in it already ({found[0]})"
    if found[0].startswith(_SCRATCH):
        problem += "; that is of a run which is underway, or was killed: then remove it"
    raise errors.InputError(problem)


def _unpacked(package: Path, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Sizes of the files by name, and what the archive says is not in them. They are their owner's
    alone, for they name pupils.
    """
    sizes = {}
    with zipfile.ZipFile(package) as archive:
        for member in archive.infolist():
            if Path(member.filename).name != member.filename:
                raise errors.InputError(f"cannot unpack {member.filename}: it names a folder")
            descriptor = os.open(
                folder / member.filename, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
            )
            with os.fdopen(descriptor, "wb") as out, archive.open(member) as packed:
                shutil.copyfileobj(packed, out)
            sizes[member.filename] = member.file_size
        remarks = archive.comment.decode(errors="replace")
    return sizes, remarks.split("; ") if remarks else []


@export.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="How many, the newest first.",
)
@asking.settings_option
@asking.json_option
def list_exports(limit: int, settings_path: Path, as_json: bool) -> None:
    """List deliveries, the newest first.

    Exit status 1 when a target's newest one did not arrive.
    """
    answer = asking.call(settings_path, "GET", f"/v1/exports?limit={limit}")
    if as_json:
        wording.print_json(answer)
    else:
        tables.show(
            [
                "target",
                "slot",
                "state",
                "attempt",
                "started",
                "mode",
                "file",
                "bytes",
                "rows",
                "problem",
            ],
            [
                (
                    each["target"],
                    each["slot"],
                    each["state"],
                    each["attempt"],
                    _time(each["started"]),
                    each["mode"],
                    each["file"],
                    each["bytes"],
                    each["rows"],
                    each["problem"],
                )
                for each in answer["exports"]
            ],
            right=["attempt", "bytes", "rows"],
            below=["slot", "file", "problem"],
            empty="nothing was delivered yet",
        )
    newest = {each["target"]: each["state"] for each in reversed(answer["exports"])}
    raise SystemExit(1 if {"failed", "refused"} & set(newest.values()) else 0)


@click.group(cls=grouping.Group)
def sftp() -> None:
    """Look at SFTP servers, vendors' and sources'."""


@sftp.command("test")
@click.argument("name", metavar="TARGET|SOURCE")
@click.option(
    "--source", "as_source", is_flag=True, help="Mean the source, where a target has that name too."
)
@asking.settings_option
@asking.json_option
def probe(name: str, *, as_source: bool, settings_path: Path, as_json: bool) -> None:
    """Sign in at TARGET, write a hidden file, remove it; or sign in at SOURCE, list its folder.

    That is what a delivery or a fetch would do, so it shows whether the next one can work.
    """
    kind = "sources" if as_source else "targets"
    answer = asking.call(settings_path, "POST", f"/v1/{kind}/{asking.segment(name)}/test")
    if as_json:
        wording.print_json(answer)
        return
    tables.fields(
        [
            ("name", answer["target"]),
            ("server", answer["server"]),
            ("host key", answer["host_key"]),
            ("worked", "\n".join(answer["steps"])),
        ]
    )


@click.group(cls=grouping.Group)
def secret() -> None:
    """Keep the passwords and keys that SFTP targets name."""


@secret.command("set")
@click.argument("name")
@asking.settings_option
def set_secret(name: str, settings_path: Path) -> None:
    """Keep the value of NAME, read from standard input.

    On a terminal it is asked for. It belongs to the one document that names it: rosterd secret set NAME < key
    """
    if sys.stdin.isatty():
        value = str(click.prompt(f"Value of {name}", hide_input=True))
    else:
        value = _read_all()
    answer = asking.call(
        settings_path, "PUT", f"/v1/secrets/{asking.segment(name)}", {"value": value}
    )
    click.echo(f"set {name} for {answer['document']}")


@secret.command("list")
@asking.settings_option
@asking.json_option
def list_secrets(settings_path: Path, as_json: bool) -> None:
    """List names of secrets, never values.

    Exit status 1 when one is not set that an enabled target names.
    """
    answer = asking.call(settings_path, "GET", "/v1/secrets")
    if as_json:
        wording.print_json(answer)
    else:
        tables.show(
            ["name", "document", "set", "note"],
            [
                (
                    each["name"],
                    each["document"],
                    _time(each["set"]),
                    _note(each),
                )
                for each in answer["secrets"]
            ],
            below=["note"],
            empty="no document names a secret",
        )
    raise SystemExit(
        1 if any(each["set"] is None and each["needed"] for each in answer["secrets"]) else 0
    )


def _note(secret: dict[str, Any]) -> str:
    if not secret["used"]:
        return "no document names it"
    return "" if secret["needed"] or secret["set"] else "its target is disabled"


def _read_all() -> str:
    try:
        return sys.stdin.buffer.read(_MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise errors.InputError("cannot use this secret: it is not UTF-8 text") from error


def _with_reason(answer: dict[str, Any]) -> str:
    reason = f"\n{answer['problem']}" if answer["problem"] else ""
    return f"{answer['state']}{reason}"


def _time(text: str | None) -> str:
    return "-" if text is None else text[:19].replace("T", " ") + "Z"

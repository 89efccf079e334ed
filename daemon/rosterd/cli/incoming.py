"""Commands about rosters on their way in: what is held, letting it go, what was received."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rosterd import errors
from rosterd.cli import asking, tables, wording
from rosterd.git import clones, running, signatures
from rosterd.importing import holding, releasing


@click.command("held")
@asking.settings_option
@asking.json_option
def list_held(settings_path: Path, as_json: bool) -> None:
    """List imports that change too much and wait for somebody.

    Exit status 1 when one waits.
    """
    answer = asking.call(settings_path, "GET", "/v1/held-imports")
    status = 1 if any(not each["released"] for each in answer["held"]) else 0
    if as_json:
        wording.print_json(answer)
        raise SystemExit(status)
    tables.show(
        ["source", "revision", "since", "what is too much", "let go by"],
        [
            (
                each["source"],
                each["revision"][: holding.SHOWN],
                wording.time(each["since"]),
                _excesses(each),
                each["released"],
            )
            for each in answer["held"]
        ],
        below=["what is too much"],
        empty="no import is held",
    )
    raise SystemExit(status)


@click.command("release")
@click.argument("revision")
@click.option("--reason", required=True, help="Why it may go; it is kept on record.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Your ssh key, or its public half when the ssh agent has it. Default: git's"
    " user.signingkey.",
)
@asking.settings_option
@asking.json_option
def release(
    revision: str, reason: str, key: Path | None, settings_path: Path, as_json: bool
) -> None:
    """Let go the held import REVISION, signed with your key.

    Your key has to be listed in the allowed_signers of the daemon's settings, for the namespace
    rosterd-release if its line names any.
    """
    held = _find(asking.call(settings_path, "GET", "/v1/held-imports")["held"], revision)
    click.echo(f"To let go: what {held['source']} brought, {_excesses(held)}.", err=as_json)
    signed = releasing.payload(held["source"], held["revision"], reason, datetime.now(UTC))
    signature = asyncio.run(_signed(signed, key))
    said = {"signed": signed.decode(), "signature": signature}
    answer = asking.call(settings_path, "POST", "/v1/held-imports/release", json=said)
    if as_json:
        wording.print_json(answer)
        return
    click.echo("It is released, and served as soon as the daemon has looked at it.")


_folder_option = click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder to write the zip into.",
)


@click.command("export-received")
@click.argument("number", type=click.IntRange(1))
@_folder_option
@asking.settings_option
def export_received(number: int, folder: Path, settings_path: Path) -> None:
    """Take out what import NUMBER received, as a zip; that is kept on record.

    It holds everything about everybody: keep it as you would keep the student system itself.
    """
    path = _taken(settings_path, number, "received", folder / f"import-{number}.zip")
    click.echo(f"Import {number} as it was received: {path}")


@click.command("export-processed")
@click.argument("number", type=click.IntRange(1))
@_folder_option
@asking.settings_option
def export_processed(number: int, folder: Path, settings_path: Path) -> None:
    """Take out what the roster held of a source after import NUMBER; that is kept on record.

    A zip of OneRoster CSV without the rows that had errors, and import.json with the counts of each
    file. It holds everything about everybody: keep it as you would keep the student system itself.
    """
    path = _taken(settings_path, number, "processed", folder / f"import-{number}-processed.zip")
    click.echo(f"What the roster held after import {number}: {path}")


def _taken(settings_path: Path, number: int, form: str, path: Path) -> Path:
    if path.exists():
        raise errors.InputError(f"cannot write {path}: it is there already")
    asking.fetch(settings_path, f"/v1/imports/{number}/{form}", None, path)
    return path


@click.command("import")
@click.argument("source")
@asking.settings_option
@asking.json_option
def import_now(source: str, settings_path: Path, as_json: bool) -> None:
    """Read SOURCE now instead of when it is due; that is kept on record.

    Blackouts, thresholds and holds apply as ever. Exit status 1 when nothing could be imported.
    """
    path = f"/v1/sources/{asking.segment(source)}/import"
    answer = asking.call(settings_path, "POST", path, wait=2 * 3600.0)
    if as_json:
        wording.print_json(answer)
    else:
        tables.fields(
            [
                ("import", answer["number"] or "as the one before"),
                ("source", answer["source"]),
                ("state", answer["state"]),
                *((name, answer[name]) for name in _COUNTS if answer["state"] == "imported"),
                *([("problem", answer["problem"])] if answer["problem"] else []),
            ]
        )
    raise SystemExit(0 if answer["state"] in {"imported", "unchanged"} else 1)


_COUNTS = ("added", "changed", "removed", "errors", "warnings")


def _find(held: list[dict[str, Any]], revision: str) -> dict[str, Any]:
    found = [each for each in held if each["revision"].startswith(revision)]
    if len(revision) < holding.SHOWN or len(found) != 1:
        raise errors.InputError(
            f"cannot find what is held as {revision}: `rosterd roster held` lists it"
        )
    return found[0]


def _excesses(held: dict[str, Any]) -> str:
    return ", ".join(str(holding.Excess(**each)) for each in held["excesses"])


async def _signed(payload: bytes, key: Path | None) -> str:
    named = str(key) if key is not None else None
    named = named or await clones.Clone(Path()).setting("user.signingkey")
    if not named:
        raise errors.InputError(
            "cannot sign: name a key with --key, or set git's user.signingkey to an ssh key"
        )
    path = Path(named).expanduser()
    return await signatures.sign(running.personal(), payload, path, releasing.NAMESPACE)

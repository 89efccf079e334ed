"""`rosterd plan`: what a change of the documents means, before anybody asks for it.

Documents alone say what may change; who gains and loses what needs a roster. It can be a delivery
on this machine, the one of this machine's daemon (running or not), or that of a daemon elsewhere,
asked with an operator's token.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from rosterd import configs, errors, generations, plans, previewing, storage, worlds
from rosterd import settings as settings_module
from rosterd.cli import asking, reading, waiting, wording
from rosterd.generations import building, calling
from rosterd.git import clones
from rosterd.plans import rendering
from rosterd.plans.rendering import markdown, sections

TOKEN: Final = "ROSTERD_TOKEN"  # noqa: S105 - the name of a variable, not what it holds
HOW: Final = (
    "There is no roster to compare on: who gains and loses what is not known. Name one with\n"
    "--roster PATH (a OneRoster CSV folder or zip), --settings FILE (this machine's daemon), or\n"
    "--server URL (a daemon elsewhere, with an operator's token)."
)
_DELIVERY_BYTES: Final = 8 * 2**30
_LONGEST_TOKEN: Final = 4_096
_folder = click.Path(path_type=Path, file_okay=False, exists=True)
_file = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Told:
    """A plan in the three forms, whoever made it."""

    text: str
    markdown: str
    values: Mapping[str, Any]


@click.command()
@click.option(
    "--from",
    "old",
    default=None,
    metavar="DIR|COMMIT",
    help="Default: the branch at origin, or what the daemon has accepted.",
)
@click.option("--to", "new", default=None, metavar="DIR|COMMIT", help="Default: the working tree.")
@click.option("-C", "--clone", "folder", type=_folder, default=Path(), help="Where commits are.")
@click.option(
    "--branch", default="main", show_default=True, help="The branch at origin to start from."
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, exists=True),
    default=None,
    help="A OneRoster CSV folder or zip to compare on.",
)
@click.option(
    "--settings",
    "settings_path",
    type=_file,
    default=None,
    help="Compare on the roster of this machine's daemon, running or not.",
)
@click.option(
    "--server",
    default=None,
    metavar="URL",
    help="Compare on the roster of the daemon with its console at URL.",
)
@click.option(
    "--token-file",
    type=_file,
    default=None,
    help=f"Where the operator's token stands, for --server. Default: the variable {TOKEN}.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
@asking.json_option
def plan(  # noqa: PLR0917 - click passes its options by name
    old: str | None,
    new: str | None,
    folder: Path,
    branch: str,
    roster: Path | None,
    settings_path: Path | None,
    server: str | None,
    token_file: Path | None,
    form: str,
    as_json: bool,
) -> None:
    """Show what a change of the documents means: warnings, what changes, who gains and loses what.

    Without a roster the documents are compared, not what applications see.
    """  # fmt: skip
    if sum(each is not None for each in (roster, settings_path, server)) > 1:
        raise click.UsageError("name one of --roster, --settings and --server")
    if token_file is not None and server is None:
        raise click.UsageError("--token-file goes with --server")
    if old is not None and (settings_path is not None or server is not None):
        raise click.UsageError("a daemon compares with what it has accepted: leave --from out")
    files = reading.documents(new or ".", folder)
    config = reading.require_valid(files, new or "the working tree")
    if server is not None:
        told = _asked(_ask_server(server, _token(token_file), files))
    elif settings_path is not None:
        told = _on_machine(settings_path, files, config)
    else:
        before = _before(old, folder, branch)
        told = _told(asyncio.run(_planned(before, config, roster)))
    _show(told, "json" if as_json else form)


def _show(told: Told, form: str) -> None:
    if form == "json":
        wording.print_json(told.values)
    elif form == "markdown":
        click.echo(told.markdown, nl=False)
    else:
        text = told.text.replace(rendering.NO_ROSTER, HOW)
        lines = text.splitlines()
        click.echo("\n".join(map(_painted, lines) if sys.stdout.isatty() else lines))


_COLOURS: Final = {"  ! ": "yellow", "  + ": "green", "  - ": "red"}


def _painted(line: str) -> str:
    if line in {"Warnings", "What applications gain and lose", *sections.SECTIONS}:
        return click.style(line, bold=True)
    colour = _COLOURS.get(line[:4])
    return click.style(line, fg=colour) if colour else line


def _told(made: plans.Plan) -> Told:
    values = {"digest": made.digest, **plans.as_json(made)}
    return Told(rendering.text(made), markdown.page(made), values)


# ---------------------------------------------------------------- documents


def _before(old: str | None, folder: Path, branch: str) -> configs.Config:
    """What the change starts from: what was named, or the branch as origin last showed it."""
    if old is not None:
        return reading.require_valid(reading.documents(old, folder), old)
    name = f"origin/{branch}"
    try:
        return reading.require_valid(asyncio.run(clones.Clone(folder).files(name)), name)
    except errors.InputError as error:
        if error.problems:
            raise
        raise errors.InputError(
            f"cannot tell what to start from: {error}; name a folder or a commit with --from"
        ) from error


# ---------------------------------------------------------------- a roster on this machine


async def _planned(
    before: configs.Config, after: configs.Config, roster: Path | None
) -> plans.Plan:
    if roster is None:
        return plans.make(before, after)
    with tempfile.TemporaryDirectory(prefix="rosterd-plan-") as folder:
        request = building.Request(
            number=1,
            folder=folder,
            former=None,
            source="roster",
            sources=("roster",),
            delivery=str(roster.resolve()),
            limit=_DELIVERY_BYTES,
            default_mode="bulk",
        )
        with waiting.shown(f"reading {roster.name}"):
            event = await calling.build(request)
        if event["event"] != "built":
            what = event.get("problem") or event.get("message") or "it cannot be imported"
            raise errors.InputError(
                f"cannot use the roster {roster}: {what}; `rosterd csv check` tells more"
            )
        built = Path(folder) / str(event["name"])
        if not generations.open_generation(built).roster.active["orgs"]:
            raise errors.InputError(f"cannot use the roster {roster}: there is no org in it")
        return await _over(built, before, after)


async def _over(path: Path, before: configs.Config, after: configs.Config) -> plans.Plan:
    generation = generations.open_generation(path)
    served = worlds.Worlds(
        worlds.World(config=before, generation=generation), lambda: datetime.now(UTC)
    )
    await served.turn_day()
    return await previewing.plan(served.current, after)


def _on_machine(path: Path, files: Mapping[str, bytes], config: configs.Config) -> Told:
    """Ask this machine's daemon; when it is down, look at what it left."""
    machine = asking.read_settings(path)
    try:
        return _asked(asking.call(path, "POST", "/v1/plan", {"documents": _texts(files)}))
    except errors.TemporaryError as error:
        if not machine.state_db.is_file():
            raise
        click.echo(f"{error}\nCompared with what it served last.", err=True)
    return _told(asyncio.run(_over_state(machine, config)))


async def _over_state(machine: settings_module.Settings, config: configs.Config) -> plans.Plan:
    """Of a copy: opening the database itself would leave files that the daemon may not write."""
    with tempfile.TemporaryDirectory(prefix="rosterd-plan-") as folder:
        copy = Path(folder) / "state.db"
        for suffix in ("", "-wal"):
            source = machine.state_db.with_name(machine.state_db.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        async with storage.open_sqlite(copy) as store:
            applied = await store.run(lambda kept: kept.applied())
            published = await store.run(lambda kept: kept.generation())
    if applied is None:
        raise errors.InputError("cannot compare: nothing was ever accepted on this machine")
    before = reading.require_valid(applied.documents, f"the accepted commit {applied.commit[:12]}")
    if published is None:
        return plans.make(before, config)
    return await _over(machine.generations / published.name, before, config)


# ---------------------------------------------------------------- a daemon


def _asked(answer: Mapping[str, Any]) -> Told:
    values = {
        "digest": answer["digest"],
        "commit": answer["commit"],
        "generation": answer["generation"],
        **answer["plan"],
    }
    return Told(answer["text"], answer["markdown"], values)


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: content.decode() for path, content in files.items() if _is_document(path)}


def _is_document(path: str) -> bool:
    return path.lower().endswith((".yaml", ".yml")) and not path.startswith(".")


def _token(path: Path | None) -> str:
    """The operator's token, from a file or the environment: command lines are seen by others."""
    if path is None:
        text = os.environ.get(TOKEN, "")
    else:
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise errors.InputError(f"cannot read the token in {path}") from error
    token = text.strip()
    if not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
        raise errors.InputError(
            f"cannot ask without an operator's token: put it into the variable {TOKEN},"
            " or name a file with --token-file"
        )
    return token


def _ask_server(server: str, token: str, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    url = urlsplit(server)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise errors.InputError(f"cannot use the server {server}: expected https://host[:port]")
    if url.scheme == "http" and not _loopback(url.hostname):
        raise errors.InputError(
            f"cannot send a token to {url.hostname} in the clear: use https, or an ssh tunnel to"
            " the console of that machine"
        )
    base = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}"
    return asking.call_server(base, "POST", "/v1/plan", token, {"documents": _texts(files)})


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

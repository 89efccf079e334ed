"""A whole installation in one folder: the daemon as it is, with everything around it on loopback.

Nothing is simulated inside: the same composition root runs, follows a real repository, imports real
CSV, and delivers over real SFTP. What it prints are things to try next.
"""

import asyncio
import contextlib
import json
import shlex
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rosterd import errors, running, samples, settings
from rosterd.demo import installation as installations
from rosterd.demo import receiving
from rosterd.demo.installation import Installation

USERS = 2000
SEED = 1
PATIENCE = 900.0
"""Seconds until the demo gives up waiting for its first import; a large roster takes its time."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; a port 0 takes a free one."""

    directory: Path
    roster: Path | None
    port: int
    console_port: int
    once: bool


async def run(wish: Wish, say: Say) -> None:
    """Run the demo until interrupted, or until it exported once.

    Raises errors.InputError when the folder or the roster cannot be used.
    """
    folder = wish.directory.resolve()
    say(f"Preparing {folder}")
    installation = await installations.prepare(
        folder, wish.port or _free_port(), wish.console_port or _free_port(), _free_port()
    )
    await asyncio.to_thread(_bring_roster, installation, wish.roster, say)
    machine = settings.load(
        installation.settings.read_text(encoding="utf-8"), str(installation.settings), folder
    )
    receiver = receiving.Receiver(
        address="127.0.0.1",
        port=installation.sftp_port,
        username=installations.SFTP_USER,
        password=installation.sftp_password,
        folder=installation.deliveries,
        host_key=installation.host_key,
    )
    stop = asyncio.Event()
    guided: list[asyncio.Task[None]] = []

    def ready(daemon: running.Daemon, _: running.Listening) -> None:
        guide = asyncio.create_task(_guide(installation, daemon, wish, stop, say), name="demo")
        guide.add_done_callback(lambda task: stop.set() if _failed(task) else None)
        guided.append(guide)

    with receiving.listening(receiver):
        try:
            await running.serve(machine, ready=ready, stop=stop)
        finally:
            for guide in guided:
                guide.cancel()
            await asyncio.gather(*guided, return_exceptions=True)
    for guide in guided:
        if _failed(guide):
            guide.result()


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


# ------------------------------------------------------------ the roster


def _bring_roster(installation: Installation, roster: Path | None, say: Say) -> None:
    """Put the delivery into the source folder: the given one, or an invented district."""
    folder = installation.roster
    if roster is not None:
        if not roster.exists():
            raise errors.InputError(f"cannot read the roster {roster}: there is no such file")
        say(f"Bringing the roster {roster}")
        _empty(folder)
        if roster.is_dir():
            files = [file for file in sorted(roster.iterdir()) if file.is_file()]
            for file in files:
                (folder / file.name).write_bytes(file.read_bytes())
        else:
            (folder / roster.name).with_suffix(".zip").write_bytes(roster.read_bytes())
        return
    if any(folder.iterdir()):
        return
    say(f"Inventing a district of {USERS:,} people")
    samples.write_district(
        lambda name: (folder / name).open("wb"),
        users=USERS,
        seed=SEED,
        school_year=_school_year(),
    )


def _school_year() -> int:
    """The year in which the present school year ends; it begins in July."""
    today = running.now().date()
    return today.year + (today.month >= 7)


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()


# ------------------------------------------------------------ the tour


async def _guide(
    installation: Installation, daemon: running.Daemon, wish: Wish, stop: asyncio.Event, say: Say
) -> None:
    """Wait until vendors are served, write demo.json, export once, and say what to try."""
    async with asyncio.timeout(PATIENCE):
        await _served(daemon, say)
    await daemon.exporting.set_secret(
        f"{installations.TARGET}-sftp-password", installation.sftp_password, "demo"
    )
    await _tell(installation, daemon)
    say("Exporting the application `everything` over SFTP")
    run = await daemon.exporting.run_now(installations.TARGET, "demo")
    if run.state != "delivered":
        raise errors.InputError(f"cannot finish the demo: the export {run.state}: {run.problem}")
    rows = sum((run.rows or {}).values())
    say(f"Delivered {run.name}: {rows:,} rows, {run.bytes:,} bytes")
    if wish.once:
        stop.set()
    else:
        say(_tour(installation))


async def _served(daemon: running.Daemon, say: Say) -> None:
    """Until the newest commit and what the source holds are served.

    A waiting change or a refused delivery of a former session does not keep the demo from serving
    what was served before.
    """
    status = await daemon.reconciling.reconcile()
    if daemon.served.current.config is None:
        raise errors.InputError(f"cannot start the demo: {status.message}", status.problems)
    if not status.current:
        say(f"The newest commit is not served: {status.message}")
    say("Importing the roster")
    imported = await daemon.importing.import_now(installations.SOURCE)
    if imported.state == "held":
        say(f"The delivery is not served: {imported.problem}")
    elif imported.state not in {"imported", "unchanged"}:
        raise errors.InputError(
            f"cannot import the roster: {imported.problem}", _problems(imported.report)
        )
    counts = daemon.desk.status()["served"]["counts"]
    say("Serving " + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count))


def _problems(report: Mapping[str, object] | None) -> list[errors.Problem]:
    listed = (report or {}).get("problems", [])
    return [errors.Problem(**problem) for problem in listed] if isinstance(listed, list) else []


async def _tell(installation: Installation, daemon: running.Daemon) -> None:
    """demo.json, for programs."""
    config = daemon.served.current.config
    applications = {}
    for name in sorted(config.applications) if config is not None else ():
        with contextlib.suppress(errors.InputError):  # one without REST has no key
            pairs = await daemon.keys.reveal(name, "demo")
            if pairs:
                applications[name] = {"key": pairs[-1].key, "secret": pairs[-1].secret}
    people = {
        person: {
            "name": name,
            "email": email,
            "signing_key": str(installation.key(person).resolve()),
        }
        for person, (name, email) in (
            ("author", installations.AUTHOR),
            ("reviewer", installations.REVIEWER),
        )
    }
    base = f"http://127.0.0.1:{installation.port}"
    told = {
        "api": base,
        "token_url": f"{base}/oauth2/token",
        "console": f"http://127.0.0.1:{installation.console_port}",
        "console_token": installation.console_token,
        "repository": str(installation.repository.resolve()),
        "branch": "main",
        "applications": applications,
        "people": people,
        "sftp": {
            "host": "127.0.0.1",
            "port": installation.sftp_port,
            "deliveries": str(installation.deliveries.resolve()),
        },
        "settings": str(installation.settings.resolve()),
    }
    installations.write_private(installation.told, json.dumps(told, indent=2) + "\n")


def _tour(installation: Installation) -> str:
    folder = shlex.quote(_short(installation.folder))
    rosterd = shlex.quote(_short(Path(sys.argv[0])) if sys.argv[0] else "rosterd")
    settings_option = f"--settings {folder}/rosterd.toml"
    base = f"http://127.0.0.1:{installation.port}"
    return f"""
rosterd serves. Try, in another terminal:

  The console, in a browser        http://127.0.0.1:{installation.console_port}
    sign in with the token         {installation.console_token}

  What each application sees       {rosterd} app list {settings_option}
  What is served, what waits       {rosterd} status {settings_option}
  A key and its secret             {rosterd} app credentials math-galaxy {settings_option}

  A page, as a vendor gets it
    TOKEN=$(curl -s -u KEY:SECRET -d grant_type=client_credentials {base}/oauth2/token \\
            | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
    curl -s -H "Authorization: Bearer $TOKEN" "{base}/ims/oneroster/rostering/v1p2/users?limit=2"

  A change, by two people: share with `nothing` what it never had
    sed -i 's/^access: none/access: full/' {folder}/work/permissions/nothing.yaml
    git -C {folder}/work commit -qam "Share with nothing" && git -C {folder}/work push -q
                                                         signed by the author: it waits
    {rosterd} approve HEAD -C {folder}/work --key {folder}/people/reviewer {settings_option}
                                                         and it is served within two seconds

  Files that were delivered        {folder}/deliveries
  Everything for programs          {folder}/demo.json

Ctrl-C stops; the next start continues from {folder}.
"""


def _short(path: Path) -> str:
    """The path as one would type it here."""
    path = path.resolve()
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)

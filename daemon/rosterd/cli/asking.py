"""Asking the running daemon through its control socket.

The socket's file permissions say who may ask; the answer is JSON. Commands that ask share one way
of failing: what the daemon refuses is told in its own words, and a daemon that is not there is
told with what to start.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import click

from rosterd import errors
from rosterd import settings as settings_module
from rosterd.cli import waiting

DEFAULT_SETTINGS = Path("/etc/rosterd/rosterd.toml")

settings_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_SETTINGS,
    show_default=True,
    help="The settings file the daemon runs with.",
)
json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines."
)


def clone_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what runs in somebody's own clone: where it is, and what the daemon calls it."""
    folder = click.Path(path_type=Path, file_okay=False, exists=True)
    file = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option(
            "--settings",
            "settings_path",
            type=file,
            default=None,
            help="The daemon's settings file, where you have it: for the id and the branch.",
        ),
        click.option(
            "--repository",
            default=None,
            help="The repository's id in the daemon's settings. Default: from --settings, else"
            " git's rosterd.repository, else the last part of the remote's URL without .git.",
        ),
        click.option("--branch", default="main", show_default=True, help="The daemon's branch."),
        click.option("--remote", default="origin", show_default=True, help="Where it is hosted."),
        click.option("-C", "--clone", "folder", type=folder, default=Path(), help="Your clone."),
    ):
        command = option(command)
    return command


def read_settings(path: Path) -> settings_module.Settings:
    """The settings at `path`; InputError says what is wrong with them."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        lost = isinstance(error, FileNotFoundError)
        remedy = "; name the daemon's with --settings FILE" if lost else ""
        raise errors.InputError(f"cannot read settings {path}: {reason}{remedy}") from error
    return settings_module.load(text, str(path), path.resolve().parent)


def segment(name: str) -> str:
    """A name as one segment of a path; InputError for what can be none."""
    if name in {"", ".", ".."}:
        raise errors.InputError(f"cannot ask about {name!r}: write a name")
    return quote(name, safe="")


def call(
    settings_path: Path,
    method: str,
    path: str,
    json: Any = None,
    *,
    wait: float = 600.0,
) -> dict[str, Any]:
    """What the daemon answers to one request; `wait` is the most seconds it may take."""
    socket = read_settings(settings_path).paths.control_socket
    with waiting.shown("asking the daemon"):
        return asyncio.run(_call(socket, method, path, json, wait))


def fetch(settings_path: Path, path: str, json: Any, to: Path) -> None:
    """Have the daemon answer a POST with a file, kept as `to`, which must not be there yet."""
    socket = read_settings(settings_path).paths.control_socket
    with waiting.shown("fetching"):
        asyncio.run(_fetch(socket, path, json, to))


async def _fetch(socket: Path, path: str, json: Any, to: Path) -> None:
    async with _reaching(socket, "POST", path, json, 3600.0) as response:
        if response.content_type == "application/json":
            _fine(await response.json(), response.status)
            raise errors.TemporaryError("cannot understand the daemon's answer: it is no file")
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            async for piece in response.content.iter_chunked(2**18):
                out.write(piece)


async def _call(socket: Path, method: str, path: str, json: Any, wait: float) -> dict[str, Any]:
    async with _reaching(socket, method, path, json, wait) as response:
        answer: dict[str, Any] = await response.json()
        return _fine(answer, response.status)


@contextlib.asynccontextmanager
async def _reaching(
    socket: Path, method: str, path: str, json: Any, wait: float
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The daemon's answer to one request; what goes wrong is told with what to do."""
    connector = aiohttp.UnixConnector(path=str(socket))
    timeout = aiohttp.ClientTimeout(total=wait)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, f"http://rosterd{path}", json=json) as response,
        ):
            yield response
    except TimeoutError as error:
        raise errors.TemporaryError(f"cannot wait longer than {wait:g} s for the daemon") from error
    except (aiohttp.ClientConnectorError, FileNotFoundError) as error:
        if isinstance(getattr(error, "os_error", error), PermissionError):
            raise errors.InputError(
                f"cannot ask the daemon at {socket}: only root and the user it runs as may"
            ) from error
        raise errors.TemporaryError(
            f"cannot reach the daemon at {socket}: is `rosterd serve` (or `rosterd demo`) running,"
            " and are these its settings?"
        ) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise errors.TemporaryError(f"cannot understand the daemon's answer: {error}") from error


def call_server(base: str, method: str, path: str, token: str, json: Any) -> dict[str, Any]:
    """What the daemon whose console is at `base` answers to an operator with `token`."""
    with waiting.shown("asking the daemon"):
        return asyncio.run(_call_server(base, method, path, token, json))


async def _call_server(base: str, method: str, path: str, token: str, json: Any) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=600.0)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            # a redirect could lead the token elsewhere
            session.request(method, f"{base}{path}", json=json, allow_redirects=False) as response,
        ):
            if response.status in range(300, 400):
                raise errors.InputError(f"cannot use {base}: it leads elsewhere; name that instead")
            answer: dict[str, Any] = await response.json()
    except (TimeoutError, aiohttp.ClientConnectorError) as error:
        reason = str(error) or "it does not answer"
        raise errors.TemporaryError(f"cannot reach {base}: {reason}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise errors.TemporaryError(f"cannot understand the answer of {base}") from error
    return _fine(answer, response.status)


def _fine(answer: dict[str, Any], status: int) -> dict[str, Any]:
    if status >= 400:
        problem = answer.get("error", f"status {status}")
        known = str(problem).startswith("cannot ")
        raise errors.InputError(str(problem) if known else f"cannot do that: {problem}")
    return answer

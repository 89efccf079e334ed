"""Asking the running daemon through its control socket.

The socket's file permissions say who may ask; the answer is JSON. Commands that ask share one way
of failing: what the daemon refuses is told in its own words, and a daemon that is not there is
told with what to start.
"""

import asyncio
import json as json_format
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import click

from rosterd import errors
from rosterd import settings as settings_module

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


def read_settings(path: Path) -> settings_module.Settings:
    """The settings at `path`; InputError says what is wrong with them."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.InputError(f"cannot read settings {path}: {reason}") from error
    return settings_module.load(text, str(path), path.resolve().parent)


def call(
    settings_path: Path,
    method: str,
    path: str,
    json: Any = None,
    *,
    wait: float = 600.0,
) -> dict[str, Any]:
    """What the daemon answers to one request; `wait` is the most seconds it may take."""
    return asyncio.run(
        _call(read_settings(settings_path).paths.control_socket, method, path, json, wait)
    )


async def _call(socket: Path, method: str, path: str, json: Any, wait: float) -> dict[str, Any]:
    connector = aiohttp.UnixConnector(path=str(socket))
    timeout = aiohttp.ClientTimeout(total=wait)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, f"http://rosterd{path}", json=json) as response,
        ):
            answer: dict[str, Any] = await response.json()
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
    if response.status >= 400:
        problem = answer.get("error", f"status {response.status}")
        known = str(problem).startswith("cannot ")
        raise errors.InputError(str(problem) if known else f"cannot do that: {problem}")
    return answer


def print_json(answer: object) -> None:
    """For machines: everything that the daemon said."""
    click.echo(json_format.dumps(answer, indent=2, ensure_ascii=False))


def short(commit: str | None) -> str:
    """A commit's id as people read it."""
    return commit[:12] if commit else "none"


def time(text: str | None) -> str:
    """2026-08-01T02:00:05.123+00:00 → 2026-08-01 02:00:05Z."""
    if not text:
        return "never"
    return text[:19].replace("T", " ") + "Z"

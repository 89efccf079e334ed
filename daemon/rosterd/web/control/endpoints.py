"""One row of the operators' JSON, and what its handlers read of a request."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

import orjson
from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web import operators

Answer = Callable[[desks.Desk, web.Request, str], Awaitable[object]]

LIMIT: Final = 50
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row: `role` is needed on the console, `console` says whether it is there."""

    method: str
    path: str
    answer: Answer
    role: operators.Role
    console: bool


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is a file and not JSON; it is closed once it is sent."""

    file: BinaryIO


def limit(request: web.Request) -> int:
    """Most entries that are asked for; errors.InputError when that is no number."""
    text = request.query.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise errors.InputError("limit has to be a whole number from 1 up")
    return min(int(text), _MOST)


async def body(request: web.Request) -> Mapping[str, object]:
    """The members of a JSON body, none when it is no object; errors.InputError when it is no JSON."""
    try:
        said = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    return said if isinstance(said, dict) else {}


async def reason(request: web.Request) -> str:
    """What the body says as its reason."""
    said = (await body(request)).get("reason")
    if not isinstance(said, str):
        raise errors.InputError('the body has to be {"reason": "…"}')
    return said


def moment(said: Mapping[str, object], name: str) -> datetime | None:
    """A time with its offset, None when nothing is said."""
    text = said.get(name)
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(str(text))
        if found.tzinfo is not None:
            return found
    raise errors.InputError(f"{name} has to be a time like 2026-09-01T12:00:00Z")

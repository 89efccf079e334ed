"""The operators' JSON, on the control socket and, for reading, on the console's listener.

One table says for each endpoint who may use it, and whether a browser's listener has it at all:
what changes something or shows a secret is asked for on the socket only, whose file permissions say
who that is. Reconciling is on both: it only looks sooner at what would be looked at anyway. Answers
are objects; what is refused says why under `error`.
"""

import asyncio
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, cast

import orjson
from aiohttp import web

from rosterd import errors
from rosterd.web import accesses
from rosterd.web import desk as desks
from rosterd.web.control import (
    applications,
    checks,
    endpoints,
    exports,
    letters,
    looking,
    records,
    rosters,
    standing,
)
from rosterd.web.oneroster import answers, serving

DESK: Final = web.AppKey("desk", cast("type[desks.Desk]", object))
WHO: Final = web.RequestKey("who", str)
"""Who asks, set before a handler runs."""
_PIECE: Final = 2**18
ENDPOINTS: Final = (
    *standing.ENDPOINTS,
    *applications.ENDPOINTS,
    *rosters.ENDPOINTS,
    *looking.ENDPOINTS,
    *checks.ENDPOINTS,
    *exports.ENDPOINTS,
    *letters.ENDPOINTS,
    *records.ENDPOINTS,
)


def application(desk: desks.Desk) -> web.Application:
    """The control socket's application."""
    app = web.Application(middlewares=[_by_socket], client_max_size=65_536)
    app[DESK] = desk
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, handler(endpoint))
    return app


def handler(
    endpoint: endpoints.Endpoint,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """One endpoint as a handler; `request[WHO]` is set by then."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            status, payload = 200, await endpoint.answer(request.app[DESK], request, request[WHO])
        except errors.InputError as error:
            status, payload = 400, {"error": str(error)}
        except errors.UnsafePlan as error:
            status, payload = 409, {"error": str(error)}
        except errors.TemporaryError as error:
            status, payload = 503, {"error": str(error)}
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - whoever asks gets an answer, the log the place
            serving.log_failure(error, endpoint.path)
            status, payload = 500, {"error": "the daemon failed; the fault is in its log"}
        accesses.operator(
            method=endpoint.method, path=endpoint.path, who=request[WHO], status=status
        )
        if isinstance(payload, endpoints.Download):
            return await _sent(request, payload)
        return json(status, payload)

    return answered


async def _sent(request: web.Request, download: endpoints.Download) -> web.StreamResponse:
    """A file, piece by piece."""
    response = web.StreamResponse(
        headers={"Content-Type": "application/zip", "Cache-Control": "no-store"}
    )
    with download.file as file:
        await response.prepare(request)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await response.write(piece)
    await response.write_eof()
    return response


def json(status: int, payload: object) -> web.Response:
    """An answer that nothing on its way may keep."""
    return web.Response(
        status=status,
        body=orjson.dumps(payload, default=_as_json),
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Server": answers.SERVER,
        },
    )


@web.middleware
async def _by_socket(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        request[WHO] = _peer(request)
        return await handler(request)
    except web.HTTPException as error:
        return json(error.status, {"error": error.reason})


def _peer(request: web.Request) -> str:
    """Who is at the other end of the unix socket, as the kernel says it; web.HTTPForbidden when it
    says nothing.
    """
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None or connection.family != socket.AF_UNIX:
        raise web.HTTPForbidden(reason="nobody can be put on record for this")
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError as error:  # it was hung up meanwhile
        raise web.HTTPForbidden(reason="nobody can be put on record for this") from error
    _, uid, _ = struct.unpack("3i", packed)
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")

"""The operators' JSON, on the control socket and, for reading, on the console's listener.

One table says for each endpoint who may use it, and whether a browser's listener has it at all:
what changes something or shows a secret is asked for on the socket only, whose file permissions say
who that is. Reconciling is on both: it only looks sooner at what would be looked at anyway. Answers are objects; what is refused says why under `error`.
"""

import asyncio
import contextlib
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import orjson
from aiohttp import web

from rosterd import credentials, errors
from rosterd.web import accesses, operators
from rosterd.web import desk as desks
from rosterd.web.oneroster import answers, serving

Answer = Callable[[desks.Desk, web.Request, str], Awaitable[object]]
DESK: Final = web.AppKey("desk", cast("type[desks.Desk]", object))
WHO: Final = web.RequestKey("who", str)
"""Who asks, set before a handler runs."""
LIMIT: Final = 50
PLAN_BYTES: Final = 32 * 2**20
"""Most bytes of a body with all documents of a repository."""
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row: `role` is needed on the console, `console` says whether it is there."""

    method: str
    path: str
    answer: Answer
    role: operators.Role
    console: bool


async def _status(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {**desk.status(), "audit": await desk.head()}


async def _applications(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"applications": list(await desk.applications())}


async def _application(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    for application in await desk.applications():
        if application["name"] == name:
            return application
    raise web.HTTPNotFound(reason="there is no such application")


async def _credentials(desk: desks.Desk, request: web.Request, who: str) -> object:
    pairs = await desk.reveal(request.match_info["name"], who)
    return {
        "application": request.match_info["name"],
        "credentials": [_shown(pair) for pair in pairs],
    }


async def _reconcile(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {**await desk.reconcile(), "audit": await desk.head()}


async def _records(desk: desks.Desk, request: web.Request, who: str) -> object:
    text = request.query.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise errors.InputError("after has to be the number of a record, or 0")
    records = await desk.records(int(text), _limit(request))
    return {"records": list(records), "audit": await desk.head()}


async def _review(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.review(request.query.get("range", ""))


async def _rewrite(desk: desks.Desk, request: web.Request, who: str) -> object:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    said = body if isinstance(body, dict) else {}
    former, newest, reason = (str(said.get(name) or "") for name in ("from", "to", "reason"))
    if len(former) < 7 or len(newest) < 7 or not reason.strip():
        raise errors.InputError(
            'the body has to be {"from": "…", "to": "…", "reason": "…"}, with at least seven digits'
            " of each commit's id"
        )
    return await desk.accept_rewrite(former, newest, reason, who)


async def _block(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    await desk.block(name, await _said_reason(request), who)
    return {"application": name, "blocked": True}


async def _unblock(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    await desk.unblock(name, await _said_reason(request), who)
    return {"application": name, "blocked": False}


async def _seen(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.seen(request.match_info["name"], _moment(request.query, "at"))


async def _person(desk: desks.Desk, request: web.Request, who: str) -> object:
    """The id comes in the body: what is in a path ends in logs."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    said = body if isinstance(body, dict) else {}
    sourced_id = said.get("id")
    if not isinstance(sourced_id, str) or not sourced_id:
        raise errors.InputError('the body has to be {"id": "…"}, with since and until if you like')
    since, until = _moment(said, "since"), _moment(said, "until")
    return await desk.person(sourced_id, who, since=since, until=until)


def _moment(said: Mapping[str, object], name: str) -> datetime | None:
    text = said.get(name)
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is not None:
            return moment
    raise errors.InputError(f"{name} has to be a time like 2026-09-01T12:00:00Z")


async def _said_reason(request: web.Request) -> str:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    reason = body.get("reason") if isinstance(body, dict) else None
    if not isinstance(reason, str):
        raise errors.InputError('the body has to be {"reason": "…"}')
    return reason


async def _run(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.run_export(request.match_info["name"], who)


async def _test(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.test_target(request.match_info["name"], who)


async def _secrets(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"secrets": list(await desk.secrets())}


async def _set_secret(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    value = body.get("value") if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise errors.InputError('the body has to be {"value": "…"}')
    return {"name": name, "document": await desk.set_secret(name, value, who)}


async def _plan(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.plan(await _documents(request), who)


async def _imports(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"imports": list(await desk.imports(_limit(request)))}


async def _exports(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"exports": list(await desk.exports(_limit(request)))}


ENDPOINTS: Final = (
    Endpoint("GET", "/v1/status", _status, "viewer", console=True),
    Endpoint("GET", "/v1/applications", _applications, "viewer", console=True),
    Endpoint("GET", "/v1/applications/{name}", _application, "viewer", console=True),
    Endpoint("GET", "/v1/imports", _imports, "viewer", console=True),
    Endpoint("GET", "/v1/exports", _exports, "viewer", console=True),
    # It counts what conditions pick, so it answers guesses about people: operators only.
    Endpoint("POST", "/v1/plan", _plan, "operator", console=True),
    Endpoint("POST", "/v1/reconcile", _reconcile, "operator", console=True),
    Endpoint("POST", "/v1/rewrite", _rewrite, "operator", console=False),
    Endpoint("GET", "/v1/review", _review, "viewer", console=False),
    Endpoint("POST", "/v1/targets/{name}/run", _run, "operator", console=False),
    Endpoint("POST", "/v1/targets/{name}/test", _test, "operator", console=False),
    Endpoint("GET", "/v1/records", _records, "operator", console=False),
    Endpoint("POST", "/v1/applications/{name}/block", _block, "operator", console=False),
    Endpoint("POST", "/v1/applications/{name}/unblock", _unblock, "operator", console=False),
    Endpoint("GET", "/v1/applications/{name}/seen", _seen, "operator", console=False),
    Endpoint("POST", "/v1/person", _person, "operator", console=False),
    Endpoint("GET", "/v1/secrets", _secrets, "operator", console=False),
    Endpoint("PUT", "/v1/secrets/{name}", _set_secret, "operator", console=False),
    Endpoint(
        "POST", "/v1/applications/{name}/credentials", _credentials, "operator", console=False
    ),
)


def application(desk: desks.Desk) -> web.Application:
    """The control socket's application."""
    app = web.Application(middlewares=[_by_socket], client_max_size=65_536)
    app[DESK] = desk
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, handler(endpoint))
    return app


def handler(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
    """One endpoint as a handler; `request[WHO]` is set by then."""

    async def answered(request: web.Request) -> web.Response:
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
        return json(status, payload)

    return answered


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
    request[WHO] = _peer(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        return json(error.status, {"error": error.reason})


def _peer(request: web.Request) -> str:
    """Who is at the other end of the unix socket, as the kernel says it."""
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None or connection.family != socket.AF_UNIX:
        return "unknown"
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


async def _documents(request: web.Request) -> dict[str, bytes]:
    """Path → content of a body {"documents": {path: text}}, read up to a limit of its own."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > PLAN_BYTES:
            raise web.HTTPRequestEntityTooLarge(
                max_size=PLAN_BYTES, actual_size=size, reason="the documents are too many bytes"
            )
        parts.append(part)
    try:
        body = await asyncio.to_thread(orjson.loads, b"".join(parts))
    except orjson.JSONDecodeError as error:
        raise errors.InputError("the body has to be JSON") from error
    files = body.get("documents") if isinstance(body, dict) else None
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise errors.InputError('the body has to be {"documents": {path: text, …}}')
    return {path: text.encode() for path, text in files.items()}


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise errors.InputError("limit has to be a whole number from 1 up")
    return min(int(text), _MOST)


def _shown(pair: credentials.Pair) -> dict[str, object]:
    return {
        "key": pair.key,
        "secret": pair.secret,
        "generation": pair.generation,
        "created": pair.created,
        "retires": pair.retires,
    }


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")

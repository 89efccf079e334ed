"""The daemon, and the way of a commit."""

import asyncio
from typing import Final

import orjson
from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints

PLAN_BYTES: Final = 32 * 2**20
"""Most bytes of a body with all documents of a repository."""


async def _status(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {**desk.status(), "audit": await desk.head()}


async def _plan(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.plan(await _documents(request), who)


async def _reconcile(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {**await desk.reconcile(), "audit": await desk.head()}


async def _rewrite(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    former, newest, reason = (str(said.get(name) or "") for name in ("from", "to", "reason"))
    if len(former) < 7 or len(newest) < 7 or not reason.strip():
        raise errors.InputError(
            'the body has to be {"from": "…", "to": "…", "reason": "…"}, with at least seven digits'
            " of each commit's id"
        )
    return await desk.accept_rewrite(former, newest, reason, who)


async def _review(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.review(request.query.get("range", ""))


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


ENDPOINTS: Final = (
    endpoints.Endpoint("GET", "/v1/status", _status, "viewer", console=True),
    # It counts what conditions pick, so it answers guesses about people: operators only.
    endpoints.Endpoint("POST", "/v1/plan", _plan, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/reconcile", _reconcile, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/rewrite", _rewrite, "operator", console=False),
    endpoints.Endpoint("GET", "/v1/review", _review, "viewer", console=False),
)

"""Single records, and what selections pick.

What is sought comes in the body: what is in a path or behind a question mark ends in logs. All of it
takes the role operator, since it names people, or counts what a condition picks and so answers
guesses about them.
"""

from typing import Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints

_MOST: Final = 1_000
_FAR: Final = 10**9


async def _select(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    if "selection" not in said:
        raise errors.InputError('the body has to be {"collection": "…", "selection": …}')
    return await desk.select(_text(said, "collection"), said["selection"], who)


async def _find(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    return await desk.find(_text(said, "text"), _text(said, "application", "") or None, who)


async def _explain(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    name, collection = _text(said, "application"), _text(said, "collection")
    return await desk.explain(name, collection, _text(said, "id"), who)


async def _browse(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    sort = _text(said, "sort", "")
    return await desk.browse(
        request.match_info["collection"],
        who,
        search=_text(said, "search", ""),
        status=_text(said, "status", "active"),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        offset=_number(said, "offset", 0, _FAR),
        limit=max(1, _number(said, "limit", endpoints.LIMIT, _MOST)),
    )


async def _preview(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.preview(_text(await endpoints.body(request), "permission"), who)


def _text(said: object, name: str, default: str | None = None) -> str:
    value = said.get(name, default) if isinstance(said, dict) else default
    if not isinstance(value, str):
        raise errors.InputError(f'the body has to have "{name}", a text')
    return value


def _number(said: object, name: str, default: int, most: int) -> int:
    value = said.get(name, default) if isinstance(said, dict) else default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise errors.InputError(f'"{name}" has to be a whole number from 0 to {most:,}')
    return value


ENDPOINTS: Final = (
    endpoints.Endpoint("POST", "/v1/select", _select, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/find", _find, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/explain", _explain, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/roster/{collection}", _browse, "operator", console=True),
    endpoints.Endpoint("POST", "/v1/preview", _preview, "operator", console=True),
)

"""What comes in."""

from typing import Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _imports(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"imports": list(await desk.imports(endpoints.limit(request)))}


async def _held(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"held": list(await desk.held_imports())}


async def _release(desk: desks.Desk, request: web.Request, who: str) -> object:
    body = await endpoints.body(request)
    signed, signature = body.get("signed"), body.get("signature")
    if not isinstance(signed, str) or not isinstance(signature, str):
        raise errors.InputError('the body has to be {"signed": "…", "signature": "…"}')
    return await desk.release_import(signed, signature, who)


async def _received(desk: desks.Desk, request: web.Request, who: str) -> object:
    return endpoints.Download(await desk.take_received(_number(request), who))


async def _processed(desk: desks.Desk, request: web.Request, who: str) -> object:
    return endpoints.Download(await desk.take_processed(_number(request), who))


async def _import(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.import_now(request.match_info["name"], who)


def _number(request: web.Request) -> int:
    number = request.match_info["number"]
    if not (number.isascii() and number.isdigit() and len(number) < 16):
        raise errors.InputError("an import has a whole number; `rosterd roster imports` lists it")
    return int(number)


ENDPOINTS: Final = (
    endpoints.Endpoint("GET", "/v1/imports", _imports, "viewer", console=True),
    endpoints.Endpoint("GET", "/v1/held-imports", _held, "viewer", console=True),
    endpoints.Endpoint("POST", "/v1/held-imports/release", _release, "operator", console=False),
    endpoints.Endpoint(
        "POST", "/v1/imports/{number}/received", _received, "operator", console=False
    ),
    endpoints.Endpoint(
        "POST", "/v1/imports/{number}/processed", _processed, "operator", console=False
    ),
    endpoints.Endpoint("POST", "/v1/sources/{name}/import", _import, "operator", console=False),
)

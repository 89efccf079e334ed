"""What goes out, and the secrets that it takes."""

from typing import Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _exports(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"exports": list(await desk.exports(endpoints.limit(request)))}


async def _run(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.run_export(request.match_info["name"], who)


async def _hand_out(desk: desks.Desk, request: web.Request, who: str) -> object:
    form = (await endpoints.body(request)).get("template")
    if not isinstance(form, str):
        raise errors.InputError('the body has to be {"template": "…"}')
    return endpoints.Download(await desk.hand_out(request.match_info["name"], form, who))


async def _test(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.test_target(request.match_info["name"], who)


async def _test_source(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.test_source(request.match_info["name"], who)


async def _secrets(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"secrets": list(await desk.secrets())}


async def _set_secret(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    value = (await endpoints.body(request)).get("value")
    if not isinstance(value, str):
        raise errors.InputError('the body has to be {"value": "…"}')
    return {"name": name, "document": await desk.set_secret(name, value, who)}


ENDPOINTS: Final = (
    endpoints.Endpoint("GET", "/v1/exports", _exports, "viewer", console=True),
    endpoints.Endpoint("POST", "/v1/targets/{name}/run", _run, "operator", console=False),
    endpoints.Endpoint(
        "POST", "/v1/applications/{name}/files", _hand_out, "operator", console=False
    ),
    endpoints.Endpoint("POST", "/v1/targets/{name}/test", _test, "operator", console=False),
    endpoints.Endpoint("POST", "/v1/sources/{name}/test", _test_source, "operator", console=False),
    endpoints.Endpoint("GET", "/v1/secrets", _secrets, "operator", console=False),
    endpoints.Endpoint("PUT", "/v1/secrets/{name}", _set_secret, "operator", console=False),
)

"""The applications, their stops and their credentials."""

from typing import Final

from aiohttp import web

from rosterd import credentials
from rosterd.web import desk as desks
from rosterd.web.control import endpoints

_LOOKED_THROUGH: Final = 5_000
_USES: Final = 20
"""Hours of use that are told of one application, the newest first."""


async def _applications(desk: desks.Desk, request: web.Request, who: str) -> object:
    last: dict[str, dict[str, object]] = {}
    for use in await desk.accesses(_LOOKED_THROUGH, None):  # the newest first
        kind = {"time": use["time"], "status": use["status"]}
        last.setdefault(use["application"], {}).setdefault(use["kind"], kind)
    return {
        "applications": [
            {**each, "last": last.get(each["name"], {})} for each in await desk.applications()
        ]
    }


async def _application(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    status = desk.status()
    for application in await desk.applications():
        if application["name"] == name:
            return {
                **application,
                **await desk.dossier(name),
                "uses": list(await desk.accesses(_USES, name)),
                "endings": [each for each in status["endings"] if each["application"] == name],
                "holds": [
                    each for each in status["guards"]["holds"] if each["application"] == name
                ],
                "blocks": [
                    each for each in status["guards"]["blocks"] if each["application"] == name
                ],
            }
    raise web.HTTPNotFound(reason="no application has that name; `rosterd app list` lists them")


async def _catalog(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"listings": list(await desk.catalog())}


async def _block(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    await desk.block(name, await endpoints.reason(request), who)
    return {"application": name, "blocked": True}


async def _unblock(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    await desk.unblock(name, await endpoints.reason(request), who)
    return {"application": name, "blocked": False}


async def _seen(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.seen(request.match_info["name"], endpoints.moment(request.query, "at"))


async def _credentials(desk: desks.Desk, request: web.Request, who: str) -> object:
    pairs = await desk.reveal(request.match_info["name"], who)
    return {
        "application": request.match_info["name"],
        "credentials": [_shown(pair) for pair in pairs],
    }


def _shown(pair: credentials.Pair) -> dict[str, object]:
    return {
        "key": pair.key,
        "secret": pair.secret,
        "generation": pair.generation,
        "created": pair.created,
        "retires": pair.retires,
    }


ENDPOINTS: Final = (
    endpoints.Endpoint("GET", "/v1/catalog", _catalog, "viewer", console=True),
    endpoints.Endpoint("GET", "/v1/applications", _applications, "viewer", console=True),
    endpoints.Endpoint("GET", "/v1/applications/{name}", _application, "viewer", console=True),
    endpoints.Endpoint("POST", "/v1/applications/{name}/block", _block, "operator", console=False),
    endpoints.Endpoint(
        "POST", "/v1/applications/{name}/unblock", _unblock, "operator", console=False
    ),
    endpoints.Endpoint("GET", "/v1/applications/{name}/seen", _seen, "operator", console=False),
    endpoints.Endpoint(
        "POST", "/v1/applications/{name}/credentials", _credentials, "operator", console=False
    ),
)

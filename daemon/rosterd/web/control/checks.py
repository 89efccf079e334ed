"""Sanity checks. They name people of a roster, so they are for operators at the machine."""

from typing import Final

from aiohttp import web

from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _sanity(desk: desks.Desk, request: web.Request, who: str) -> object:
    return await desk.sanity(request.match_info["name"], who, samples=True)


async def _history(desk: desks.Desk, request: web.Request, who: str) -> object:
    name = request.match_info["name"]
    runs = await desk.sanity_runs(name, endpoints.limit(request))
    return {"application": name, "runs": list(runs)}


_PATH: Final = "/v1/applications/{name}/sanity"
ENDPOINTS: Final = (
    endpoints.Endpoint("GET", _PATH, _sanity, "operator", console=False),
    endpoints.Endpoint("GET", f"{_PATH}/history", _history, "operator", console=False),
)

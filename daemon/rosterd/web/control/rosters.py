"""What comes in."""

from typing import Final

from aiohttp import web

from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _imports(desk: desks.Desk, request: web.Request, who: str) -> object:
    return {"imports": list(await desk.imports(endpoints.limit(request)))}


ENDPOINTS: Final = (endpoints.Endpoint("GET", "/v1/imports", _imports, "viewer", console=True),)

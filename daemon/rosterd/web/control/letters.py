"""Letters to the developers of an application."""

from typing import Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _write(desk: desks.Desk, request: web.Request, who: str) -> object:
    said = await endpoints.body(request)
    template, to, preview = said.get("template"), said.get("to"), said.get("preview", False)
    if (
        not isinstance(template, str)
        or not isinstance(to, str | None)
        or preview not in (True, False)
    ):
        raise errors.InputError('the body has to be {"template": "…", "to": "…", "preview": false}')
    return await desk.write(request.match_info["name"], template, to, who, preview=preview is True)


ENDPOINTS: Final = (
    endpoints.Endpoint("POST", "/v1/applications/{name}/email", _write, "operator", console=False),
)

"""What is on record."""

from typing import Final

from aiohttp import web

from rosterd import errors
from rosterd.web import desk as desks
from rosterd.web.control import endpoints


async def _records(desk: desks.Desk, request: web.Request, who: str) -> object:
    text = request.query.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise errors.InputError("after has to be the number of a record, or 0")
    records = await desk.records(int(text), endpoints.limit(request))
    return {"records": list(records), "audit": await desk.head()}


async def _person(desk: desks.Desk, request: web.Request, who: str) -> object:
    """The id comes in the body: what is in a path ends in logs."""
    said = await endpoints.body(request)
    sourced_id = said.get("id")
    if not isinstance(sourced_id, str) or not sourced_id:
        raise errors.InputError('the body has to be {"id": "…"}, with since and until if you like')
    since, until = endpoints.moment(said, "since"), endpoints.moment(said, "until")
    return await desk.person(sourced_id, who, since=since, until=until)


ENDPOINTS: Final = (
    endpoints.Endpoint("GET", "/v1/records", _records, "operator", console=False),
    endpoints.Endpoint("POST", "/v1/person", _person, "operator", console=False),
)

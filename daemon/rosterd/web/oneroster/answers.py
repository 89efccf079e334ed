"""Bodies and headers of what is served.

Absolute URLs come from the configured public URL and from nothing that a request says: a Host
header, or one that a proxy adds, would let a caller choose where a vendor's client goes next.
"""

import re
import urllib.parse
from typing import Final, NamedTuple

import orjson

from rosterd.oneroster import model, rendering
from rosterd.web import problems
from rosterd.web.oneroster import parameters, routes

SERVER: Final = "rosterd"

# What a reader of Link would stumble over: clients split at commas, RFC 8288 puts the target between
# angle brackets, and some languages refuse a URL for what none may hold. aiohttp lets all of these
# through as they came.
_ESCAPED: Final = {ord(each): f"%{ord(each):02X}" for each in ",<>\"\\;'{}|^`[]"}


# Inside a text a quote never stands without a backslash, so this finds members and nothing else.
_FLAGS: Final = re.compile(
    rb'("(?:%b)":)"(true|false)"'
    % "|".join(
        field.name
        for collection in model.COLLECTIONS.values()
        for field in collection.members("1.1")
        if field.kind is model.Kind.FLAG
    ).encode()
)


class Page(NamedTuple):
    """A body and the headers that go with it."""

    body: bytes
    headers: dict[str, str]
    rows: int
    status: int = 200


def unchanged(revision: str, tag: str) -> Page:
    """The answer to who holds already what they ask for."""
    return Page(b"", _headers(revision, tag), 0, 304)


def _headers(revision: str, tag: str) -> dict[str, str]:
    return {
        "x-perm-rev": revision,
        "ETag": tag,
        # To ask again is cheap, and an answer kept without asking could outlive a permission.
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
        "Server": SERVER,
    }


class Writer:
    """Writes answers for one public URL."""

    def __init__(self, public_url: str, *, json_booleans: bool = False) -> None:
        """`json_booleans`: whether 1.1 bodies have booleans of JSON rather than texts."""
        self._public = public_url
        self._json_booleans = json_booleans
        self._bases = {key: (public_url + base).encode() for key, base in routes.BASES.items()}

    def collection(
        self,
        found: routes.Found,
        query: parameters.Query,
        records: rendering.Records,
        *,
        count: int,
        total: int,
        revision: str,
        tag: str,
    ) -> Page:
        """One page of `count` records, as `worlds.World.page` gives them."""
        route = found.route
        roster, resources = self._based(route)
        body = rendering.page(route.listing.key, records, roster, resources)
        body = self._finished(body, route, route.listing.key, query)
        return Page(
            body,
            {
                "Content-Type": "application/json",
                "X-Total-Count": str(total),
                "Link": self._link(found, query, total),
                "x-count": str(count),
                **_headers(revision, tag),
            },
            count,
        )

    def single(
        self,
        route: routes.Route,
        query: parameters.Query,
        record: rendering.Records,
        *,
        revision: str,
        tag: str,
    ) -> Page:
        """One record."""
        roster, resources = self._based(route)
        body = rendering.single(route.listing.single, record.parts, roster, resources)
        return Page(
            self._finished(body, route, route.listing.single, query),
            {"Content-Type": "application/json", **_headers(revision, tag)},
            1,
        )

    def _based(self, route: routes.Route) -> tuple[bytes, bytes]:
        bases = self._bases
        return bases[route.version, "rostering"], bases[route.version, "resources"]

    def _finished(
        self, body: bytes, route: routes.Route, key: str, query: parameters.Query
    ) -> bytes:
        if query.fields is not None:
            body = _picked(body, key, query.fields)
        if self._json_booleans and route.version == "1.1":
            body = _FLAGS.sub(rb"\1\2", body)
        if query.warning is not None:  # the data stay the first key: some clients take that one
            body = body[:-1] + problems.warning(*query.warning) + b"}"
        return body

    def _link(self, found: routes.Found, query: parameters.Query, total: int) -> str:
        limit, offset = query.limit, query.offset
        route = found.route
        path = route.path
        for name, sourced_id in zip(route.parents, found.ids, strict=False):
            path = path.replace(f"{{{name}}}", urllib.parse.quote(sourced_id, safe=""), 1)
        base = f"<{self._public}{routes.BASES[route.version, route.service]}{path}?limit={limit}"
        others = f"&{query.others.translate(_ESCAPED)}" if query.others else ""
        last = (total - 1) // limit * limit if total else 0
        parts = [f'{base}&offset=0{others}>; rel="first"']
        if offset > 0:
            parts.append(f'{base}&offset={max(0, min(offset - limit, last))}{others}>; rel="prev"')
        if offset + limit < total:
            parts.append(f'{base}&offset={offset + limit}{others}>; rel="next"')
        parts.append(f'{base}&offset={last}{others}>; rel="last"')
        return ", ".join(parts)


def _picked(body: bytes, key: str, names: frozenset[str]) -> bytes:
    """The same body with the named members only; sourcedId is one of them only when named."""
    data = orjson.loads(body)[key]
    if isinstance(data, list):
        picked: object = [_some(record, names) for record in data]
    else:
        picked = _some(data, names)
    return orjson.dumps({key: picked})


def _some(record: dict[str, object], names: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in record.items() if name in names}

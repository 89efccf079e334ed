"""The OpenAPI document of each 1.2 service, which clients look up before anything else.

It is made from the table of routes and the models, so it says what this server does and nothing
that it does not. It holds no data and needs no token. 1.1 knows no such document.
"""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from rosterd.oneroster import model
from rosterd.web import accesses, problems
from rosterd.web.oneroster import answers, parameters, routes, schemas, scopes, serving, validators

Node = dict[str, Any]

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "rostering": (
        "onerosterv1p2rostersservice_openapi3_v1p0.json",
        "imsorv1p2_rostering_openapi3_v1p0.json",
    ),
    "resources": (
        "onerosterv1p2resourcesservice_openapi3_v1p0.json",
        "imsorv1p2_resources_openapi3_v1p0.json",
    ),
}
"""Both names under which clients look for the document of a service."""

_VERSION: Final = schemas.VERSION
_SCHEME: Final = "OAuth2CC"
"""As the standard's own documents call it: clients look the token endpoint up by this name."""
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FAILURES: Final[Mapping[str, str]] = {
    "400": "A parameter is wrong.",
    "401": "There is no valid token.",
    "403": "The token lacks a scope, or the grant has ended.",
    "404": "No such record for this application.",
    "429": "Too many requests; Retry-After says when to come back.",
    "500": "The server failed.",
    "503": "There is nothing to serve yet, or not at this moment; Retry-After says when.",
    "default": "Any other failure, such as a method that is not answered.",
}


class Discovery:
    """Answers for both services; each document is made when it is first asked for."""

    def __init__(self, public_url: str, token_url: str) -> None:
        self._public = public_url
        self._token_url = token_url
        self._bodies: dict[str, bytes] = {}
        self._validators = validators.Validators(public_url)
        self._services = {
            f"{routes.BASES[_VERSION, service]}/discovery/{file}": service
            for service, files in FILES.items()
            for file in files
        }

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the documents are, below the server's root."""
        return tuple(self._services)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The response to any request to one of the paths."""
        started = time.perf_counter()
        try:
            if request.method not in ("GET", "HEAD"):
                response = serving.other_method(request.method)
            else:
                response = await serving.respond(self._page(request), request)
        except problems.Refused as refused:
            response = serving.refusal(_VERSION, refused)
        accesses.request(
            method=request.method,
            operation="discovery",
            version=_VERSION,
            application="-",
            status=response.status,
            rows=0,
            size=len(response.body) if isinstance(response.body, bytes) else 0,
            started=started,
            generation=None,
        )
        return response

    def _page(self, request: web.BaseRequest) -> answers.Page:
        path = request.raw_path.partition("?")[0].removesuffix("/")
        service = next(found for known, found in self._services.items() if path.endswith(known))
        tag = self._validators.tag("", service, "discovery")
        headers = {
            "Cache-Control": "public, max-age=300",
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "Server": answers.SERVER,
        }
        if validators.matches(request.headers.get("If-None-Match", ""), tag):
            return answers.Page(b"", headers, 0, 304)
        body = self._bodies.get(service)
        if body is None:
            body = self._bodies[service] = _made(service, self._public, self._token_url)
        return answers.Page(body, {"Content-Type": "application/json", **headers}, 0)


def _made(service: str, public_url: str, token_url: str) -> bytes:
    return orjson.dumps(document(service, public_url, token_url))


def document(service: str, public_url: str, token_url: str) -> Node:
    """The OpenAPI 3 document of "rostering" or "resources" for one public URL."""
    own = [
        route for route in routes.ROUTES if (route.version, route.service) == (_VERSION, service)
    ]
    listed = {route.listing.collection for route in own}
    collections = {name: model.COLLECTIONS[name] for name in model.COLLECTIONS if name in listed}
    wanted = sorted(frozenset().union(*(route.scopes for route in own)))
    return {
        "openapi": "3.0.3",
        "info": {
            "title": f"OneRoster {_VERSION} {service} service, by rosterd",
            "version": _VERSION,
            "description": "Read only. Every application gets what was granted to it.",
        },
        "servers": [{"url": public_url + routes.BASES[_VERSION, service]}],
        "tags": [{"name": name} for name in collections],
        "paths": {_path(route): {"get": _operation(route)} for route in own},
        "components": {
            "schemas": {**schemas.of(collections), "StatusInfo": _status_info(service)},
            "parameters": {name: {"name": name, "in": "query", **each} for name, each in _QUERY},
            "headers": _headers(),
            "responses": {_named(status): _failure(status) for status in _FAILURES},
            "securitySchemes": {_SCHEME: _security(token_url, wanted)},
        },
    }


def _path(route: routes.Route) -> str:
    path = route.path
    for name, parameter in _identifiers(route):
        path = path.replace(f"{{{name}}}", f"{{{parameter}}}")
    return path


def _identifiers(route: routes.Route) -> Iterator[tuple[str, str]]:
    """Listing of each id of a path, and the name that the standard's documents give it."""
    for name in route.parents:
        word = routes.NAMES[name][1]
        yield name, f"{word[0].lower()}{word[1:]}SourcedId"
    if route.single:
        yield route.listing.name, "sourcedId"


def _operation(route: routes.Route) -> Node:
    own = schemas.name_of(route.listing.collection)
    offered = ("fields",) if route.single else [name for name, _ in _QUERY]
    sent = ["x-perm-rev", "ETag"]
    if not route.single:
        sent = ["X-Total-Count", "Link", "x-count", *sent]
    failures = [status for status in _FAILURES if status != "404" or "{" in route.path]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in sent}
    return {
        "operationId": route.operation,
        "summary": _CAMEL.sub(" ", route.operation).capitalize(),
        "tags": [route.listing.collection],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for _, name in _identifiers(route)
            ),
            *({"$ref": f"#/components/parameters/{name}"} for name in offered),
        ],
        "security": [{_SCHEME: [scope]} for scope in sorted(route.scopes)],
        "responses": {
            "200": {
                "description": "The record." if route.single else "A page of records.",
                "headers": headers,
                "content": _json(schemas.ref(f"Single{own}" if route.single else f"{own}Set")),
            },
            "304": {"description": "What the client holds, by its If-None-Match, is still so."},
            **{status: {"$ref": f"#/components/responses/{_named(status)}"} for status in failures},
        },
    }


_QUERY: Final[tuple[tuple[str, Node], ...]] = (
    (
        "limit",
        {
            "description": (
                f"Most records of a page. More than {parameters.MAXIMUM_LIMIT} gives as many."
            ),
            "schema": {"type": "integer", "minimum": 1, "default": parameters.DEFAULT_LIMIT},
        },
    ),
    (
        "offset",
        {
            "description": "How many records stand before the page.",
            "schema": {"type": "integer", "minimum": 0, "default": 0},
        },
    ),
    ("sort", {"description": "The field to order by.", "schema": {"type": "string"}}),
    (
        "orderBy",
        {
            "description": "The direction of sort.",
            "schema": {"type": "string", "enum": ["asc", "desc"]},
        },
    ),
    (
        "filter",
        {
            "description": "Comparisons with = != > >= < <= ~, joined by AND and OR.",
            "schema": {"type": "string"},
            "example": "status='active'",
        },
    ),
    (
        "fields",
        {
            "description": "The fields to give, whatever is required otherwise.",
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ),
)


def _headers() -> Node:
    texts = {
        "X-Total-Count": "How many records all pages have together.",
        "Link": "The first, previous, next and last page.",
        "x-count": "How many records this page has.",
        "x-perm-rev": "Changes whenever anything that the application gets has changed.",
        "ETag": "For If-None-Match.",
    }
    counts = ("X-Total-Count", "x-count")
    return {
        name: {
            "description": text,
            "schema": {"type": "integer"} if name in counts else {"type": "string"},
        }
        for name, text in texts.items()
    }


def _named(status: str) -> str:
    return "Failed" if status == "default" else f"Failed{status}"


def _failure(status: str) -> Node:
    return {"description": _FAILURES[status], "content": _json(schemas.ref("StatusInfo"))}


def _json(schema: Node) -> Node:
    return {"application/json": {"schema": schema}}


def _status_info(service: str) -> Node:
    field = {
        "type": "object",
        "properties": {
            "imsx_codeMinorFieldName": {"type": "string"},
            "imsx_codeMinorFieldValue": {"type": "string", "enum": problems.minor_codes(service)},
        },
        "required": ["imsx_codeMinorFieldName", "imsx_codeMinorFieldValue"],
        "additionalProperties": False,
    }
    minor = {
        "type": "object",
        "properties": {"imsx_codeMinorField": {"type": "array", "minItems": 1, "items": field}},
        "required": ["imsx_codeMinorField"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "imsx_codeMajor": {"type": "string", "enum": ["failure", "unsupported"]},
            "imsx_severity": {"type": "string", "enum": ["error"]},
            "imsx_description": {"type": "string"},
            "imsx_CodeMinor": minor,
        },
        "required": ["imsx_codeMajor", "imsx_severity"],
        "additionalProperties": False,
    }


def _security(token_url: str, wanted: list[str]) -> Node:
    flow = {
        "tokenUrl": token_url,
        "scopes": {scope: scopes.MEANINGS[scope.rpartition("/")[2]] for scope in wanted},
    }
    return {"type": "oauth2", "flows": {"clientCredentials": flow}}

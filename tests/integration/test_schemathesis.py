"""Whatever a client makes of our own documents is answered as they say, and never with a 500.

Requests are drawn by schemathesis from the documents as they are served: with ids and filters that
mean something, which are never hit by chance, with anything that the schemas allow, and with
something wrong. Two of its checks the standard does not allow: unknown parameters and too large
limits are no errors here (a client may add its own), and a filter is any string to OpenAPI but has
a grammar to us. And whoever names the fields it wants gets those alone, whatever a schema requires.
"""

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import orjson
import pytest
import requests
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks

from rosterd.web.oneroster import discovery, routes
from tests.integration import test_rest, vendors

CASES: Final = 500
LIMIT: Final = 20.0
"""Seconds for one answer."""
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",  # the last one, see below
)
_FILTERS: Final = [
    "status='active'",
    "status='active' AND (sourcedId~'1' OR sourcedId='s1')",
    "dateLastModified>'2026-01-31'",
    "sourcedId!='O''Brien'",
]
_MEMBERS: Final = ["sourcedId", "status", "dateLastModified"]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


def hinted(document: dict[str, Any], *, only: bool) -> dict[str, Any]:
    """The document with real values beside all others that its schemas allow, or alone."""
    made = copy.deepcopy(document)
    ids = sorted({*test_rest.IDS.values(), vendors.ODD})
    for item in made["paths"].values():
        for parameter in item["get"]["parameters"]:
            if parameter.get("in") == "path":
                hint(parameter, {"type": "string", "enum": ids}, only=only)
    members = {"type": "string", "enum": _MEMBERS}
    hints: dict[str, dict[str, Any]] = {
        "filter": {"type": "string", "enum": _FILTERS},
        "sort": members,
        "fields": {"type": "array", "items": members, "minItems": 1},
    }
    for name, schema in hints.items():
        hint(made["components"]["parameters"][name], schema, only=only)
    return made


def hint(parameter: dict[str, Any], schema: dict[str, Any], *, only: bool) -> None:
    parameter["schema"] = schema if only else {"anyOf": [schema, parameter["schema"]]}


def drawn(document: dict[str, Any], base: str, token: str, examples: int) -> dict[int, int]:
    """Status -> how often, over up to `examples` requests of each kind to each operation."""
    load_all_checks()
    checks: list[Any] = CHECKS.get_by_names(_CHECKS)
    real, any_, wrong = (
        (hinted(document, only=True), schemathesis.GenerationMode.POSITIVE),
        (hinted(document, only=False), schemathesis.GenerationMode.POSITIVE),
        (hinted(document, only=False), schemathesis.GenerationMode.NEGATIVE),
    )
    counts: dict[int, int] = {}

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        def ask(operation: Any, mode: schemathesis.GenerationMode) -> None:
            @hypothesis.settings(
                max_examples=examples,
                suppress_health_check=list(hypothesis.HealthCheck),
                phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            )
            @hypothesis.given(operation.as_strategy(generation_mode=mode))
            def one(case: schemathesis.Case[Any]) -> None:
                response = case.call(base_url=base, session=session, timeout=LIMIT)
                counts[response.status_code] = counts.get(response.status_code, 0) + 1
                picked = "fields" in (case.query or {})
                case.validate_response(response, checks=checks[:-1] if picked else checks)

            one()

        for hints, mode in (real, any_, wrong):
            schema: Any = schemathesis.openapi.from_dict(hints)
            for result in schema.get_all_operations():
                ask(result.ok(), mode)
    return counts


async def answered(service: vendors.Service, name: str, cases: int) -> dict[int, int]:
    base = routes.BASES["1.2", name]
    _, _, body = await service.ask(f"{base}/discovery/{discovery.FILES[name][0]}")
    document = orjson.loads(body)
    each = -(-cases // (3 * len(document["paths"])))
    token = await service.token("everything")
    port = service.client._base_url
    return await asyncio.to_thread(drawn, document, f"{port}".rstrip("/") + base, token, each)


@pytest.mark.parametrize("name, share", [("rostering", 0.8), ("resources", 0.2)])
async def test_whatever_is_drawn_from_our_documents_is_answered_as_they_say(
    service: vendors.Service, name: str, share: float
) -> None:
    counts = await answered(service, name, int(CASES * share))

    # not everything was refused, not everything was fine: the walk went through both
    assert set(counts) >= {200, 400, 404}
    assert counts[200] > sum(counts.values()) / 10
    assert max(counts) < 500


@pytest.mark.soak
@pytest.mark.parametrize("name, share", [("rostering", 0.8), ("resources", 0.2)])
async def test_ten_thousand_cases_are_answered_as_the_documents_say(
    service: vendors.Service, name: str, share: float
) -> None:
    counts = await answered(service, name, int(10_000 * share))

    assert max(counts) < 500

"""The documents that tell clients what is here, held against what is here."""

import copy
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import orjson
import pytest

from rosterd.web.oneroster import discovery, routes, scopes
from tests.integration import test_rest, vendors

SERVICES = {
    "rostering": "/ims/oneroster/rostering/v1p2",
    "resources": "/ims/oneroster/resources/v1p2",
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    shared = vendors.Vendor("access: full\nfields: {share: [users.metadata.bus, users.password]}")
    records = vendors.district()
    records["users"][0].update(
        metadata={"bus": "12"},
        password="invented",
        userIds=[{"type": "LDAP", "identifier": "x"}],
        agents=["t1"],
    )
    records["classes"][0]["classType"] = "ext:lab"
    known = {**vendors.VENDORS, "everything": shared}
    async with vendors.service(tmp_path, known, records) as running:
        yield running


async def document(service: vendors.Service, name: str) -> dict[str, Any]:
    url = f"{SERVICES[name]}/discovery/{discovery.FILES[name][0]}"
    status, _, body = await service.ask(url)
    assert status == 200
    found: dict[str, Any] = orjson.loads(body)
    return found


@pytest.mark.parametrize("name", SERVICES)
async def test_the_document_is_there_under_both_names_and_without_a_token(
    service: vendors.Service, name: str
) -> None:
    bodies = set()
    for file in discovery.FILES[name]:
        for url in (f"{SERVICES[name]}/discovery/{file}", f"{SERVICES[name]}/discovery/{file}/"):
            status, headers, body = await service.ask(url)
            assert (status, headers["Content-Type"]) == (200, "application/json")
            bodies.add(body)
            held = {"If-None-Match": headers["ETag"]}
            assert (await service.ask(url, headers=held))[::2] == (304, b"")
            assert (await service.ask(url, method="HEAD"))[::2] == (200, b"")
            assert (await service.ask(url, method="POST"))[0] == 405
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"/ims/oneroster/v1p1/discovery/{discovery.FILES['rostering'][0]}",
        "/ims/oneroster/gradebook/v1p2/discovery/imsorv1p2_gradebook_openapi3_v1p0.json",
        f"{SERVICES['rostering']}/discovery/{discovery.FILES['resources'][0]}",
        f"{SERVICES['rostering']}/discovery",
    ],
)
async def test_there_is_no_document_of_what_is_not_offered(
    service: vendors.Service, url: str
) -> None:
    assert (await service.ask(url))[0] == 404


@pytest.mark.parametrize("name", SERVICES)
async def test_the_document_is_valid_and_of_this_server(
    service: vendors.Service, name: str
) -> None:
    found = await document(service, name)

    openapi_spec_validator.validate(found)
    assert found["servers"] == [{"url": vendors.PUBLIC_URL + SERVICES[name]}]
    flow = found["components"]["securitySchemes"]["OAuth2CC"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{vendors.PUBLIC_URL}/oauth2/token"
    named = {scope for each in operations(found).values() for scope in each["scopes"]}
    assert named == set(flow["scopes"])


async def test_the_documents_and_the_routes_are_one(service: vendors.Service) -> None:
    for name in SERVICES:
        found = operations(await document(service, name))
        own = [each for each in routes.ROUTES if (each.version, each.service) == ("1.2", name)]
        assert set(found) == {route.operation for route in own}
        for route in own:
            described = found[route.operation]
            assert described["scopes"] == route.scopes
            assert described["path"].count("{") == len(route.parents) + route.single


def operations(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        item["get"]["operationId"]: {
            "path": path,
            "scopes": {scope for each in item["get"]["security"] for scope in each["OAuth2CC"]},
            "schemas": item["get"]["responses"]["200"]["content"]["application/json"]["schema"],
        }
        for path, item in found["paths"].items()
    }


def validator(
    found: Mapping[str, Any], schema: Mapping[str, Any]
) -> jsonschema.Draft202012Validator:
    whole = {**copy.deepcopy(dict(schema)), "components": found["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("name", ["everything", "north", "math"])
async def test_every_body_is_what_the_document_says(service: vendors.Service, name: str) -> None:
    token = await service.token(name)
    tried = 0
    for kind in SERVICES:
        found = await document(service, kind)
        described = operations(found)
        for route in routes.ROUTES:
            if (route.version, route.service) != ("1.2", kind):
                continue
            ids = {**test_rest.IDS, "users": "s1"} if route.single else test_rest.IDS
            status, _, body = await service.ask(test_rest.url_of(route, ids), token)
            if status == 403:
                continue
            assert status == 200, route.url
            check = validator(found, described[route.operation]["schemas"])
            assert [error.message for error in check.iter_errors(orjson.loads(body))] == []
            tried += 1
    assert tried > 35


async def test_every_refusal_is_what_the_document_says(service: vendors.Service) -> None:
    found = await document(service, "rostering")
    check = validator(found, {"$ref": "#/components/schemas/StatusInfo"})
    token, base = await service.token("everything"), SERVICES["rostering"]
    pair = await service.pair("everything")
    client = service.known.authenticate(pair.key, pair.secret)
    assert client is not None
    few = await service.known.issue(client, scopes.core("1.2", "demographics"))
    for url, given, method, status in (
        (f"{base}/users?limit=0", token, "GET", 400),
        (f"{base}/users?filter=x", token, "GET", 400),
        (f"{base}/users?fields=x", token, "GET", 400),
        (f"{base}/users", None, "GET", 401),
        (f"{base}/users", few.token, "GET", 403),
        (f"{base}/users/nobody", token, "GET", 404),
        (f"{base}/users", token, "PUT", 405),
    ):
        got, _, body = await service.ask(url, given, method)
        assert got == status
        assert [error.message for error in check.iter_errors(orjson.loads(body))] == []


async def test_a_path_in_the_public_url_is_part_of_the_document(tmp_path: Path) -> None:
    listen = vendors.settings_of(public_url="https://example.org/roster")
    async with vendors.service(tmp_path, listen=listen) as service:
        found = await document(service, "rostering")
        assert found["servers"][0]["url"] == f"https://example.org/roster{SERVICES['rostering']}"
        file = discovery.FILES["rostering"][1]
        url = f"/roster{SERVICES['rostering']}/discovery/{file}"
        assert (await service.ask(url))[0] == 200

"""What may stand in a request line beside a plain path, as proxies and careless joins put it there."""

import asyncio
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import yarl

from rosterd.web.oneroster import routes
from tests import signing
from tests.integration import vendors
from tests.integration.test_rest import described, url_of

V1P1 = "/ims/oneroster/v1p1"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


async def through_proxy(service: vendors.Service, url: str, header: str) -> tuple[int, bytes]:
    """The answer to a request whose target is the whole URL, as clients write it to proxies."""
    async with service.client.get(
        yarl.URL("http://elsewhere.example" + url, encoded=True),
        proxy=service.client._base_url,
        headers={"Authorization": header},
    ) as response:
        return response.status, await response.read()


async def test_every_route_takes_the_whole_url_as_its_target(service: vendors.Service) -> None:
    token = await service.token("everything")
    for route in routes.ROUTES:
        url = url_of(route) + "?limit=3&fields=sourcedId"
        expected = await service.ask(url, token)

        status, body = await through_proxy(service, url, f"Bearer {token}")

        assert (status, body) == (expected[0], expected[2]), route.url
        assert status == 200


async def test_a_whole_url_without_a_path_is_no_endpoint(service: vendors.Service) -> None:
    status, body = await through_proxy(service, "", f"Bearer {await service.token('everything')}")

    assert (status, "unknownobject" in body.decode()) == (404, True)


async def test_a_signature_is_of_the_public_url_also_through_a_proxy(
    service: vendors.Service,
) -> None:
    pair = await service.pair("everything")
    for nonce, path in enumerate((f"{V1P1}/users/odd%2Fid%3A%201", f"{V1P1}//orgs")):
        header = signing.header(
            "GET",
            vendors.PUBLIC_URL + path,
            [],
            key=pair.key,
            secret=pair.secret,
            timestamp=int(service.clock.seconds()),
            nonce=f"n{nonce}",
        )
        assert (await through_proxy(service, path, header))[0] == 200


async def test_every_route_forgives_a_base_url_with_a_slash_at_its_end(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    for route in routes.ROUTES:
        url = url_of(route) + "?limit=3&fields=sourcedId"
        base = routes.BASES[route.version, route.service]
        expected = (await service.ask(url, token))[2]
        for careless in ("/" + url, base + "/" + url.removeprefix(base)):
            status, headers, body = await service.ask(
                f"{service.client._base_url}{careless}", token
            )
            assert (status, body) == (200, expected), careless
            assert f"{vendors.PUBLIC_URL}{base}//" not in headers.get("Link", "")


@pytest.mark.parametrize("path", ["/users//classes", "/schools/north//classes", "/users//"])
async def test_an_id_that_is_empty_is_nobodys(service: vendors.Service, path: str) -> None:
    status, _, _ = await service.ask(V1P1 + path, await service.token("everything"))

    assert status == 404


async def test_options_may_be_asked_of_the_server_as_such(service: vendors.Service) -> None:
    answer = await _sent(service, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert b"Allow: GET, HEAD, OPTIONS\r\n" in answer


async def _sent(service: vendors.Service, lines: bytes) -> bytes:
    """All that comes back for these bytes, until the server closes."""
    address = service.client._base_url
    assert address is not None
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(lines)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "line",
    [
        b"GET /ims/oneroster/v1p1/users?filter=givenName='Zo\xc3\xab-Pupil' HTTP/1.1",
        b"GET /ims/oneroster/v1p1/users/Pupil\xff HTTP/1.1",
        b"GET /ims/oneroster/v1p1/users/Pupil here HTTP/1.1",
        b"FETCH /ims/oneroster/v1p1/users/Pupil HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET /users/Pupil HTTP/1.1\r\nContent-Length: x",
        b"GET /users/Pupil HTTP/1.1\r\nPupil",
        b"GET /users/" + b"Pupil" * 20_000 + b" HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfcPupil",  # TLS, spoken to a port that has none
    ],
)
async def test_what_is_no_request_is_told_in_the_standards_payload_and_not_repeated(
    service: vendors.Service, line: bytes
) -> None:
    answer = await _sent(service, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"Content-Type: application/json" in head
    assert b"Server: rosterd" in head
    assert b"aiohttp" not in answer
    assert described("1.2", body) == "invaliddata"
    assert b"Pupil" not in answer


async def test_link_holds_nothing_that_no_url_may(service: vendors.Service) -> None:
    token = await service.token("everything")
    query = "limit=1&x={a|b}^`[c]\"\\'<>,;"

    _, headers, body = await service.ask(f"{V1P1}/users?{query}", token)

    target = headers["Link"].partition("<")[2].partition(">")[0]
    assert not set(target) & set("{}|^`[]\"\\'<>,; ")
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)["x"] == [
        "{a|b}^`[c]\"\\'<>,;"
    ]
    assert len(orjson.loads(body)["users"]) == 1

"""Signed requests of OneRoster 1.1, from the header to the records."""

import itertools
import logging
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd.oneroster import model
from rosterd.web.oneroster import routes
from tests import signing
from tests.integration import test_rest, vendors

V1P1 = "/ims/oneroster/v1p1"
V1P2 = "/ims/oneroster/rostering/v1p2"
Answer = tuple[int, Mapping[str, str], bytes]

_nonces = itertools.count(1)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


async def signed(
    service: vendors.Service,
    url: str,
    name: str = "everything",
    *,
    verb: str = "GET",
    public: str = vendors.PUBLIC_URL,
    ago: int = 0,
    **changed: Any,
) -> str:
    """A header for `url` as a client at the public URL would sign it."""
    pair = await service.pair(name)
    path, _, query = url.partition("?")
    return signing.header(
        verb,
        public + path,
        urllib.parse.parse_qsl(query, keep_blank_values=True),
        **{
            "key": pair.key,
            "secret": pair.secret,
            "timestamp": int(service.clock.seconds()) - ago,
            "nonce": f"{next(_nonces)}",
            **changed,
        },
    )


async def ask(service: vendors.Service, url: str, name: str = "everything", **how: Any) -> Answer:
    header = await signed(service, url, name, **how)
    return await service.ask(url, method=how.get("verb", "GET"), headers={"Authorization": header})


def code(answer: Answer) -> tuple[int, str]:
    return answer[0], test_rest.described("1.1", answer[2])


# ---------------------------------------------------------------- what is answered


@pytest.mark.parametrize("method", sorted(signing.DIGESTS))
async def test_every_route_of_1_1_answers_a_signature_as_it_answers_a_token(
    service: vendors.Service, method: str
) -> None:
    token = await service.token("everything")
    wrong: dict[object, object] = {}
    for route in routes.ROUTES:
        if route.version == "1.1":
            url = test_rest.url_of(route)
            status, _, body = await ask(service, url, method=method)
            if status != 200 or body != (await service.ask(url, token))[2]:
                wrong[url] = status
    assert wrong == {}


async def test_no_route_of_1_2_knows_signatures(service: vendors.Service) -> None:
    for route in routes.ROUTES:
        if route.version == "1.2":
            status, headers, body = await ask(service, test_rest.url_of(route))
            assert (status, test_rest.described("1.2", body)) == (401, "unauthorisedrequest")
            assert headers["WWW-Authenticate"] == 'Bearer realm="rosterd"'


@pytest.mark.parametrize(
    "query",
    [
        "limit=2&offset=1",
        "filter=role%3D%27student%27",
        "filter=role='student'",
        "filter=familyName~'o'",
        "filter=givenName='Pat0'%20AND%20role='student'",
        "filter=givenName='Pat0'+AND+role='student'",
        "filter=familyName='O''Brien'",
        "filter=dateLastModified>'2026-01-31'&sort=familyName&orderBy=desc",
        "fields=sourcedId,givenName",
        "fields=sourcedId&fields=givenName",
        "unknown=%2B+%25&empty=&bare",
        "",
    ],
)
async def test_queries_are_signed_as_they_come(service: vendors.Service, query: str) -> None:
    url = f"{V1P1}/users?{query}"
    token = await service.token("everything")

    status, _, body = await ask(service, url)

    assert (status, body) == (200, (await service.ask(url, token))[2])


@pytest.mark.parametrize("sent", ["odd%2Fid%3A%201", "odd%2fid:%201"])
async def test_ids_with_slashes_and_spaces_are_signed_as_they_come(
    service: vendors.Service, sent: str
) -> None:
    status, _, body = await ask(service, f"{V1P1}/users/{sent}")

    assert (status, orjson.loads(body)["user"]["sourcedId"]) == (200, vendors.ODD)


@pytest.mark.parametrize(
    "form, parameters",
    [
        ("limit=1", [("limit", "1")]),
        ("a=b+c&d=%26%2B", [("a", "b c"), ("d", "&+")]),
        ("limit=1\r\n", [("limit", "1")]),
        ("", []),
    ],
)
async def test_a_form_in_the_body_is_signed_along_and_says_nothing(
    service: vendors.Service, form: str, parameters: signing.Pairs
) -> None:
    url = f"{V1P1}/users?limit=2&filter=givenName!='a+b'"
    pair = await service.pair("everything")
    expected = (await service.ask(url, await service.token("everything")))[2]
    for kind, of_it in (
        ("application/x-www-form-urlencoded; charset=utf-8", parameters),
        ("application/json", []),
        ("text/plain", []),
    ):
        header = signing.header(
            "GET",
            vendors.PUBLIC_URL + f"{V1P1}/users",
            [("limit", "2"), ("filter", "givenName!='a b'"), *of_it],
            key=pair.key,
            secret=pair.secret,
            timestamp=int(service.clock.seconds()),
            nonce=f"{next(_nonces)}",
        )
        headers = {"Authorization": header, "Content-Type": kind}
        status, _, body = await service.ask(url, headers=headers, data=form.encode())
        assert (status, body) == (200, expected), kind


async def test_a_form_that_was_changed_on_its_way_is_refused(service: vendors.Service) -> None:
    url = f"{V1P1}/users"
    for form in (b"limit=1", b"x" * 20_000, b"\xff=\xfe"):
        headers = {
            "Authorization": await signed(service, url),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        assert code(await service.ask(url, headers=headers, data=form))[0] == 401


async def test_head_and_trailing_slashes_are_signed_like_anything_else(
    service: vendors.Service,
) -> None:
    assert (await ask(service, f"{V1P1}/users/?limit=5"))[0] == 200
    assert (await ask(service, f"{V1P1}/users", verb="HEAD"))[0] == 200
    get = await signed(service, f"{V1P1}/users")
    status, _, _ = await service.ask(f"{V1P1}/users", None, "HEAD", headers={"Authorization": get})
    assert status == 401


async def test_header_forms_of_shipping_libraries_are_all_taken(service: vendors.Service) -> None:
    url = f"{V1P1}/users?limit=3"
    callback = await signed(
        service, url, method="HMAC-SHA1", oauth_callback="about:blank", oauth_version="1.0"
    )
    for header in [
        callback.replace("OAuth ", "OAuth, ", 1),
        (await signed(service, url, oauth_token="")).replace(", ", ","),
        (await signed(service, url)).replace("OAuth ", 'oauth realm="a, b",\t', 1),
        (await signed(service, url)).replace("OAuth ", "OAuth,", 1),
        (await signed(service, url, nonce="1")).replace("%3D", "%3d"),
        await signed(service, url, oauth_body_hash="2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    ]:
        headers = {"Authorization": header, "X-Vendor-Authorization": "OAuth nonsense"}
        status, _, body = await service.ask(url, headers=headers)
        assert status == 200, body


@pytest.mark.parametrize("public", ["https://r.example.org/district", "https://R.example.org:443"])
async def test_the_public_url_is_what_is_signed_whatever_a_proxy_does(
    tmp_path: Path, public: str
) -> None:
    listen = vendors.settings_of(public_url=public)
    canonical = "https://r.example.org" + urllib.parse.urlsplit(public).path
    prefix = urllib.parse.urlsplit(public).path
    async with vendors.service(tmp_path, listen=listen) as service:
        for host in ("r.example.org", "10.0.0.7:8420", "elsewhere.example"):
            header = await signed(service, f"{V1P1}/orgs", public=canonical)
            headers = {"Authorization": header, "Host": host, "X-Forwarded-Proto": "http"}
            assert (await service.ask(f"{V1P1}/orgs", headers=headers))[0] == 200
        header = await signed(service, f"{V1P1}/orgs", public=canonical)
        headers = {"Authorization": header}
        assert (await service.ask(f"{prefix}{V1P1}/orgs", headers=headers))[0] == 200
        assert code(await ask(service, f"{V1P1}/orgs", public="http://r.example.org"))[0] == 401


async def test_a_signature_sees_what_the_permission_shares(service: vendors.Service) -> None:
    assert (await ask(service, f"{V1P1}/demographics"))[0] == 200
    assert code(await ask(service, f"{V1P1}/demographics", "north")) == (403, "forbidden")
    assert code(await ask(service, f"{V1P1}/resources", "north")) == (403, "forbidden")
    for route in ("users", "classes", "orgs"):
        url = f"{V1P1}/{route}"
        _, _, body = await ask(service, url, "north")
        assert body == (await service.ask(url, await service.token("north")))[2]
    assert code(await ask(service, f"{V1P1}/users/s5", "north")) == (404, "unknown object")
    assert ("north", "rest", "404") in service.notes


@pytest.mark.parametrize("name", ["nothing", "disabled", "no-rest", "newer"])
async def test_a_dead_grant_is_refused_once_the_secret_is_proved(
    service: vendors.Service, name: str
) -> None:
    assert code(await ask(service, f"{V1P1}/users", name)) == (403, "forbidden")
    assert code(await ask(service, f"{V1P1}/users", name, secret="x")) == (401, "unauthorized")


# ---------------------------------------------------------------- what is refused


async def test_the_same_request_is_answered_once(service: vendors.Service) -> None:
    url = f"{V1P1}/users?limit=1"
    header = await signed(service, url)
    headers = {"Authorization": header}

    assert (await service.ask(url, headers=headers))[0] == 200
    for _ in range(3):
        again = await service.ask(url, headers=headers)
        assert code(again) == (401, "unauthorized")
        assert "answered already" in again[2].decode()
    service.clock.pass_by(minutes=9)
    assert (await service.ask(url, headers=headers))[0] == 401
    service.clock.pass_by(minutes=2)
    outdated = await service.ask(url, headers=headers)
    assert outdated[0] == 401
    assert "oauth_timestamp" in outdated[2].decode()


async def test_a_refused_signature_does_not_use_up_its_nonce(service: vendors.Service) -> None:
    url = f"{V1P1}/users"
    wrong = await ask(service, url, nonce="shared", secret="x")
    right = await ask(service, url, nonce="shared")

    assert (wrong[0], right[0]) == (401, 200)
    assert (await ask(service, url, "north", nonce="shared"))[0] == 200  # nonces are each key's


@pytest.mark.parametrize("ago, status", [(600, 200), (601, 401), (-300, 200), (-301, 401)])
async def test_a_signature_lasts_ten_minutes_and_may_be_five_ahead(
    service: vendors.Service, ago: int, status: int
) -> None:
    assert (await ask(service, f"{V1P1}/users", ago=ago))[0] == status


async def test_a_wrong_key_and_a_wrong_secret_say_the_same(service: vendors.Service) -> None:
    other = await service.pair("north")
    answers = [
        await ask(service, f"{V1P1}/users", key="unknown"),
        await ask(service, f"{V1P1}/users", key="é"),
        await ask(service, f"{V1P1}/users", secret="wrong"),
        await ask(service, f"{V1P1}/users", secret=other.secret),
        await ask(service, f"{V1P1}/users", key=other.key),
    ]

    assert {code(answer) for answer in answers} == {(401, "unauthorized")}
    assert len({body for _, _, body in answers}) == 1
    assert {headers["WWW-Authenticate"] for _, headers, _ in answers} == {'OAuth realm="rosterd"'}


@pytest.mark.parametrize(
    "change",
    [
        ("HMAC-SHA256", "PLAINTEXT"),
        ("HMAC-SHA256", "RSA-SHA1"),
        ("HMAC-SHA256", "HMAC-SHA1"),
        ("OAuth ", 'OAuth oauth_token="t", '),
        ("OAuth ", 'OAuth oauth_version="1.1", '),
        ("OAuth ", "OAuth nonsense, "),
        ("OAuth ", 'OAuth oauth_nonce="twice", '),
        ("OAuth ", 'OAuth oauth_later="added", '),
        ("oauth_timestamp", "oauth_time"),
    ],
)
async def test_what_is_no_signature_of_ours_is_refused(
    service: vendors.Service, change: tuple[str, str]
) -> None:
    header = (await signed(service, f"{V1P1}/users")).replace(*change, 1)

    answer = await service.ask(f"{V1P1}/users", headers={"Authorization": header})

    assert code(answer) == (401, "unauthorized")
    assert answer[1]["WWW-Authenticate"] == 'OAuth realm="rosterd"'


async def test_plaintext_with_the_right_secret_opens_nothing(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    header = (
        f'OAuth oauth_consumer_key="{pair.key}", oauth_signature_method="PLAINTEXT",'
        f' oauth_nonce="n", oauth_timestamp="{int(service.clock.seconds())}",'
        f' oauth_signature="{pair.secret}%26"'
    )

    answer = await service.ask(f"{V1P1}/users", headers={"Authorization": header})

    assert answer[0] == 401
    assert pair.secret.encode() not in answer[2]


async def test_signatures_in_the_url_or_for_another_url_open_nothing(
    service: vendors.Service,
) -> None:
    header = await signed(service, f"{V1P1}/users")
    query = "&".join(part.replace('"', "") for part in header.removeprefix("OAuth ").split(", "))

    assert (await service.ask(f"{V1P1}/users?{query}"))[0] == 401
    for url in ("/classes", "/users?limit=1", "/users/", "/users/s1"):
        answer = await service.ask(V1P1 + url, headers={"Authorization": header})
        assert code(answer) == (401, "unauthorized")


async def test_a_retired_key_signs_no_more(service: vendors.Service) -> None:
    former = await service.pair("everything")
    rest = "{versions: ['1.1', '1.2'], key: 2, overlap: 1h}"
    changed = {**vendors.VENDORS, "everything": vendors.Vendor(rest=rest)}

    await service.serve(vendors.config(changed))

    old = {"key": former.key, "secret": former.secret}
    assert (await ask(service, f"{V1P1}/users", **old))[0] == 200
    assert (await ask(service, f"{V1P1}/users"))[0] == 200
    service.clock.pass_by(hours=1)
    assert (await ask(service, f"{V1P1}/users", **old))[0] == 401
    assert (await ask(service, f"{V1P1}/users"))[0] == 200


async def test_nothing_of_a_signature_is_logged(
    service: vendors.Service, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{V1P1}/users?filter=familyName%3D%27Secretive%27"
    with caplog.at_level(logging.DEBUG):
        await ask(service, url, nonce="aVeryOwnNonce")
        await ask(service, url, nonce="aVeryOwnNonce")
        await ask(service, url, nonce="aVeryOwnNonce", secret="aWrongSecret")

    pair = await service.pair("everything")
    assert "getAllUsers" in caplog.text
    for text in (pair.key, pair.secret, "aVeryOwnNonce", "aWrongSecret", "Secretive"):
        assert text not in caplog.text


async def test_a_walk_by_signatures_gives_what_a_walk_by_tokens_gives(
    service: vendors.Service,
) -> None:
    """1.1 signed, 1.2 with a token: the same ids of each collection, following Link as it is."""
    token = await service.token("everything")

    async def walk(url: str, *, signing_it: bool) -> list[str]:
        found: list[str] = []
        following: str | None = url
        while following is not None:
            if signing_it:
                status, headers, body = await ask(service, following)
            else:
                status, headers, body = await service.ask(following, token)
            assert status == 200
            (records,) = orjson.loads(body).values()
            found += [record["sourcedId"] for record in records]
            links = [part.strip() for part in headers["Link"].split(",")]
            nexts = [part for part in links if part.endswith('rel="next"')]
            following = None
            if nexts:
                target = nexts[0][1 : nexts[0].index(">")]
                following = target.removeprefix(vendors.PUBLIC_URL)
        return found

    bases = {route.listing.name: route for route in routes.ROUTES if route.version == "1.2"}
    for name in model.COLLECTIONS:
        newer = routes.BASES["1.2", bases[name].service]
        old = await walk(f"{V1P1}/{name}?limit=3", signing_it=True)
        new = await walk(f"{newer}/{name}?limit=3", signing_it=False)
        assert sorted(old) == sorted(new)
        assert len(old) == len(set(old)) > 0

"""Every route of the table, asked by everybody who may come along."""

import asyncio
import logging
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd import credentials, worlds
from rosterd.oneroster import model
from rosterd.web.oneroster import routes, scopes
from tests.integration import vendors

V1P1 = "/ims/oneroster/v1p1"
V1P2 = "/ims/oneroster/rostering/v1p2"
RESOURCES = "/ims/oneroster/resources/v1p2"

# For each listing: an id that `everything` sees, and one that nobody has.
IDS: Mapping[str, str] = {
    "orgs": "north",
    "schools": "north",
    "academicSessions": "y",
    "terms": "t1",
    "gradingPeriods": "g1",
    "courses": "c-math",
    "classes": "k-math",
    "users": "t1",
    "students": "s1",
    "teachers": "t1",
    "enrollments": "k-math-s1",
    "demographics": "s1",
    "resources": "r1",
}
# Ids of the same kind that exist, but that `math` does not see.
UNSEEN: Mapping[str, str] = {
    "courses": "c-art",
    "classes": "k-south",
    "users": "t2",
    "students": "s5",
    "teachers": "t2",
    "enrollments": "k-south-s5",
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


def url_of(route: routes.Route, ids: Mapping[str, str] = IDS) -> str:
    """The route with real ids; a listing without one fails here, so that no route goes untried."""
    url = route.url
    for name in model.LISTINGS:
        if f"{{{name}}}" in url:
            url = url.replace(f"{{{name}}}", urllib.parse.quote(ids[name], safe=""))
    assert "{" not in url, f"{route.operation} has no case: add an id to IDS"
    return url


def described(version: str, body: bytes) -> str:
    """The minor code of an error payload, whose whole shape is checked on the way."""
    payload = orjson.loads(body)
    if version == "1.1":
        assert list(payload) == ["statusInfoSet"]
        (info,) = payload["statusInfoSet"]
        assert set(info) == {
            "imsx_codeMajor",
            "imsx_severity",
            "imsx_codeMinor",
            "imsx_description",
        }
        assert all(info.values())
        return str(info["imsx_codeMinor"])
    assert set(payload) <= {
        "imsx_codeMajor",
        "imsx_severity",
        "imsx_description",
        "imsx_CodeMinor",
    }
    assert payload["imsx_severity"] == "error"
    if "imsx_CodeMinor" not in payload:
        return ""
    (field,) = payload["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldName"] == "TargetEndSystem"
    return str(field["imsx_codeMinorFieldValue"])


CODES: Mapping[str, Mapping[int, str]] = {
    "1.1": {401: "unauthorized", 403: "forbidden", 404: "unknown object", 405: "unsupported"},
    "1.2": {401: "unauthorisedrequest", 403: "forbidden", 404: "unknownobject", 405: ""},
}


async def assert_all_refused(
    service: vendors.Service, status: int, token: str | None = None, method: str = "GET"
) -> list[Mapping[str, str]]:
    """Every route answers `status`, with the code of its version; gives their headers."""
    wrong: dict[object, object] = {}
    all_headers = []
    for route in routes.ROUTES:
        got, headers, body = await service.ask(url_of(route), token, method)
        code = described(route.version, body)
        all_headers.append(headers)
        if got != status or code != CODES[route.version][status]:
            wrong[route.url] = (got, code)
    assert wrong == {}
    return all_headers


# ---------------------------------------------------------------- the matrix


def test_the_table_has_every_collection_and_single_of_both_versions() -> None:
    operations = {(route.version, route.operation) for route in routes.ROUTES}

    assert len(operations) == len(routes.ROUTES)
    for version in model.VERSIONS:
        assert {op for v, op in operations if v == version} >= {
            *(f"getAll{plural}" for plural, _ in routes.NAMES.values()),
            *(f"get{singular}" for _, singular in routes.NAMES.values()),
        }


def test_no_route_is_without_a_scope() -> None:
    assert [route.url for route in routes.ROUTES if not route.scopes] == []


async def test_every_route_needs_a_token(service: vendors.Service) -> None:
    for headers in await assert_all_refused(service, 401):
        assert headers["WWW-Authenticate"] == 'Bearer realm="rosterd"'


async def test_no_route_takes_a_token_that_is_not_ours(service: vendors.Service) -> None:
    for headers in await assert_all_refused(service, 401, "made-up"):
        assert headers["WWW-Authenticate"] == 'Bearer realm="rosterd", error="invalid_token"'


async def test_every_route_answers_whoever_may(service: vendors.Service) -> None:
    token = await service.token("everything")
    wrong: dict[object, object] = {}
    for route in routes.ROUTES:
        status, headers, body = await service.ask(url_of(route), token)
        payload = orjson.loads(body)
        key = route.listing.single if route.single else route.listing.key
        if status != 200 or list(payload) != [key] or not payload[key]:
            wrong[route.url] = (status, list(payload))
        elif headers["Content-Type"] != "application/json":
            wrong[route.url] = headers["Content-Type"]
    assert wrong == {}


async def test_head_is_get_without_a_body(service: vendors.Service) -> None:
    token = await service.token("everything")
    wrong: dict[object, object] = {}
    for route in routes.ROUTES:
        _, expected, body = await service.ask(url_of(route), token)
        status, headers, nothing = await service.ask(url_of(route), token, "HEAD")
        same = {name: expected[name] for name in expected if name != "Date"}
        if (status, nothing) != (200, b"") or headers["Content-Length"] != str(len(body)):
            wrong[route.url] = (status, nothing)
        elif {name: headers[name] for name in headers if name != "Date"} != same:
            wrong[route.url] = dict(headers)
    assert wrong == {}


async def test_a_trailing_slash_changes_nothing(service: vendors.Service) -> None:
    token = await service.token("everything")
    wrong: dict[object, object] = {}
    for route in routes.ROUTES:
        _, headers, body = await service.ask(url_of(route) + "?limit=2", token)
        status, other_headers, other = await service.ask(url_of(route) + "/?limit=2", token)
        same = headers.get("Link") == other_headers.get("Link")
        if status != 200 or other != body or not same:
            wrong[route.url] = status
    assert wrong == {}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused_with_what_is_allowed(
    service: vendors.Service, method: str
) -> None:
    token = await service.token("everything")

    for headers in await assert_all_refused(service, 405, token, method):
        assert headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_token_without_the_right_scope_opens_nothing(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    client = service.known.authenticate(pair.key, pair.secret)
    assert client is not None
    every = frozenset().union(*(route.scopes for route in routes.ROUTES))
    wrong: dict[object, object] = {}
    for route in routes.ROUTES:
        issued = await service.known.issue(client, every - route.scopes)
        status, headers, body = await service.ask(url_of(route), issued.token)
        challenge = headers.get("WWW-Authenticate", "")
        if status != 403 or "insufficient_scope" not in challenge:
            wrong[route.url] = (status, challenge)
        assert described(route.version, body) == "forbidden"
    assert wrong == {}


async def test_any_one_of_the_scopes_is_enough(service: vendors.Service) -> None:
    pair = await service.pair("everything")
    client = service.known.authenticate(pair.key, pair.secret)
    assert client is not None
    wrong: dict[object, object] = {}
    for scope in sorted(frozenset().union(*(route.scopes for route in routes.ROUTES))):
        issued = await service.known.issue(client, [scope])
        for route in routes.ROUTES:
            status, _, _ = await service.ask(url_of(route), issued.token)
            if status != (200 if scope in route.scopes else 403):
                wrong[route.url, scope] = status
    assert wrong == {}


async def test_an_ended_grant_is_refused_on_every_route(service: vendors.Service) -> None:
    token = await service.token("everything")
    ended = {**vendors.VENDORS, "everything": vendors.Vendor("access: none")}

    async def record(_old: worlds.World, _new: worlds.World) -> None:
        return None

    await service.worlds.propose_config(vendors.config(ended), "c" * 40, record)

    # the swap alone refuses it, before anybody has tidied up its tokens
    await assert_all_refused(service, 403, token)
    assert await service.known.sweep(service.worlds.current) == {"everything"}
    await assert_all_refused(service, 401, token)


@pytest.mark.parametrize("ended", [vendors.Vendor(enabled="false"), vendors.Vendor(rest="{}")])
async def test_a_disabled_application_and_one_without_rest_of_its_version_are_refused(
    service: vendors.Service, ended: vendors.Vendor
) -> None:
    token = await service.token("everything")

    await service.serve(vendors.config({**vendors.VENDORS, "everything": ended}))
    status, _, _ = await service.ask(f"{V1P1}/users", token)

    assert status in (401, 403)


async def test_a_version_that_is_not_enabled_is_refused(service: vendors.Service) -> None:
    pair = await service.pair("newer")
    client = service.known.authenticate(pair.key, pair.secret)
    assert client is not None
    older = await service.known.issue(client, scopes.core("1.1", "users"))
    newer = await service.token("newer")

    assert (await service.ask(f"{V1P2}/users", newer))[0] == 200
    assert (await service.ask(f"{V1P1}/users", newer))[0] == 403
    assert (await service.ask(f"{V1P1}/users", older.token))[0] == 403


async def test_a_toggle_taken_away_is_gone_for_living_tokens(service: vendors.Service) -> None:
    shared = vendors.Vendor(vendors.NORTH + "demographics: true\nresources: true\n")
    await service.serve(vendors.config({**vendors.VENDORS, "north": shared}))
    token = await service.token("north")
    assert (await service.ask(f"{V1P2}/demographics", token))[0] == 200
    assert (await service.ask(f"{RESOURCES}/resources", token))[0] == 200

    await service.serve(vendors.config())

    assert (await service.ask(f"{V1P2}/demographics", token))[0] == 403
    assert (await service.ask(f"{RESOURCES}/resources", token))[0] == 403
    assert (await service.ask(f"{V1P2}/users", token))[0] == 200


async def test_the_token_of_another_application_gives_that_ones_view(
    service: vendors.Service,
) -> None:
    everything, math = await service.token("everything"), await service.token("math")
    for route in routes.ROUTES:
        if route.single or route.listing.collection in ("demographics", "resources"):
            continue
        _, _, body = await service.ask(url_of(route), everything)
        seen = {each["sourcedId"] for each in orjson.loads(body)[route.listing.key]}
        status, _, body = await service.ask(url_of(route), math)
        fewer = {each["sourcedId"] for each in orjson.loads(body)[route.listing.key]}
        assert status == 200
        assert fewer <= seen, route.url
        if route.listing.name in UNSEEN and not route.parents:
            assert UNSEEN[route.listing.name] in seen - fewer, route.url


async def test_an_unknown_and_an_unshared_id_cannot_be_told_apart(
    service: vendors.Service,
) -> None:
    tokens = {name: await service.token(name) for name in ("math", "north")}
    unseen_of = {**UNSEEN, "schools": "south"}  # which only north does not see
    tried = set()
    for route in routes.ROUTES:
        named = (route.listing.name,) if route.single else route.parents
        for name in set(named) & set(unseen_of):
            if route.listing.collection == "resources":
                continue  # neither gets any: refused before any id is looked at
            token = tokens["north" if name == "schools" else "math"]
            never = await service.ask(url_of(route, {**IDS, name: "never-was"}), token)
            unseen = await service.ask(url_of(route, {**IDS, name: unseen_of[name]}), token)
            assert never[0] == unseen[0] == 404, route.url
            assert never[2] == unseen[2]
            assert set(never[1]) == set(unseen[1])
            assert described(route.version, unseen[2]) == CODES[route.version][404]
            tried.add((route.version, name, route.operation))
    assert {name for _, name, _ in tried} == set(unseen_of)
    assert len(tried) == 2 * (len(unseen_of) + 20)


# ---------------------------------------------------------------- singles


@pytest.mark.parametrize(
    "path, status",
    [
        ("/students/s1", 200),
        ("/students/t1", 404),  # a teacher is no student
        ("/teachers/s1", 404),
        ("/schools/d", 404),
        ("/terms/t1", 200),
        ("/terms/h1", 200),  # a semester that a class names as its term
        ("/terms/y", 404),
        ("/gradingPeriods/t1", 404),
        ("/users/odd%2Fid%3A%201", 200),
        ("/users/odd%2fid:%201", 200),
        ("/users/odd/id:%201", 404),
        ("/users/%FF", 404),
        ("/users/%", 404),
        ("/users/..%2fusers", 404),
        ("/users/s1?limit=0&offset=x", 200),  # they say nothing about one record
        ("/Users/s1", 404),
        ("/users//", 404),
        ("/users/s1/", 200),
        ("/users/s1/nothing", 404),
        ("//users", 200),  # a base URL with a slash at its end
    ],
)
@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_singles_answer_for_their_own_kind(
    service: vendors.Service, base: str, path: str, status: int
) -> None:
    token = await service.token("everything")

    got, _, body = await service.ask(base + path, token)

    assert got == status, body
    if status == 404:
        version = "1.1" if base == V1P1 else "1.2"
        assert described(version, body) == CODES[version][404]


@pytest.mark.parametrize(
    "path, version",
    [
        (f"{V1P1}/nothing", "1.1"),
        (V1P1, "1.1"),
        (f"{V1P2}/nothing", "1.2"),
        ("/ims/oneroster/gradebook/v1p2/results", "1.2"),
        ("/", "1.2"),
        ("/favicon.ico", "1.2"),
    ],
)
async def test_an_unknown_path_is_a_404_in_the_shape_of_its_version(
    service: vendors.Service, path: str, version: str
) -> None:
    status, _, body = await service.ask(path)

    assert (status, described(version, body)) == (404, CODES[version][404])


# ---------------------------------------------------------------- pages


def links(header: str) -> dict[str, str]:
    """Read as naive clients do: split at commas."""
    found = {}
    for part in header.split(","):
        target, _, rel = part.strip().partition(">; rel=")
        found[rel.strip('"')] = target.removeprefix("<")
    return found


@pytest.mark.parametrize("base", [V1P1, V1P2])
@pytest.mark.parametrize("limit", [1, 2, 3, 13, 100])
async def test_a_walk_along_next_gives_every_record_once(
    service: vendors.Service, base: str, limit: int
) -> None:
    token = await service.token("everything")
    seen: list[str] = []
    url = f"{base}/enrollments?limit={limit}"
    while url:
        status, headers, body = await service.ask(url, token)
        records = orjson.loads(body)["enrollments"]
        assert status == 200
        assert headers["X-Total-Count"] == "13"
        assert headers["x-count"] == str(len(records))
        seen.extend(record["sourcedId"] for record in records)
        url = links(headers["Link"]).get("next", "").removeprefix(vendors.PUBLIC_URL)

    assert len(seen) == 13
    assert len(set(seen)) == 13


@pytest.mark.parametrize(
    "query, rels",
    [
        ("limit=5", {"first": 0, "next": 5, "last": 10}),
        ("limit=5&offset=5", {"first": 0, "prev": 0, "next": 10, "last": 10}),
        ("limit=5&offset=10", {"first": 0, "prev": 5, "last": 10}),
        ("limit=5&offset=3", {"first": 0, "prev": 0, "next": 8, "last": 10}),
        ("limit=5&offset=999", {"first": 0, "prev": 10, "last": 10}),
        ("limit=13", {"first": 0, "last": 0}),
        ("filter=role%3D'nobody'&limit=5", {"first": 0, "last": 0}),
    ],
)
async def test_link_names_the_pages_around(
    service: vendors.Service, query: str, rels: Mapping[str, int]
) -> None:
    token = await service.token("everything")

    _, headers, _ = await service.ask(f"{V1P2}/enrollments?{query}", token)

    found = links(headers["Link"])
    assert list(found) == list(rels)
    for rel, offset in rels.items():
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(found[rel]).query)
        assert asked["offset"] == [str(offset)], rel


async def test_link_repeats_the_query_and_survives_a_split_at_commas(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    query = "filter=status='active'%20AND%20role!='a,b'&sort=sourcedId&x=1,2<3>&limit=2"

    _, headers, _ = await service.ask(f"{V1P2}/enrollments?{query}", token)

    found = links(headers["Link"])
    assert set(found) == {"first", "next", "last"}
    for target in found.values():
        assert target.startswith(f"{vendors.PUBLIC_URL}{V1P2}/enrollments?")
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
        assert asked["filter"] == ["status='active' AND role!='a,b'"]
        assert asked["x"] == ["1,2<3>"]
        assert (await service.ask(target.removeprefix(vendors.PUBLIC_URL), token))[0] == 200


async def test_an_offset_past_the_end_is_an_empty_page(service: vendors.Service) -> None:
    token = await service.token("everything")

    status, headers, body = await service.ask(f"{V1P2}/users?offset=999999999999999999", token)

    assert (status, body) == (200, b'{"users":[]}')
    assert headers["X-Total-Count"] == "11"


async def test_a_large_limit_is_clamped_and_never_refused(service: vendors.Service) -> None:
    token = await service.token("everything")

    status, headers, body = await service.ask(f"{V1P2}/users?limit=99999", token)

    assert status == 200
    assert len(orjson.loads(body)["users"]) == 11
    assert "limit=10000" in headers["Link"]


async def test_nothing_that_a_request_says_changes_the_urls(service: vendors.Service) -> None:
    token = await service.token("everything")
    headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=http",
    }

    _, answered, body = await service.ask(f"{V1P2}/users?limit=1", token, headers=headers)

    assert b"evil" not in body
    assert "evil" not in answered["Link"]
    assert f'"href":"{vendors.PUBLIC_URL}{V1P2}/orgs/'.encode() in body


async def test_every_href_is_answered_for_the_one_who_got_it(service: vendors.Service) -> None:
    for name in ("everything", "north", "math"):
        token = await service.token(name)
        hrefs: set[str] = set()
        for route in routes.ROUTES:
            if not route.single:
                status, _, body = await service.ask(url_of(route), token)
                if status == 200:
                    hrefs |= set(_hrefs(orjson.loads(body)))
        assert len(hrefs) > 20
        for href in sorted(hrefs):
            status, _, _ = await service.ask(href.removeprefix(vendors.PUBLIC_URL), token)
            assert status == 200, href


def _hrefs(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["href"]] if "href" in value else []
        return own + [href for each in value.values() for href in _hrefs(each)]
    if isinstance(value, list):
        return [href for each in value for href in _hrefs(each)]
    return []


# ---------------------------------------------------------------- filter, sort, fields


@pytest.mark.parametrize(
    "query, ids",
    [
        ("filter=role='student'%20AND%20class='k-art'", ["k-art-s1", "k-art-s2"]),
        ("filter=role%3D%27student%27+AND+class.sourcedId%3D%27k-art%27", ["k-art-s1", "k-art-s2"]),
        ("filter=class='k-art'&sort=user&orderBy=desc", ["k-art-t1", "k-art-s2", "k-art-s1"]),
        ("filter=class='k-art'&sort=user&orderBy=DESC&limit=1&offset=1", ["k-art-s2"]),
        ("filter=class='k-nowhere'", []),
        ("filter=class='k-art'&filtre=unknown&_=1", ["k-art-s1", "k-art-s2", "k-art-t1"]),
    ],
)
@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_filter_and_sort_narrow_and_order(
    service: vendors.Service, base: str, query: str, ids: list[str]
) -> None:
    token = await service.token("everything")

    status, _, body = await service.ask(f"{base}/enrollments?{query}", token)

    assert status == 200, body
    assert [each["sourcedId"] for each in orjson.loads(body)["enrollments"]] == ids


@pytest.mark.parametrize("name", ["phone='555-0100'", "familyName~'son'"])
async def test_a_withheld_or_masked_field_is_no_oracle(service: vendors.Service, name: str) -> None:
    token = await service.token("math")

    status, headers, _ = await service.ask(f"{V1P2}/users?filter={name}", token)

    assert (status, headers["X-Total-Count"]) == (200, "0")


@pytest.mark.parametrize(
    "query, older, newer",
    [
        ("limit=0", "invalid data", "invaliddata"),
        ("limit=-1", "invalid data", "invaliddata"),
        ("limit=", "invalid data", "invaliddata"),
        ("limit=1e3", "invalid data", "invaliddata"),
        ("limit=ten", "invalid data", "invaliddata"),
        ("limit=5&limit=5", "invalid data", "invaliddata"),
        ("offset=-1", "invalid data", "invaliddata"),
        ("offset=1.0", "invalid data", "invaliddata"),
        ("orderBy=up", "invalid data", "invaliddata"),
        ("sort=role&sort=user", "invalid data", "invaliddata"),
        ("filter=%FF", "invalid data", "invaliddata"),
        ("filter=((", "invalid_filter_field", "invalid_filter_field"),
        ("filter=", "invalid_filter_field", "invalid_filter_field"),
        ("filter=nothing='1'", "invalid_filter_field", "invalid_filter_field"),
        ("filter=password='1'", "invalid_filter_field", "invalid_filter_field"),
        ("fields=", "invalid_blank_selection_field", "invalid_selection_field"),
        ("fields=,", "invalid_blank_selection_field", "invalid_selection_field"),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_wrong_parameters_get_the_codes_of_the_version(
    service: vendors.Service, version: str, query: str, older: str, newer: str
) -> None:
    token = await service.token("everything")
    base = V1P1 if version == "1.1" else V1P2

    status, _, body = await service.ask(f"{base}/users?{query}", token)

    assert (status, described(version, body)) == (400, older if version == "1.1" else newer)


async def test_an_error_never_repeats_what_was_asked(service: vendors.Service) -> None:
    token = await service.token("everything")
    for query in (
        "filter=familyName='Geheim",
        "limit=Geheim",
        "fields=Geheim",
        "sort=Geheim&orderBy=Geheim",
    ):
        status, _, body = await service.ask(f"{V1P2}/users?{query}", token)
        assert status == 400
        assert b"Geheim" not in body, query
    _, _, body = await service.ask(f"{V1P2}/users/Geheim", token)
    assert b"Geheim" not in body


async def test_fields_gives_what_is_named_and_nothing_else(service: vendors.Service) -> None:
    token = await service.token("everything")
    for url in ("/users?fields=givenName,familyName", "/users?fields=givenName&fields=familyName"):
        _, _, body = await service.ask(V1P2 + url, token)
        assert {tuple(each) for each in orjson.loads(body)["users"]} == {
            ("givenName", "familyName")
        }
    _, _, body = await service.ask(f"{V1P1}/users/s1?fields=role,status", token)
    assert orjson.loads(body) == {"user": {"status": "active", "role": "student"}}


async def test_an_unknown_field_is_an_error_in_1_2_and_a_warning_in_1_1(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")

    status, _, body = await service.ask(f"{V1P2}/users?fields=givenName,nothing", token)
    assert (status, described("1.2", body)) == (400, "invalid_selection_field")

    for path in ("/users?fields=nothing", "/users?sort=nothing"):
        status, _, body = await service.ask(V1P1 + path, token)
        payload = orjson.loads(body)
        assert status == 200
        assert list(payload) == ["users", "statusInfoSet"]
        assert len(payload["users"]) == 11
        assert len(payload["users"][0]) > 5
        assert payload["statusInfoSet"][0]["imsx_severity"] == "warning"
    status, _, body = await service.ask(f"{V1P2}/users?sort=nothing", token)
    assert (status, list(orjson.loads(body))) == (200, ["users"])


# ---------------------------------------------------------------- what goes wrong


async def test_a_megabyte_of_query_is_refused_and_the_rest_is_served(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    for size in (20_000, 60_000):
        status, _, body = await service.ask(f"{V1P2}/users?filter={'a' * size}", token)
        assert (status, described("1.2", body)) == (400, "invaliddata")

    status, _, _ = await service.ask(f"{V1P2}/users?filter={'a' * 1_000_000}", token)
    assert status == 400

    assert (await service.ask(f"{V1P2}/users", token))[0] == 200


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xc3\xa9", b"\x01", b"%00", b"%ED%B3%BF", b"\x7f", b" x"]
)
async def test_raw_bytes_in_a_query_are_answered_and_nothing_breaks(
    service: vendors.Service, raw: bytes
) -> None:
    token = await service.token("everything")
    address = service.client._base_url
    assert address is not None
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(
            b"GET %b/users?filter=givenName%%3D'%b' HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer %b\r\nConnection: close\r\n\r\n"
            % (V1P2.encode(), raw, token.encode())
        )
        status = int((await reader.read()).split()[1])
    finally:
        writer.close()
        await writer.wait_closed()

    assert status in (200, 400)
    assert (await service.ask(f"{V1P2}/users", token))[0] == 200


async def test_nothing_is_served_before_there_is_a_roster(service: vendors.Service) -> None:
    token = await service.token("everything")
    empty = worlds.World(config=service.worlds.current.config, today=vendors.NOW.date())
    service.worlds._current = empty

    status, headers, body = await service.ask(f"{V1P2}/users", token)

    assert (status, described("1.2", body)) == (503, "server_busy")
    assert int(headers["Retry-After"]) > 0


async def test_a_fault_is_told_as_a_payload_and_logged_without_data(
    service: vendors.Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = await service.token("everything")

    def broken(*_: object) -> list[bytes]:
        raise ValueError("cannot read Pat0son")

    monkeypatch.setattr(vendors.Pages, "fragments", broken)
    with caplog.at_level(logging.INFO):
        status, _, body = await service.ask(f"{V1P1}/users/s1", token)

    assert status == 500
    assert orjson.loads(body)["statusInfoSet"][0]["imsx_codeMajor"] == "failure"
    assert "Pat0son" not in caplog.text
    assert "error=ValueError" in caplog.text


async def test_the_access_log_says_what_happened_and_to_nobody(
    service: vendors.Service, caplog: pytest.LogCaptureFixture
) -> None:
    token = await service.token("everything")

    with caplog.at_level(logging.INFO, "rosterd.access"):
        await service.ask(f"{V1P2}/users?filter=familyName='Pat0son'&limit=3", token)
        await service.ask(f"{V1P2}/students/s1", token)

    first, second = (record.getMessage() for record in caplog.records)
    for part in ("GET getAllUsers version=1.2", "application=everything", "status=200", "rows=1"):
        assert part in first
    assert "generation=1" in first
    assert "Pat0son" not in caplog.text
    assert "s1" not in second
    assert token not in caplog.text
    assert service.notes == [
        ("everything", "token", "200"),
        ("everything", "rest", "200"),
        ("everything", "rest", "200"),
    ]


async def test_options_says_what_is_allowed(service: vendors.Service) -> None:
    status, headers, body = await service.ask(f"{V1P2}/users", method="OPTIONS")

    assert (status, headers["Allow"], body) == (204, "GET, HEAD, OPTIONS", b"")


async def test_the_answers_change_with_the_world_and_not_before(service: vendors.Service) -> None:
    token = await service.token("everything")
    url = f"{V1P2}/users?filter=roles.role='student'"
    _, before, _ = await service.ask(url, token)
    fewer = vendors.district()
    fewer["users"] = [each for each in fewer["users"] if each["sourcedId"] != "s7"]
    fewer["enrollments"] = [each for each in fewer["enrollments"] if each["user"] != "s7"]

    await service.serve(pages=vendors.Pages(fewer, number=2))
    _, after, _ = await service.ask(url, token)

    assert (before["X-Total-Count"], after["X-Total-Count"]) == ("8", "7")
    assert before["x-perm-rev"] != after["x-perm-rev"]


async def test_behind_proxies_nobody_else_is_answered(tmp_path: Path) -> None:
    listen = vendors.settings_of(trusted_proxies=("192.0.2.0/24",))
    async with vendors.service(tmp_path, listen=listen) as service:
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"}
        for path in (f"{V1P2}/users", "/oauth2/token", "/"):
            assert (await service.ask(path, headers=headers))[0] == 403

    listen = vendors.settings_of(trusted_proxies=("127.0.0.0/8", "::1"))
    async with vendors.service(tmp_path, listen=listen) as service:
        token = await service.token("everything")
        assert (await service.ask(f"{V1P2}/users", token))[0] == 200


async def test_a_path_in_the_public_url_may_come_along_or_be_stripped(tmp_path: Path) -> None:
    listen = vendors.settings_of(public_url="https://example.org/roster")
    async with vendors.service(tmp_path, listen=listen) as service:
        token = await service.token("everything")
        for prefix in ("", "/roster"):
            status, headers, _ = await service.ask(f"{prefix}{V1P2}/users/?limit=1", token)
            assert status == 200
            assert f"<https://example.org/roster{V1P2}/users?" in headers["Link"]


async def test_a_token_lives_through_a_restart(tmp_path: Path) -> None:
    async with vendors.service(tmp_path) as service:
        token = await service.token("everything")
    async with vendors.service(tmp_path) as service:
        assert (await service.ask(f"{V1P2}/users", token))[0] == 200
        service.clock.pass_by(seconds=credentials.LIFETIME)
        assert (await service.ask(f"{V1P2}/users", token))[0] == 401

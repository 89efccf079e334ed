"""Servers that mean no good, or are badly made: whatever they send, no half roster comes of it."""

import asyncio
import gzip
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rosterd import errors, pulling
from rosterd.pulling import asking
from tests.integration import vendors
from tests.integration.test_pulling import RECORDS, Server, reaching, rows

USERS = RECORDS["users"]
Page = Callable[[int], tuple[list[Any], dict[str, str]]]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def upstream(server: Server) -> AsyncIterator[pulling.Upstream]:
    async with reaching(server, patience=0.5) as upstream:
        yield upstream


def only_users(server: Server, answer: Callable[[int], web.Response | None]) -> None:
    """The server answers pages of users by itself, the number-th with `answer(number)`."""
    server.before = lambda name, number: answer(number) if name == "users" else None


def paged(server: Server, page: Page) -> None:
    """Pages of users by what was asked for: offset -> records, headers."""

    def answer(_number: int) -> web.Response:
        records, headers = page(int(server.asked[-1][1]["offset"]))
        return web.json_response({"users": records}, headers=headers)

    only_users(server, answer)


def saying(
    content: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that always answers the same."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(content, status=status, headers=headers)

    return answer


async def refused(upstream: pulling.Upstream, folder: Path, says: str) -> errors.RosterdError:
    with pytest.raises((errors.InputError, errors.TemporaryError), match=says) as told:
        await pulling.pull(upstream, folder)
    assert not (folder / "package").exists()
    return told.value


# ---------------------------------------------------------------- pages


NEXT = {"Link": '<https://elsewhere.example/users>; rel="next"'}


@pytest.mark.parametrize(
    "page, says",
    [
        (lambda offset: (USERS[offset % 20 :][:10], NEXT), "again and again"),
        (lambda offset: (USERS[offset : offset + 10] if offset < 10 else [], NEXT), "as it says"),
        (lambda _: ([{"name": "nobody"}] * 10, NEXT), "again and again"),
        (lambda offset: (USERS[offset : offset + 10], {"X-Total-Count": "10"}), "as it says"),
        (
            lambda offset: ([*USERS[max(0, offset - 1) :][:10]], {"X-Total-Count": "25"}),
            "as it says",
        ),
        (
            lambda offset: (
                [
                    {**each, "givenName": f"At {offset}"}
                    for each in USERS[max(0, offset - 2) :][:10]
                ],
                {},
            ),
            "as it says",
        ),
    ],
    ids=[
        "next links in a circle",
        "an empty page with a next one",
        "records without a name",
        "a total that is that of the page",
        "a record that stands on two pages, while another is missing",
        "records that are changed between pages",
    ],
)
async def test_pages_that_are_not_whole_make_no_package(
    page: Page, says: str, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    paged(server, page)

    await refused(upstream, tmp_path, says)

    assert server.times("users") < 20


async def test_a_limit_that_is_clamped_without_a_word_gives_no_half_roster(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    """Neither total nor link: a short page alone is no end."""
    server.clamp, server.totals = 7, lambda _: None

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25


async def test_a_record_twice_on_one_page_is_one(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.records = {**RECORDS, "users": [*USERS[:5], USERS[4]]}
    server.totals = lambda name: len(server.records.get(name, ()))

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == len(rows(tmp_path, "users.csv")) == 5


async def test_a_link_to_another_host_is_not_asked_and_gets_no_token(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", "nothing"))
        return web.json_response({"users": []})

    other = web.Application()
    other.router.add_get("/{path:.*}", note)
    async with vendors.listening(other) as elsewhere:
        more = {"Link": f'<{elsewhere}/users>; rel="next"'}
        last = {"Link": f'<{elsewhere}/users>; rel="first"'}
        paged(server, lambda offset: (USERS[offset:][:10], more if offset < 20 else last))
        pulled = await pulling.pull(upstream, tmp_path / "links")
        only_users(
            server, lambda _: web.Response(status=307, headers={"Location": f"{elsewhere}/users"})
        )
        await refused(upstream, tmp_path / "redirects", "sends us elsewhere")
        moved = web.Application()
        moved.router.add_post("/token", saying({}, 308, {"Location": f"{elsewhere}/token"}))
        async with vendors.listening(moved) as address:
            moving = replace(upstream, token_url=f"{address}/token")
            await refused(moving, tmp_path / "tokens", "cannot get a token")

    assert pulled.records["users"] == 25
    assert asked == []


async def test_records_without_end_stop_at_the_bound_over_all_collections(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    paged(server, lambda offset: ([{"sourcedId": f"u{offset + n}"} for n in range(10)], NEXT))
    small = replace(upstream, most_bytes=4096)

    await refused(small, tmp_path, "more than 4096 bytes")

    kept = sum(path.stat().st_size for path in (tmp_path / "received").iterdir())
    assert kept < 3 * 4096


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "body, headers",
    [
        (b'{"users": [{"sourcedId": NaN}]}', {}),
        (b'{"users": [{"sourcedId": "\xff"}]}', {}),
        (b'{"users": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
        (b'{"users": {"sourcedId": "u1"}}', {}),
        (b'{"users": null}', {}),
        (b"", {}),
        (b"\x1f\x8b not packed", {"Content-Encoding": "gzip"}),
        (b"x", {"Content-Encoding": "br"}),
        (b'{"users": []}', {"X-Total-Count": "9" * 5000}),
        (b'{"users": []}', {"X-Total-Count": "-1", "Link": "x" * 5000}),
    ],
    ids=[
        "NaN", "no UTF-8", "deep", "an object", "null", "nothing", "no gzip", "an unknown packing",
        "an endless total", "headers without sense",
    ],
)  # fmt: skip
async def test_a_body_that_is_no_page_is_told_and_changes_nothing(
    body: bytes,
    headers: dict[str, str],
    server: Server,
    upstream: pulling.Upstream,
    tmp_path: Path,
) -> None:
    only_users(server, lambda _: web.Response(body=body, headers=headers))

    if body.endswith(b": []}"):  # an empty list is an answer; what else is said of it has no sense
        pulled = await pulling.pull(upstream, tmp_path)
        assert pulled.records.get("users", 0) == 0
    else:
        await refused(upstream, tmp_path, "cannot pull users")


async def test_a_page_that_unpacks_to_too_much_is_left_in_the_middle(
    server: Server,
    upstream: pulling.Upstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "MOST_BYTES", 2**20)
    bomb = gzip.compress(b'{"users": [' + b" " * 2**24 + b"]}", compresslevel=1)
    only_users(server, lambda _: web.Response(body=bomb, headers={"Content-Encoding": "gzip"}))

    await refused(upstream, tmp_path, "more than 1048576 bytes")


async def test_a_page_of_millions_of_values_is_not_even_read(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    """They would take many times their bytes in memory."""
    only_users(server, lambda _: web.Response(body=b'{"users": [' + b"[]," * 4_000_000 + b"[]]}"))

    await refused(upstream, tmp_path, "more than [0-9]+ values")


@pytest.mark.parametrize("packed", [True, False])
async def test_an_answer_that_drips_for_ever_is_left(
    packed: bool, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if packed:
            response.enable_compression(web.ContentCoding.gzip)
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(50):  # longer than anybody waits
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    app = web.Application()
    app.router.add_get("/{name}", drip)
    app.router.add_post("/token", drip)
    async with vendors.listening(app) as address:
        slow = replace(upstream, base=address, timeout=0.3, patience=0.1)
        await refused(slow, tmp_path, "cannot be reached")
        slower = replace(slow, token_url=f"{address}/token")
        await refused(slower, tmp_path, "cannot be reached")


async def test_cookies_are_not_taken(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    """One more with each answer would let requests grow without end."""
    seen: list[str] = []

    async def page(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie", ""))
        name = request.match_info["name"]
        found = RECORDS.get(name, []) if request.query["offset"] == "0" else []
        response = web.json_response({name: found})
        response.set_cookie(f"c{len(seen)}", "x" * 100)
        return response

    app = web.Application()
    app.router.add_get("/{name}", page)
    async with vendors.listening(app) as address:
        named = address.replace("127.0.0.1", "localhost")  # cookies of plain addresses never stay
        await pulling.pull(replace(upstream, base=named), tmp_path)

    assert set(seen) == {""}


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "said",
    [
        "9" * 400,
        "-5",
        "soon",
        "1e9",
        "٣",
        "Wed, 21 Oct 2099 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999999",
        "Wed, 21 Oct 0001 07:28:00 +2359",
        "",
        "0",
    ],
)
async def test_what_is_said_of_later_neither_hangs_nor_breaks_it(
    said: str, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    only_users(server, lambda _: web.json_response({}, status=429, headers={"Retry-After": said}))

    told = await refused(upstream, tmp_path, "it answers 429")

    assert isinstance(told, errors.TemporaryError)
    assert server.times("users") <= 4, "a server that says 0 is not stormed"


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": 7},
        {"access_token": {"a": "b"}},
        {"access_token": ""},
        {"access_token": "a\r\nX-Injected: b"},
        {"access_token": "käse"},
        {"access_token": "x" * 100_000},
        {"access_token": None},
        ["access_token"],
        "access_token",
    ],
)
async def test_a_token_that_is_none_is_told(
    answer: Any, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    app = web.Application()
    app.router.add_post("/token", saying(answer))
    async with vendors.listening(app) as address:
        told = await refused(
            replace(upstream, token_url=f"{address}/token"), tmp_path, "cannot get a token|65536"
        )

    assert isinstance(told, errors.InputError)
    assert "a-secret" not in str(told)
    assert server.asked == []


async def test_a_token_that_ends_at_once_is_not_renewed_for_ever(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    only_users(server, lambda _: web.json_response({}, status=401))

    await refused(upstream, tmp_path, "answers 401")

    assert server.tokens == 2


# ---------------------------------------------------------------- records


ODD: list[Any] = [
    {**USERS[0], "sourcedId": "old", "dateLastModified": "0001-01-01T00:00:00+14:00"},
    {**USERS[0], "sourcedId": "late", "dateLastModified": "9999-12-31T23:59:59-14:00"},
    {**USERS[0], "sourcedId": ["a", "list"]},
    {**USERS[0], "sourcedId": {"href": "https://elsewhere.example/users/u1"}},
    {**USERS[0], "sourcedId": 10**30},
    {**USERS[0], "sourcedId": True},
    {**USERS[0], "sourcedId": "deep", "metadata": json.loads("[" * 500 + "]" * 500)},
    {**USERS[0], "sourcedId": "lists", "grades": [[["03"]]]},
    {
        **USERS[0],
        "sourcedId": "other",
        "agents": [{"sourcedId": "u1", "href": "https://elsewhere.example/users/u2"}],
    },
]


async def test_odd_records_cost_themselves_at_most(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.records = {**RECORDS, "users": [*USERS, *ODD]}
    server.totals = lambda name: len(server.records.get(name, ()))

    pulled = await pulling.pull(upstream, tmp_path)

    found = {row["sourcedId"]: row for row in rows(tmp_path, "users.csv")}
    assert {"old", "late", "lists", "other"} <= found.keys()
    assert {each["sourcedId"] for each in USERS} <= found.keys()
    assert found["other"]["agentSourcedIds"] == "u1", "what is named counts, not where it leads"
    assert pulled.unusable == {"users": 4}


async def test_what_is_fetched_is_its_owners_alone(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    await pulling.pull(upstream, tmp_path / "pull")

    for path in (tmp_path / "pull").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{path.name} has {mode:o}"

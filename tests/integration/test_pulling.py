"""Pulling from other servers: our own, and ones that clamp, lie, stall and break."""

import contextlib
import csv
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rosterd import access, errors, generations, pictures, pulling
from rosterd.oneroster import model
from tests.integration import processes, test_round_trips, vendors
from tests.unit import districts

RECORDS: dict[str, list[Any]] = {
    "orgs": [{"sourcedId": "d", "name": "D", "type": "district"}],
    "academicSessions": [
        {
            "sourcedId": "y",
            "title": "Y",
            "type": "schoolYear",
            "startDate": "2026-08-01",
            "endDate": "2027-07-01",
            "schoolYear": "2027",
        }
    ],
    "users": [
        {
            "sourcedId": f"u{number}",
            "enabledUser": "true",
            "givenName": "A",
            "familyName": "B",
            "roles": [
                {"roleType": "primary", "role": "student", "org": {"sourcedId": "d"}},
            ],
        }
        for number in range(25)
    ],
}


@dataclass
class Server:
    """A small server of OneRoster 1.2; a test puts its own way of answering into `page`."""

    clamp: int = 1000
    totals: Callable[[str], int | None] = lambda name: len(RECORDS.get(name, ()))
    before: Callable[[str, int], web.Response | None] = lambda _name, _number: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: int = 0
    good: str = ""
    records: dict[str, list[Any]] = field(default_factory=lambda: dict(RECORDS))

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        self.tokens += 1
        self.good = f"token-{self.tokens}"
        return web.json_response({"access_token": self.good, "token_type": "bearer"})

    async def collection(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        number = sum(1 for asked, _ in self.asked if asked == name)
        self.asked.append((name, dict(request.query)))
        if (refused := self.before(name, number)) is not None:
            return refused
        if request.headers.get("Authorization") != f"Bearer {self.good}":
            return web.json_response({}, status=401)
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        rows = self.records.get(name, [])[offset : offset + min(limit, self.clamp)]
        total = self.totals(name)
        headers = {} if total is None else {"X-Total-Count": str(total)}
        return web.json_response({name: rows}, headers=headers)

    def times(self, name: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == name)

    def begun(self, name: str) -> int:
        """How often the collection was read from its beginning."""
        return sum(1 for asked, query in self.asked if (asked, query["offset"]) == (name, "0"))


@pytest.fixture
def server() -> Server:
    return Server()


@contextlib.asynccontextmanager
async def reaching(server: Server, *, patience: float) -> AsyncIterator[pulling.Upstream]:
    """The server on a port, as settings name it."""
    app = web.Application()
    app.router.add_post("/token", server.token)
    app.router.add_get("/v1p2/{name}", server.collection)
    async with vendors.listening(app) as address:
        yield pulling.Upstream(
            base=f"{address}/v1p2",
            version="1.2",
            key="key",
            secret="a-secret",
            token_url=f"{address}/token",
            page=10,
            timeout=5,
            patience=patience,
        )


@pytest.fixture
async def upstream(server: Server) -> AsyncIterator[pulling.Upstream]:
    async with reaching(server, patience=2) as upstream:
        yield upstream


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "package" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- our own server


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    folder = tmp_path_factory.mktemp("pulling")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as running:
        yield running


def shown(generation: generations.Generation, version: str) -> dict[str, dict[str, Any]]:
    """Every record that full access gets of it, by id."""
    grant = districts.grant({"access": "full"})
    view = access.view(generation.roster, grant, date(2026, 10, 5))
    picture = pictures.Picture(view, version)
    return {
        f"{collection} {record['sourcedId']}": record
        for collection in model.COLLECTIONS
        for record in (picture.record(collection, row) for row in view.rows[collection])
    }


@pytest.mark.parametrize("version", ["1.2", "1.1"])
async def test_a_pull_from_our_own_server_gives_the_same_roster_again(
    demo: processes.Demo, version: str, tmp_path: Path
) -> None:
    """With OAuth 2 in 1.2, and with OAuth 1.0a in 1.1."""
    pair, api = demo.told["applications"]["everything"], demo.told["api"]
    newer = version == "1.2"
    upstream = pulling.Upstream(
        base=f"{api}/ims/oneroster/{'rostering/v1p2' if newer else 'v1p1'}",
        resources_base=f"{api}/ims/oneroster/resources/v1p2" if newer else None,
        version=version,
        key=pair["key"],
        secret=pair["secret"],
        token_url=demo.told["token_url"] if newer else None,
        page=100,
    )

    pulled = await pulling.pull(upstream, tmp_path / "pull")
    again = await test_round_trips.imported(tmp_path / "pull" / "package", tmp_path / "store")

    number = demo.status()["served"]["generation"]
    (folder,) = (demo.folder / "state" / "generations").glob(f"*{number}*")
    original = shown(generations.open_generation(folder), version)
    assert pulled.mode == "bulk"
    assert (dict(pulled.unusable), dict(pulled.faults)) == ({}, {})
    assert sum(pulled.records.values()) == len(original)
    assert shown(again, version) == original


# ---------------------------------------------------------------- other people's servers


async def test_a_limit_that_is_clamped_does_not_end_the_walk(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.clamp = 7

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25
    assert len(rows(tmp_path, "users.csv")) == 25
    assert server.times("users") == 5  # the last looks whether more stands behind the total


async def test_a_server_without_totals_is_read_until_nothing_comes(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.totals = lambda _: None

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25


@pytest.mark.parametrize("lie", [24, 26, 1_000_000])
async def test_a_total_that_is_not_given_makes_no_package(
    lie: int, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.totals = lambda name: lie if name == "users" else None

    with pytest.raises(errors.TemporaryError, match="not give as many records as it says"):
        await pulling.pull(upstream, tmp_path)

    assert not (tmp_path / "package").exists()


async def test_a_server_that_pages_for_ever_is_left(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    endless = {"users": RECORDS["users"][:10]}
    server.before = lambda name, _: (
        web.json_response(endless, headers={"Link": '<x>; rel="next"'}) if name == "users" else None
    )

    with pytest.raises(errors.InputError, match="the same records again and again"):
        await pulling.pull(upstream, tmp_path)

    assert server.times("users") == 2
    assert not (tmp_path / "package").exists()


async def test_a_roster_that_changes_in_the_middle_is_read_again(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    totals = itertools.chain([25, 25, 24], itertools.repeat(25))
    server.totals = lambda name: next(totals) if name == "users" else None

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25
    assert server.begun("users") == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_server_that_says_later_is_asked_later(
    status: int, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.before = lambda name, number: (
        web.json_response({}, status=status, headers={"Retry-After": "0"})
        if (name, number) == ("users", 1)
        else None
    )

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25


async def test_a_server_that_says_much_later_is_left_for_a_later_pull(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.before = lambda name, _: (
        web.json_response({}, status=503, headers={"Retry-After": "3600"})
        if name == "users"
        else None
    )

    with pytest.raises(errors.TemporaryError, match="it answers 503"):
        await pulling.pull(upstream, tmp_path)

    server.before = lambda _name, _number: None
    pulled = await pulling.pull(upstream, tmp_path)
    assert pulled.records["users"] == 25
    assert server.begun("orgs") == 1, "what was whole is not read again"


async def test_a_token_that_ends_in_the_middle_is_renewed(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    def forget(name: str, number: int) -> None:
        if (name, number) == ("users", 1):
            server.good = "another"

    server.before = forget

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.records["users"] == 25
    assert server.tokens == 2


@pytest.mark.parametrize(
    "answer, says",
    [
        (web.json_response({}, status=302, headers={"Location": "http://x/"}), "elsewhere"),
        (web.Response(text="<html>", content_type="text/html"), "no list of that name"),
        (web.json_response({"user": []}), "no list of that name"),
        (web.json_response({}, status=400), "answers 400"),
        (web.json_response({}, status=403), "ask for the right"),
    ],
    ids=["redirect", "html", "another name", "bad request", "forbidden"],
)
async def test_what_somebody_has_to_mend_is_said(
    answer: web.Response, says: str, server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.before = lambda name, _: (
        web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        if name == "users"
        else None
    )

    with pytest.raises(errors.InputError, match=says):
        await pulling.pull(upstream, tmp_path)

    assert not (tmp_path / "package").exists()


async def test_demographics_that_are_kept_from_us_are_absent(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.before = lambda name, _: (
        web.json_response({}, status=403) if name == "demographics" else None
    )

    pulled = await pulling.pull(upstream, tmp_path)

    manifest = {row["propertyName"]: row["value"] for row in rows(tmp_path, "manifest.csv")}
    assert manifest["file.demographics"] == "absent"
    assert "demographics" not in pulled.records


async def test_a_delta_asks_for_what_changed_and_tells_what_left(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    gone = {"sourcedId": "u1", "status": "tobedeleted", "dateLastModified": "2026-09-01T00:00:00Z"}
    came = {**RECORDS["users"][2], "dateLastModified": "2026-09-01T00:00:00.000Z"}
    server.records = {"users": [gone, came]}
    server.totals = lambda _: None

    pulled = await pulling.pull(upstream, tmp_path, since=datetime(2026, 8, 31, tzinfo=UTC))

    assert pulled.mode == "delta"
    asked = {query.get("filter") for _, query in server.asked}
    assert asked == {"dateLastModified>='2026-08-31T00:00:00.000Z'"}
    told = [(row["sourcedId"], row["status"]) for row in rows(tmp_path, "users.csv")]
    assert told == [("u1", "tobedeleted"), ("u2", "active")]


async def test_what_cannot_be_read_is_counted_and_the_rest_goes_on(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    nobody = {**RECORDS["users"][0], "sourcedId": "x", "roles": "student", "email": {"a": 1}}
    server.records = {**RECORDS, "users": [*RECORDS["users"], nobody, 7]}
    server.totals = lambda _: None

    pulled = await pulling.pull(upstream, tmp_path)

    assert pulled.unusable == {"users": 2}
    assert pulled.faults["users.email"] == 1
    assert pulled.faults["users.roles"] == 1
    assert len(rows(tmp_path, "users.csv")) == 25


async def test_a_server_that_is_not_there_is_for_later(
    upstream: pulling.Upstream, tmp_path: Path
) -> None:
    away = replace(upstream, base="http://127.0.0.1:9/v1p2", token_url=None, patience=0.5)

    with pytest.raises(errors.TemporaryError, match="cannot be reached"):
        await pulling.pull(away, tmp_path)


async def test_neither_secret_nor_words_of_the_server_are_told(
    server: Server, upstream: pulling.Upstream, tmp_path: Path
) -> None:
    server.before = lambda *_: web.Response(status=400, text=json.dumps({"pupil": "Kim"}))

    with pytest.raises(errors.InputError) as told:
        await pulling.pull(upstream, tmp_path)

    assert "Kim" not in str(told.value)
    assert "a-secret" not in repr(upstream)

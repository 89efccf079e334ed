"""Walking over pages while the roster changes, and asking again for what is held already."""

import gzip
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import aiohttp
import orjson
import pytest

from rosterd.web.oneroster import routes
from tests.integration import vendors

V1P1 = "/ims/oneroster/v1p1"
V1P2 = "/ims/oneroster/rostering/v1p2"
RESOURCES = "/ims/oneroster/resources/v1p2"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


def changed(number: int, *, without: Sequence[str] = (), more: int = 0) -> vendors.Pages:
    """The district after an import: some users gone, others come."""
    records = vendors.district()
    gone = set(without)
    records["users"] = [
        *[each for each in records["users"] if each["sourcedId"] not in gone],
        *[{**records["users"][0], "sourcedId": f"new-{index}"} for index in range(more)],
    ]
    for name in ("enrollments", "demographics"):
        records[name] = [
            each for each in records[name] if each.get("user", each["sourcedId"]) not in gone
        ]
    return vendors.Pages(records, number)


async def pages(service: vendors.Service, url: str, token: str) -> AsyncIterator[list[str]]:
    """The ids of each page, by the Link headers, as a client follows them."""
    next_url: str | None = url
    while next_url is not None:
        status, headers, body = await service.ask(next_url, token)
        assert status == 200
        (records,) = orjson.loads(body).values()
        yield [each["sourcedId"] for each in records]
        next_url = next(relations(headers["Link"], "next"), None)


def relations(link: str, wanted: str) -> Iterator[str]:
    for part in link.split(","):
        target, _, rel = part.partition(";")
        if f'rel="{wanted}"' in rel:
            yield target.strip()[1:-1].removeprefix(vendors.PUBLIC_URL)


USERS = {each["sourcedId"] for each in vendors.district()["users"]}


@pytest.mark.parametrize("base", [V1P1, V1P2])
@pytest.mark.parametrize(
    "query",
    ["limit=3", "limit=3&sort=familyName&orderBy=desc", "limit=2&filter=status='active'"],
)
async def test_a_walk_gives_each_record_once_while_imports_land(
    service: vendors.Service, base: str, query: str
) -> None:
    token = await service.token("everything")
    seen: list[str] = []
    number = 1
    async for page in pages(service, f"{base}/users?{query}", token):
        seen += page
        number += 1
        # whoever has been seen goes, so that every page behind would slide; somebody else comes
        await service.serve(pages=changed(number, without=page, more=number))

    assert sorted(seen) == sorted(USERS)


async def test_a_walk_keeps_its_totals_and_its_revision(service: vendors.Service) -> None:
    token = await service.token("everything")
    _, first, _ = await service.ask(f"{V1P2}/users?limit=4", token)

    await service.serve(pages=changed(2, without=["s1", "s2"], more=9))
    _, second, body = await service.ask(f"{V1P2}/users?limit=4&offset=4", token)

    assert second["X-Total-Count"] == first["X-Total-Count"] == "11"
    assert second["x-perm-rev"] == first["x-perm-rev"]
    assert second["x-count"] == str(len(orjson.loads(body)["users"])) == "4"
    assert "offset=8" in second["Link"]
    _, other, _ = await service.ask(f"{V1P2}/users?limit=5&offset=0", token)
    assert other["X-Total-Count"] == "18"  # who begins anew gets what is there now
    assert other["x-perm-rev"] != first["x-perm-rev"]
    _, again, _ = await service.ask(f"{V1P2}/users?limit=4&offset=4", token)
    assert again["X-Total-Count"] == "18"


async def test_a_page_in_the_middle_without_a_walk_is_of_today(service: vendors.Service) -> None:
    token = await service.token("everything")
    await service.ask(f"{V1P2}/users?limit=4", token)
    await service.serve(pages=changed(2, more=5))

    for url in (
        f"{V1P2}/users?offset=4&filter=status='active'",  # another query
        f"{V1P2}/students?offset=1",
        f"{V1P1}/users?offset=4",  # another version
    ):
        _, headers, _ = await service.ask(url, token)
        assert headers["X-Total-Count"] in ("16", "13"), url
    newer = await service.token("newer")
    _, headers, _ = await service.ask(f"{V1P2}/users?offset=4", newer)
    assert headers["X-Total-Count"] == "16"  # another application


async def test_a_permission_change_ends_the_walks_of_that_application(
    service: vendors.Service,
) -> None:
    everything, north = await service.token("everything"), await service.token("north")
    await service.ask(f"{V1P2}/users?limit=2", everything)
    await service.ask(f"{V1P2}/users?limit=2", north)
    await service.serve(pages=changed(2, without=["s1"]))
    _, before, _ = await service.ask(f"{V1P2}/users?limit=2&offset=2", everything)

    narrowed = vendors.Vendor(vendors.NORTH.replace("courses: all", "courses: [c-math]"))
    await service.serve(vendors.config({**vendors.VENDORS, "north": narrowed}))

    _, after, _ = await service.ask(f"{V1P2}/users?limit=2&offset=4", everything)
    assert (before["X-Total-Count"], after["X-Total-Count"]) == ("11", "11")
    _, headers, _ = await service.ask(f"{V1P2}/users?limit=2&offset=2", north)
    _, fresh, _ = await service.ask(f"{V1P2}/users?limit=100", north)
    assert headers["X-Total-Count"] == fresh["X-Total-Count"]
    assert headers["x-perm-rev"] == fresh["x-perm-rev"]


async def test_a_walk_is_over_after_a_pause(service: vendors.Service) -> None:
    token = await service.token("everything")
    await service.ask(f"{V1P2}/users?limit=4", token)
    await service.serve(pages=changed(2, more=5))
    for minutes, total in ((14, "11"), (14, "11"), (16, "16")):
        service.clock.pass_by(minutes=minutes)
        _, headers, _ = await service.ask(f"{V1P2}/users?limit=4&offset=4", token)
        assert headers["X-Total-Count"] == total


async def test_a_walk_below_a_record_goes_on_when_the_record_is_gone(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    url = f"{V1P2}/classes/k-south/students?limit=2"
    _, first, _ = await service.ask(url, token)
    records = vendors.district()
    records["classes"] = [each for each in records["classes"] if each["sourcedId"] != "k-south"]
    records["enrollments"] = [each for each in records["enrollments"] if each["class"] != "k-south"]
    await service.serve(pages=vendors.Pages(records, 2))

    status, headers, body = await service.ask(url + "&offset=2", token)

    assert (status, first["X-Total-Count"], headers["X-Total-Count"]) == (200, "3", "3")
    assert [each["sourcedId"] for each in orjson.loads(body)["users"]] == ["s7"]
    assert (await service.ask(url, token))[0] == 404


async def test_two_walks_give_equal_sets_of_ids_in_both_versions(service: vendors.Service) -> None:
    for name in ("everything", "north", "math"):
        token = await service.token(name)
        for route in routes.ROUTES:
            if route.single or route.parents or route.version == "1.1":
                continue
            found: list[set[str]] = []
            for url in (route.url, f"{V1P1}{route.path}"):
                if (await service.ask(url, token))[0] == 403:
                    continue
                walk = pages(service, url + "?limit=2", token)
                ids = [each async for page in walk for each in page]
                assert len(ids) == len(set(ids))
                found.append(set(ids))
            assert not found or found[0] == found[1], route.url
            assert found or route.listing.collection in ("demographics", "resources")


# ---------------------------------------------------------------- asking again


async def test_what_a_client_holds_already_is_not_sent_again(service: vendors.Service) -> None:
    token = await service.token("everything")
    for url in (f"{V1P2}/users?limit=2", f"{V1P1}/users/s1", f"{V1P2}/classes/k-math/students"):
        _, first, _ = await service.ask(url, token)
        for held in (first["ETag"], first["ETag"].removeprefix("W/"), f'"x", {first["ETag"]}', "*"):
            for method in ("GET", "HEAD"):
                status, headers, body = await service.ask(
                    url, token, method, headers={"If-None-Match": held}
                )
                assert (status, body) == (304, b"")
                assert headers["ETag"] == first["ETag"]
                assert headers["x-perm-rev"] == first["x-perm-rev"]
                assert "Content-Type" not in headers
        for held in ('"x"', "", first["ETag"].strip('W/"')):
            status, _, _ = await service.ask(url, token, headers={"If-None-Match": held})
            assert status == 200


async def test_a_tag_is_of_one_question_of_one_application_at_one_time(
    service: vendors.Service,
) -> None:
    everything, newer = await service.token("everything"), await service.token("newer")
    asked = [
        (f"{V1P2}/users?limit=2", everything),
        (f"{V1P2}/users?limit=2&offset=2", everything),
        (f"{V1P2}/users?limit=2&fields=sourcedId", everything),
        (f"{V1P1}/users?limit=2", everything),
        (f"{V1P2}/users?limit=2", newer),
        (f"{V1P2}/users/s1", everything),
        (f"{V1P2}/users/s2", everything),
    ]
    tags = [(await service.ask(url, token))[1]["ETag"] for url, token in asked]
    await service.serve(pages=changed(2))
    tags += [(await service.ask(url, token))[1]["ETag"] for url, token in asked[:1]]

    assert len(set(tags)) == len(tags)


async def test_a_refusal_comes_before_any_304(service: vendors.Service) -> None:
    token = await service.token("everything")
    _, headers, _ = await service.ask(f"{V1P2}/users/s1", token)
    held = {"If-None-Match": headers["ETag"]}
    await service.serve(pages=changed(2, without=["s1"]))

    for url, given, status in (
        (f"{V1P2}/users/s1", None, 401),
        (f"{V1P2}/users/s1", token, 404),
        (f"{V1P2}/users?limit=0", token, 400),
    ):
        assert (await service.ask(url, given, headers=held))[0] == status
        assert (await service.ask(url, given, headers={"If-None-Match": "*"}))[0] == status


async def test_long_bodies_are_compressed_for_those_who_take_it(service: vendors.Service) -> None:
    token = await service.token("everything")
    _, plain_headers, plain = await service.ask(f"{V1P2}/users", token)
    assert "Content-Encoding" not in plain_headers
    assert plain_headers["Vary"] == "Accept-Encoding"

    status, headers, body = await raw(service, f"{V1P2}/users", token, "deflate, gzip;q=0.5")

    assert status == 200
    assert headers["Content-Encoding"] == "gzip"
    assert headers["ETag"] == plain_headers["ETag"]
    assert int(headers["Content-Length"]) == len(body) < len(plain)
    assert gzip.decompress(body) == plain
    for taken in ("gzip;q=0", "identity, gzip;q=0.2", "br", ""):
        _, headers, body = await raw(service, f"{V1P2}/users", token, taken)
        assert (body, "Content-Encoding" in headers) == (plain, False), taken
    _, headers, body = await raw(service, f"{V1P2}/orgs/north?fields=name", token, "gzip")
    assert (body, "Content-Encoding" in headers) == (b'{"org":{"name":"North"}}', False)


async def raw(
    service: vendors.Service, url: str, token: str, taken: str
) -> tuple[int, Mapping[str, str], bytes]:
    """The bytes as they come, which a client would unpack."""
    async with aiohttp.ClientSession(service.client._base_url, auto_decompress=False) as client:
        headers = {"Accept-Encoding": taken, "Authorization": f"Bearer {token}"}
        async with client.get(url, headers=headers) as response:
            return response.status, response.headers, await response.read()

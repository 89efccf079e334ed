"""Every operation of the standard, with real ids, and every reference that is served."""

import re
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd.oneroster import model
from rosterd.web.oneroster import routes
from tests.integration import standard_operations, vendors

BASES = {
    ("1.1", "rostering"): "/ims/oneroster/v1p1",
    ("1.1", "resources"): "/ims/oneroster/v1p1",
    ("1.2", "rostering"): "/ims/oneroster/rostering/v1p2",
    ("1.2", "resources"): "/ims/oneroster/resources/v1p2",
}
OPERATIONS = {"1.1": standard_operations.OLDER, "1.2": standard_operations.NEWER}
COLLECTION_OF = {
    "schools": "orgs",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "students": "users",
    "teachers": "users",
}
_EVERY = [(version, each) for version in OPERATIONS for each in OPERATIONS[version]]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    async with vendors.service(tmp_path) as running:
        yield running


def test_the_standard_has_so_many_operations() -> None:
    for version, resources in (("1.1", 4), ("1.2", 5)):
        services = [each.service for each in OPERATIONS[version]]
        assert services.count("rostering") == 41
        assert services.count("resources") == resources


@pytest.mark.parametrize("version, operation", _EVERY, ids=lambda each: getattr(each, "name", each))
async def test_the_operation_is_answered_for_real_ids(
    service: vendors.Service, version: str, operation: standard_operations.Operation
) -> None:
    token = await service.token("everything")
    base = BASES[version, operation.service]
    names = re.findall(r"/(\w+)/\{", operation.path)
    answered = 0
    for ids in await real_ids(service, token, version, names):
        url = base + filled(operation.path, ids)
        status, _, body = await service.ask(url, token, operation.method)
        if status == 404:  # such as a class of another school
            continue
        assert status == 200
        ((key, found),) = orjson.loads(body).items()
        last = operation.path.rstrip("}").split("/")[-1]
        single = operation.path.endswith("}")
        listed = operation.path.split("/")[-2] if single else last
        collection = COLLECTION_OF.get(listed, listed)
        assert key == (model.COLLECTIONS[collection].singular if single else collection)
        answered += bool(found)
        if single:
            assert found["sourcedId"] == ids[-1]
    assert answered > 0


def filled(path: str, ids: list[str]) -> str:
    for each in ids:
        path = re.sub(r"\{\w+\}", urllib.parse.quote(each, safe=""), path, count=1)
    return path


async def real_ids(
    service: vendors.Service, token: str, version: str, names: list[str]
) -> list[list[str]]:
    """Every combination of ids that those collections list."""
    combined: list[list[str]] = [[]]
    for name in names:
        kind = "resources" if name == "resources" else "rostering"
        _, _, body = await service.ask(f"{BASES[version, kind]}/{name}", token)
        (records,) = orjson.loads(body).values()
        ids = [each["sourcedId"] for each in records]
        assert ids
        combined = [[*before, each] for before in combined for each in ids]
    return combined


async def test_what_is_beyond_the_standard_is_known_to_be() -> None:
    for version, operations in OPERATIONS.items():
        ours = {route.operation for route in routes.ROUTES if route.version == version}
        assert ours - {each.name for each in operations} == {
            "getUsersForClass",
            "getUsersForSchool",
        }


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_every_href_answers_those_who_see_the_record_and_nobody_else(
    service: vendors.Service, version: str
) -> None:
    names = ("everything", "north", "math")
    tokens = {name: await service.token(name) for name in names}
    seen, hrefs = {}, {}
    for name, token in tokens.items():
        seen[name], hrefs[name] = await all_of(service, token, version)
    assert len(hrefs["everything"]) > 20
    wrong = {}
    for href, sourced_id in hrefs["everything"].items():
        collection = href.split("/")[-2]
        for name, token in tokens.items():
            status, _, body = await service.ask(href.removeprefix(vendors.PUBLIC_URL), token)
            expected = 200 if (collection, sourced_id) in seen[name] else 404
            if collection == "resources" and name != "everything":
                expected = 403  # not shared at all, which the token says already
            if status != expected:
                wrong[name, href] = status
            elif status == 200:
                (record,) = orjson.loads(body).values()
                assert record["sourcedId"] == sourced_id
    assert wrong == {}
    for name in names:
        assert hrefs[name].keys() <= hrefs["everything"].keys()


async def all_of(
    service: vendors.Service, token: str, version: str
) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """What the collections list: (collection, id) of records, and href -> id of references."""
    seen: set[tuple[str, str]] = set()
    hrefs: dict[str, str] = {}
    for route in routes.ROUTES:
        if route.single or route.parents or route.version != version:
            continue
        status, _, body = await service.ask(route.url, token)
        if status == 403:
            continue
        for record in orjson.loads(body)[route.listing.key]:
            seen.add((route.listing.collection, record["sourcedId"]))
            hrefs |= {each["href"]: each["sourcedId"] for each in references(record)}
    return seen, hrefs


def references(value: Any) -> Iterator[Mapping[str, str]]:
    if isinstance(value, dict):
        if "href" in value:
            yield value
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)

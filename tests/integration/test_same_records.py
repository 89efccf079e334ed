"""What an application reads page by page is what it gets as files, however it asks.

Every application of the example repository, in both versions: 1.1 walked with signatures, 1.2 with
tokens, against the bulk package of that moment.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd import configs, loading, samples, scheduling
from rosterd.exporting import bundles
from rosterd.oneroster import model
from rosterd.web.oneroster import routes
from tests.integration import comparing, test_oauth1, vendors
from tests.property import test_csv_deltas

EXAMPLE = Path(__file__).parents[2] / "example-repo"
BOTH = 'rest: {versions: ["1.1", "1.2"], key: 1}'
SLOT = scheduling.Slot(vendors.NOW, vendors.NOW, "now")


def example() -> configs.Config:
    """The documents of the example repository; every application may ask in both versions."""
    files = {
        path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
        for path in EXAMPLE.rglob("*.yaml")
        if ".github" not in path.parts
    }
    for name in [each for each in files if each.startswith("applications/")]:
        text, count = re.subn(r"(?m)^rest:.*(\n[ ]+.*)*$", BOTH, files[name].decode())
        assert count == 1, name
        files[name] = text.encode()
    config, problems = configs.check(loading.load(files))
    assert config is not None, problems
    return config


CONFIG = example()
DISTRICT = samples.District(users=120, seed=7, enrollments_per_user=4)
ALIVE = {
    name for name in CONFIG.applications if CONFIG.grant(name).refusal(vendors.NOW.date()) is None
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    records = {name: DISTRICT.records(name) for name in model.COLLECTIONS}
    async with vendors.service(tmp_path, records=records, documents=CONFIG) as running:
        yield running


class Client:
    """One application in one version, with the way to sign in that goes with it."""

    def __init__(self, service: vendors.Service, name: str, version: str) -> None:
        self._service = service
        self._name = name
        self.version = version

    async def ask(self, url: str, token: str | None) -> test_oauth1.Answer:
        if self.version == "1.1":
            return await test_oauth1.ask(self._service, url, self._name)
        return await self._service.ask(url, token)

    async def everything(self) -> dict[str, list[comparing.Record]]:
        """Collection -> its active records, walked by the links; refused collections are left out."""
        token = await self._service.token(self._name) if self.version == "1.2" else None
        found: dict[str, list[comparing.Record]] = {}
        for route in routes.ROUTES:
            whole = route.listing.key == route.url.rsplit("/", 1)[-1] == route.listing.collection
            if route.version != self.version or route.single or route.parents or not whole:
                continue
            url: str | None = f"{route.url}?limit=40"
            while url is not None:
                status, headers, body = await self.ask(url, token)
                if status == 403:  # no scope for it
                    break
                assert status == 200, (route.url, status)
                records = orjson.loads(body)[route.listing.key]
                active = [each for each in records if each["status"] == "active"]
                found.setdefault(route.listing.collection, []).extend(active)
                url = next(_next(headers["Link"]), None)
        return found


def _next(link: str) -> Iterator[str]:
    for part in link.split(","):
        target, _, rel = part.partition(";")
        if 'rel="next"' in rel:
            yield target.strip()[1:-1].removeprefix(vendors.PUBLIC_URL)


def bulk(service: vendors.Service, name: str, version: str, folder: Path) -> comparing.Records:
    picture = service.worlds.current.picture(name, version)
    target = test_csv_deltas.target_of(version, "bulk")
    bundles.build(picture, target, SLOT, folder, stopped=lambda: False)
    return comparing.delivered(folder / "bundle.zip", version)


@pytest.mark.parametrize("name", sorted(ALIVE))
async def test_two_walks_and_two_packages_hold_the_same_records(
    service: vendors.Service, tmp_path: Path, name: str
) -> None:
    ids: list[dict[str, set[str]]] = []
    for version in model.VERSIONS:
        walked: dict[str, Any] = {name: [] for name in model.COLLECTIONS}
        walked |= await Client(service, name, version).everything()
        served = comparing.served(walked)
        files = bulk(service, name, version, tmp_path / version)
        assert comparing.differences(files, served) == []
        ids.append({collection: set(records) for collection, records in served.items()})

    assert ids[0] == ids[1]
    assert ids[0]["orgs"]
    assert ids[0]["users"] or name == "code-camp"  # which nobody takes in a district as small
    if name == "everything":
        whole = {
            collection: {each["sourcedId"] for each in DISTRICT.records(collection)}
            for collection in model.COLLECTIONS
        }
        assert ids[0] == whole


@pytest.mark.parametrize("name", sorted(CONFIG.applications.keys() - ALIVE))
async def test_who_gets_nothing_is_refused_in_every_way(
    service: vendors.Service, name: str
) -> None:
    status, _, _ = await test_oauth1.ask(service, f"{test_oauth1.V1P1}/users", name)
    assert status == 403
    view = service.worlds.current.view(name)
    assert bundles.refusal(view, None) is not None

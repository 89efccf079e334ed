"""A small district, served to a handful of applications as the daemon would."""

import base64
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yarl
from aiohttp import web
from pyroaring import AbstractBitMap, FrozenBitMap

from rosterd import (
    configs,
    credentials,
    loading,
    replays,
    rosters,
    settings,
    storage,
    vault,
    worlds,
)
from rosterd.oneroster import rendering
from rosterd.web import app

Record = dict[str, Any]

NOW = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
PUBLIC_URL = "https://roster.example.org"
ODD = "odd/id: 1"  # an id as real exports have them

# ---------------------------------------------------------------- the roster


def _person(sourced_id: str, name: str, role: str, org: str, **more: Any) -> Record:
    return {
        "sourcedId": sourced_id,
        "username": f"{sourced_id}-login",
        "enabledUser": "true",
        "givenName": name,
        "familyName": f"{name}son",
        "roles": [{"roleType": "primary", "role": role, "org": org}],
        "primaryOrg": org,
        "email": f"{sourced_id.replace('/', '-').replace(' ', '')}@example.org",
        "phone": "555-0100",
        **more,
    }


def _enrolled(user: str, klass: str, school: str, role: str) -> Record:
    return {
        "sourcedId": f"{klass}-{user}",
        "user": user,
        "class": klass,
        "school": school,
        "role": role,
    }


def district() -> dict[str, list[Record]]:
    """Two schools; north teaches mathematics and art, south only art."""
    students = [f"s{number}" for number in range(1, 8)] + [ODD]
    mathematics = [*students[:4], ODD]
    return {
        "orgs": [
            {"sourcedId": "d", "name": "District", "type": "district"},
            {"sourcedId": "north", "name": "North", "type": "school", "parent": "d"},
            {"sourcedId": "south", "name": "South", "type": "school", "parent": "d"},
        ],
        "academicSessions": [
            _session("y", "schoolYear", None),
            _session("t1", "term", "y"),
            _session("h1", "semester", "y"),
            _session("g1", "gradingPeriod", "t1"),
        ],
        "courses": [
            {
                "sourcedId": "c-math",
                "title": "Mathematics",
                "org": "d",
                "subjects": ["math"],
                "resources": ["r1"],
            },
            {"sourcedId": "c-art", "title": "Art", "org": "d", "subjects": ["art", "craft"]},
        ],
        "classes": [
            _class("k-math", "c-math", "north", ["t1"], resources=["r1"]),
            _class("k-art", "c-art", "north", ["h1"]),
            _class("k-south", "c-art", "south", ["t1"]),
        ],
        "users": [
            *[
                _person(student, f"Pat{index}", "student", "north", grades=["03"])
                for index, student in enumerate(students[:4])
            ],
            *[
                _person(student, f"Sam{index}", "student", "south")
                for index, student in enumerate(students[4:7])
            ],
            _person(ODD, "Odd", "student", "north"),
            _person("t1", "Terry", "teacher", "north", resources=["r1"]),
            _person("t2", "Toni", "teacher", "south"),
            _person("a1", "Alex", "siteAdministrator", "north"),
        ],
        "enrollments": [
            *[_enrolled(student, "k-math", "north", "student") for student in mathematics],
            *[_enrolled(student, "k-art", "north", "student") for student in students[:2]],
            *[_enrolled(student, "k-south", "south", "student") for student in students[4:7]],
            _enrolled("t1", "k-math", "north", "teacher"),
            _enrolled("t1", "k-art", "north", "teacher"),
            _enrolled("t2", "k-south", "south", "teacher"),
        ],
        "demographics": [
            {"sourcedId": student, "sex": "female", "birthDate": "2015-01-01"}
            for student in students
        ],
        "resources": [{"sourcedId": "r1", "title": "Book", "vendorResourceId": "v-1"}],
    }


def _session(sourced_id: str, kind: str, parent: str | None) -> Record:
    record = {
        "sourcedId": sourced_id,
        "title": sourced_id,
        "startDate": "2026-08-15",
        "endDate": "2027-06-15",
        "type": kind,
        "schoolYear": "2027",
    }
    return {**record, "parent": parent} if parent else record


def _class(sourced_id: str, course: str, school: str, terms: list[str], **more: Any) -> Record:
    return {
        "sourcedId": sourced_id,
        "title": sourced_id,
        "classType": "scheduled",
        "course": course,
        "school": school,
        "terms": terms,
        **more,
    }


class Pages:
    """A generation in memory; its records are rendered when they are asked for."""

    def __init__(self, records: Mapping[str, Sequence[Record]], number: int = 1) -> None:
        self.number = number
        self.roster = rosters.from_records(records)

    def fragments(self, collection: str, rows: Sequence[int], version: str) -> list[bytes]:
        return [
            rendering.fragment(
                collection, rosters.bare(collection, self.roster.record(collection, row)), version
            )
            for row in rows
        ]

    def stretches(self, collection: str, rows: range, version: str) -> list[bytes]:
        return [rendering.NEXT_BYTE.join(self.fragments(collection, rows, version))]

    def changed(self, collection: str, row: int) -> int:
        return self.number

    def changes(self, collection: str, rows: Sequence[int]) -> Sequence[int]:
        return [self.number] * len(rows)

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        return {self.number: self.roster.active[collection]}

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        return {"sis": rows}


# ---------------------------------------------------------------- the config

_REPOSITORY = """\
apiVersion: rosterd/v1
kind: Repository
name: rosterd
title: Example District
timezone: America/Chicago
"""

_APPLICATION = """\
apiVersion: rosterd/v1
kind: Application
name: {name}
title: Application {name}
enabled: {enabled}
rest: {rest}
"""

_PERMISSION = """\
apiVersion: rosterd/v1
kind: Permission
name: {name}
application: {name}
{rules}
"""

BOTH = "{versions: ['1.1', '1.2'], key: 1, overlap: 1d}"
FULL = "access: full"
NORTH = """\
access: basic
orgs: {under: [d], where: "sourcedId='north'"}
courses: all
"""
MATH = """\
access: basic
orgs: {under: [d], where: "type='school'"}
courses: {where: "subjects~'math'"}
fields: {withhold: [users.phone], mask: {users.familyName: initial}}
"""


@dataclass(frozen=True)
class Vendor:
    """What one application's documents say."""

    rules: str = FULL
    enabled: str = "true"
    rest: str = BOTH


VENDORS: Mapping[str, Vendor] = {
    "everything": Vendor(),
    "north": Vendor(NORTH),
    "math": Vendor(MATH),
    "newer": Vendor(rest="{versions: ['1.2'], key: 1}"),
    "nothing": Vendor("access: none"),
    "disabled": Vendor(enabled="false"),
    "no-rest": Vendor(rest="{enabled: false, versions: ['1.2'], key: 1}"),
}


def config(vendors: Mapping[str, Vendor] = VENDORS) -> configs.Config:
    """The documents of these vendors, read and checked like any others."""
    files = {"rosterd.yaml": _REPOSITORY.encode()}
    for name, vendor in vendors.items():
        application = _APPLICATION.format(name=name, enabled=vendor.enabled, rest=vendor.rest)
        permission = _PERMISSION.format(name=name, rules=vendor.rules)
        files[f"applications/{name}.yaml"] = application.encode()
        files[f"permissions/{name}.yaml"] = permission.encode()
    made, problems = configs.check(loading.load(files))
    assert made is not None, [str(problem) for problem in problems]
    return made


# ---------------------------------------------------------------- the daemon's part of it


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Service:
    """A vendors' listener on loopback."""

    worlds: worlds.Worlds
    known: credentials.Credentials
    storage: storage.Storage
    clock: Clock
    client: aiohttp.ClientSession
    notes: list[tuple[str, str, str]]

    async def pair(self, name: str) -> credentials.Pair:
        return (await self.known.reveal(name, "test"))[0]

    async def token(self, name: str, *scopes: str) -> str:
        """A token by the token endpoint, for all scopes when none is named."""
        pair = await self.pair(name)
        form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
        basic = base64.b64encode(f"{pair.key}:{pair.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        async with self.client.post("/oauth2/token", data=form, headers=headers) as response:
            assert response.status == 200, await response.text()
            token: str = (await response.json())["access_token"]
            return token

    async def ask(
        self, url: str, token: str | None = None, method: str = "GET", **more: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers, body) of one request; `url` goes over the wire as it is."""
        headers = {"Accept-Encoding": "identity", **more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.client.request(
            method, yarl.URL(url, encoded=True), headers=headers, **more
        ) as response:
            return response.status, response.headers, await response.read()

    async def serve(self, config: configs.Config | None = None, pages: Pages | None = None) -> None:
        """Swap one half of the world, and keep credentials in step, as the loops do."""

        async def record(_old: worlds.World, _new: worlds.World) -> None:
            return None

        if config is not None:
            await self.worlds.propose_config(config, "b" * 40, record)
            await self.known.ensure(config)
        if pages is not None:
            await self.worlds.propose_generation(pages, record)
        await self.known.sweep(self.worlds.current)


def settings_of(**more: Any) -> settings.Listen:
    """Settings that count no requests, as the clock of these tests stands still."""
    return settings.Listen(**{"public_url": PUBLIC_URL, "requests_per_minute": 1_000_000, **more})


@contextlib.asynccontextmanager
async def service(
    folder: Path,
    vendors: Mapping[str, Vendor] = VENDORS,
    records: Mapping[str, Iterable[Record]] | None = None,
    listen: settings.Listen | None = None,
    documents: configs.Config | None = None,
) -> AsyncIterator[Service]:
    """All of it, over a store in `folder`; `documents` instead of those of `vendors`."""
    clock = Clock()
    made = documents or config(vendors)
    pages = Pages({name: list(rows) for name, rows in (records or district()).items()})
    world = worlds.World(
        config=made,
        commit="a" * 40,
        generation=pages,
        published={pages.number: NOW},
        today=NOW.date(),
    )
    current = worlds.Worlds(world, clock)
    notes: list[tuple[str, str, str]] = []
    async with storage.open_sqlite(folder / "state.db") as store:
        known = credentials.Credentials(store, vault.Vault([bytes(32)]), clock.seconds)
        await known.load()
        await known.ensure(made)
        served = app.vendors(
            current,
            known,
            listen or settings_of(),
            note=lambda *note: notes.append(note),
            answered=replays.Replays(clock=clock.seconds),
            clock=clock.seconds,
        )
        async with listening(served) as address, aiohttp.ClientSession(address) as client:
            yield Service(current, known, store, clock, client, notes)


@contextlib.asynccontextmanager
async def listening(served: web.Application) -> AsyncIterator[str]:
    """The application on a free port of loopback, run as the daemon runs it; gives its URL."""
    runner = app.runner(served)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()

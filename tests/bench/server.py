"""The measured process: the vendors' listener as the daemon runs it, and a bare handler beside it.

Both run in one event loop, so that whatever else the machine does hits both alike. The bare one
gives back, under the same URL, the bytes that it was told before; through it the bench also has
the process do things: make views, swap the world, import.

    python -m tests.bench.server < request.json

says one line of JSON with where it listens, and serves until its standard input ends.
"""

import asyncio
import gc
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from rosterd import (
    credentials,
    disclosures,
    generations,
    ledger,
    replays,
    settings,
    storage,
    vault,
    worlds,
)
from rosterd.generations import building, calling
from rosterd.oneroster import model
from rosterd.web import app, auth
from tests.bench import applications
from tests.integration import vendors


@dataclass(frozen=True)
class Request:
    """What to serve, and where the store may be."""

    generation: str
    folder: str
    schools: list[str]


@dataclass(frozen=True)
class Address:
    """Ports on loopback; a token of each application, and its key with the secret."""

    process: int
    ours: int
    bare: int
    tokens: dict[str, str]
    pairs: dict[str, tuple[str, str]]


class Bare:
    """What any answer of aiohttp costs at least."""

    def __init__(self, served: worlds.Worlds, request: Request) -> None:
        self._served = served
        self._request = request
        self._bodies: dict[str, bytes] = {}

    def application(self) -> web.Application:
        made = web.Application(client_max_size=2**26)
        made.router.add_get("/page", self.page)
        made.router.add_put("/page", self.remember)
        made.router.add_delete("/page", self.forget)
        made.router.add_post("/do", self.do)
        return made

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._bodies[request.raw_path], headers={"Content-Type": "application/json"}
        )

    async def remember(self, request: web.Request) -> web.Response:
        self._bodies[request.raw_path] = await request.read()
        return web.Response()

    async def forget(self, request: web.Request) -> web.Response:
        self._bodies.clear()
        return web.Response()

    async def do(self, request: web.Request) -> web.Response:
        asked = await request.json()
        match asked["what"]:
            case "views":
                return web.json_response(self._views())
            case "swap":
                folder = Path(asked["generation"])
                generation = await asyncio.to_thread(generations.open_generation, folder)
                await self._served.propose_generation(generation, _nothing)
                return web.json_response({})
            case _:
                return web.json_response(await self._import(asked))

    def _views(self) -> dict[str, Any]:
        """Make a hundred views of a roster that nobody has asked anything yet."""
        config = vendors.config(applications.hundred(self._request.schools))
        generation = generations.open_generation(Path(self._request.generation))
        world = worlds.World(config, "c" * 40, generation, {1: vendors.NOW}, vendors.NOW.date())
        started = time.process_time()
        world.warm()
        seconds = time.process_time() - started
        views = [world.view(name) for name in config.applications]
        counts = [sum(len(view.rows[name]) for name in model.COLLECTIONS) for view in views]
        return {"seconds": seconds, "views": len(views), "records": sum(counts)}

    async def _import(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Import a delivery on top of what is served, and serve it."""
        request = building.Request(**{**asked["import"], "sources": tuple(asked["sources"])})
        event = await calling.build(request)
        if event["event"] == "built":
            folder = Path(request.folder) / event["name"]
            generation = await asyncio.to_thread(generations.open_generation, folder)
            await self._served.propose_generation(generation, _nothing)
        return {"event": event["event"]}


async def _nothing(_old: worlds.World, _new: worlds.World) -> None:
    return None


async def serve(request: Request) -> None:
    """Serve until standard input ends."""
    config = vendors.config(applications.applications(request.schools))
    generation = generations.open_generation(Path(request.generation))
    world = worlds.World(config, "a" * 40, today=vendors.NOW.date())
    served = worlds.Worlds(world, lambda: datetime.now(UTC))
    world = await served.propose_generation(generation, _nothing)
    async with storage.open_sqlite(Path(request.folder) / "state.db") as store:
        known = credentials.Credentials(store, vault.Vault([bytes(32)]), time.time)
        await known.load()
        await known.ensure(config)
        book = ledger.Ledger(store, lambda: datetime.now(UTC))
        listen = settings.Listen(public_url=vendors.PUBLIC_URL, requests_per_minute=10**9)
        answered = replays.Replays(Path(request.folder) / "replays")
        leaving = disclosures.Disclosures(
            Path(request.folder) / "disclosures", served, store, lambda: 1
        )
        ours_made = app.vendors(
            served, known, listen, book.note, answered=answered, leave=leaving.page
        )
        runners = [
            app.runner(ours_made),
            web.AppRunner(Bare(served, request).application(), access_log=None),
        ]
        for runner in runners:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        ours, bare = (runner.addresses[0][1] for runner in runners)
        tokens = {name: await _token(known, world, name) for name in config.applications}
        pairs = {name: await _pair(known, name) for name in config.applications}
        address = Address(os.getpid(), ours, bare, tokens, pairs)
        gc.collect()
        gc.freeze()  # as the daemon does
        sys.stdout.write(json.dumps(asdict(address)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        for runner in runners:
            await runner.cleanup()
        leaving.close()


async def _pair(known: credentials.Credentials, name: str) -> tuple[str, str]:
    pair = (await known.reveal(name, "bench"))[0]
    return pair.key, pair.secret


async def _token(known: credentials.Credentials, world: worlds.World, name: str) -> str:
    client = known.authenticate(*await _pair(known, name))
    assert client is not None
    return (await known.issue(client, auth.standing(world, name).scopes)).token


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # as under systemd
    asyncio.run(serve(Request(**json.loads(sys.stdin.readline()))))

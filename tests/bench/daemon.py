"""The whole daemon as a measured process: a repository of a hundred permissions, and one source.

    python -m tests.bench.daemon < request.json

says one line of JSON with where it listens once the first delivery is served and looked at by every
sanity check, then does what each line of its standard input names and says a line when it is done.
"""

import asyncio
import json
import logging
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rosterd import running, worlds
from rosterd.web import auth
from tests.bench import applications
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories
from tests.integration import test_standing as standing

SOURCE = "sis"


@dataclass(frozen=True)
class Request:
    """Folders: where everything may be put, and the delivery that is served first."""

    folder: str
    first: str
    schools: list[str]


@dataclass(frozen=True)
class Address:
    """The process, the vendors' port, and tokens of some applications that see everything."""

    process: int
    vendors: int
    tokens: dict[str, str]


def documents(request: Request) -> dict[str, str | bytes | None]:
    """What is committed. The source settles for so long that only who asks for it reads it."""
    source = (
        f"{texts.HEAD}kind: RosterSource\nname: {SOURCE}\ntype: directory\n"
        f"directory: {request.folder}/roster\nsettle: 24h\n"
    )
    files: dict[str, str | bytes | None] = {
        "rosterd.yaml": texts.REPOSITORY,
        f"sources/{SOURCE}.yaml": source,
    }
    for name, vendor in applications.hundred(request.schools).items():
        files[f"applications/{name}.yaml"] = texts.application(
            name, more='rest: {versions: ["1.1", "1.2"]}\n'
        )
        files[f"permissions/{name}.yaml"] = (
            f"{texts.HEAD}kind: Permission\nname: {name}\napplication: {name}\n{vendor.rules}"
        )
    return files


class Doing:
    """What the process can be told to do."""

    def __init__(self, daemon: running.Daemon, request: Request) -> None:
        self._daemon = daemon
        self._roster = Path(request.folder) / "roster"

    async def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do one thing, to its end."""
        match asked["what"]:
            case "import":
                shutil.rmtree(self._roster, ignore_errors=True)
                shutil.copytree(asked["delivery"], self._roster, copy_function=os.link)
                imported = await self._daemon.importing.import_now(SOURCE)
                assert imported.state == "imported", imported
                return {"generation": imported.generation}
            case "check":
                await self.checked()
                return {}
            case _:
                return await self._look()

    async def _look(self) -> dict[str, Any]:
        """What operators ask for in an hour: whoever they look for, and lists in every order."""
        found = 0
        for text in ("ma", "quinn", "lee an", "zzz", "7", "student art", "\u00fc"):
            sought = await self._daemon.desk.find(text, None, "bench")
            found += sum(sought["totals"].values())
        for sort in ("familyName", "email", "username"):
            for offset in (0, 50_000):
                page = await self._daemon.desk.browse("users", "bench", sort=sort, offset=offset)
                found += page["total"]
        picked = await self._daemon.desk.select("users", {"where": "givenName>'M'"}, "bench")
        return {"found": found + picked["count"]}

    async def checked(self) -> None:
        """Every application has been looked at as it is now."""
        while True:
            world = self._daemon.served.current
            last = await self._daemon.store.run(lambda store: store.last_sanity())
            if all(_told(world, name) in (None, _revision(last, name)) for name in _names(world)):
                return
            await asyncio.sleep(0.5)  # to look is work, too


def _names(world: worlds.World) -> list[str]:
    return sorted(world.config.applications) if world.config is not None else []


def _told(world: worlds.World, name: str) -> str | None:
    return None if world.view(name).refusal is not None else world.revision(name)


def _revision(last: Any, name: str) -> str:
    return last[name].revision if name in last else ""


async def serve(request: Request) -> None:
    """Serve until standard input ends."""
    folder = Path(request.folder)
    site = repositories.Site(folder)
    alice = site.person("alice")
    first = site.commit(documents(request), by=alice)
    site.push()
    (folder / "trusted_root").write_text(first + "\n")
    started: asyncio.Future[tuple[running.Daemon, running.Listening]] = asyncio.Future()
    stop = asyncio.Event()
    machine = standing.machine(folder, site)
    changes = {
        "listen": machine.listen.model_copy(update={"requests_per_minute": 10**9}),
        "imports": machine.imports.model_copy(update={"sources": (folder,)}),
    }
    task = asyncio.create_task(
        running.serve(
            machine.model_copy(update=changes),
            ready=lambda daemon, ports: started.set_result((daemon, ports)),
            stop=stop,
        )
    )
    daemon, ports = await started
    while daemon.served.current.commit != first:
        await daemon.served.wait(daemon.served.current)
    doing = Doing(daemon, request)
    await doing.do({"what": "import", "delivery": request.first})
    await doing.checked()
    _say(asdict(Address(os.getpid(), ports.vendors, await _tokens(daemon))))
    while line := await asyncio.to_thread(sys.stdin.readline):
        _say(await doing.do(json.loads(line)))
    stop.set()
    await task


async def _tokens(daemon: running.Daemon) -> dict[str, str]:
    """Of those that see everything."""
    world, found = daemon.served.current, {}
    for name in _names(world):
        grant = world.grant(name)
        if grant is None or grant.access != "full":
            continue
        pair = (await daemon.keys.reveal(name, "bench"))[0]
        client = daemon.keys.authenticate(pair.key, pair.secret)
        assert client is not None
        found[name] = (await daemon.keys.issue(client, auth.standing(world, name).scopes)).token
    return found


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # as under systemd
    asyncio.run(serve(Request(**json.loads(sys.stdin.readline()))))

"""A daemon that dies where it is told to, for tests: `python -m tests.integration.faults SETTINGS`.

The program itself knows no faults. Here its functions are wrapped from outside, in a fork of a
process that has everything imported, so that a death and what follows take a fraction of a second.
One line of JSON on standard input asks for one pass, `{"point": NAME or null}`; one line answers,
`{"signal": N, "first": …, "last": …}`: what was served when it started, and after the pass.
"""

import asyncio
import contextlib
import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import apsw

from rosterd import building, chain, credentials, git, plans, readiness, settings, statements
from rosterd import worlds as worlds_
from rosterd.git import witnesses
from rosterd.reconciling import candidates, recording
from rosterd.storage import connecting
from rosterd.storage.sqlite import chained, configs, holdings


@dataclass(frozen=True)
class Point:
    """A function of the program, and whether death comes before it or after."""

    owner: Any
    name: str
    when: Literal["before", "after"]


POINTS: Mapping[str, Point] = {
    "before the branch is fetched": Point(git.Mirror, "fetch", "before"),
    "once the branch is fetched": Point(git.Mirror, "fetch", "after"),
    "once the documents are read": Point(candidates.Reader, "read", "after"),
    "once the changes are known": Point(git.Mirror, "changes", "after"),
    "once the statements are heard": Point(witnesses.Witnesses, "hear", "after"),
    "once the plan is made": Point(plans, "make", "after"),
    "once it is judged": Point(statements, "judge", "after"),
    "once the record is written out": Point(recording.Recording, "applied", "after"),
    "once the credentials are prepared": Point(credentials.Credentials, "prepared", "after"),
    "before the transaction": Point(configs.Configs, "apply", "before"),
    "in the transaction, before the chain": Point(chained.Chained, "_note", "before"),
    "in the transaction, after the chain": Point(chained.Chained, "_note", "after"),
    "in the transaction, with what is held": Point(holdings.Holdings, "_hold", "after"),
    "in the transaction, all written": Point(connecting, "transaction", "after"),
    "after the transaction": Point(configs.Configs, "apply", "after"),
    "after the swap": Point(worlds_.Worlds, "propose_config", "after"),
    "before the credentials are adopted": Point(credentials.Credentials, "adopt", "before"),
    "before the commit is marked": Point(git.Mirror, "accept", "before"),
    "once the commit is marked": Point(git.Mirror, "accept", "after"),
}


def install(point: Point) -> None:
    """Make the point deadly."""
    inner = getattr(point.owner, point.name)
    if point.owner is connecting:
        setattr(point.owner, point.name, _dying_transaction(inner))
    elif inspect.iscoroutinefunction(inner):
        setattr(point.owner, point.name, _dying_coroutine(inner, point.when))
    else:
        setattr(point.owner, point.name, _dying(inner, point.when))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(inner: Callable[..., Any], when: str) -> Callable[..., Any]:
    @functools.wraps(inner)
    def outer(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            _die()
        result = inner(*arguments, **named)
        _die()
        return result

    return outer


def _dying_coroutine(inner: Callable[..., Any], when: str) -> Callable[..., Any]:
    @functools.wraps(inner)
    async def outer(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            _die()
        result = await inner(*arguments, **named)
        _die()
        return result

    return outer


def _dying_transaction(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Dies when everything is written and nothing is committed."""

    @contextlib.contextmanager
    def outer(connection: apsw.Connection, path: Path) -> Iterator[None]:
        with inner(connection, path):
            yield
            _die()

    return outer


# ------------------------------------------------------------ one pass


async def _pass(machine: settings.Settings, point: Point | None) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        daemon = await building.build(stack, machine, readiness.supervisor({}))
        first = await _state(daemon)
        if point is not None:
            install(point)
        status = await daemon.reconciling.reconcile()
        return {"first": first, "last": await _state(daemon), "reason": status.reason}


async def _state(daemon: building.Daemon) -> dict[str, Any]:
    """All that has to be of one commit, and whether the chain is whole."""
    world = daemon.served.current
    applied = await daemon.store.run(lambda store: store.applied())
    records = await daemon.store.run(lambda store: store.recorded(limit=1_000_000))
    verdict = chain.verify(records)
    marked = [each.read() for each in records if each.kind == "applied"]
    permission = world.config.permissions["math-galaxy"] if world.config is not None else None
    fields = permission.fields if permission is not None else None
    return {
        "served": world.commit,
        "applied": applied.commit if applied is not None else None,
        "on record": marked[-1]["commit"] if marked else None,
        "changes": len(marked),
        "chain": {"fine": verdict.fine, "records": verdict.count},
        "withheld": sorted((fields.withhold if fields is not None else None) or ()),
        "credentials": len(await daemon.store.run(lambda store: store.credentials())),
        "held": sorted(world.held),
    }


def _child(machine: settings.Settings, name: str | None, out: int) -> None:
    point = POINTS[name] if name is not None else None
    found = asyncio.run(_pass(machine, point))
    os.write(out, json.dumps(found).encode())


def main() -> None:
    path = Path(sys.argv[1])
    machine = settings.load(path.read_text(), str(path), path.parent)
    for line in sys.stdin:
        name = json.loads(line)["point"]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            status = 1
            try:
                _child(machine, name, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        answer = json.loads(told) if told else {}
        answer["signal"] = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        answer["exit"] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

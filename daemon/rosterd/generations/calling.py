"""Starting the import subprocess, and listening to it.

It is ended with everything it started when nobody waits for it any more, or when it has said
nothing for too long. Whatever it had built by then lies in a folder that `layout.clean` removes.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from rosterd.generations import building, processing

Event = dict[str, Any]

SILENCE: Final = 900.0
"""Seconds without a word after which an import counts as hung; it speaks every 50,000 rows, and
the longest it works in silence is putting a whole collection's segments together."""
_LINE: Final = 2**22
_GONE: Final = 10.0
"""Seconds for a process that was killed to be gone."""
_LAST: Final = frozenset({"built", "unchanged", "aside", "refused", "later", "failed", "processed"})
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


async def build(
    request: building.Request,
    heard: Callable[[Event], None] = lambda _: None,
    *,
    silence: float = SILENCE,
) -> Event:
    """The last event of an import (see `building`); `heard` gets those before it.

    A process that dies or hangs gives {"event": "failed", "message"}. Nothing is raised but
    cancellation, which ends the process.
    """
    return await _run("rosterd.generations.building", request, heard, silence)


async def write(request: processing.Request, *, silence: float = SILENCE) -> Event:
    """Write what the roster holds of a source: {"event": "processed", "bytes"}, or as `build`."""
    return await _run("rosterd.generations.processing", request, lambda _: None, silence)


async def _run(
    module: str,
    request: building.Request | processing.Request,
    heard: Callable[[Event], None],
    silence: float,
) -> Event:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # what Python prints there may hold values of records
        start_new_session=True,
        limit=_LINE,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )
    try:
        last = await _listen(process, request, heard, silence)
        if last["event"] != "failed":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):  # it has said its last word
                    await process.wait()
        return last
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Leave nothing running of it and of what it started."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Python 3.11 tells of the end only when the pipe has ended too, and of a pipe that nobody
    # reads, because too much had come, it never notices the end.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GONE):
            while process.stdout is not None and await process.stdout.read(2**16):
                pass
            await process.wait()


async def _listen(
    process: asyncio.subprocess.Process,
    request: building.Request | processing.Request,
    heard: Callable[[Event], None],
    silence: float,
) -> Event:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both were asked for")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(json.dumps(dataclasses.asdict(request)).encode() + b"\n")
        await process.stdin.drain()
        process.stdin.close()
    while True:
        try:
            async with asyncio.timeout(silence):
                line = await process.stdout.readline()
        except TimeoutError:
            return {"event": "failed", "message": f"the import said nothing for {silence:g} s"}
        if not line.endswith(b"\n"):
            return {"event": "failed", "message": _death(await process.wait())}
        event: Event = json.loads(line)
        if event["event"] in _LAST:
            return event
        heard({**event, "process": process.pid})


def _death(status: int) -> str:
    if status < 0:
        return f"the import was ended by {signal.Signals(-status).name}"
    return f"the import ended with status {status}"

"""The one place where things are started and stopped; `building` has made them.

What is *open* (store, mapped rosters, sockets) is kept on an exit stack and closed in reverse; what
*runs* (the loops) are named tasks, and the first of them to end ends the process. Vendors are served
as soon as the state of the last run is loaded: git and the source may be away.
"""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from rosterd import building, errors, readiness, replays, settings, watching
from rosterd.web import app as web_app
from rosterd.web import console, control, listening

_log = logging.getLogger(__name__)

Daemon = building.Daemon
now = building.now

DAY_CHECK: Final = 20.0
"""Seconds between two looks at the calendar."""
TIDY: Final = 600.0
"""Seconds between two rounds of forgetting expired tokens and old deliveries."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The ports that were taken; they differ from the settings where those say 0."""

    vendors: int
    console: int


Ready = Callable[[Daemon, Listening], None]


async def serve(
    machine: settings.Settings,
    *,
    ready: Ready | None = None,
    stop: asyncio.Event | None = None,
    signals: bool = True,
) -> None:
    """Run the daemon until `stop` is set or a signal asks for it.

    `ready` is called once, when vendors are answered. Raises errors.InputError when the settings,
    the state or a socket cannot be used.
    """
    stop = stop or asyncio.Event()
    supervisor = readiness.supervisor()
    try:
        async with contextlib.AsyncExitStack() as stack:
            daemon = await building.build(stack, machine, supervisor)
            ports = await _listen(stack, daemon)
            if signals:
                stack.enter_context(_signals(stop, daemon))
            gc.collect()
            gc.freeze()
            tasks = _tasks(daemon)
            supervisor.tell(READY=1, STATUS=_headline(daemon))
            if ready is not None:
                ready(daemon, ports)
            await _until_first_ends(tasks, stop)
            supervisor.tell(STOPPING=1)
    finally:
        supervisor.tell(STOPPING=1)


# ------------------------------------------------------------ what is open


async def _listen(stack: contextlib.AsyncExitStack, daemon: Daemon) -> Listening:
    machine, listen = daemon.machine, daemon.machine.listen
    tls = None
    if listen.certificate is not None and listen.key is not None:
        tls = listening.Certificate(listen.certificate, listen.key).context
    answered = replays.Replays(machine.paths.state / "replays")
    stack.callback(answered.close)
    vendors = web_app.vendors(
        daemon.served,
        daemon.keys,
        listen,
        daemon.book.note,
        answered=answered,
        hook=daemon.hook,
        leave=daemon.leaving.page,
        spend=daemon.links.spend,
    )
    page = console.Console(
        daemon.desk, daemon.people, public_url=machine.console.public_url
    ).application()
    socket = await asyncio.to_thread(listening.control_socket, machine.paths.control_socket)
    stack.callback(machine.paths.control_socket.unlink, missing_ok=True)
    try:
        control_runner = await _started(stack, control.application(daemon.desk))
        await web.SockSite(control_runner, socket).start()
        console_port = await _port(
            await _started(stack, page), machine.console.address, machine.console.port, None
        )
        vendors_port = await _port(await _started(stack, vendors), listen.address, listen.port, tls)
    except OSError as error:
        raise errors.InputError(f"cannot listen: {error.strerror or error}") from error
    return Listening(vendors=vendors_port, console=console_port)


async def _started(stack: contextlib.AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web_app.runner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def _port(runner: web.AppRunner, address: str, port: int, tls: Any) -> int:
    site = web.TCPSite(runner, address, port, ssl_context=tls)
    await site.start()
    taken: int = runner.addresses[-1][1]
    return taken


@contextlib.contextmanager
def _signals(stop: asyncio.Event, daemon: Daemon) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def look() -> None:
        daemon.reconciling.wake("operator")
        daemon.importing.wake()
        daemon.exporting.nudge()
        daemon.requesting.wake()

    handlers = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: look}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


# ------------------------------------------------------------ what runs


def _tasks(daemon: Daemon) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(run(daemon), name=name) for name, run in _LOOPS.items()]


async def _until_first_ends(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Wait for a stop or for a task that ends, which none should; then end all and raise its error."""
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
    for task in done - {stopping}:
        error = task.exception()
        _log.critical("the task %s ended: %s", task.get_name(), error or "without an error")
        raise error or RuntimeError(f"the task {task.get_name()} ended")


async def _turn_days(daemon: Daemon) -> None:
    """Grants end and terms begin at midnight of the repository's timezone."""
    _tell_endings(daemon)
    while True:
        daemon.beats["calendar"]()
        turned = False
        try:
            turned = await building.turn_day(daemon.served, daemon.store, daemon.watch)
        except errors.TemporaryError as error:
            _log.warning("the new day has to wait: %s", error)
        if turned:
            _log.info("a new day: %s", daemon.served.current.today)
            await daemon.keys.sweep(daemon.served.current)
            _tell_endings(daemon)
        await asyncio.sleep(DAY_CHECK)


def _tell_endings(daemon: Daemon) -> None:
    """Once a day and at the start: which grants end within a month."""
    world = daemon.served.current
    for ending in world.config.endings(world.today) if world.config is not None else ():
        _log.log(logging.WARNING if ending.urgent else logging.INFO, "%s", ending)


async def _tidy(daemon: Daemon) -> None:
    while True:
        daemon.beats["tidying"]()
        with contextlib.suppress(errors.TemporaryError):
            await daemon.store.run(lambda store: store.expire_tokens(now()))
            await daemon.importing.received.forget()
        await asyncio.sleep(TIDY)


def _watched(daemon: Daemon) -> dict[Path, Callable[[], None]]:
    """Folders whose changes are worth a look: the repository's refs and the sources."""
    wanted: dict[Path, Callable[[], None]] = {}
    refs = watching.refs(daemon.machine.repository.url)
    if refs is not None:
        wanted[refs] = lambda: daemon.reconciling.wake("file event")
    for folder in daemon.importing.folders():
        wanted[folder] = daemon.importing.wake
    return wanted


async def _feed(daemon: Daemon) -> None:
    """A sign of life for the service manager, as long as every loop shows one."""
    pause = min((daemon.supervisor.watchdog or DAY_CHECK) / 2, DAY_CHECK)
    while True:
        silent = daemon.pulse.silent()
        if silent:
            _log.error("no sign of life from: %s", ", ".join(silent))
            daemon.supervisor.tell(STATUS=f"silent: {', '.join(silent)}")
        else:
            daemon.supervisor.tell(WATCHDOG=1, STATUS=_headline(daemon))
        await asyncio.sleep(pause)


_LOOPS: Final[Mapping[str, Callable[[Daemon], Coroutine[Any, Any, None]]]] = {
    "reconciling": lambda daemon: daemon.reconciling.run(),
    "importing": lambda daemon: daemon.importing.run(),
    "exporting": lambda daemon: daemon.exporting.run(),
    "sanity checks": lambda daemon: daemon.examining.run(daemon.beats["sanity checks"]),
    "requesting": lambda daemon: daemon.requesting.run(),
    "links": lambda daemon: daemon.links.run(daemon.beats["links"]),
    "notifying": lambda daemon: daemon.notifying.run(daemon.beats["notifying"]),
    "ledger": lambda daemon: daemon.book.run(daemon.beats["ledger"]),
    "disclosures": lambda daemon: daemon.leaving.run(daemon.beats["disclosures"]),
    "calendar": _turn_days,
    "tidying": _tidy,
    "file events": lambda daemon: watching.watch(lambda: _watched(daemon)),
    "watchdog": _feed,
}
"""What runs until the end, by name. Each but file events (a hint) feeds the watchdog."""


def _headline(daemon: Daemon) -> str:
    world, status = daemon.served.current, daemon.reconciling.status
    serving = f"serving {world.commit[:12]}" if world.ready and world.commit else "serving nothing"
    return f"{serving}; {status.message}" if not status.current else serving

"""The one place where things are built, started and stopped.

What is *open* (store, mapped rosters, sockets) is kept on an exit stack and closed in reverse; what
*runs* (the loops) are named tasks, and the first of them to end ends the process. Vendors are served
as soon as the state of the last run is loaded: git and the source may be away.
"""

import asyncio
import contextlib
import gc
import logging
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from rosterd import (
    credentials,
    errors,
    exporting,
    generations,
    git,
    holdings,
    importing,
    ledger,
    operating,
    readiness,
    reconciling,
    replays,
    settings,
    storage,
    vault,
    watching,
    worlds,
)
from rosterd.web import app as web_app
from rosterd.web import console, control, listening, operators

_log = logging.getLogger(__name__)

SILENCE: Final[Mapping[str, float]] = {"reconciling": 180.0, "importing": 180.0, "exporting": 180.0}
"""Seconds a loop may show no sign of life before the watchdog goes hungry. A pass ticks between its
steps, and each step has its own deadline well below this."""
DAY_CHECK: Final = 20.0
"""Seconds between two looks at the calendar."""
LEAD: Final = timedelta(seconds=5)
"""How long recording a change may take: its moment lies so far ahead that none lies behind it."""
TIDY: Final = 600.0
"""Seconds between two rounds of forgetting expired tokens and generations nobody holds."""


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """Everything that was built, for the tasks and for whoever runs the daemon inside a program."""

    machine: settings.Settings
    store: storage.Storage
    keys: credentials.Credentials
    served: worlds.Worlds
    reconciling: reconciling.Reconciling
    importing: importing.Importing
    exporting: exporting.Exporting
    book: ledger.Ledger
    pulse: readiness.Pulse
    desk: operating.Operating
    supervisor: readiness.Supervisor


@dataclass(frozen=True, slots=True)
class Listening:
    """The ports that were taken; they differ from the settings where those say 0."""

    vendors: int
    console: int


Ready = Callable[[Daemon, Listening], None]


def now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


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
            daemon = await _build(stack, machine, supervisor)
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


async def _build(
    stack: contextlib.AsyncExitStack, machine: settings.Settings, supervisor: readiness.Supervisor
) -> Daemon:
    _folders(machine)
    chest = await asyncio.to_thread(vault.load, machine.secrets.vault_key)
    store = await stack.enter_async_context(storage.open_sqlite(machine.state_db))
    keys = credentials.Credentials(store, chest)
    await keys.load()
    served = worlds.Worlds(await _restored(store, machine), now, LEAD)
    await _turn_day(served, store)
    served.current.warm()
    book = ledger.Ledger(store, now)
    exports_loop = exporting.Exporting(
        spool=machine.spool,
        served=served,
        state=store,
        named=exporting.Secrets(store, chest, now),
        book=book,
        clock=now,
    )
    mirror = git.Mirror(machine.mirror, machine.repository)
    reconcile_loop = reconciling.Reconciling(machine, mirror, store, served, keys=keys, clock=now)
    import_loop = importing.Importing(
        folder=machine.generations,
        limits=machine.imports,
        served=served,
        state=store,
        clock=now,
    )
    pulse = readiness.Pulse(
        time.monotonic,
        {
            "reconciling": (lambda: reconcile_loop.heartbeat, SILENCE["reconciling"]),
            "importing": (lambda: import_loop.ticked, SILENCE["importing"]),
            "exporting": (lambda: exports_loop.ticked, SILENCE["exporting"]),
        },
    )
    desk = operating.Operating(
        machine=machine,
        served=served,
        store=store,
        reconcile_loop=reconcile_loop,
        imports_loop=import_loop,
        exports_loop=exports_loop,
        keys=keys,
        book=book,
        pulse=pulse,
        clock=now,
        started=now(),
    )
    return Daemon(
        machine=machine,
        store=store,
        keys=keys,
        served=served,
        reconciling=reconcile_loop,
        importing=import_loop,
        exporting=exports_loop,
        book=book,
        pulse=pulse,
        desk=desk,
        supervisor=supervisor,
    )


def _folders(machine: settings.Settings) -> None:
    for name in ("git", "ssh-keygen"):
        if shutil.which(name) is None:
            raise errors.InputError(f"cannot run without the program {name}: install it first")
    try:
        for folder in (machine.paths.state, machine.generations, machine.spool):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise errors.InputError(
            f"cannot use the state folder {machine.paths.state}: {error.strerror}"
        ) from error


async def _restored(store: storage.Storage, machine: settings.Settings) -> worlds.World:
    """The world of the last run: applied config and published generation, from the state alone."""
    restored = await reconciling.restore(store)
    published = await store.run(lambda kept: kept.generation())
    publications = await store.run(lambda kept: kept.publications())
    generation = None
    if published is not None:
        folder = machine.generations / published.name
        try:
            generation = await asyncio.to_thread(generations.open_generation, folder)
        except errors.InputError:
            # Refusing to start would not bring it back: the next import builds a new one.
            _log.exception("the published roster cannot be opened; it is imported anew")
    config, applied = restored if restored is not None else (None, None)
    return worlds.World(
        config=config,
        commit=applied.commit if applied is not None else None,
        generation=generation,
        published=publications,
        held=holdings.restored(await store.run(lambda kept: kept.holdings())),
    )


async def _listen(stack: contextlib.AsyncExitStack, daemon: Daemon) -> Listening:
    machine, listen = daemon.machine, daemon.machine.listen
    tls = None
    if listen.certificate is not None and listen.key is not None:
        tls = listening.Certificate(listen.certificate, listen.key).context
    answered = replays.Replays(machine.paths.state / "replays")
    stack.callback(answered.close)
    vendors = web_app.vendors(
        daemon.served, daemon.keys, listen, daemon.book.note, answered=answered
    )
    people = operators.Operators(machine.console.tokens)
    page = console.Console(daemon.desk, people).application()
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
    work: dict[str, Coroutine[Any, Any, None]] = {
        "reconciling": daemon.reconciling.run(),
        "importing": daemon.importing.run(),
        "exporting": daemon.exporting.run(),
        "ledger": daemon.book.run(),
        "calendar": _turn_days(daemon),
        "tidying": _tidy(daemon),
        "file events": watching.watch(lambda: _watched(daemon)),
        "watchdog": _feed(daemon),
    }
    return [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]


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
    while True:
        turned = False
        try:
            turned = await _turn_day(daemon.served, daemon.store)
        except errors.TemporaryError as error:
            _log.warning("the new day has to wait: %s", error)
        if turned:
            _log.info("a new day: %s", daemon.served.current.today)
            await daemon.keys.sweep(daemon.served.current)
        await asyncio.sleep(DAY_CHECK)


async def _turn_day(served: worlds.Worlds, store: storage.Storage) -> bool:
    async def record(old: worlds.World, new: worlds.World) -> None:
        await store.run(lambda kept: kept.keep_holdings(holdings.writes(old.held, new.held)))

    return await served.turn_day(record)


async def _tidy(daemon: Daemon) -> None:
    while True:
        with contextlib.suppress(errors.TemporaryError):
            await daemon.store.run(lambda store: store.expire_tokens(now()))
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


def _headline(daemon: Daemon) -> str:
    world, status = daemon.served.current, daemon.reconciling.status
    serving = f"serving {world.commit[:12]}" if world.ready and world.commit else "serving nothing"
    return f"{serving}; {status.message}" if not status.current else serving

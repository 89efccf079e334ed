"""Everything the daemon is made of, put together from the settings and the state on disk.

Nothing runs yet when this is done, and nothing listens: that is for `running`. What was served last
is served again, if the state still is what was applied.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rosterd import (
    blocking,
    chain,
    credentials,
    disclosures,
    errors,
    examining,
    exporting,
    generations,
    git,
    guards,
    holdings,
    importing,
    ledger,
    notifying,
    observing,
    operating,
    previewing,
    readiness,
    reconciling,
    requesting,
    revealing,
    sealing,
    settings,
    storage,
    vault,
    worlds,
)
from rosterd.importing import releasing
from rosterd.web import hooks, operators

_log = logging.getLogger(__name__)

SILENCE: Final[Mapping[str, float]] = {
    "reconciling": 180.0,
    "importing": 180.0,
    "exporting": 180.0,
    "requesting": 180.0,
    "sanity checks": 180.0,
    "links": 900.0,  # as tidying
    "notifying": 180.0,
    "ledger": 180.0,
    "calendar": 180.0,
    "disclosures": 900.0,  # a night's files are put together in one step
    "tidying": 900.0,  # it rests for ten minutes at a time
}
"""Seconds a loop may show no sign of life before the watchdog goes hungry. A pass ticks between its
steps, and each step has its own deadline well below this."""
BEATING: Final = (
    *("sanity checks", "links", "notifying", "ledger", "calendar", "disclosures", "tidying"),
)
"""Loops that are given a readiness.Beat; the others keep their own."""
LEAD: Final = timedelta(seconds=5)
"""How long recording a change may take: its moment lies so far ahead that none lies behind it."""


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
    examining: examining.Examining
    requesting: requesting.Requesting
    links: revealing.Links
    notifying: notifying.Notifying
    book: ledger.Ledger
    watch: disclosures.Watch
    leaving: disclosures.Disclosures
    beats: Mapping[str, readiness.Beat]
    """For loops that are told where to show a sign of life."""
    pulse: readiness.Pulse
    desk: operating.Operating
    people: operators.Operators
    hook: hooks.Hooks | None
    supervisor: readiness.Supervisor


def now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


async def build(
    stack: contextlib.AsyncExitStack, machine: settings.Settings, supervisor: readiness.Supervisor
) -> Daemon:
    """The parts, with what has to be closed at the end on `stack`.

    Raises errors.InputError when the settings or the state cannot be used.
    """
    _folders(machine)
    state = await _opened(stack, machine)
    loops = _loops(machine, state)
    people = operators.Operators(machine.console.tokens)
    hook = None
    if machine.webhook.scheme is not None:
        hook = hooks.Hooks(machine.webhook, loops.hooked)
        stack.callback(hook.close)
    beats = {name: readiness.Beat() for name in BEATING}
    pulse = _pulse(loops, beats)
    links = revealing.Links(state.store, state.served, state.keys, machine.listen.public_url, now)
    told = _notifying(machine, state, loops)
    desk = _desk(
        machine, state, loops, links=links, told=told, people=people, pulse=pulse, hook=hook
    )
    return Daemon(
        machine=machine,
        store=state.store,
        keys=state.keys,
        served=state.served,
        reconciling=loops.reconciling,
        importing=loops.importing,
        exporting=loops.exporting,
        examining=loops.examining,
        requesting=loops.requesting,
        links=links,
        notifying=told,
        book=state.book,
        watch=state.watch,
        leaving=state.leaving,
        beats=beats,
        pulse=pulse,
        desk=desk,
        people=people,
        hook=hook,
        supervisor=supervisor,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What is on disk, opened, and what goes by it."""

    chest: vault.Vault
    store: storage.Storage
    keys: credentials.Credentials
    served: worlds.Worlds
    named: disclosures.Pseudonyms
    watch: disclosures.Watch
    leaving: disclosures.Disclosures
    book: ledger.Ledger


async def _opened(stack: contextlib.AsyncExitStack, machine: settings.Settings) -> _State:
    chest = await asyncio.to_thread(vault.load, machine.secrets.vault_key)
    store = await stack.enter_async_context(storage.open_sqlite(machine.state_db))
    keys = credentials.Credentials(store, chest)
    await keys.load()
    served = worlds.Worlds(await _restored(store, machine), now, LEAD)
    named = await store.run(lambda kept: disclosures.prepare(kept, chest))
    watch = disclosures.Watch(named, now)
    await watch.load(store, served.current.held)
    leaving = await asyncio.to_thread(
        disclosures.Disclosures, machine.disclosures, served, store, lambda: watch.line
    )
    stack.callback(leaving.close)
    await turn_day(served, store, watch)
    served.current.warm()
    return _State(
        chest=chest,
        store=store,
        keys=keys,
        served=served,
        named=named,
        watch=watch,
        leaving=leaving,
        book=ledger.Ledger(store, now),
    )


def _desk(
    machine: settings.Settings,
    state: _State,
    loops: "_Loops",
    *,
    links: revealing.Links,
    told: notifying.Notifying,
    people: operators.Operators,
    pulse: readiness.Pulse,
    hook: hooks.Hooks | None,
) -> operating.Operating:
    async def shown(who: str, commit: str, details: Mapping[str, str]) -> None:
        note = chain.Note("planned", who, commit, now(), details)
        await state.store.run(lambda kept: kept.note(note))

    return operating.Operating(
        machine=machine,
        served=state.served,
        store=state.store,
        reconcile_loop=loops.reconciling,
        imports_loop=loops.importing,
        releases=releasing.Releasing(machine, state.store, now),
        exports_loop=loops.exporting,
        checks_loop=loops.examining,
        requests_loop=loops.requesting,
        keys=state.keys,
        links=links,
        unreached=told.warnings,
        blocking=blocking.Blocking(state.store, state.served, state.keys, now, state.watch),
        inquiries=disclosures.Inquiries(
            state.store,
            machine.state_db,
            machine.disclosures,
            state.named,
            clock=now,
            served=state.served,
        ),
        book=state.book,
        pulse=pulse,
        people=people,
        previews=previewing.Previews(state.served, shown, machine.review.people),
        clock=now,
        started=now(),
        hooks=hook.outcomes if hook is not None else {},
    )


@dataclass(frozen=True, slots=True)
class _Loops:
    reconciling: reconciling.Reconciling
    importing: importing.Importing
    exporting: exporting.Exporting
    examining: examining.Examining
    requesting: requesting.Requesting

    def hooked(self) -> None:
        """A forge told of something: a push to the branch, or to somebody's request."""
        self.reconciling.wake("webhook")
        self.requesting.wake()


def _loops(machine: settings.Settings, state: _State) -> _Loops:
    mirror = git.Mirror(machine.mirror, machine.repository)
    named = sealing.Secrets(state.store, state.chest, now)
    return _Loops(
        reconciling.Reconciling(
            machine,
            mirror,
            state.store,
            state.served,
            keys=state.keys,
            watch=state.watch,
            clock=now,
        ),
        importing.Importing(
            folder=machine.generations,
            limits=machine.imports,
            served=state.served,
            state=state.store,
            watch=state.watch,
            secrets=named,
            clock=now,
        ),
        exporting.Exporting(
            spool=machine.spool,
            served=state.served,
            state=state.store,
            named=named,
            book=state.book,
            leaving=state.leaving,
            clock=now,
        ),
        examining.Examining(state.served, state.store, now),
        requesting.Requesting(machine, state.store, state.served, now),
    )


def _notifying(machine: settings.Settings, state: _State, loops: _Loops) -> notifying.Notifying:
    watched = observing.Observing(
        served=state.served,
        store=state.store,
        reconciling=loops.reconciling,
        importing=loops.importing,
        exporting=loops.exporting,
        clock=now,
    )
    return notifying.Notifying(
        machine=machine,
        served=state.served,
        state=state.store,
        named=sealing.Secrets(state.store, state.chest, now),
        look=watched.look,
        clock=now,
    )


def _pulse(loops: _Loops, beats: Mapping[str, readiness.Beat]) -> readiness.Pulse:
    def of(beat: readiness.Beat) -> Callable[[], float]:
        return lambda: beat.last

    last: dict[str, Callable[[], float]] = {
        "reconciling": lambda: loops.reconciling.heartbeat,
        "importing": lambda: loops.importing.ticked,
        "exporting": lambda: loops.exporting.ticked,
        "requesting": lambda: loops.requesting.ticked,
        **{name: of(beat) for name, beat in beats.items()},
    }
    return readiness.Pulse(
        time.monotonic, {name: (tick, SILENCE[name]) for name, tick in last.items()}
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
    try:
        restored = await reconciling.restore(store)
    except reconciling.Drifted as drifted:
        # Nothing rather than what nobody vouched for; the first pass takes it from git again.
        _log.error("nothing is served before git was asked: %s", drifted)
        restored = None
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
    world = worlds.World(
        config=config,
        commit=applied.commit if applied is not None else None,
        generation=generation,
        published=publications,
        held=holdings.restored(await store.run(lambda kept: kept.holdings())),
    )
    return await guards.restored(store, machine.generations, world)


async def turn_day(served: worlds.Worlds, store: storage.Storage, watch: disclosures.Watch) -> bool:
    """Begin a new day if there is one; what applications lose by it is stored."""

    async def record(old: worlds.World, new: worlds.World) -> None:
        async with disclosures.noticed(watch, old, new) as seen:
            await store.run(
                lambda kept: kept.keep_holdings(
                    holdings.writes(old.held, new.held),
                    seen=seen,
                    guards=guards.kept(new),
                    notes=guards.notes(old, new, now()),
                )
            )

    return await served.turn_day(record)

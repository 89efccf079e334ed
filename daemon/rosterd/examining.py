"""Sanity checks that nobody has to ask for: a run of each application whenever what it sees changed,
and on each new day, since terms end without anything else that changes.

Numbers are kept, so that a run can be compared with the one before; whom they mean is found anew
for whoever asks. Checks walk whole columns, so they run on another thread and on a roster with
memories of its own, one application after the other: pages never wait for them.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from rosterd import errors, needs, pictures, rosters, sanity, storage, worlds

_log = logging.getLogger(__name__)

PASS_SECONDS: Final = 60.0
"""The longest time between two looks."""
_VERSION = "1.2"
"""Checks speak in names of this version, whichever the application reads."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one check finds now, and what it found before."""

    finding: sanity.Finding
    before: int | None
    """What the run before found; None where there is none, or it could not tell."""
    since: datetime
    """Since when it has been finding so many, as far as runs are kept."""


@dataclass(frozen=True, slots=True)
class Examined:
    """An application now, against the run before."""

    run: storage.SanityRun
    previous: storage.SanityRun | None
    checks: tuple[Compared, ...]
    unmet: tuple[str, ...]
    """What its catalogue entry needs and it does not get."""


class Examining:
    """Runs checks, compares and keeps them."""

    def __init__(
        self, served: worlds.Worlds, state: storage.Storage, clock: Callable[[], datetime]
    ) -> None:
        self._served = served
        self._state = state
        self._clock = clock
        self._turn = asyncio.Lock()
        self._apart: tuple[rosters.Roster, rosters.Roster] | None = None
        self._asked: dict[str, tuple[tuple[object, ...], Examined]] = {}
        self._days: dict[str, date] = {}  # application -> the day as which it was examined

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Examine every world that is served until cancelled. A world that is replaced meanwhile
        is left where it is: the next one asks about the same applications.
        """
        while True:
            beat()
            world = self._served.current
            try:
                await self.look(world, beat)
            except errors.TemporaryError as error:
                _log.warning("sanity checks wait: %s", error)
            self._apart = None  # it keeps columns of a roster in memory
            # not wait_for: in Python 3.11 it swallows a cancellation that meets the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PASS_SECONDS):
                    await self._served.wait(world)

    async def look(self, world: worlds.World, beat: Callable[[], None] = lambda: None) -> None:
        """Examine each application whose records or rules differ from those of its last run, and
        all of them once on each day and after each start: a new version may bring new checks.
        """
        if world.config is None or world.generation is None:
            return
        names = sorted(world.config.applications)
        for gone in self._asked.keys() - set(names):
            del self._asked[gone]
        await self._state.run(lambda store: store.forget_sanity(names))
        last = await self._state.run(lambda store: store.last_sanity())
        for name in names:
            if self._served.current is not world:
                return
            beat()
            run = last.get(name)
            same = run is not None and run.revision == world.revision(name)
            if not (same and self._days.get(name) == world.today) and _served(world, name):
                async with self._turn:
                    await self._try(world, name)

    async def _try(self, world: worlds.World, application: str) -> None:
        """Examine; a fault of a check is no reason to stop serving, nor to leave out the others."""
        try:
            await self._examine(world, application)
        except errors.TemporaryError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._days[application] = world.today
            # where it happened, without the values: they may name a pupil
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("sanity checks of %s: %s\n%s", application, type(error).__name__, place)

    async def ask(self, application: str) -> Examined:
        """Examine one application now. Raises errors.InputError when it gets nothing."""
        world = self._served.current
        if world.config is None or world.generation is None:
            raise errors.TemporaryError("cannot check before there are a config and a roster")
        if application not in world.config.applications:
            raise errors.InputError(f"cannot check {application}: no application has that name")
        refusal = world.view(application).refusal
        if refusal is not None:
            raise errors.InputError(f"cannot check what {application} sees: {refusal}")
        source = world.of(application)
        number = source.generation.number if source.generation is not None else 0
        key = (world.revision(application), world.today, number, source.commit, world.commit)
        async with self._turn:
            # whoever asks again and again about the same records costs nobody anything
            last = self._asked.get(application)
            if last is None or last[0] != key:
                last = self._asked[application] = key, await self._examine(world, application)
        return last[1]

    async def history(self, application: str, limit: int) -> Sequence[storage.SanityRun]:
        """Runs that are kept, the newest first."""
        return await self._state.run(lambda store: store.sanity_runs(application, limit))

    async def _examine(self, world: worlds.World, application: str) -> Examined:
        """Run all checks; kept unless the newest run says the same of the same records."""
        picture = self._picture(world, application)
        offered = _offered(world, application)
        found, unmet = await asyncio.to_thread(
            lambda: (sanity.report(picture), needs.broken(picture, offered))
        )
        self._days[application] = world.today
        source = world.of(application)
        run = storage.SanityRun(
            application=application,
            generation=source.generation.number if source.generation is not None else 0,
            commit=source.commit or "",
            revision=world.revision(application),
            time=self._clock(),
            counts={each.check: each.count for each in found},
        )
        runs = await self.history(application, _ALL)
        if runs and (runs[0].revision, runs[0].counts) == (run.revision, run.counts):
            run, runs = runs[0], runs[1:]
        else:
            await self._state.run(lambda store: store.keep_sanity(run))
        return Examined(run, runs[0] if runs else None, compared(found, run, runs), unmet)

    def _picture(self, world: worlds.World, application: str) -> pictures.Picture:
        view = world.view(application)
        if self._apart is None or self._apart[0] is not view.roster:
            self._apart = (view.roster, view.roster.apart())
        return pictures.Picture(replace(view, roster=self._apart[1]), _VERSION)


_ALL = 1000


def compared(
    found: Sequence[sanity.Finding], run: storage.SanityRun, before: Sequence[storage.SanityRun]
) -> tuple[Compared, ...]:
    """Each finding of `run` against the runs before it, the newest of them first."""
    last: Mapping[str, int | None] = before[0].counts if before else {}
    return tuple(
        Compared(each, last.get(each.check), _since(each.check, run, before)) for each in found
    )


def _since(check: str, run: storage.SanityRun, before: Sequence[storage.SanityRun]) -> datetime:
    since = run.time
    for each in before:
        if check not in each.counts or each.counts[check] != run.counts[check]:
            break
        since = each.time
    return since


def _served(world: worlds.World, application: str) -> bool:
    return world.view(application).refusal is None


def _offered(world: worlds.World, application: str) -> frozenset[str]:
    """Versions in which it gets records: over REST, and in the files of its targets."""
    grant, config = world.grant(application), world.config
    rest = grant.application.rest if grant is not None else None
    files = {
        target.export.version
        for target in (config.targets.values() if config is not None else ())
        if target.application == application and target.enabled and target.export.custom is None
    }
    return frozenset(files | set(rest.versions if rest is not None and rest.enabled else ()))

"""Planning open requests: a loop of its own, beside the one that accepts commits.

It reads what is served and changes nothing of it: it has a repository of its own, so a head that a
stranger pushed is never anywhere near what could be accepted. Whatever fails here (the forge is
away, a token ended, a request is too large) is told in status and stops nothing else.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rosterd import errors, forges, settings, storage, worlds
from rosterd.git import inbox
from rosterd.requesting import judging, telling
from rosterd.requesting.seen import Seen

__all__ = ["Requesting", "Seen", "Status"]

_TICK: Final = 5.0
_MOST_PAUSE: Final = 900.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of all open requests; replaced whole after each pass."""

    on: bool = False
    requests: tuple[Seen, ...] = ()
    problem: str = ""
    """What keeps the repository's requests from being looked at."""
    forge: str = ""
    """What keeps the forge from being told."""
    looked: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For status and console."""
        return {
            "on": self.on,
            "problem": self.problem,
            "forge": self.forge,
            "open": [each.as_json() for each in self.requests],
        }


class Requesting:
    """The loop. `run()` is a task for ever; `look()` is one pass."""

    def __init__(
        self,
        machine: settings.Settings,
        store: storage.Storage,
        served: worlds.Worlds,
        clock: Callable[[], datetime],
    ) -> None:
        """`clock` gives aware times."""
        self._machine = machine
        self._worlds = served
        self._clock = clock
        self._inbox = inbox.Inbox(machine)
        self._inbox.beat = self._tick
        self._judging = judging.Judging(machine, self._inbox, store, clock)
        self._telling = telling.Telling(
            machine.repository.id, machine.repository.branch, machine.requests.author
        )
        self._status = Status(on=bool(machine.requests.refs))
        self._quiet_until = 0.0
        self._failures = 0
        self._awake = asyncio.Event()
        self._beat = time.monotonic()

    @property
    def status(self) -> Status:
        """Where the last pass ended."""
        return self._status

    @property
    def ticked(self) -> float:
        """When the loop last showed a sign of life, by time.monotonic()."""
        return self._beat

    def wake(self) -> None:
        """Look soon; safe to call at any time from the event loop's thread."""
        self._awake.set()

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            self._awake.clear()
            if self._machine.requests.refs:
                await self.look()
            await self._rest()

    async def look(self) -> Status:
        """One pass; whatever goes wrong is in the status that it gives."""
        self._tick()
        problem = forge = ""
        seen = self._status.requests
        try:
            open_, forge = await self._asking(self._open)
            seen = await self._look(open_)
            if not forge:
                _, forge = await self._asking(lambda it: self._tell(it, seen))
            self._failures = 0
        except (errors.TemporaryError, errors.InputError) as error:
            self._failures += 1
            problem = str(error)
        except Exception:  # noqa: BLE001 - a bug here must not stop what is served; it is told
            self._failures += 1
            _log.exception("a look at the open requests failed")
            problem = "an internal error; see the log"
        self._log(problem, forge)
        self._status = Status(
            on=True, requests=seen, problem=problem, forge=forge, looked=self._clock()
        )
        self._tick()
        return self._status

    # ------------------------------------------------------------ the repository's side

    async def _look(self, open_: frozenset[int] | None) -> tuple[Seen, ...]:
        world = self._worlds.current
        if world.config is None or world.commit is None:
            return ()  # nothing is accepted yet that a request could change
        await self._inbox.fetch()
        heads = [
            head for head in await self._inbox.heads() if open_ is None or head.number in open_
        ][: self._machine.requests.most]
        if not await self._inbox.has(world.commit):
            raise errors.TemporaryError(
                f"cannot find the accepted commit {world.commit[:12]} in the repository"
            )
        refused = await self._inbox.bring(heads)
        self._tick()
        stated = await self._inbox.statements_digest()
        return tuple([await self._seen(head, world, stated, refused) for head in heads])

    async def _seen(
        self, head: inbox.Head, world: worlds.World, stated: str, refused: Mapping[str, str]
    ) -> Seen:
        self._tick()
        if head.ref in refused:
            message = f"its head cannot be fetched: {refused[head.ref]}"
            return Seen(head.number, head.ref, head.commit, "unknown", message)
        try:
            return await self._judging.judge(head, world, stated)
        except errors.TemporaryError as error:
            return Seen(head.number, head.ref, head.commit, "unknown", str(error))

    # ------------------------------------------------------------ the forge's side

    async def _asking(self, work: Callable[[forges.Forge], Any]) -> tuple[Any, str]:
        """(what `work` gave or None, what kept it from being done)."""
        requests = self._machine.requests
        if requests.forge is None:
            return None, ""
        if (left := self._quiet_until - time.monotonic()) > 0:
            return None, f"the forge wants to be asked again later: in {int(left) + 1} s"
        try:
            forge = forges.open_forge(requests, self._machine.repository.branch, self._tick)
            try:
                return await work(forge), ""
            finally:
                await forge.close()
        except forges.Patience as error:
            self._quiet_until = time.monotonic() + error.seconds
            return None, str(error)
        except errors.TemporaryError as error:
            return None, str(error)

    async def _open(self, forge: forges.Forge) -> frozenset[int]:
        found = await forge.open()
        self._tick()
        return found

    async def _tell(self, forge: forges.Forge, seen: tuple[Seen, ...]) -> None:
        """Tell of every request; the first failure is raised when all had their turn."""
        private = await forge.private()
        self._telling.forget(frozenset(each.number for each in seen))
        failed: errors.TemporaryError | None = None
        for each in seen:
            self._tick()
            try:
                await self._telling.tell(forge, each, private=private)
            except forges.Patience:
                raise
            except errors.TemporaryError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    # ------------------------------------------------------------ resting

    async def _rest(self) -> None:
        poll = self._machine.requests.poll
        pause = min(max(poll, _MOST_PAUSE), poll * 2 ** min(self._failures, 6))
        if self._worlds.current.commit is None:
            pause = min(poll, _TICK)  # the first commit may be accepted any moment
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self._awake.is_set():
            self._tick()
            # not wait_for: on 3.11 it swallows a cancellation that meets the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _TICK)):
                    await self._awake.wait()

    def _tick(self) -> None:
        self._beat = time.monotonic()

    def _log(self, problem: str, forge: str) -> None:
        for what, now, before in (
            ("requests", problem, self._status.problem),
            ("forge", forge, self._status.forge),
        ):
            if now and now.partition(": it is asked")[0] != before.partition(": it is asked")[0]:
                _log.warning("open %s: %s", what, now)

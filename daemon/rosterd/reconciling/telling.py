"""What is told of passes: the status after each, and the ones that ended differently.

The loop says which steps it comes to and how a pass ended; here that becomes what people, programs
and metrics read. Nothing here decides anything.
"""

import collections
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from rosterd import worlds
from rosterd.reconciling import applying, conditions
from rosterd.reconciling.conditions import Ended, Status, Trigger

_log = logging.getLogger("rosterd.reconciling")


class Telling:
    """The status, replaced whole after each pass, and what came before it."""

    def __init__(
        self, applied: applying.Applying, served: worlds.Worlds, clock: Callable[[], datetime]
    ) -> None:
        self._applying = applied
        self._worlds = served
        self._clock = clock
        self._status = conditions.beginning(clock())
        self._asked: list[str] = []
        self._history: collections.deque[Ended] = collections.deque(maxlen=conditions.KEPT)
        self._woken_by: Trigger | None = "start"
        self.trigger: Trigger = "start"
        """What woke the pass that runs, or the last one."""
        self.counts: collections.Counter[str] = collections.Counter()
        """Reason that a pass ended with -> passes since the start."""

    @property
    def status(self) -> Status:
        """Where the last pass ended; whether there is something to serve is asked now."""
        world, now = self._worlds.current, self._clock()
        self._status = conditions.readied(
            self._status,
            now,
            config=world.config is not None,
            roster=world.generation is not None,
            held=world.holds,
        )
        return self._status

    @property
    def history(self) -> list[Ended]:
        """The last passes that ended differently from the one before, the newest first."""
        return list(self._history)

    @property
    def step(self) -> str:
        """The step that the pass has come to."""
        return self._asked[-1] if self._asked else "Fetched"

    def woken(self, trigger: Trigger) -> None:
        """Somebody wants a pass; who came first is told."""
        self._woken_by = self._woken_by or trigger

    def begin(self) -> None:
        """A pass begins."""
        self.trigger, self._woken_by = self._woken_by or "poll", None
        self._asked = []

    def ask(self, step: str) -> None:
        """The pass has come to this step; those before it are fine."""
        self._asked.append(step)

    def fetched(self, newest: str) -> None:
        """The repository was reached, and its branch is there."""
        self._status = replace(self._status, fetched=self._clock(), candidate=newest)

    def remember(self) -> None:
        """History begins with what an earlier run applied."""
        applied = self._applying.applied
        if applied is not None and not self._history:
            message = "applied by an earlier run of the daemon"
            self._history.append(
                Ended(applied.time, applied.commit, "Applied", message, "earlier run")
            )

    def end(self, stop: conditions.Stop | None) -> None:
        """A pass ended; None means that the newest commit is served."""
        now, old, applied = self._clock(), self._status, self._applying.applied
        reason = stop.reason if stop else "Applied"
        message = stop.message if stop else "the newest commit is served"
        ahead = applied is not None and old.candidate not in {None, applied.commit}
        status = replace(
            old,
            reason=reason,
            message=message,
            since=old.since if old.reason == reason else now,
            problems=stop.problems if stop else self._applying.problems,
            missing=stop.missing if stop else (),
            ignored=stop.ignored if stop else (),
            plan=stop.plan if stop else self._applying.plan,
            accepted=applied.commit if applied else None,
            applied=applied.time if applied else None,
            proven=self._applying.proven,
            people=applied.people if applied else (),
            behind=(old.behind or now) if ahead else None,
        )
        self.counts[reason] += 1
        world = self._worlds.current
        self._status = conditions.judged(
            status,
            self._asked,
            stop.step if stop else None,
            now,
            config=world.config is not None,
            roster=world.generation is not None,
            held=world.holds,
        )
        ended = Ended(now, status.candidate, reason, message, self.trigger)
        last = self._history[0] if self._history else None
        if last is None or ended != replace(last, time=now, trigger=self.trigger):
            self._history.appendleft(ended)
            level = logging.WARNING if stop else logging.INFO
            _log.log(level, "reconcile %s: %s", reason, message)

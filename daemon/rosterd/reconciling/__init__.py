"""Following the config repository: one loop that makes what is served equal to what was vouched for.

Level-triggered: each pass asks for the newest commit and compares it with what is applied, never
with what was tried before; so a fix that is pushed is always seen, and so is a late approval. What
wakes the loop (a timer, a file event, somebody's `reconcile`) only says "look".

A pass changes either nothing or everything: documents, commit, plan, people, statements used,
credentials and the chain's entry go into one transaction; then one reference is swapped. Whatever
goes wrong, what was applied last goes on being served, and `status` says why.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from rosterd import (
    configs,
    credentials,
    disclosures,
    errors,
    git,
    plans,
    settings,
    statements,
    storage,
    worlds,
)
from rosterd.reconciling import (
    applying,
    candidates,
    conditions,
    drifting,
    guarding,
    recording,
    telling,
    vouching,
)
from rosterd.reconciling.conditions import Condition, Ended, Status, Trigger
from rosterd.reconciling.drifting import Drifted, restore

__all__ = ["Condition", "Drifted", "Ended", "Reconciling", "Status", "Trigger", "restore"]

_GAP = 0.2
"""Seconds between two passes at least, however often somebody wakes the loop."""
_MOST_PAUSE = 300.0
_TICK = 5.0
_log = logging.getLogger(__name__)


class Reconciling:
    """The loop. `run()` is a task for ever; `reconcile()` waits for a pass that begins after it."""

    def __init__(
        self,
        machine: settings.Settings,
        mirror: git.Mirror,
        store: storage.Storage,
        served: worlds.Worlds,
        *,
        keys: credentials.Credentials | None = None,
        watch: disclosures.Watch | None = None,
        clock: Callable[[], datetime] = candidates.utc_now,
    ) -> None:
        """`keys` gets new pairs made and dead grants' tokens ended; `watch` notices what becomes
        seen; `clock` gives aware times.
        """
        self._settings = machine
        self._mirror = mirror
        mirror.beat = self._tick
        self._store = store
        self._worlds = served
        self._clock = clock
        self._vouching = vouching.Vouching(machine, mirror, store, clock)
        self._recording = recording.Recording(machine, mirror, store, self._vouching.rule, clock)
        self._applying = applying.Applying(store, served, keys, clock, self._recording, watch=watch)
        self._reader = candidates.Reader(mirror)
        self._drifting = drifting.Drifting(store, self._reader, clock)
        self._telling = telling.Telling(self._applying, served, clock)
        self._awake = asyncio.Event()
        self._passed = asyncio.Condition()
        self._asked = self._done = self._failures = 0
        self._running = False
        self._turn = asyncio.Lock()
        self._beat = time.monotonic()

    @property
    def status(self) -> Status:
        """Where the last pass ended; whether there is something to serve is asked now."""
        return self._telling.status

    @property
    def history(self) -> list[Ended]:
        """The last passes that ended differently from the one before, the newest first."""
        return self._telling.history

    @property
    def counts(self) -> Mapping[str, int]:
        """Reason that a pass ended with -> passes since the start."""
        return self._telling.counts

    @property
    def rule(self) -> plans.Rule:
        """How many people have to vouch for a change."""
        return self._vouching.rule

    @property
    def keyless(self) -> str:
        """Why nobody's key counts now, so that nothing can be accepted; "" when all is well."""
        return self._recording.problem

    @property
    def corrected(self) -> int:
        """How often the store was found changed by somebody else, and put right, since the start."""
        return self._drifting.corrected

    @property
    def heartbeat(self) -> float:
        """When the loop last showed a sign of life, by time.monotonic()."""
        return self._beat

    def wake(self, trigger: Trigger) -> None:
        """Look soon. Cheap, and safe to call at any time from the event loop's thread."""
        self._asked += 1
        self._telling.woken(trigger)
        self._awake.set()

    async def reconcile(self) -> Status:
        """Wait for a pass that begins after this call; gives the status after it."""
        if not self._running:
            self._telling.woken("operator")
            await self._pass()
            return self.status
        self.wake("operator")
        ticket = self._asked
        async with self._passed:
            await self._passed.wait_for(lambda: self._done >= ticket or not self._running)
        return self.status

    async def accept_rewrite(self, former: str, newest: str, reason: str, actor: str) -> Status:
        """A pass that takes a rewritten history, when enough people vouch for it; gives the status
        after it. `former` is the accepted commit, `newest` the branch's tip; abbreviated ids will do.

        Raises errors.InputError when that is not what happened to the history.
        """
        if (self.status.accepted or "").startswith(newest):
            raise errors.InputError(
                f"cannot take {newest} in the place of {former}: it is what is accepted already"
            )
        wanted = vouching.Rewrite(former, newest, reason, actor, self._clock())
        with self._vouching.wanting(wanted):
            status = await self.reconcile()
        accepted, tip = status.accepted or "", status.candidate or ""
        if not (accepted.startswith(newest) or wanted.matches(accepted, tip)):
            raise errors.InputError(
                f"cannot take {newest} in the place of {former}: the accepted commit is"
                f" {accepted[:12] or 'none'}, and the branch is at {tip[:12] or 'none'}"
            )
        return status

    async def review(self, range_: str) -> statements.Review:
        """Who vouches for what in a range of commits; "" is what waits to be accepted. The
        repository is asked first, as far as it can be: an approval may have come just now.

        Raises errors.InputError for a range that nobody can find here.
        """
        accepted, newest = self.status.accepted, self.status.candidate
        if accepted is None or newest is None:
            raise errors.InputError("cannot review anything: no commit is accepted yet")
        async with self._turn:
            with contextlib.suppress(errors.TemporaryError, errors.InputError):
                newest = await self._mirror.fetch()
            try:
                return await self._vouching.review(range_, accepted, newest)
            except conditions.Stop as stop:
                raise errors.InputError(stop.message, stop.problems) from stop

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        self._running = True
        try:
            while True:
                asked = self._asked
                self._awake.clear()
                await self._pass()
                async with self._passed:
                    self._done = max(self._done, asked)
                    self._passed.notify_all()
                await asyncio.sleep(_GAP)
                await self._rest()
        finally:
            self._running = False
            with contextlib.suppress(asyncio.CancelledError):
                async with self._passed:
                    self._passed.notify_all()

    async def _rest(self) -> None:
        """Until woken or until it is time; failures make the pause longer, a wake-up ends it."""
        poll = self._settings.repository.poll
        pause = min(max(poll, _MOST_PAUSE), poll * 2 ** min(self._failures, 8))
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self._awake.is_set():
            self._tick()
            # not wait_for: on 3.11 it swallows a cancellation that meets the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _TICK)):
                    await self._awake.wait()

    # ------------------------------------------------------------ one pass

    async def _pass(self) -> None:
        async with self._turn:
            self._tick()
            self._telling.begin()
            try:
                await self._steps()
                self._failures = 0
            except conditions.Stop as stop:
                self._failures = 0
                self._telling.end(stop)
            except errors.TemporaryError as error:
                await self._failed(str(error))
            except errors.InputError as error:
                self._telling.end(
                    conditions.Stop("Fetched", "Settings", error.args[0], problems=error.problems)
                )
            except Exception:  # noqa: BLE001 - see below
                # A bug in one pass must not end the loop: what is served goes on, and it is told.
                _log.exception("a reconcile pass failed")
                await self._failed("an internal error; see the log")
            self._tick()

    async def _failed(self, message: str) -> None:
        self._failures += 1
        self._applying.forget()
        with contextlib.suppress(errors.TemporaryError):
            if self._failures > 1 and await self._mirror.mend():
                _log.warning("the git mirror was damaged and is made anew")
        self._telling.end(conditions.Stop(self._telling.step, "Temporary", message))

    async def _steps(self) -> None:
        drift = await self._sound()
        self._telling.ask("Fetched")
        await self._applying.load(sound=drift is None)
        self._telling.remember()
        await self._recording.look()
        newest = await self._fetch(drift)
        if self._applying.applied is None:
            await self._begin(newest)
            self._tick()
        accepted = self._applying.applied
        if accepted is None:
            raise AssertionError("the pin was applied")
        if newest == accepted.commit:
            return self._telling.end(None)
        rewrite = await self._vouching.descends(accepted.commit, newest)
        await self._take(accepted, newest, rewrite)
        await self._mirror.accept(newest)
        return self._telling.end(None)

    async def _sound(self) -> drifting.Drift | None:
        """The store holds what was applied, or does so again; else what it takes a fetch to mend."""
        drift = await self._drifting.look()
        try:
            mended = drift is None or await self._drifting.mend(drift)
        except drifting.Drifted as error:
            raise conditions.Stop("Applied", "Drift", str(error)) from error
        if drift is not None:
            self._applying.forget()
        return None if mended else drift

    async def _fetch(self, drift: drifting.Drift | None) -> str:
        try:
            newest = await self._mirror.fetch()
        except errors.TemporaryError as error:
            if drift is None:
                raise
            message = f"{drift}; git would have what was applied, but: {error}"
            raise conditions.Stop("Applied", "Drift", message) from error
        except errors.InputError as error:
            raise conditions.Stop("Fetched", "NoBranch", str(error)) from error
        self._tick()
        self._telling.fetched(newest)
        if drift is not None:
            if not await self._drifting.mend(drift):
                message = f"{drift}; the repository does not have {drift.commit[:12]} any more"
                raise conditions.Stop("Applied", "Drift", message)
            await self._applying.load(sound=True)
        return newest

    async def _begin(self, newest: str) -> None:
        """Take the pinned commit on the administrator's word."""
        pin = candidates.pinned(self._settings.repository.trusted_root)
        if pin is None:
            raise conditions.Stop(
                "Vouched",
                "NotPinned",
                "no commit is trusted yet, so no data is served: look at a commit, then run"
                f" `rosterd trust COMMIT` (the branch is at {newest})",
            )
        if not await self._mirror.has(pin):
            raise conditions.Stop(
                "Vouched", "NotPinned", f"cannot find the pinned commit {pin} in the repository"
            )
        if not await self._mirror.is_ancestor(pin, newest):
            raise conditions.Stop(
                "Vouched", "HistoryRewritten", f"the branch does not descend from the pin {pin}"
            )
        config, candidate = await self._valid(pin)
        proof = await self._vouching.pinned(pin)
        occasion = await self._recording.occasion(None, pin, self._telling.trigger)
        await self._applying.apply(candidate, config, lambda _: proof, occasion)

    async def _take(
        self, accepted: storage.Applied, newest: str, rewrite: vouching.Rewrite | None
    ) -> None:
        """Judge the newest commit and apply it."""
        config, candidate = await self._valid(newest)
        self._telling.ask("Vouched")
        changed = await self._reader.changes(accepted.commit, newest)
        heard = await self._vouching.hear(accepted.commit, newest, changed, rewrite)
        self._tick()

        def judge(plan: plans.Plan) -> applying.Proof:
            need = heard.needed(plan, self._vouching.rule)
            return heard.proof(need, plan, candidate.problems)

        # First without the roster: a plan over every view is not made for what nobody vouched for.
        old = self._worlds.current.config
        judge(plans.make(old, config))
        self._telling.ask("Planned")
        if old is not None:
            self._telling.ask("Guarded")
            step = guarding.Step(accepted.commit, newest, old, config)
            await guarding.check(self._mirror, step, self._clock())

        def decide(plan: plans.Plan) -> applying.Proof:
            self._telling.ask("Guarded")
            proof = judge(plan)
            self._telling.ask("Applied")
            return proof

        occasion = await self._recording.occasion(accepted.commit, newest, self._telling.trigger)
        await self._applying.apply(candidate, config, decide, occasion)

    async def _valid(self, commit: str) -> tuple[configs.Config, candidates.Candidate]:
        self._telling.ask("Valid")
        try:
            candidate = await self._reader.read(commit)
        except errors.InputError as error:
            raise conditions.Stop(
                "Valid", "Invalid", error.args[0], problems=error.problems
            ) from error
        self._tick()
        if candidate.config is None:
            count = sum(problem.severity == "error" for problem in candidate.problems)
            raise conditions.Stop(
                "Valid",
                "Invalid",
                f"{count} problem{'s' if count != 1 else ''} in the documents of {commit[:12]}",
                problems=candidate.problems,
            )
        accepted = self._worlds.current.config
        forbidden = configs.forbidden(candidate.loaded, accepted) if accepted is not None else ()
        if forbidden:
            raise conditions.Stop(
                "Valid",
                "Policy",
                f"the accepted policies forbid {commit[:12]}, whatever its own say: to lift one takes"
                " a commit of its own",
                problems=forbidden,
            )
        return candidate.config, candidate

    def _tick(self) -> None:
        self._beat = time.monotonic()

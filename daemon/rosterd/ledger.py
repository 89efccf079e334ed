"""What ran and what left: the answers to "does it work?" and "what is still to be done?".

Deliveries are decided from here, not from alarms or memory: a run is kept before its file leaves,
so whoever starts after a crash knows what was begun. The decisions are pure functions of what is
kept and the time.
"""

import asyncio
import collections
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from rosterd import errors, storage

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
"""Between attempts that may work by themselves; each pause is twice the one before."""
REFUSED_PAUSE = timedelta(hours=1)
"""Between attempts that somebody has to act for: seldom, or a vendor's server locks the account."""
ACCESS_DAYS = 90
"""How long recent accesses are kept."""
FLUSH_SECONDS = 10.0

Kind = Literal["rest", "token", "sftp"]
_Key = tuple[str, Kind, str, datetime]


@dataclass(frozen=True, slots=True)
class Due:
    """What to do for one target, by the keys of its slots. At most one is delivered at a time."""

    slot: str | None = None
    """To deliver at once."""
    superseded: tuple[str, ...] = ()
    """Missed ones that nobody needs any more: a bulk file holds everything, so of several missed
    slots only the latest is delivered, and the vendor does not get old news in its wake.
    """
    later: datetime | None = None
    """When to look again, for a slot whose pause is not over."""


def due(
    slots: Sequence[str],
    runs: Mapping[str, storage.Run],
    now: datetime,
    acted: datetime,
) -> Due:
    """What `slots` (keys of those owed until now, in order) still want, by the runs of their keys.

    `acted` is when a person last did something that may help a refused run, such as a commit.
    """
    if not slots:
        return Due()
    *missed, latest = slots
    superseded = tuple(slot for slot in missed if not _final(runs.get(slot)))
    run = runs.get(latest)
    if _final(run):
        return Due(superseded=superseded)
    again = None if run is None else retry(run, acted)
    if again is None or again <= now:
        return Due(slot=latest, superseded=superseded)
    return Due(superseded=superseded, later=again)


def retry(run: storage.Run, acted: datetime) -> datetime | None:
    """When an unfinished run is tried again; None for at once, which is how a crash left it."""
    if run.ended is None or run.state == "running":
        return None
    if run.state == "refused":
        return None if acted > run.ended else run.ended + REFUSED_PAUSE
    doubled = FIRST_PAUSE * (1 << min(run.attempt - 1, 10))
    return run.ended + min(doubled, LONGEST_PAUSE)


def _final(run: storage.Run | None) -> bool:
    return run is not None and run.state in storage.FINAL


class Ledger:
    """Counts accesses in memory and keeps them in pieces: a request must not wait for a disk."""

    def __init__(self, state: storage.Storage, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._clock = clock
        self._counts: collections.Counter[_Key] = collections.Counter()
        self._last: dict[_Key, datetime] = {}
        self._hour = self._next = datetime.min.replace(tzinfo=UTC)
        self.totals: collections.Counter[tuple[str, str, str]] = collections.Counter()
        """(application, kind, status) -> accesses since the start."""

    def note(self, application: str, kind: Kind, status: str) -> None:
        """Count one access; costs no I/O."""
        now = self._clock()
        if not self._hour <= now < self._next:
            self._hour = now.replace(minute=0, second=0, microsecond=0)
            self._next = self._hour + timedelta(hours=1)
        key = (application, kind, status, self._hour)
        self._counts[key] += 1
        self.totals[application, kind, status] += 1
        self._last[key] = now

    async def flush(self) -> None:
        """Keep what was counted since the last time. A failure loses nothing but this try."""
        counts, self._counts = self._counts, collections.Counter()
        accesses = [
            storage.Access(
                application, kind, status, self._last[application, kind, status, hour], n
            )
            for (application, kind, status, hour), n in counts.items()
        ]
        oldest = self._clock() - timedelta(days=ACCESS_DAYS)
        if not accesses:
            return
        try:
            await self._state.run(lambda store: store.note_access(accesses))
            await self._state.run(lambda store: store.forget_accesses(oldest))
        except errors.RosterdError:
            self._counts.update(counts)
            raise
        for key in counts.keys() - self._counts.keys():
            del self._last[key]

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Flush every few seconds until cancelled, and once more then."""
        try:
            while True:
                beat()
                await asyncio.sleep(FLUSH_SECONDS)
                with contextlib.suppress(errors.TemporaryError):
                    await self.flush()
        finally:
            await self.flush()

    async def accesses(
        self, limit: int = 200, *, application: str | None = None
    ) -> list[storage.Access]:
        """Recent accesses, the newest first, those just counted included."""
        await self.flush()
        return await self._state.run(lambda store: store.accesses(limit, application=application))

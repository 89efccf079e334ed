"""When deliveries are due: daily slots that no change of the clocks skips or doubles.

A slot is a date, a time of day and a timezone, and exactly one instant belongs to it: a time that
the clocks skip in spring falls on the first instant after the gap, one that comes twice in autumn
on the first of the two. APScheduler is only the alarm clock; its own cron triggers fire such times
at other moments, or twice. What is owed is computed from the ledger, so an alarm that never rang
loses nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler import events
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from rosterd import documents

_log = logging.getLogger(__name__)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A time of day on certain weekdays (Monday is 0), read in one timezone."""

    days: frozenset[int]
    time: time
    timezone: str

    def __str__(self) -> str:
        days = ",".join(_DAYS[day] for day in sorted(self.days))
        return f"{days} {self.time:%H:%M} {self.timezone}"


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One delivery that is due: `time` is its instant in UTC, `local` what the clock on the wall
    was meant to show.
    """

    time: datetime
    local: datetime
    key: str
    """Names it among the slots of its target: the same in every attempt, on every machine."""


def schedule(paced: documents.Export | documents.Pace, timezone: str) -> Schedule | None:
    """What a document says; `timezone` is the repository's. None for what has no time of day."""
    if paced.days is None or paced.time is None:
        return None
    days = frozenset(_DAYS.index(day) for day in paced.days)
    return Schedule(days, paced.time, paced.timezone or timezone)


def slots(schedule: Schedule, after: datetime, until: datetime) -> list[Slot]:
    """Those with after < time <= until, in order."""
    zone = ZoneInfo(schedule.timezone)
    # a day more at both ends: a gap of the clocks may move a slot into the next date
    day = after.astimezone(zone).date() - _DAY
    last = until.astimezone(zone).date() + _DAY
    found = []
    while day <= last:
        if day.weekday() in schedule.days:
            slot = _slot(day, schedule.time, zone)
            if after < slot.time <= until:
                found.append(slot)
        day += _DAY
    return found


def following(schedule: Schedule, after: datetime) -> Slot:
    """The first slot after an instant."""
    return slots(schedule, after, after + timedelta(days=9))[0]


def of_generation(number: int, published: datetime, timezone: str) -> Slot:
    """The slot of an export after an import: there is one for each generation."""
    local = published.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return Slot(published.astimezone(UTC), local, f"generation-{number}")


def is_by_hand(key: str) -> bool:
    """Whether the slot of this key is one that somebody asked for."""
    return key.startswith("by-hand/")


def by_hand(now: datetime, timezone: str) -> Slot:
    """The slot of an export that somebody asked for, to the microsecond."""
    local = now.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return Slot(now.astimezone(UTC), local, f"by-hand/{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")


def _slot(day: date, clock: time, zone: ZoneInfo) -> Slot:
    local = datetime.combine(day, clock)
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != local:
        first = _end_of_gap(local.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)
    return Slot(first, local, f"{day.isoformat()}/{clock:%H:%M}")


def _end_of_gap(before: datetime, behind: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the offset changes; it lies after `before` and not after `behind`."""
    offset = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(behind.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


class Scheduler:
    """Rings for each target at its slots. Starts inside a running event loop."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        """`ring` gets the target's name, in the event loop; it must not block."""
        self._ring = ring
        self._schedules: dict[str, Schedule] = {}
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            # late is better than never, once is enough, and not twice at a time
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        missed = events.EVENT_JOB_MISSED | events.EVENT_JOB_ERROR | events.EVENT_JOB_MAX_INSTANCES
        self._scheduler.add_listener(_tell, missed)

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def arrange(self, schedules: Mapping[str, Schedule]) -> None:
        """Ring for these targets only; those whose schedule is as before are left alone."""
        for target in self._schedules.keys() - schedules.keys():
            self._scheduler.remove_job(target)
        for target, wanted in schedules.items():
            if self._schedules.get(target) != wanted:
                self._scheduler.add_job(
                    self._alarm, _Slots(wanted), args=(target,), id=target, replace_existing=True
                )
        self._schedules = dict(schedules)

    def upcoming(self) -> Mapping[str, datetime]:
        """Target -> instant of its next slot."""
        return {
            job.id: job.next_run_time.astimezone(UTC)
            for job in self._scheduler.get_jobs()
            if getattr(job, "next_run_time", None) is not None
        }

    async def _alarm(self, target: str) -> None:
        self._ring(target)


class _Slots(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Lets APScheduler ask us when, instead of its own calendar."""

    __slots__ = ("_schedule",)

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return following(self._schedule, previous or now).time


def _tell(event: Any) -> None:
    """An alarm that failed is told; the exporting loop finds what is owed without it."""
    _log.warning("the alarm of a delivery did not ring", extra={"target": event.job_id})

import asyncio
import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosterd import documents, scheduling

DAILY = frozenset(range(7))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def found(schedule: scheduling.Schedule, after: str, until: str) -> list[tuple[str, str]]:
    return [
        (slot.key, slot.time.strftime("%m-%d %H:%M"))
        for slot in scheduling.slots(schedule, utc(after), utc(until))
    ]


def test_slots_fall_on_their_weekdays_in_their_timezone() -> None:
    schedule = scheduling.Schedule(frozenset({0, 4}), time(22, 30), "America/Chicago")

    assert found(schedule, "2026-09-01T12:00", "2026-09-12") == [
        ("2026-09-04/22:30", "09-05 03:30"),
        ("2026-09-07/22:30", "09-08 03:30"),
    ]


def test_the_beginning_is_left_out_and_the_end_is_in() -> None:
    schedule = scheduling.Schedule(DAILY, time(5, 30), "UTC")

    assert found(schedule, "2026-09-01T05:30", "2026-09-02T05:30") == [
        ("2026-09-02/05:30", "09-02 05:30")
    ]
    assert found(schedule, "2026-09-02T05:30", "2026-09-02T05:30") == []


@pytest.mark.parametrize(
    "zone,clock,after,expected",
    [
        # skipped in spring: the first instant after the gap
        ("America/New_York", time(2, 30), "2026-03-08", ("2026-03-08/02:30", "03-08 07:00")),
        ("America/New_York", time(2, 0), "2026-03-08", ("2026-03-08/02:00", "03-08 07:00")),
        ("America/New_York", time(3, 0), "2026-03-08", ("2026-03-08/03:00", "03-08 07:00")),
        ("Europe/Berlin", time(2, 59), "2026-03-29", ("2026-03-29/02:59", "03-29 01:00")),
        ("Australia/Lord_Howe", time(2, 15), "2026-10-03", ("2026-10-04/02:15", "10-03 15:30")),
        # twice in autumn: the first
        ("America/New_York", time(1, 30), "2026-11-01", ("2026-11-01/01:30", "11-01 05:30")),
        ("Europe/Berlin", time(2, 30), "2026-10-24T12", ("2026-10-25/02:30", "10-25 00:30")),
    ],
)  # fmt: skip
def test_a_change_of_the_clocks_neither_skips_nor_doubles(
    zone: str, clock: time, after: str, expected: tuple[str, str]
) -> None:
    schedule = scheduling.Schedule(DAILY, clock, zone)
    until = (utc(after) + timedelta(days=1)).isoformat()

    assert found(schedule, after, until[:19])[0] == expected


def test_a_date_that_a_country_skipped_still_has_its_slot() -> None:
    schedule = scheduling.Schedule(DAILY, time(5, 30), "Pacific/Apia")
    keys = [key for key, _ in found(schedule, "2011-12-28T12:00", "2012-01-01T12:00")]

    assert keys == sorted(set(keys))
    assert "2011-12-30/05:30" in keys


ZONES = st.sampled_from(
    ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]
)


@given(
    zone=ZONES,
    clock=st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    start=st.datetimes(
        utc("2020-01-01").replace(tzinfo=None), utc("2035-01-01").replace(tzinfo=None)
    ),
    steps=st.lists(st.integers(1, 60 * 60 * 24 * 5), min_size=1, max_size=20),
)
def test_however_time_is_cut_into_pieces_every_date_has_exactly_one_slot(
    zone: str, clock: time, start: datetime, steps: list[int]
) -> None:
    schedule = scheduling.Schedule(DAILY, clock, zone)
    begin = now = start.replace(tzinfo=UTC)
    pieces = []
    for step in steps:
        pieces += scheduling.slots(schedule, now, now + timedelta(seconds=step))
        now += timedelta(seconds=step)
    dates = [slot.local.date() for slot in pieces]

    assert pieces == scheduling.slots(schedule, begin, now)
    assert pieces == sorted(pieces)
    assert all(after - before == timedelta(days=1) for before, after in itertools.pairwise(dates))
    for slot in pieces:
        shown = slot.time.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert timedelta(0) <= shown - slot.local < timedelta(hours=1)


def test_the_following_slot_is_found_over_a_week_away() -> None:
    schedule = scheduling.Schedule(frozenset({2}), time(2, 30), "America/New_York")
    after = utc("2026-09-02T06:30")

    assert scheduling.following(schedule, after).key == "2026-09-09/02:30"


def test_a_document_gives_its_schedule_and_its_own_timezone_first() -> None:
    export = documents.Export(
        template="oneroster-1.2", days=("friday", "monday"), time=time(5, 30), timezone=None
    )
    schedule = scheduling.schedule(export, "America/Chicago")

    assert str(schedule) == "monday,friday 05:30 America/Chicago"
    own = export.model_copy(update={"timezone": "UTC"})
    assert str(scheduling.schedule(own, "America/Chicago")) == "monday,friday 05:30 UTC"
    after = documents.Export(template="oneroster-1.2", when="after-import")
    assert scheduling.schedule(after, "UTC") is None


def test_a_generation_has_one_slot_and_each_export_by_hand_its_own() -> None:
    published = utc("2026-09-01T23:30")
    slot = scheduling.of_generation(7, published, "America/Chicago")

    assert slot.key == "generation-7"
    assert slot.local.isoformat() == "2026-09-01T18:30:00"
    first = scheduling.by_hand(published, "UTC")
    assert first.key != scheduling.by_hand(published + timedelta(microseconds=1), "UTC").key


async def test_the_alarm_rings_at_the_slot_and_only_for_those_arranged() -> None:
    rung = asyncio.Queue[str]()
    scheduler = scheduling.Scheduler(rung.put_nowait)
    soon = (datetime.now(UTC) + timedelta(seconds=1)).replace(microsecond=0).time()
    later = (datetime.now(UTC) + timedelta(hours=2)).time()
    scheduler.start()
    scheduler.arrange({"later": scheduling.Schedule(DAILY, later, "UTC")})
    scheduler.arrange(
        {
            "soon": scheduling.Schedule(DAILY, soon, "UTC"),
            "gone": scheduling.Schedule(DAILY, later, "UTC"),
        }
    )
    scheduler.arrange({"soon": scheduling.Schedule(DAILY, soon, "UTC")})
    first = await asyncio.wait_for(rung.get(), 5)

    assert first == "soon"
    assert set(scheduler.upcoming()) == {"soon"}
    assert scheduler.upcoming()["soon"] > datetime.now(UTC) + timedelta(hours=20)
    assert rung.empty()
    scheduler.stop()
    scheduler.stop()

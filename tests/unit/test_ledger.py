from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rosterd import errors, ledger, storage

NOON = datetime(2026, 9, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def slot(day: int) -> str:
    return f"2026-09-{day:02}/05:30"


def run(day: int, state: storage.RunState, **more: int) -> storage.Run:
    ended = None if state == "running" else NOON - timedelta(minutes=more.get("minutes", 0))
    return storage.Run("math", slot(day), state, more.get("attempt", 1), NOON - HOUR, ended=ended)


def due(days: list[int], runs: list[storage.Run], acted: datetime = NOON - 24 * HOUR) -> ledger.Due:
    return ledger.due([slot(day) for day in days], {run.slot: run for run in runs}, NOON, acted)


def test_nothing_is_due_when_no_slot_has_passed() -> None:
    assert due([], []) == ledger.Due()


def test_of_missed_slots_the_latest_is_delivered_and_the_others_are_superseded() -> None:
    assert due([1, 2, 3], []) == ledger.Due(slot(3), (slot(1), slot(2)))


def test_a_delivered_slot_is_not_due_again() -> None:
    assert due([3], [run(3, "delivered")]) == ledger.Due()
    assert due([3], [run(3, "unchanged")]) == ledger.Due()


def test_an_earlier_slot_that_failed_is_superseded_by_a_later_one_that_left() -> None:
    runs = [run(1, "delivered"), run(2, "failed"), run(3, "delivered")]

    assert due([1, 2, 3], runs) == ledger.Due(None, (slot(2),))


def test_what_a_crash_left_is_due_at_once() -> None:
    assert due([3], [run(3, "running", attempt=9)]).slot == slot(3)


@pytest.mark.parametrize(
    "attempt,pause", [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (4000, 30)]
)
def test_a_failed_run_is_tried_again_after_longer_and_longer_pauses(
    attempt: int, pause: int
) -> None:
    early = run(3, "failed", attempt=attempt, minutes=pause - 1)
    late = run(3, "failed", attempt=attempt, minutes=pause)

    assert due([3], [early]) == ledger.Due(later=NOON + timedelta(minutes=1))
    assert due([3], [late]).slot == slot(3)


def test_a_refused_run_waits_for_a_person_or_an_hour() -> None:
    refused = run(3, "refused", minutes=59)

    assert due([3], [refused]) == ledger.Due(later=NOON + timedelta(minutes=1))
    assert due([3], [refused], acted=NOON - timedelta(minutes=58)).slot == slot(3)
    assert due([3], [run(3, "refused", minutes=60)]).slot == slot(3)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


async def test_accesses_are_counted_by_the_hour_and_kept(tmp_path: Path) -> None:
    clock = Clock()
    async with storage.open_sqlite(tmp_path / "state.db") as state:
        book = ledger.Ledger(state, clock)
        for _ in range(3):
            book.note("math", "rest", "200")
        book.note("math", "token", "401")
        first = await book.accesses()
        clock.now += timedelta(minutes=10)
        book.note("math", "rest", "200")
        second = await ledger.Ledger(state, clock).accesses()
        third = await book.accesses(application="math")

    assert [(access.kind, access.count) for access in first] == [("rest", 3), ("token", 1)]
    assert second == first
    assert third[0] == storage.Access("math", "rest", "200", clock.now, 4)


async def test_what_could_not_be_kept_is_kept_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with storage.open_sqlite(tmp_path / "state.db") as state:
        book = ledger.Ledger(state, Clock())
        book.note("math", "rest", "200")

        async def full(work: Callable[[storage.Store], object]) -> None:
            raise errors.TemporaryError("cannot write: the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(state, "run", full)
            with pytest.raises(errors.TemporaryError):
                await book.flush()
        book.note("math", "rest", "200")
        found = await book.accesses()

    assert [access.count for access in found] == [2]


async def test_old_accesses_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with storage.open_sqlite(tmp_path / "state.db") as state:
        book = ledger.Ledger(state, clock)
        book.note("math", "rest", "200")
        await book.flush()
        clock.now += timedelta(days=ledger.ACCESS_DAYS, hours=1)
        book.note("art", "rest", "200")
        await book.flush()
        found = await book.accesses()

    assert [access.application for access in found] == ["art"]

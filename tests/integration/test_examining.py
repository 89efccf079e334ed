"""When sanity checks run by themselves: after a change, on a new day, and whatever befalls one."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from rosterd import examining, sanity, storage, worlds
from tests.integration import vendors

EVENING = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
ENDED = "classes-in-ended-terms"


async def record(_old: worlds.World, _new: worlds.World) -> None:
    """Nothing is stored of the worlds themselves here."""


@dataclass
class Desk:
    served: worlds.Worlds
    state: storage.Storage
    clock: vendors.Clock
    examining: examining.Examining

    async def look(self) -> None:
        await self.examining.look(self.served.current)

    async def runs(self, application: str = "everything") -> list[storage.SanityRun]:
        return list(await self.examining.history(application, 100))

    async def next_day(self) -> None:
        self.clock.now += timedelta(days=1)
        assert await self.served.turn_day(record)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A district whose terms are over tomorrow."""
    records = {name: list(rows) for name, rows in vendors.district().items()}
    for session in records["academicSessions"]:
        session |= {"startDate": "2025-08-01", "endDate": "2026-09-08"}
    clock = vendors.Clock()
    clock.now = EVENING
    served = worlds.Worlds(worlds.World(today=EVENING.date()), clock)
    await served.propose_config(vendors.config(vendors.VENDORS), "a" * 40, record)
    await served.propose_generation(vendors.Pages(records), record)
    async with storage.open_sqlite(tmp_path / "state.db") as state:
        yield Desk(served, state, clock, examining.Examining(served, state, clock))


async def test_terms_that_end_by_the_calendar_alone_are_told_on_the_day(desk: Desk) -> None:
    await desk.look()
    await desk.next_day()
    await desk.look()

    today, before = await desk.runs()
    assert today.revision == before.revision
    assert before.counts[ENDED] == 0
    assert today.counts[ENDED]


async def test_nothing_is_asked_twice_of_the_same_day_and_same_findings_are_kept_once(
    desk: Desk,
) -> None:
    with mock.patch.object(sanity, "report", side_effect=sanity.report) as report:
        await desk.look()
        asked = report.call_count
        await desk.look()
        assert report.call_count == asked

        await desk.next_day()
        await desk.look()
        await desk.next_day()
        await desk.look()

    assert report.call_count == 3 * asked
    assert len(await desk.runs()) == 2


async def test_a_check_that_breaks_for_one_application_is_logged_and_the_others_are_asked(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []
    done = asyncio.Event()
    others = sum(vendor.rules != "access: none" for vendor in vendors.VENDORS.values()) - 1

    def breaking(picture: object) -> tuple[sanity.Finding, ...]:
        asked.append(picture)
        if len(asked) == 1:
            raise RuntimeError(f"pupil {6 * 7}")
        return ()

    def beat() -> None:
        if len(asked) == others:
            done.set()

    with mock.patch.object(sanity, "report", breaking), caplog.at_level(logging.ERROR):
        task = asyncio.create_task(desk.examining.run(beat))
        async with asyncio.timeout(20):
            await done.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert [len(await desk.runs(name)) for name in ("everything", "math")] == [0, 1]
    assert "RuntimeError" in caplog.text
    assert "pupil 42" not in caplog.text


async def test_who_asks_again_and_again_is_answered_from_one_run(desk: Desk) -> None:
    """A viewer may ask, and the checks read every record."""
    with mock.patch.object(sanity, "report", side_effect=sanity.report) as report:
        first, *others = await asyncio.gather(
            *(desk.examining.ask("everything") for _ in range(20))
        )
        assert report.call_count == 1
        assert others == [first] * 19
        assert [each.finding.count for each in first.checks if each.finding.check == ENDED] == [0]

        await desk.next_day()
        turned = await desk.examining.ask("everything")
        assert report.call_count == 2
        (ended,) = [each for each in turned.checks if each.finding.check == ENDED]
        assert ended.finding.count
        assert ended.before == 0

        await desk.served.propose_config(vendors.config(vendors.VENDORS), "b" * 40, record)
        await desk.examining.ask("everything")
        assert report.call_count == 3

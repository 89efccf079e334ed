"""Buckets: a minute's worth at once, and then as fast as they fill."""

import pytest

from rosterd.web import rates


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("per_minute", [1, 7, 60, 3000, 100_000])
def test_a_minutes_worth_is_there_at_once_and_no_more(per_minute: int) -> None:
    asked = rates.Rates(per_minute, Clock())

    assert [asked.wait("a") for _ in range(per_minute)] == [0] * per_minute
    assert asked.wait("a") >= 1


@pytest.mark.parametrize("per_minute", [1, 7, 60, 3000])
def test_whoever_waits_as_told_is_answered_and_no_sooner(per_minute: int) -> None:
    clock = Clock()
    asked = rates.Rates(per_minute, clock)
    while (pause := asked.wait("a")) == 0:
        pass

    clock.now += max(0.0, min(pause, 60 / per_minute) - 0.001)
    assert asked.wait("a") > 0
    clock.now += pause
    assert asked.wait("a") == 0


def test_over_an_hour_it_is_the_rate_and_one_bucket() -> None:
    clock = Clock()
    asked = rates.Rates(60, clock)
    answered = 0
    for _ in range(36_000):
        clock.now += 0.1
        answered += asked.wait("a") == 0

    assert answered == pytest.approx(60 * 60 + 60, abs=1)


def test_one_does_not_use_up_what_another_may_ask() -> None:
    asked = rates.Rates(1, Clock())

    assert [asked.wait(name) for name in ("a", "b", "a", "b")] == [0, 0, 60, 60]


def test_being_refused_does_not_lengthen_the_pause() -> None:
    asked = rates.Rates(1, Clock())

    assert asked.wait("a") == 0
    assert {asked.wait("a") for _ in range(100)} == {60}


def test_strangers_cannot_fill_the_memory() -> None:
    clock = Clock()
    asked = rates.Rates(2, clock, most=100)
    for number in range(1000):
        clock.now += 0.01
        asked.wait(str(number))
        assert len(asked._full) <= 100

    assert asked.wait("999") == 0
    assert asked.wait("999") > 0  # the last ones are still known
    clock.now += 120
    for number in range(100):
        asked.wait(f"later {number}")
    assert "999" not in asked._full

"""Who is told what, and when: pure, by a clock that the tests move."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rosterd import storage
from rosterd.notifying import telling

NOON = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FAILED = telling.Incident("exports", "export:math", "delivery to math failed", "away", "failed")


def look(
    kept: Iterable[storage.Notice],
    *incidents: telling.Incident,
    now: datetime = NOON,
    unknown: Iterable[str] = (),
) -> list[storage.Notice]:
    return telling.advanced("it@example.org", kept, incidents, frozenset(unknown), now)


def whats(notices: list[storage.Notice], now: datetime = NOON) -> list[str]:
    return [line.what for line in telling.due(notices, now)]


def heard(notices: list[storage.Notice], now: datetime = NOON) -> list[storage.Notice]:
    lines = telling.due(notices, now)
    return telling.told(telling.tried(notices, lines), lines, now)


def test_one_message_when_it_begins_and_one_when_it_is_over() -> None:
    notices = look([], FAILED)
    assert whats(notices) == ["begun"]
    notices = heard(notices)
    notices = look(notices, FAILED, now=NOON + timedelta(hours=1))
    assert whats(notices, NOON + timedelta(hours=1)) == []
    notices = look(notices, now=NOON + timedelta(hours=2))
    assert whats(notices, NOON + timedelta(hours=2)) == ["over"]
    assert heard(notices) == []


def test_what_goes_on_is_told_again_after_a_day_and_not_before() -> None:
    notices = heard(look([], FAILED))
    assert whats(look(notices, FAILED), NOON + DAY - timedelta(seconds=1)) == []
    assert whats(look(notices, FAILED), NOON + DAY) == ["still"]
    notices = heard(notices, NOON + DAY)
    assert whats(notices, NOON + DAY + timedelta(hours=23)) == []


def test_what_does_not_remind_is_told_again_only_when_it_gets_worse() -> None:
    ending = telling.Incident("endings", "ending:math", "it ends", level="soon", reminds=False)
    notices = heard(look([], ending))
    assert whats(look(notices, ending), NOON + 20 * DAY) == []
    notices = look(notices, replace(ending, level="urgent"))
    assert whats(notices) == ["worse"]
    assert whats(heard(notices)) == []


def test_another_attempt_is_no_recovery() -> None:
    notices = heard(look([], FAILED))
    assert whats(look(notices, unknown=["export:math"])) == []
    assert whats(look(notices)) == ["over"]


def test_what_was_never_told_needs_no_end() -> None:
    assert look(look([], FAILED)) == []


def test_what_may_have_been_told_before_a_crash_is_told_again_and_ended() -> None:
    notices = look([], FAILED)
    tried = telling.tried(notices, telling.due(notices, NOON))
    assert whats(tried) == ["begun"]
    assert whats(look(tried)) == ["over"]


def test_what_begins_again_before_its_end_was_told_just_goes_on() -> None:
    over = look(heard(look([], FAILED)))
    assert whats(look(over, FAILED)) == []


def test_an_end_that_nobody_can_be_told_is_given_up_after_a_week() -> None:
    over = look(heard(look([], FAILED)))
    assert look(over, now=NOON + 6 * DAY) == over
    assert look(over, now=NOON + 8 * DAY) == []


def test_a_receiver_gets_one_message_a_minute() -> None:
    receiver = storage.Receiver("it@example.org", sent=NOON)
    assert not telling.open_to(receiver, NOON + timedelta(seconds=59))
    assert telling.open_to(receiver, NOON + timedelta(seconds=60))


def test_a_failure_waits_longer_each_time_and_an_hour_at_most() -> None:
    receiver, pauses = storage.Receiver("it@example.org"), []
    for _ in range(6):
        receiver = telling.failed(receiver, "away", NOON)
        assert receiver.retry is not None
        pauses.append((receiver.retry - NOON).total_seconds() / 60)
        assert not telling.open_to(receiver, receiver.retry - timedelta(seconds=1))
        assert telling.open_to(receiver, receiver.retry)
    assert pauses == [1, 5, 15, 60, 60, 60]


def test_a_burst_is_one_message() -> None:
    many = [
        replace(FAILED, key=f"export:{n:03}", title=f"delivery to {n} failed") for n in range(70)
    ]
    lines = telling.due(look([], *many), NOON)
    assert telling.headline("Lakeside", lines) == "[Lakeside] delivery to 0 failed (and 69 more)"
    assert "and 20 more" in telling.text(lines)
    assert len(telling.payload("Lakeside", lines)["events"]) == 70


def test_slack_gets_text_without_markup() -> None:
    named = replace(FAILED, title="delivery to <!channel> failed & more")
    text = telling.slack("Lakeside", telling.due(look([], named), NOON))["text"]
    assert "&lt;!channel&gt;" in text
    assert "&amp; more" in text

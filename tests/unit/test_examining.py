"""A run of sanity checks against the runs before it."""

from datetime import UTC, datetime, timedelta

from rosterd import examining, sanity, storage

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def run(days: int, **counts: int | None) -> storage.SanityRun:
    named = {name.replace("_", "-"): count for name, count in counts.items()}
    return storage.SanityRun("math", days, "a" * 40, str(days), NOON + timedelta(days=days), named)


def finding(check: str, count: int | None) -> sanity.Finding:
    return sanity.Finding(check, check, "error", "users", count)


def test_a_count_is_told_with_the_one_before_and_since_when_it_is_so() -> None:
    now = run(3, taught=2, graded=0, mailed=None)
    before = [run(2, taught=1, graded=0, mailed=4), run(1, taught=1, graded=0), run(0, graded=5)]
    found = [finding("taught", 2), finding("graded", 0), finding("mailed", None)]

    taught, graded, mailed = examining.compared(found, now, before)

    assert (taught.before, taught.since) == (1, now.time)
    assert (graded.before, graded.since) == (0, before[1].time)
    assert (mailed.before, mailed.since) == (4, now.time)


def test_the_first_run_has_nothing_before_it() -> None:
    now = run(0, taught=2)

    (taught,) = examining.compared([finding("taught", 2)], now, [])

    assert (taught.before, taught.since) == (None, now.time)

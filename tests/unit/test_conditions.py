"""What the conditions say after passes of every kind."""

import dataclasses
from datetime import UTC, datetime, timedelta

from rosterd.reconciling import conditions

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40


def ended(
    reason: str, message: str = "", *, accepted: str | None = OLD, candidate: str | None = NEW
) -> conditions.Status:
    return dataclasses.replace(
        conditions.beginning(NOON),
        reason=reason,
        message=message,
        accepted=accepted,
        candidate=candidate,
    )


def answers(status: conditions.Status) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


def test_before_the_first_pass_nothing_is_known() -> None:
    status = conditions.beginning(NOON)

    assert set(answers(status).values()) == {("unknown", "Starting")}
    assert [each.type for each in status.conditions] == list(conditions.STEPS)


def test_when_the_newest_commit_is_applied_every_step_is_fine() -> None:
    status = ended("Applied", "the newest commit is served", accepted=NEW)

    found = conditions.judged(status, ["Fetched"], None, NOON, roster=True)

    assert {each.status for each in found.conditions} == {"yes"}
    assert {(each.seen, each.applied) for each in found.conditions} == {(NEW, NEW)}
    assert found.condition("Ready").message == "the newest commit is served"


def test_a_step_that_ends_the_pass_leaves_unknown_what_was_not_asked() -> None:
    status = ended("NotVouched", "waits for people")

    found = conditions.judged(status, ["Fetched", "Valid", "Vouched"], "Vouched", NOON, roster=True)

    assert answers(found) == {
        "Fetched": ("yes", "Fetched"),
        "Vouched": ("no", "NotVouched"),
        "Valid": ("yes", "Valid"),
        "Planned": ("unknown", "NotAsked"),
        "Guarded": ("unknown", "NotAsked"),
        "Applied": ("unknown", "NotAsked"),
        "Ready": ("no", "NotVouched"),
    }
    assert found.condition("Vouched").message == "waits for people"
    assert found.condition("Planned").message == "not asked: Vouched ended the pass"


def test_a_rewritten_history_is_found_before_any_document_is_looked_at() -> None:
    status = ended("HistoryRewritten", "its history was rewritten")

    found = conditions.judged(status, ["Fetched"], "Vouched", NOON, roster=True)

    assert answers(found)["Vouched"] == ("no", "HistoryRewritten")
    assert answers(found)["Valid"] == ("unknown", "NotAsked")


def test_while_the_repository_is_away_nobody_knows_whether_the_newest_is_served() -> None:
    status = ended("Temporary", "cannot reach it", candidate=OLD)

    found = conditions.judged(status, ["Fetched"], "Fetched", NOON, roster=True)

    assert answers(found)["Ready"] == ("unknown", "Temporary")
    waiting = conditions.judged(
        ended("Temporary", "cannot reach it"), ["Fetched"], "Fetched", NOON, roster=True
    )
    assert answers(waiting)["Ready"] == ("no", "Temporary")  # a newer one is known to wait


def test_without_a_roster_or_a_commit_nothing_is_ready() -> None:
    applied = ended("Applied", accepted=NEW)
    unpinned = ended("NotPinned", accepted=None)

    without_roster = conditions.judged(applied, ["Fetched"], None, NOON, roster=False)
    without_commit = conditions.judged(unpinned, ["Fetched"], "Vouched", NOON, roster=True)

    assert "no roster is imported yet" in without_roster.condition("Ready").message
    assert "no commit is accepted yet" in without_commit.condition("Ready").message
    later = conditions.readied(without_roster, NOON, roster=True)
    assert answers(later)["Ready"] == ("yes", "Ready")  # an import came between two passes


def test_since_moves_only_when_an_answer_changes() -> None:
    status = ended("NotVouched", "waits for alice")
    asked = ["Fetched", "Valid", "Vouched"]
    first = conditions.judged(status, asked, "Vouched", NOON, roster=True)

    later = NOON + timedelta(hours=1)
    again = conditions.judged(
        dataclasses.replace(first, message="waits for bob", candidate=OLD),
        asked, "Vouched", later, roster=True,
    )  # fmt: skip
    applied = conditions.judged(
        dataclasses.replace(again, reason="Applied", accepted=OLD), asked, None, later, roster=True
    )

    assert again.condition("Vouched").since == NOON
    assert again.condition("Vouched").message == "waits for bob"
    assert again.condition("Vouched").seen == OLD
    assert applied.condition("Vouched").since == later
    assert applied.condition("Fetched").since == NOON


def test_conditions_are_told_as_json() -> None:
    status = conditions.judged(ended("Applied", accepted=NEW), [], None, NOON, roster=True)

    assert status.as_json()["conditions"][0] == {
        "type": "Fetched",
        "status": "yes",
        "reason": "Fetched",
        "message": "",
        "since": "2026-10-05T12:00:00Z",
        "seen": NEW,
        "applied": NEW,
    }
    told = conditions.Ended(NOON, NEW, "Applied", "it is served", "webhook").as_json()
    assert told["trigger"] == "webhook"

"""A scrape, read by the parser of Prometheus' own library."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prometheus_client import parser

from rosterd import configs, loading, metering, worlds
from rosterd.reconciling import conditions
from tests.integration import configs_in_git as texts

NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)
COMMIT, NEWER = "a" * 40, "b" * 40


def config() -> configs.Config:
    agreement = 'agreement: {reference: "2026/7", expires: 2026-10-09}\n'
    files = {
        "rosterd.yaml": texts.REPOSITORY.replace("UTC", "America/New_York"),
        "applications/math.yaml": texts.application("math", more=agreement),
        "permissions/math.yaml": texts.permission("math", more="expires: 2026-10-31\n"),
        "applications/none.yaml": texts.application("none"),
        "permissions/none.yaml": texts.permission("none", "none"),
    }
    found, problems = configs.check(
        loading.load({path: text.encode() for path, text in files.items()})
    )
    assert found is not None, problems
    return found


def readings(**more: Any) -> metering.Readings:
    status = dataclasses.replace(
        conditions.beginning(NOW), reason="Applied", candidate=COMMIT, accepted=COMMIT,
        fetched=NOW, applied=NOW - timedelta(hours=2),
    )  # fmt: skip
    return dataclasses.replace(
        metering.Readings(
            version="1",
            now=NOW,
            status=conditions.judged(status, [], None, NOW, roster=True),
            passes={"Applied": 3, "NotVouched": 1},
            world=worlds.World(config=config(), commit=COMMIT, today=date(2026, 10, 5)),
            requests={("math", "rest", "200"): 41, ("math", "rest", "404"): 1},
            exported={"math": NOW - timedelta(hours=1)},
            imported={"sis": NOW - timedelta(hours=6)},
            hooks={"accepted": 2},
            corrected=0,
            silent=["importing"],
            loops=["importing", "exporting"],
        ),
        **more,
    )


def scraped(read: metering.Readings) -> dict[tuple[str, ...], float]:
    """(name, label values…) -> value; every family has to say what it is."""
    found = {}
    text = metering.text(read).decode()
    for family in parser.text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in {"gauge", "counter"}, family.name
        for sample in family.samples:
            found[sample.name, *sample.labels.values()] = sample.value
    return found


def test_a_scrape_says_what_is_served_and_since_when() -> None:
    found = scraped(readings())

    assert found["rosterd_config_last_apply_successful",] == 1
    assert found["rosterd_config_info", COMMIT] == 1
    assert found["rosterd_config_last_apply_success_timestamp_seconds",] == NOW.timestamp() - 7200
    assert found["rosterd_git_last_fetch_success_timestamp_seconds",] == NOW.timestamp()
    assert found["rosterd_commit_lag_seconds",] == 0
    assert found["rosterd_condition", "Ready"] == 1
    assert found["rosterd_reconcile_total", "NotVouched"] == 1
    assert found["rosterd_requests_total", "math", "rest", "200"] == 41
    assert found["rosterd_webhook_total", "accepted"] == 2
    assert found["rosterd_export_last_success_timestamp_seconds", "math"] == NOW.timestamp() - 3600
    assert found["rosterd_import_last_success_timestamp_seconds", "sis"] == NOW.timestamp() - 21600
    assert found["rosterd_loop_silent", "importing"] == 1
    assert found["rosterd_loop_silent", "exporting"] == 0
    assert found["process_resident_memory_bytes",] > 2**20


def test_ends_are_midnight_after_the_last_day_where_the_district_is() -> None:
    found = scraped(readings())

    assert found["rosterd_agreement_expires_timestamp_seconds", "math"] == (
        datetime(2026, 10, 10, 4, tzinfo=UTC).timestamp()  # summer time in New York
    )
    assert found["rosterd_permission_expires_timestamp_seconds", "math"] == (
        datetime(2026, 11, 1, 4, tzinfo=UTC).timestamp()
    )
    assert ("rosterd_agreement_expires_timestamp_seconds", "none") not in found
    assert found["rosterd_application_refused", "none"] == 1
    assert found["rosterd_application_refused", "math"] == 0


def test_a_commit_that_waits_shows_as_lag_and_a_forge_that_is_away_does_not() -> None:
    waiting = dataclasses.replace(
        readings().status, reason="NotVouched", candidate=NEWER, behind=NOW - timedelta(minutes=5)
    )
    away = dataclasses.replace(readings().status, reason="Temporary")
    judged = conditions.judged(waiting, ["Fetched", "Vouched"], "Vouched", NOW, roster=True)

    found = scraped(readings(status=judged))

    assert found["rosterd_commit_lag_seconds",] == 300
    assert found["rosterd_config_last_apply_successful",] == 0
    assert found["rosterd_condition", "Vouched"] == 0
    assert found["rosterd_condition", "Planned"] == -1
    unreached = scraped(readings(status=away))
    assert unreached["rosterd_config_last_apply_successful",] == 1
    assert unreached["rosterd_commit_lag_seconds",] == 0


def test_before_anything_is_served_there_is_a_scrape_too() -> None:
    found = scraped(
        readings(
            status=conditions.beginning(NOW), world=worlds.World(), exported={}, imported={},
            passes={}, requests={}, hooks={}, silent=[],
        )
    )  # fmt: skip

    assert found["rosterd_config_last_apply_success_timestamp_seconds",] == 0
    assert found["rosterd_config_last_apply_successful",] == 0
    assert found["rosterd_condition", "Ready"] == -1


def test_a_suspension_shows_how_long_it_lasts() -> None:
    found = scraped(readings(suspended=NOW - timedelta(days=3), held=2, blocked=1))

    assert found["rosterd_suspended_seconds",] == 3 * 86_400
    assert found["rosterd_held_applications",] == 2
    assert found["rosterd_blocked_applications",] == 1

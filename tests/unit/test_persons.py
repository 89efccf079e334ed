"""An answer about a person, told to people: in their words, and on a page that runs nothing."""

from datetime import UTC, datetime
from typing import Any

from rosterd.auditing import persons

COMMIT = "0123456789abcdef" * 2 + "01234567"
NAMES = {
    "sent": ["sourcedId", "status", "givenName", "familyName"],
    "masked": {"familyName": "initial"},
}


def _answer(**more: Any) -> dict[str, Any]:
    seen = {
        "records": "users", "from": "2026-09-01T05:00:00Z", "to": None,
        "fields": {"1.1": {"sent": ["sourcedId", "role"]}, "1.2": NAMES}, "commits": [COMMIT],
    }  # fmt: skip
    received = {
        "records": "users", "by": "csv nightly", "version": "1.2", "first": "2026-09-02T05:00:00Z",
        "last": "2026-09-30T05:00:00Z", "rosters": 20, "fields": NAMES, "commits": [COMMIT],
    }  # fmt: skip
    return {
        "since": None, "until": None, "recorded_since": "2026-08-01T00:00:00Z",
        "applications": [
            {"application": "math", "could_see": [seen], "did_receive": [received]},
            {"application": "art", "title": "Art & <b>Craft</b>", "could_see": [seen], "did_receive": []},
        ],
        "commits": {COMMIT: ["a@example.org"]},
        **more,
    }  # fmt: skip


def _page(**more: Any) -> str:
    made = datetime(2026, 10, 5, 12, tzinfo=UTC)
    return persons.page(_answer(**more), person="s<1>", made=made, version="9.9")


def test_members_are_named_in_plain_words_with_what_is_done_to_them() -> None:
    assert persons.members(NAMES) == "given name, family name (first letter only)"
    assert persons.members({"sent": ["sourcedId"]}) == "record id"
    assert persons.members({"sent": ["metadata.busRoute"]}) == "“busRoute”"
    assert "role" in persons.allowed({"1.1": {"sent": ["role"]}, "1.2": NAMES})


def test_a_way_says_what_left_by_it() -> None:
    entry = {"by": "rest", "version": "1.1", "fields": {"sent": [], "departed": True}}
    assert persons.way(entry) == "REST API 1.1: told that it left"
    assert persons.way({"by": "csv nightly", "version": "1.2", "fields": {}}) == (
        "file to nightly (CSV 1.2)"
    )


def test_the_page_runs_and_fetches_nothing_and_escapes_what_others_typed() -> None:
    page = _page()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "s&lt;1&gt;" in page
    assert "Art &amp; &lt;b&gt;Craft&lt;/b&gt;" in page


def test_the_page_tells_those_who_received_from_those_who_could_have() -> None:
    page = _page()
    assert "1 of 2 applications received records." in page
    assert "1 could have and did not ask." in page
    assert page.index("Received records") < page.index("Could see records, and received none")
    assert "a@example.org" in page


def test_nobody_is_told_as_nobody() -> None:
    page = _page(applications=[], commits={})
    assert "Nobody, in this time." in page
    assert "Received records" not in page


def test_rows_for_a_terminal_have_one_line_for_each_span_and_way() -> None:
    assert persons.seen_rows(_answer()) == [
        ("math", "person", "2026-09-01 05:00", "today", COMMIT[:12]),
        ("art", "person", "2026-09-01 05:00", "today", COMMIT[:12]),
    ]
    assert [row[:3] for row in persons.received_rows(_answer())] == [
        ("math", "person", "file to nightly (CSV 1.2)")
    ]

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rosterd import chain, errors
from rosterd.auditing import events, pages, planned, reports, sheets

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
PLAN = {
    "v": 1,
    "warnings": [{"name": "widening", "subject": "math", "text": "it would see more"}],
    "changes": [
        {"action": "added", "kind": "Application", "name": "math", "narrowing": False,
         "fields": [{"field": "title", "old": None, "new": '"Math"'}]},
        {"action": "changed", "kind": "Permission", "name": "art", "narrowing": True,
         "fields": [{"field": "access", "old": '"full"', "new": '"none"'}]},
    ],
    "exposure": [
        {"application": "art", "refused": {"before": None, "after": "access: none"},
         "collections": {"users": {"gained": 0, "lost": "<10"}, "orgs": {"gained": 0, "lost": 0}},
         "levels": {"before": {"orgs": ["FULL ACCESS", 5], "courses": ["FULL ACCESS", 9]},
                    "after": {"orgs": ["NO ACCESS", 0], "courses": ["FULL ACCESS", 9]}},
         "fields": {"gained": [], "lost": ["users.phone"]}},
        {"application": "math", "refused": {"before": None, "after": None},
         "collections": {"users": {"gained": 1200, "lost": 0}},
         "levels": {}, "fields": {"gained": ["users.sms"], "lost": []}},
    ],
}  # fmt: skip
APPLIED = {
    "commit": "a" * 40, "from": "b" * 40, "proven": "vouched for by two people's keys (ada, eve)",
    "people": ["ada", "eve"], "plan": "d" * 64, "planned": PLAN, "applications": ["art", "math"],
    "paths": [{"path": "permissions/art.yaml", "needed": 1, "people": ["ada"]}], "commits": 2,
    "claimed": [{"commit": "a" * 40, "author": "A <a@x>", "committer": "Forge", "trailers": []}],
    "rule": {"people": 2, "kinds": {"SftpTarget": 3}, "effects": {}}, "trigger": "webhook",
}  # fmt: skip
KEYS = {"people": {"ada": ["ssh-ed25519 SHA256:x"]}, "revoked": [], "rule": {"people": 2},
        "asks": "two people vouch for a change", "version": "1.0"}  # fmt: skip


def records(*notes: chain.Note) -> list[chain.Record]:
    made: list[chain.Record] = []
    for note in notes:
        made.append(chain.record(note, len(made) + 1, made[-1].head if made else ""))
    return made


def day() -> list[chain.Record]:
    hour = timedelta(hours=1)
    return records(
        chain.Note("keys", "rosterd", "district", NOON, KEYS),
        chain.Note("applied", "rosterd", "a" * 40, NOON + hour, APPLIED),
        chain.Note("revealed", "mia", "math", NOON + 2 * hour, {"application": "math"}),
        chain.Note("export-run", "mia", "math-sftp", NOON + 3 * hour, {"application": "math"}),
    )


def report(made: list[chain.Record], since: datetime | None = None) -> reports.Report:
    until = NOON + timedelta(days=1)
    return reports.make(made, since=since, until=until, made=until, version="9.9")


def test_a_hold_tells_of_each_collection_in_words() -> None:
    moved = {"collection": "users", "gain": 589, "lose": "<10", "over": True}

    assert events.worded(moved) == "users: gains 589, loses <10, too much"
    assert events.worded({**moved, "over": False}) == "users: gains 589, loses <10"


def test_an_event_says_who_did_what_and_which_applications_it_is_about() -> None:
    keys, applied, revealed, run = map(events.event, day())

    assert keys.applications == frozenset()
    assert "ada; two people vouch for a change" in keys.sentence
    assert applied.applications == {"art", "math"}
    assert revealed.sentence == "mia was shown key and secret of math"
    assert run.applications == {"math"}
    assert run.details == {"application": "math"}


def test_an_entry_that_cannot_be_read_is_told_as_that() -> None:
    broken = events.event(replace(day()[0], entry=b"\xff"))

    assert broken.sentence == "the entry of this record cannot be read"
    assert broken.content == {}


def test_what_was_typed_by_others_moves_no_cursor_and_turns_no_text_round() -> None:
    shown = events.shown("\x1b[2Jad\u202ea\x00 Zoë")

    assert shown == "�[2Jad�a� Zoë"


def test_events_are_chosen_by_time_kind_and_application() -> None:
    every = list(map(events.event, day()))

    def numbers(**chosen: object) -> list[int]:
        return [each.number for each in events.chosen(every, **chosen)]  # type: ignore[arg-type]  # by name

    assert numbers(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3)) == [2, 3]
    assert numbers(kinds={"keys", "export-run"}) == [1, 4]
    assert numbers(application="art") == [2]
    assert numbers(application="math") == [2, 3, 4]


def test_a_record_is_named_by_number_head_or_commit() -> None:
    made = day()
    every = list(map(events.event, made))

    assert [each.number for each in events.find(every, "3")] == [3]
    assert [each.number for each in events.find(every, "aaaa")] == [2]
    assert [each.number for each in events.find(every, f"sha256:{made[2].head}")] == [3]
    for name in ("9", "sha256:3", "aaa", "zzzz", ""):
        with pytest.raises(errors.InputError, match="cannot find"):
            events.find(every, name)


def test_a_rule_is_told_in_words_in_every_version() -> None:
    assert events.rule(2) == "two people for each change"
    assert events.rule({"people": 1}) == "one person for each change"
    assert events.rule(APPLIED["rule"]) == "two people for each change, 3 for SftpTarget"


def test_the_plan_of_a_record_is_told_with_small_counts_as_words() -> None:
    plan = planned.read(events.event(day()[1]).content)

    assert plan is not None
    assert list(planned.lines(plan)) == [
        "! math: it would see more",
        "+ Application math",
        "~ Permission art  (only takes away)",
        '    access  "full"  →  "none"',
        "art: ended (access: none)",
        "    orgs: FULL ACCESS (5) → NO ACCESS (0)",
        "    lost the fields users.phone",
        "    collection  gained  lost",
        "    users       0       -<10",
        "math: gained",
        "    gained the fields users.sms",
        "    collection  gained  lost",
        "    users       +1,200  0",
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"planned": {"changes": "x", "exposure": [1, {"collections": 3, "levels": []}]}},
        {"planned": {"changes": [{}], "exposure": [{"levels": {"before": 1}, "refused": 2}]}},
        {"planned": {}, "plan": None},
    ],
)
def test_a_plan_that_somebody_edited_is_still_told(content: dict[str, object]) -> None:
    plan = planned.read(content)

    assert plan is not None
    assert list(planned.lines(plan))
    assert planned.read({"planned": "x"}) is None
    note = chain.Note("applied", "rosterd", "c", NOON, content)
    assert "<html" in pages.page(report(records(note)))
    assert "Applied changes" in sheets.text(report(records(note)))


def test_a_report_begins_and_ends_with_heads_and_the_keys_that_were_in_force() -> None:
    made = day()
    whole, later = report(made), report(made, NOON + timedelta(hours=2))

    assert (whole.before, whole.last) == ((0, ""), (4, made[3].head))
    assert whole.keys is not None
    assert (whole.keys.number, report(made[1:2]).keys) == (1, None)
    assert later.before == (2, made[1].head)
    assert later.keys is not None
    assert later.keys.number == 1
    assert [section.name for section in whole.sections] == [
        "applied", "keys", "credentials", "exports"
    ]  # fmt: skip
    assert [each.number for each in later.events] == [3, 4]
    assert later.section("applied").events == ()


def test_a_report_of_an_empty_period_says_where_the_chain_stood() -> None:
    made = day()
    nothing = report(made, NOON + timedelta(hours=20))

    assert nothing.sections == ()
    assert nothing.before == nothing.last == (4, made[3].head)
    assert "Nothing is on record" in sheets.text(nothing)
    assert "Nothing is on record" in pages.page(nothing)


def test_every_kind_of_record_has_a_place_in_a_report() -> None:
    kinds = [chain.Note(kind, "rosterd", "x", NOON) for kind in sorted(chain.KINDS)]
    found = report(records(*kinds))

    assert [each.kind for each in found.events] == sorted(chain.KINDS)
    assert all(len(section.events) > 0 for section in found.sections)


def test_a_broken_chain_is_the_first_thing_a_report_says() -> None:
    made = day()
    found = report([made[0], *made[2:]])

    assert "BROKEN at record 2" in sheets.text(found)
    assert "chain of records is broken" in pages.page(found)
    assert found.as_json()["chain"]["bad"] == 2


def test_a_page_escapes_what_anybody_could_have_typed() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    text = json.dumps({**APPLIED, **KEYS}).replace("ada", evil.replace('"', '\\"'))
    notes = [
        chain.Note("keys", evil, evil, NOON, json.loads(text)),
        chain.Note("applied", evil, evil, NOON, json.loads(text)),
        chain.Note("revealed", evil, evil, NOON, {"application": evil, evil: [evil, {evil: evil}]}),
    ]
    page = pages.page(report(records(*notes)))

    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    notes = [
        chain.Note("revealed", actor, "math", NOON)
        for actor in ("=1+1", "+1", "-1", "@x", "\uff1d1", "\t=1", " \xa0=1", "fine")
    ]
    actors = [line.split('","')[3] for line in sheets.sheet(report(records(*notes))).splitlines()]

    assert actors == [
        "actor",
        "'=1+1",
        "'+1",
        "'-1",
        "'@x",
        "'\uff1d1",
        "'\t=1",
        "' \xa0=1",
        "fine",
    ]


def test_a_record_is_shown_whole_with_its_plan_apart() -> None:
    pairs = dict(sheets.record(events.event(day()[1])))

    assert pairs["vouched for"] == "permissions/art.yaml: ada (1 needed)"
    assert pairs["only claimed"] == f"{'a' * 12} by A <a@x>, committed by Forge"
    assert pairs["rule"] == "two people for each change, 3 for SftpTarget"
    assert pairs["follows"].startswith("sha256:")
    assert "planned" not in pairs

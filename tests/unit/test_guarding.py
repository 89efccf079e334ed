"""What a document states is never judged; what follows from one, or from a roster, always is."""

import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosterd import access, configs, documents, rosters
from rosterd.plans import guarding, pausing
from tests.unit import districts

APP = "app"
TIGHT = documents.Limits(
    gained=documents.Limit(count=0, percent=0), lost=documents.Limit(count=0, percent=0)
)
LOOSE = documents.Limits(
    gained=documents.Limit(count=10**9, percent=100), lost=documents.Limit(count=10**9, percent=100)
)
REPOSITORY = documents.Repository(title="D", timezone="UTC")


def config_of(grant: configs.Grant, **repository: Any) -> configs.Config:
    return configs.Config(
        applications={APP: grant.application},
        permissions={APP: grant.permission} if grant.permission else {},
        targets={},
        listings={},
        sources={},
        repository=REPOSITORY.model_copy(update=repository),
        grants={APP: grant},
    )


@dataclass
class State:
    """What is served, or would be."""

    rules: dict[str, Any]
    roster: rosters.Roster
    exclude: str | None = None
    today: date = districts.TODAY

    @property
    def grant(self) -> configs.Grant:
        return districts.grant(self.rules, exclude=self.exclude)

    @property
    def view(self) -> access.View:
        return access.view(self.roster, self.grant, self.today)

    @property
    def documents(self) -> guarding.Documents:
        where = documents.PeopleWhere(where=self.exclude) if self.exclude else None
        return guarding.about(config_of(self.grant, exclude=where), APP)


def judge(before: State, after: State, limits: documents.Limits = TIGHT) -> guarding.Verdict:
    return guarding.judge(before.documents, after.documents, before.view, after.view, limits)


ROSTER = districts.roster()
EAST = districts.basic(orgs=["east"])
ALL = districts.basic()
FULL = {"access": "full"}
NONE = {"access": "none"}

STATED = {
    "full to none": (FULL, NONE),
    "basic to none": (EAST, NONE),
    "an earlier end, in the past": (FULL, {**FULL, "expires": "2026-03-01"}),
    "none to full": (NONE, FULL),
    "none to basic": (NONE, EAST),
    "basic to full": (EAST, FULL),
    "what had ended lives again": ({**FULL, "expires": "2026-03-01"}, FULL),
    "demographics on": (EAST, {**EAST, "demographics": True}),
    "demographics off": ({**EAST, "demographics": True}, EAST),
    "resources on": (ALL, {**ALL, "resources": True}),
    "guardians on": (ALL, {**ALL, "guardians": True}),
    "staff on": (ALL, {**ALL, "unenrolledUsers": True}),
    "staff off beside something else": (
        {**ALL, "unenrolledUsers": True, "fields": {"withhold": ["users.phone"]}},
        ALL,
    ),
    "a school fewer": (ALL, EAST),
    "a condition more": (ALL, {**ALL, "courses": {"where": "title~'Algebra'"}}),
    "full to basic": (FULL, EAST),
    "fewer roles": (ALL, {**ALL, "people": {"roles": ["student"]}}),
}


@pytest.mark.parametrize("step", STATED.values(), ids=STATED)
def test_what_a_document_states_is_free_whatever_the_limits(
    step: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = (State(rules, ROSTER) for rules in step)

    assert judge(before, after).outcome == "free"


FOLLOWING = {
    "a school more": (EAST, ALL, {"classes", "users", "enrollments"}),
    "another school": (EAST, districts.basic(orgs=["west"]), {"classes", "users", "enrollments"}),
    "a condition less": (
        districts.basic(courses={"where": "title~'Algebra'"}), ALL, {"courses", "classes"},
    ),
    "a school fewer beside a field more": (
        {**ALL, "fields": {"withhold": ["users.phone"]}}, EAST, {"users", "enrollments"},
    ),
    "demographics on beside a school more": (
        EAST, {**ALL, "demographics": True}, {"users", "classes"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("step", FOLLOWING.values(), ids=FOLLOWING)
def test_what_follows_from_a_selection_is_held_beyond_the_limits_and_free_within(
    step: tuple[dict[str, Any], dict[str, Any], set[str]],
) -> None:
    before, after = (State(rules, ROSTER) for rules in step[:2])

    verdict = judge(before, after)

    assert verdict.outcome == "hold"
    assert step[2] <= set(verdict.over)
    assert "demographics" not in verdict.over
    assert judge(before, after, LOOSE).outcome == "free"


def without(*users: str) -> rosters.Roster:
    gone = {"users": set(users), "demographics": set(users)}
    gone["enrollments"] = {
        each["sourcedId"] for each in districts.records()["enrollments"] if each["user"] in users
    }
    return rosters.from_records(districts.records(), gone)


def test_a_loss_by_an_import_is_judged_by_the_larger_of_count_and_percent() -> None:
    before, after = State(FULL, ROSTER), State(FULL, without("pupil-e", "newcomer-e"))
    users = len(before.view.rows["users"])
    assert users == 11

    def limited(count: int, percent: int) -> str:
        limit = documents.Limit(count=count, percent=percent)
        return judge(before, after, replace_lost(limit)).outcome

    assert limited(2, 0) == "free"
    assert limited(1, 0) == "hold"
    assert limited(0, 40) == "free"
    assert limited(1, 18) == "hold"  # 18 % of 11 users are fewer than two


def replace_lost(limit: documents.Limit) -> documents.Limits:
    return LOOSE.model_copy(update={"lost": limit})


def test_what_an_import_empties_is_held_whatever_the_limits() -> None:
    rules = {**FULL}
    emptied = copy.deepcopy(districts.records())
    gone = {"resources": {each["sourcedId"] for each in emptied["resources"]}}
    after = State(rules, rosters.from_records(emptied, gone))

    verdict = judge(State(rules, ROSTER), after, LOOSE)

    assert (verdict.outcome, verdict.over) == ("hold", ("resources",))


def test_a_narrowing_that_leaves_nothing_is_stopped_and_not_served_as_before() -> None:
    before = State(ALL, ROSTER)

    for narrowed in ({"orgs": ["nowhere"]}, {"people": {"where": "familyName='nobody'"}}):
        verdict = judge(before, State({**ALL, **narrowed}, ROSTER), LOOSE)

        assert verdict.outcome == "stop"
        assert "users" in verdict.over


def test_a_narrowing_together_with_another_roster_is_judged_like_an_import() -> None:
    before = State(FULL, ROSTER)
    after = State({**FULL, "fields": {"withhold": ["users.phone"]}}, without("pupil-e"))

    assert judge(before, after).outcome == "hold"
    assert judge(before, State(after.rules, ROSTER)).outcome == "free"


def test_never_to_share_somebody_waits_for_nothing_and_to_share_them_again_does() -> None:
    before = State(FULL, ROSTER)
    excluding = State(FULL, ROSTER, exclude="familyName~'pupil'")

    assert judge(before, excluding).outcome == "free"
    assert judge(excluding, before).outcome == "hold"


def test_a_new_day_is_judged_like_an_import() -> None:
    rules = districts.basic(classes={"current": True})
    winter, spring = (State(rules, ROSTER, today=date(2026, month, 1)) for month in (1, 3))

    assert judge(winter, spring).outcome == "hold"
    assert judge(winter, winter).outcome == "free"


# ---------------------------------------------------------------- names of changes, and releases


def test_a_change_is_named_by_what_documents_say_and_not_by_what_does_not_bear_on_it() -> None:
    grant = districts.grant(EAST)
    wider = districts.grant(ALL)
    was = guarding.about(config_of(grant), APP)
    named = guarding.change(was, guarding.about(config_of(wider), APP))
    other = replace(wider, application=wider.application.model_copy(update={"title": "New"}))

    same = guarding.about(config_of(other, title="Another district", hold_days=3), APP)

    assert guarding.change(was, same) == named
    assert guarding.change(was, guarding.about(config_of(districts.grant(FULL)), APP)) != named
    assert guarding.change(same, was) != named


def test_the_releases_in_rosterd_yaml_are_no_part_of_what_they_release() -> None:
    old, new = config_of(districts.grant(EAST)), config_of(districts.grant(ALL))
    named = guarding.change(pausing.everything(old), pausing.everything(new))
    release = guarding.proposal(named, (), districts.TODAY)
    with_release = config_of(districts.grant(ALL), release=(release,))

    assert guarding.change(pausing.everything(old), pausing.everything(with_release)) == named


MOVED = (guarding.Moved("users", 100, 40, 7), guarding.Moved("classes", 9, 3, 0))


@pytest.mark.parametrize(
    "change, gain, lose, until, lets_go",
    [
        ("a", 40, 7, "2026-03-02", True),
        ("a", 39, 7, "2026-03-02", False),
        ("a", 40, 6, "2026-03-02", False),
        ("a", 40, 7, "2026-03-01", False),
        ("b", 400, 70, "2026-12-31", False),
    ],
)
def test_a_release_is_for_one_change_up_to_a_size_until_a_day(
    change: str, gain: int, lose: int, until: str, lets_go: bool
) -> None:
    names = {name: f"sha256:{name * 64}" for name in "ab"}
    release = documents.Release(
        change=names[change], gain=gain, lose=lose, until=date.fromisoformat(until)
    )

    assert guarding.released([release], names["a"], MOVED, districts.TODAY) is lets_go


@given(st.integers(0, 10**7))
def test_a_proposed_ceiling_lets_the_change_go_and_tells_no_small_number(number: int) -> None:
    ceiling = guarding.ceiling(number)

    assert number <= ceiling <= number * 1.1 + 10
    assert (ceiling == 0) == (number == 0)
    assert ceiling in (0, 10) or ceiling % 10 == 0


def test_the_text_of_a_release_is_what_rosterd_yaml_takes() -> None:
    from rosterd import loading

    release = guarding.proposal(f"sha256:{'a' * 64}", MOVED, districts.TODAY)
    head = "apiVersion: rosterd/v1\nkind: Repository\nname: rosterd\ntitle: T\ntimezone: UTC\n"
    loaded = loading.load({"rosterd.yaml": (head + guarding.text(release)).encode()})

    (located,) = loaded.documents
    assert isinstance(located.document, documents.Repository)
    assert located.document.release == (release,)


# ---------------------------------------------------------------- whole candidates


def district_of(*names: str, **previously: str) -> configs.Config:
    made = {
        name: documents.Application(name=name, title=name, previously=previously.get(name))
        for name in names
    }
    return configs.Config(made, {}, {}, {}, {}, REPOSITORY, {})


@pytest.mark.parametrize(
    "before, removed, held",
    [(12, 3, False), (12, 4, True), (40, 4, False), (41, 4, False), (30, 4, True), (3, 3, False)],
)
def test_more_than_the_larger_of_count_and_percent_of_a_kind_is_too_many(
    before: int, removed: int, held: bool
) -> None:
    names = [f"app-{number}" for number in range(before)]
    old, new = district_of(*names), district_of(*names[removed:])

    found = pausing.too_many(old, new)

    assert found == ((pausing.Removed("Application", removed, before),) if held else ())


def test_a_rename_is_no_removal() -> None:
    names = ["one", "two", "three", "four"]
    old = district_of(*names)
    new = district_of(
        "uno", "due", "tre", "quattro", uno="one", due="two", tre="three", quattro="four"
    )

    assert pausing.removed(old, new) == {}
    assert len(pausing.removed(old, district_of("uno", "due", "tre", "quattro"))) == 4
    assert configs.renames(old, new)["two"] == "due"
    assert configs.renames(new, new) == {}


HOLIDAYS = documents.Freeze.model_validate(
    {"name": "h", "from": date(2026, 12, 20), "to": date(2027, 1, 3)}
)
MORNINGS = documents.Freeze.model_validate(
    {"name": "m", "days": ("monday",), "from": time(7), "to": time(9)}
)
NIGHTS = documents.Freeze.model_validate(
    {"name": "n", "days": ("friday",), "from": time(22), "to": time(6)}
)


@pytest.mark.parametrize(
    "window, moment, on",
    [
        (HOLIDAYS, "2026-12-19T23:59", False),
        (HOLIDAYS, "2026-12-20T00:00", True),
        (HOLIDAYS, "2027-01-03T23:59", True),
        (HOLIDAYS, "2027-01-04T00:00", False),
        (MORNINGS, "2026-03-02T07:00", True),
        (MORNINGS, "2026-03-02T09:00", False),
        (MORNINGS, "2026-03-03T08:00", False),
        (NIGHTS, "2026-03-06T22:00", True),
        (NIGHTS, "2026-03-07T05:59", True),
        (NIGHTS, "2026-03-07T06:00", False),
        (NIGHTS, "2026-03-07T23:00", False),
        (NIGHTS, "2026-03-06T05:00", False),
    ],
)
def test_a_freeze_covers_its_days_or_its_hours(
    window: documents.Freeze, moment: str, on: bool
) -> None:
    now = datetime.fromisoformat(moment)

    assert (pausing.frozen((window,), now) is window) is on


def test_a_former_name_is_free_and_taken_once() -> None:
    from rosterd import loading

    head = "apiVersion: rosterd/v1\n"
    texts = {
        "rosterd.yaml": head + "kind: Repository\nname: rosterd\ntitle: T\ntimezone: UTC\n",
        "applications/one.yaml": head + "kind: Application\nname: one\ntitle: One\n",
    }
    for name, former in {"uno": "one", "due": "two", "deux": "two"}.items():
        text = f"kind: Application\nname: {name}\ntitle: T\npreviously: {former}\n"
        texts[f"applications/{name}.yaml"] = head + text
    files = {path: text.encode() for path, text in texts.items()}

    _, problems = configs.check(loading.load(files))

    said = [str(each) for each in problems if each.code == "previously"]
    assert len(said) == 2
    assert "applications/one.yaml is still there" in said[1]
    assert "replaces applications/two.yaml already" in said[0]

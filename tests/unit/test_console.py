"""What the console's pages compute before anything is drawn."""

import pytest

from rosterd.operating import rosters
from rosterd.web import desk
from rosterd.web.console import adding, applications, charts, finding, pages, wording
from tests.integration import operators_desk

NOW = "2026-10-05T12:00:00+00:00"


def test_a_chart_holds_each_number_until_the_next_and_the_last_until_now() -> None:
    chart = charts.steps(
        [("2026-10-01T12:00:00+00:00", 100), ("2026-10-03T12:00:00+00:00", 50)], NOW
    )

    assert chart is not None
    middle = (chart.left + chart.right) / 2
    assert chart.dots[0][0] == chart.left
    assert chart.dots[1][0] == middle
    assert chart.line.endswith(f"H{float(chart.right)}")
    assert chart.dots[0][1] < chart.dots[1][1] < chart.base
    assert [level.text for level in chart.levels] == ["0", "25", "50", "75", "100"]


@pytest.mark.parametrize("number", [0, 1, 3, 7, 10, 999, 1_662, 123_456_789])
def test_a_chart_has_room_for_any_number(number: int) -> None:
    chart = charts.steps([("2026-10-01T12:00:00+00:00", number)], NOW)

    assert chart is not None
    assert 0 < chart.dots[0][1] <= chart.base
    texts = [level.text for level in chart.levels]
    assert len(set(texts)) == len(texts)


def test_there_is_no_chart_of_nothing_and_one_of_a_single_moment() -> None:
    assert charts.steps([], NOW) is None
    assert charts.steps([(NOW, 5)], NOW) is not None


@pytest.mark.parametrize(
    "offset, first, last, before, after",
    [(0, 1, 50, None, 50), (50, 51, 100, 0, 100), (100, 101, 120, 50, None), (20, 21, 70, 0, 70)],
)
def test_a_pager_says_where_one_is(
    offset: int, first: int, last: int, before: int | None, after: int | None
) -> None:
    paging = pages.Paging(offset, 50, 120)

    assert (paging.first, paging.last, paging.before, paging.after) == (first, last, before, after)
    assert paging.pages == 3


def test_a_link_keeps_what_was_asked_and_escapes_it() -> None:
    assert pages.address("/", {"q": "a&b", "only": ""}, sort="users") == "/?q=a%26b&sort=users"
    assert pages.address("/", {"q": ""}) == "/"


def test_the_last_access_is_the_newest_and_refused_tokens_count_for_rest() -> None:
    def used(kind: str, status: str, time: str) -> desk.Used:
        return {"application": "a", "kind": kind, "status": status, "time": time, "count": 1}

    found = applications.latest(
        [
            used("rest", "200", "2026-10-01T00:00:00+00:00"),
            used("token", "401", "2026-10-02T00:00:00+00:00"),
            used("token", "200", "2026-10-03T00:00:00+00:00"),
        ]
    )

    assert found["a", "rest"]["status"] == "401"
    assert not wording.worked("401")
    assert wording.outcome("401") == "refused (401)"
    assert wording.outcome("200") == "answered"


async def test_warnings_are_of_what_is_still_so() -> None:
    made = operators_desk.Desk()
    runs = list(await made.exports(9))
    made.guards["blocks"] = [
        {
            "application": "math-galaxy", "reason": "broken into", "actor": "grace",
            "since": NOW, "drift": False,
        }
    ]  # fmt: skip

    found = applications.warnings(made.status(), runs)
    delivered = {**runs[1], "state": "delivered"}

    assert found["math-galaxy"] == ["Blocked: broken into"]
    assert "failed" in found["reading-lab"][0]
    newest_first = [delivered, *runs]
    assert "reading-lab" not in applications.warnings(made.status(), newest_first)  # type: ignore[arg-type]  # a copy of one


async def test_rows_are_sorted_by_each_column_both_ways() -> None:
    made = operators_desk.Desk()
    rows = await applications.rows(made, made.status())

    for name, key in applications.SORTS.items():
        there = sorted(rows, key=key)
        assert sorted(rows, key=key, reverse=True) == there[::-1], name
    users = sorted(rows, key=applications.SORTS["users"])
    assert users[-1].shown["name"] == "everything"


@pytest.mark.parametrize("text", ["a,b", "a, b", " a\tb ", "a,,b"])
def test_several_ids_are_read_however_they_are_written(text: str) -> None:
    assert adding.several(text) == ["a", "b"]


# ---------------------------------------------------------------- adding


def _listed(**recommended: object) -> desk.Listed:
    return {
        "name": "galaxy",
        "title": "Galaxy",
        "company": "Galaxy Learning",
        "description": None,
        "development": False,
        "developers": [],
        "versions": [],
        "needs": [],
        "recommended": {"access": "basic", "orgs": "all", "courses": "all", **recommended},
        "added": [],
    }


def _drafted(listing: desk.Listed, **typed: object) -> list[str]:
    form = {**adding._recommended(listing, ()), **typed}
    return adding._draft(form, listing).permission.splitlines()


def test_what_the_form_has_no_field_for_stays_as_recommended() -> None:
    """Left out, each of these would share more."""
    lines = _drafted(
        _listed(
            people={"roles": ["student"]},
            classes={"current": True},
            unenrolledUsers={"roles": ["principal"]},
            fields={"withhold": ["users.phone"], "mask": {"users.familyName": "initial"}},
        )
    )

    assert "people: {roles: [student]}" in lines
    assert "classes: {current: true}" in lines
    assert "unenrolledUsers: {roles: [principal]}" in lines
    assert "  mask: {users.familyName: initial}" in lines


def test_what_is_withheld_by_hand_is_not_masked_or_shared_as_well() -> None:
    lines = _drafted(
        _listed(fields={"mask": {"users.email": "constant"}, "share": ["users.userProfiles"]}),
        withhold="users.email, users.userProfiles",
    )

    assert "  withhold: [users.email, users.userProfiles]" in lines
    assert not [line for line in lines if "mask" in line or "share:" in line]


def test_a_switch_that_is_turned_on_by_hand_is_on_for_the_usual_roles() -> None:
    assert "guardians: true" in _drafted(_listed(), on=["guardians"])


def test_what_settled_it_is_the_first_condition_that_failed_or_the_last_that_holds() -> None:
    def said(words: str, holds: bool, *parts: desk.Reason) -> desk.Reason:
        return {"holds": holds, "says": words, "either": False, "parts": list(parts)}

    inner = said("shared by class", False, said("school", True), said("course", False))

    assert finding.decisive(said("users", False, said("active", True), inner)) == "course"
    assert finding.decisive(said("users", True, said("active", True), said("class", True))) == (
        "class"
    )
    assert finding.decisive(said("access: full", True)) == "access: full"


@pytest.mark.parametrize(
    "more, words",
    [
        ({"orgs": "ids", "org": []}, ["Tick at least one org, or choose all."]),
        ({"orgs": "rule"}, ["Write a rule for the orgs, or choose all."]),
        ({"orgs": "rule", "orgs_where": "type='school'"}, []),
        ({"courses": "ids"}, ["Name at least one course, or choose all."]),
        ({"courses": "rule", "courses_where": "title~'a'"}, []),
        ({"orgs": "ids", "org": [], "access": "full"}, []),
        ({}, []),
    ],
)
def test_what_was_to_be_picked_and_was_not_is_said(
    more: dict[str, object], words: list[str]
) -> None:
    form = {
        "access": "basic", "orgs": "all", "org": [], "orgs_under": "", "orgs_where": "",
        "courses": "all", "courses_ids": "", "courses_where": "", **more,
    }  # fmt: skip
    assert adding._unpicked(form) == words


def test_what_an_import_would_do_hides_no_file_with_problems() -> None:
    files = {
        "users.csv": {"before": 3, "added": 1, "warnings": 2},
        "roles.csv": {"errors": 5},
        "orgs.csv": {"before": 2},
        "classResources.csv": {"errors": 0},
    }
    told = rosters._moves({"files": files})

    assert [each["collection"] for each in told] == ["orgs", "users", "roles"]
    assert [each["errors"] for each in told] == [0, 0, 5]
    assert told[1]["warnings"] == 2

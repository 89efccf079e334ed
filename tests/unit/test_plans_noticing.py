"""Each warning of the table is raised by what it is about, and by nothing less."""

import pytest

from rosterd import plans
from rosterd.plans import noticing
from tests.integration import configs_in_git as texts
from tests.unit import test_plans as district

BASE = {
    "sftp_targets__math": district.TARGET,
    "sources__sis": texts.HEAD + "kind: RosterSource\nname: sis\ntype: directory\ndirectory: /in\n",
}
OWNER = "owner: {name: Team, email: team@district.example}\n"
AGREED = "agreement: {reference: A, expires: 2030-01-01}\n"
SHARING = "fields: {share: [users.metadata.bus]}\n"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIIFQLYBdq4pspVyxT/ZUCFp0TRufMo0o3Pkiuu3tVhuS"


TEMPLATED = {"sftp_targets__math": district.TARGET.replace("oneroster-1.2", "list")}
RENAMED = district.TARGET.replace("name: math\n", "name: other\npreviously: math\n", 1)


def raised(before: dict[str, str | None], after: dict[str, str | None]) -> set[str]:
    old, new = district.config(**BASE | before), district.config(**BASE | after)
    plan = plans.make(old, new, district.views(old), district.views(new))
    return {each.name for each in plan.warnings}


def target(old: str, new: str) -> dict[str, str | None]:
    assert old in district.TARGET
    return {"sftp_targets__math": district.TARGET.replace(old, new)}


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("full-access", {}, {"permissions__none": texts.permission("none")}),
        ("widening", {}, {"permissions__none": texts.permission("none")}),
        ("demographics", {}, {"permissions__math": texts.basic("math", "title~'math'", "demographics: true\n")}),
        ("shares-hidden-fields", {}, {"permissions__math": texts.basic("math", "title~'math'", SHARING)}),
        ("begins", {"applications__math": texts.application("math", enabled=False)}, {}),
        ("new-host", {}, target("sftp.example.com", "elsewhere.example")),
        ("new-host", {"sftp_targets__math": None}, {}),
        ("host-key", {}, target("AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", KEY)),
        ("other-place", {}, target("username: us", "username: them")),
        ("delivers", target("enabled: true", "enabled: false"), {}),
        ("contact", {}, {"applications__math": texts.application("math", more=OWNER)}),
        ("source", {"sources__sis": None}, {}),
        ("source", {}, {"sources__sis": BASE["sources__sis"].replace("/in", "/other")}),
        ("protection-lifted", {"applications__math": texts.application("math", more="protected: true\n")}, {}),
        ("never-shared", {"rosterd": texts.REPOSITORY + "exclude: {where: \"givenName='x'\"}\n"}, {}),
        ("guards", {}, {"rosterd": texts.REPOSITORY + "limits: {removed: {count: 90, percent: 90}}\n"}),
        ("guards", {}, {"rosterd": texts.REPOSITORY + "policies: {passwords-shared: off}\n"}),
        ("source", {}, {"sources__sis": str(BASE["sources__sis"]) + "marker: done.txt\n"}),
        ("template", {"templates__list": district.TEMPLATE} | TEMPLATED,
         {"templates__list": district.TEMPLATE.replace("header: a", "header: b")} | TEMPLATED),
        ("renamed", {}, {"sftp_targets__math": None, "sftp_targets__other": RENAMED}),
        ("agreement", {"applications__math": texts.application("math", more=AGREED)}, {}),
        ("ends", {}, {"permissions__math": texts.permission("math", "none")}),
        ("emptied", {}, {"permissions__math": texts.permission("math", "basic", "orgs: [nowhere]\ncourses: [nothing]\n")}),
    ],
)  # fmt: skip
def test_a_warning_is_raised_by_what_it_is_about(
    name: str, before: dict[str, str | None], after: dict[str, str | None]
) -> None:
    assert name in raised(before, after)
    assert name not in raised(after, after)
    assert name in noticing.CHECKS


def test_the_way_back_of_a_widening_warns_of_no_widening() -> None:
    wider: dict[str, str | None] = {"permissions__none": texts.permission("none")}

    assert not raised(wider, {}) & {"full-access", "widening", "may-widen", "begins"}


def test_without_a_roster_whatever_is_no_narrowing_may_widen() -> None:
    old = district.config()
    wider = district.config(permissions__none=texts.permission("none"))

    assert "may-widen" in {each.name for each in plans.make(old, wider).warnings}
    assert "may-widen" not in {each.name for each in plans.make(wider, old).warnings}


@pytest.mark.parametrize("people, names", [(0, ["unproven"]), (1, ["one-person"]), (2, [])])
def test_a_rule_of_fewer_than_two_people_is_warned_of(people: int, names: list[str]) -> None:
    plan = plans.under_rule(plans.make(None, district.config()), people)

    assert [each.name for each in plan.warnings if each.subject == "review.people"] == names
    assert plan.digest == plans.make(None, district.config()).digest

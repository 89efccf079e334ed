import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from rosterd import configs, documents, loading, selections

BAD = Path(__file__).parents[1] / "bad"
EXAMPLE = Path(__file__).parents[2] / "example-repo"
CASES = sorted(path.name for path in BAD.iterdir() if path.is_dir() and path.name != "base")


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "expected.txt"
    }


def problems_of(files: Mapping[str, bytes]) -> list[str]:
    return [str(problem) for problem in configs.check(loading.load(files))[1]]


def checked(files: Mapping[str, bytes]) -> configs.Config:
    config, problems = configs.check(loading.load(files))
    assert config is not None, problems
    return config


@pytest.mark.parametrize("case", CASES)
def test_every_problem_is_found_in_one_run_and_at_its_place(case: str) -> None:
    expected = BAD / case / "expected.txt"

    found = "".join(f"{line}\n" for line in problems_of(read(BAD / "base") | read(BAD / case)))

    if os.environ.get("BLESS"):
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


def test_the_repository_that_the_wrong_ones_are_laid_over_is_right() -> None:
    assert problems_of(read(BAD / "base")) == []


def test_the_example_repository_is_right_and_without_warnings() -> None:
    assert problems_of(read(EXAMPLE)) == []


def test_the_order_of_files_changes_nothing() -> None:
    files = read(BAD / "base") | read(BAD / "fields-that-are-not-there")

    assert problems_of(dict(reversed(files.items()))) == problems_of(files)


def test_a_warning_does_not_stand_in_the_way_and_an_error_does() -> None:
    base = read(BAD / "base")

    warned, problems = configs.check(loading.load(base | read(BAD / "what-surprises-but-works")))
    refused, _ = configs.check(loading.load(base | read(BAD / "access-that-does-not-fit")))

    assert {problem.severity for problem in problems} == {"warning"}
    assert warned is not None
    assert refused is None


def test_a_repository_without_rosterd_yaml_is_told_what_to_write() -> None:
    files = read(BAD / "base")
    del files["rosterd.yaml"]

    assert problems_of(files) == [
        "rosterd.yaml: cannot find rosterd.yaml; it says the district's title and timezone"
    ]


def test_a_reference_to_a_document_that_is_broken_is_no_second_problem() -> None:
    files = read(BAD / "base") | {"applications/math.yaml": b"title: [\n"}

    assert [line.partition(":")[0] for line in problems_of(files)] == ["applications/math.yaml"]


def test_no_problem_repeats_what_a_condition_compares_with() -> None:
    files = read(BAD / "base")
    files["permissions/math.yaml"] += b"people: {where: \"emial='someone@example.org'\"}\n"

    (said,) = problems_of(files)

    assert "emial" in said
    assert "someone" not in said


# ---------------------------------------------------------------- what is granted


@pytest.fixture(scope="module")
def example() -> configs.Config:
    return checked(read(EXAMPLE))


def test_the_example_has_applications_of_every_kind_of_access(example: configs.Config) -> None:
    access = {name: example.grant(name).access for name in example.applications}

    assert access["everything"] == "full"
    assert access["nothing"] == "none"
    assert set(access.values()) == {"none", "basic", "full"}
    assert 10 <= len(access) <= 15


def test_the_example_switches_each_switch_on_and_off(example: configs.Config) -> None:
    basic = [it for it in example.permissions.values() if it.access == "basic"]

    for switch in ("unenrolled_users", "guardians", "demographics", "resources"):
        assert {bool(getattr(permission, switch)) for permission in basic} == {True, False}


def test_the_lines_that_others_rely_on_stand_in_the_example() -> None:
    def lines(path: str) -> list[str]:
        return (EXAMPLE / path).read_text(encoding="utf-8").splitlines()

    assert "access: full" in lines("permissions/everything.yaml")
    assert "access: none" in lines("permissions/nothing.yaml")


def test_everything_is_served_in_both_versions_and_delivered_as_a_bulk_zip(
    example: configs.Config,
) -> None:
    (target,) = example.targets_of("everything")

    assert set(example.applications["everything"].rest.versions) == {"1.1", "1.2"}
    assert target.enabled
    assert (target.export.template, target.export.packaging, target.export.mode) == (
        "oneroster-1.2",
        "zip",
        "bulk",
    )


def test_a_grant_carries_conditions_as_trees_and_field_rules_by_name() -> None:
    files = read(BAD / "base")
    files["permissions/math.yaml"] = (
        b"apiVersion: rosterd/v1\nkind: Permission\nname: math\napplication: math\n"
        b"access: basic\n"
        b"orgs: {under: [d-1], where: \"type='school'\"}\n"
        b"courses: [c-1, c-2]\n"
        b"classes: {current: true}\n"
        b"people: {roles: [student], current: true}\n"
        b"fields: {withhold: [users.phone], mask: {users.familyName: initial},"
        b" share: [users.metadata.bus]}\n"
    )
    files["rosterd.yaml"] += b"exclude: {where: \"metadata.never='true'\"}\n"

    grant = checked(files).grant("math")

    tree = selections.where("type='school'", "orgs")
    assert grant.orgs == selections.Selection("orgs", under=frozenset({"d-1"}), where=tree)
    assert grant.courses == selections.Selection("courses", ids=frozenset({"c-1", "c-2"}))
    assert grant.classes == selections.Selection("classes", current=True)
    assert grant.people == selections.People(frozenset({"student"}), current=True)
    assert grant.exclude == selections.Selection(
        "users", where=selections.where("metadata.never='true'", "users")
    )
    assert grant.withheld == {"users.phone"}
    assert grant.masks == {"users.familyName": "initial"}
    assert grant.shared == {"users.metadata.bus"}
    assert grant.listing is not None
    assert grant.listing.name == "math"


def test_an_application_without_a_permission_has_access_none() -> None:
    files = read(BAD / "base")
    del files["permissions/math.yaml"]

    grant = checked(files).grant("math")

    assert grant.access == "none"
    assert grant.refusal(date(2027, 1, 1)) == "it has no permission"


def grant(
    *,
    enabled: bool = True,
    access: documents.Access = "full",
    expires: date | None = None,
    agreed: date | None = None,
) -> configs.Grant:
    agreement = None if agreed is None else documents.Agreement(reference="A", expires=agreed)
    return configs.Grant(
        documents.Application(name="a", title="A", enabled=enabled, agreement=agreement),
        documents.Permission(name="a", application="a", access=access, expires=expires),
    )


TODAY = date(2027, 6, 30)
YESTERDAY = date(2027, 6, 29)


@pytest.mark.parametrize(
    "case, refusal",
    [
        (grant(), None),
        (grant(expires=TODAY, agreed=TODAY), None),
        (grant(enabled=False), "it is disabled"),
        (grant(access="none"), "its permission says access: none"),
        (grant(expires=YESTERDAY), "its permission expired on 2027-06-29"),
        (grant(agreed=YESTERDAY), "its agreement expired on 2027-06-29"),
    ],
)
def test_a_grant_says_why_it_is_dead_and_lives_through_its_last_day(
    case: configs.Grant, refusal: str | None
) -> None:
    assert case.refusal(TODAY) == refusal

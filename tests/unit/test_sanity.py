"""Each check finds what it names, in a district where everybody is known."""

from typing import Any, get_args

import pytest

from rosterd import access, pictures, rosters, sanity
from rosterd.documents import values
from rosterd.oneroster import model
from tests.unit import districts

_MAILS = "emails-used-twice"
FOUND: dict[str, set[str]] = {
    "students-without-grades": {"newcomer-e", "helper"},
    "students-without-enrollments": {"newcomer-e"},
    "teachers-without-enrollments": set(),
    "students-without-teachers": set(),
    "classes-without-periods": {"algebra-east", "algebra-west", "history-east", "art-east"},
    "classes-without-students": set(),
    "classes-without-teachers": {"art-east"},
    "courses-without-classes": {"latin"},
    "users-without-primary-role": set(),
    "emails-used-twice": set(),
    "usernames-used-twice": set(),
    "grades-outside-the-vocabulary": set(),
    "guardians-of-nobody": set(),
    "students-without-demographics": {"newcomer-e", "helper"},
    "classes-without-terms": set(),
    "classes-in-ended-terms": {"algebra-west"},
    "terms-without-parent": set(),
    "schools-without-classes": set(),
}
"""What full access finds wrong in the small district on its day in spring."""


def picture(records: districts.Records | None = None, **rules: Any) -> pictures.Picture:
    roster = rosters.from_records(records or districts.records())
    grant = districts.grant(rules or {"access": "full"})
    return pictures.Picture(access.view(roster, grant, districts.TODAY), "1.2")


def found(of: pictures.Picture, name: str) -> set[str]:
    """Ids of what one check finds; every one fits into the sample here."""
    (finding,) = sanity.report(of, [name])
    assert finding.count == len(finding.sample)
    return set(finding.sample)


@pytest.mark.parametrize("name", FOUND)
def test_each_check_finds_what_it_names(name: str) -> None:
    assert found(picture(), name) == FOUND[name]


def test_whole_columns_are_read_once_for_all_who_see_parts_of_a_roster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = picture(_changed("users", "office", email="T.E@Example.org"))
    part = access.view(
        whole.view.roster,
        districts.grant({"access": "basic", "orgs": ["west"], "courses": "all"}),
        districts.TODAY,
    )
    read, column = [], rosters.Roster.column

    def counted(roster: rosters.Roster, collection: str, path: model.FieldPath) -> Any:
        read.append((collection, path.dotted))
        return column(roster, collection, path)

    monkeypatch.setattr(rosters.Roster, "column", counted)
    reports = [sanity.report(of) for of in (whole, pictures.Picture(part, "1.2"))]

    told = [each.count for report in reports for each in report if each.check == _MAILS]
    assert told == [2, 0]
    assert read.count(("users", "email")) == read.count(("users", "grades")) == 1


def test_a_report_holds_every_check_in_the_order_of_the_table() -> None:
    report = sanity.report(picture())

    assert [each.check for each in report] == list(sanity.CHECKS)
    assert FOUND.keys() <= sanity.CHECKS.keys()
    assert all(each.fine == (not each.count) for each in report)


def _changed(collection: str, sourced_id: str, **members: Any) -> districts.Records:
    records = districts.records()
    (record,) = [each for each in records[collection] if each["sourcedId"] == sourced_id]
    record |= members
    for member in [name for name, value in members.items() if value is None]:
        del record[member]
    return records


@pytest.mark.parametrize(
    "name, records, expected",
    [
        (
            "emails-used-twice",
            _changed("users", "office", email="T.E@Example.org"),
            {"office", "teacher-e"},
        ),
        (
            "usernames-used-twice",
            _changed("users", "office", username="LOGIN-pupil-e"),
            {"office", "pupil-e"},
        ),
        ("grades-outside-the-vocabulary", _changed("users", "pupil-e", grades=["5"]), {"pupil-e"}),
        ("guardians-of-nobody", _changed("users", "pupil-w", agents=[]), {"father-w"}),
        (
            "users-without-primary-role",
            _changed(
                "users",
                "office",
                roles=[{"roleType": "secondary", "role": "aide", "org": "district"}],
            ),
            {"office"},
        ),
        ("terms-without-parent", _changed("academicSessions", "fall", parent=None), {"fall"}),
        (
            "students-without-teachers",
            _changed("enrollments", "e4", role="aide"),
            {"pupil-w", "helper"},
        ),
        (
            "teachers-without-enrollments",
            _changed("enrollments", "e2", role="aide"),
            {"teacher-e"},
        ),
        (
            "classes-without-students",
            _changed("enrollments", "e7", role="aide"),
            {"art-east"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_put_in_is_found(name: str, records: districts.Records, expected: set[str]) -> None:
    assert found(picture(records), name) == expected


def test_what_is_not_shared_is_not_there() -> None:
    """History in the east is not shared, and with it goes what the west's teacher does there."""
    of = picture(access="basic", orgs=["west"], courses="all")

    assert found(of, "courses-without-classes") == {"latin", "art"}
    assert found(of, "teachers-without-enrollments") == set()
    assert found(of, "schools-without-classes") == set()


@pytest.mark.parametrize(
    "rules", [{"withhold": ["users.email"]}, {"mask": {"users.email": "constant"}}]
)
def test_what_is_withheld_is_not_called_missing(rules: dict[str, Any]) -> None:
    of = picture(access="full", fields=rules)

    findings = sanity.report(of, ["emails-used-twice", "users-without-email"])

    assert [each.count for each in findings] == [None, None]
    assert all(each.fine and not each.sample for each in findings)


def test_a_sample_is_short_and_a_count_is_whole() -> None:
    (finding,) = sanity.report(picture(), ["users-without-email"])

    assert finding.count == 10
    assert len(finding.sample) == sanity.SAMPLE


def test_a_check_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="no-such-check"):
        sanity.report(picture(), ["no-such-check"])


def test_documents_name_the_checks_that_there_are() -> None:
    assert get_args(values.Check) == tuple(sanity.CHECKS)

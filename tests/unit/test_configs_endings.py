"""Grants that end: who is told of, when, and in which words."""

from datetime import date, timedelta

from rosterd import configs, documents
from rosterd.configs import endings

TODAY = date(2026, 10, 5)


def grant(
    name: str, *, permission: int | None = None, agreement: int | None = None, enabled: bool = True
) -> configs.Grant:
    """A grant whose parts end that many days from today."""

    def day(days: int) -> date:
        return TODAY + timedelta(days=days)

    return configs.Grant(
        documents.Application(
            api_version="rosterd/v1",
            name=name,
            title=name,
            enabled=enabled,
            agreement=None
            if agreement is None
            else documents.Agreement(reference="7", expires=day(agreement)),
        ),
        documents.Permission(
            api_version="rosterd/v1",
            name=name,
            application=name,
            access="full",
            expires=None if permission is None else day(permission),
        ),
    )


def test_a_grant_is_told_of_from_thirty_days_before_its_end() -> None:
    found = endings.endings(
        [grant("far", agreement=31), grant("near", agreement=30), grant("for-ever")], TODAY
    )

    assert [(each.application, each.days, each.urgent) for each in found] == [("near", 30, False)]


def test_the_last_week_is_urgent_and_the_nearest_comes_first() -> None:
    found = endings.endings(
        [grant("b", permission=8), grant("a", permission=7, agreement=1), grant("c", permission=0)],
        TODAY,
    )

    assert [(each.application, each.what, each.urgent) for each in found] == [
        ("c", "permission", True),
        ("a", "agreement", True),
        ("a", "permission", True),
        ("b", "permission", False),
    ]
    assert [str(each) for each in found[:2]] == [
        "c: its permission ends today, its last day is 2026-10-05; then it is refused",
        "a: its agreement ends tomorrow, its last day is 2026-10-06; then it is refused",
    ]
    assert "in 8 days" in str(found[3])


def test_what_is_refused_already_ends_no_more() -> None:
    refused = [grant("off", agreement=3, enabled=False), grant("past", permission=5, agreement=-1)]

    assert endings.endings(refused, TODAY) == ()

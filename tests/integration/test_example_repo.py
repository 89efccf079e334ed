"""The example repository over the invented district: each application gets a part that makes sense."""

from datetime import date
from pathlib import Path

import pytest

from rosterd import access, configs, loading, pictures, rosters, samples
from rosterd.oneroster import model

EXAMPLE = Path(__file__).parents[2] / "example-repo"
TODAY = date(2026, 11, 23)  # a day of lessons in the invented school year

_config, _problems = configs.check(
    loading.load(
        {
            path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
            for path in EXAMPLE.rglob("*.yaml")
        }
    )
)
assert _config is not None, _problems
CONFIG = _config
SERVED = [name for name in CONFIG.applications if CONFIG.grant(name).refusal(TODAY) is None]
BASIC = [name for name in SERVED if CONFIG.grant(name).access == "basic"]


@pytest.fixture(scope="module")
def roster() -> rosters.Roster:
    district = samples.District(users=600, seed=7)
    return rosters.from_records({name: list(district.records(name)) for name in model.COLLECTIONS})


def test_what_is_disabled_or_none_is_refused_and_the_rest_is_served() -> None:
    assert set(CONFIG.applications) - set(SERVED) == {"nothing", "science-lab"}


def test_everything_is_everything(roster: rosters.Roster) -> None:
    view = access.view(roster, CONFIG.grant("everything"), TODAY)

    assert {name: len(rows) for name, rows in view.rows.items()} == {
        name: len(roster.active[name]) for name in model.COLLECTIONS
    }


@pytest.mark.parametrize("name", BASIC)
def test_a_basic_permission_picks_a_part(name: str, roster: rosters.Roster) -> None:
    view = access.view(roster, CONFIG.grant(name), TODAY)

    assert len(view.rows["classes"]) > 0
    assert len(view.rows["enrollments"]) > 0
    assert 0 < len(view.rows["users"]) < len(roster.active["users"])


@pytest.mark.parametrize("name", BASIC)
def test_each_switch_adds_what_it_says(name: str, roster: rosters.Roster) -> None:
    permission = CONFIG.permissions[name]
    rows = access.view(roster, CONFIG.grant(name), TODAY).rows

    assert bool(rows["demographics"]) == bool(permission.demographics)
    assert bool(rows["resources"]) == bool(permission.resources)
    guardians = roster.role_holders(frozenset({"guardian"}), roster.active["orgs"], None)
    assert bool(rows["users"] & guardians) == permission.guardians


def test_a_disabled_application_would_get_something_once_it_is_enabled(
    roster: rosters.Roster,
) -> None:
    grant = CONFIG.grant("science-lab")
    application = grant.application.model_copy(update={"enabled": True})
    enabled = configs.Grant(
        application, grant.permission, orgs=grant.orgs, courses=grant.courses, people=grant.people
    )

    assert access.view(roster, enabled, TODAY).rows["classes"]


def test_a_vendor_gets_first_names_initials_and_its_own_profiles(roster: rosters.Roster) -> None:
    view = access.view(roster, CONFIG.grant("math-galaxy"), TODAY)
    picture = pictures.Picture(view, "1.2")

    records = [picture.record("users", row) for row in view.rows["users"]]

    assert {len(record["familyName"]) for record in records} == {1}
    assert not any({"phone", "sms", "identifier", "metadata"} & record.keys() for record in records)
    vendors = {
        profile["vendorId"] for record in records for profile in record.get("userProfiles", ())
    }
    assert vendors == {"galaxy-learning"}

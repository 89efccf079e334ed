"""The invented district: whole, repeatable, and the same in every exporter's style."""

import io
from collections import Counter
from typing import Any

import pytest

from rosterd import samples
from rosterd.oneroster import model
from rosterd.oneroster.csv import files, reader
from rosterd.samples import variants

Record = dict[str, Any]
Records = dict[str, dict[str, Record]]


class Kept(io.BytesIO):
    data = b""

    def close(self) -> None:
        if not self.closed:
            self.data = self.getvalue()
        super().close()


def opened(kept: dict[str, Kept]) -> reader.Bundle:
    openers = {name: lambda file=file: io.BytesIO(file.data) for name, file in kept.items()}
    return reader.read(openers, default_mode="bulk")


def read(bundle: reader.Bundle) -> Records:
    return {
        name: {row.record["sourcedId"]: row.record for row in bundle.collection(name)}
        for name in files.READING_ORDER
    }


def district(users: int = 300, seed: int = 1) -> Records:
    made = samples.District(users, seed)
    return {
        name: {record["sourcedId"]: record for record in made.records(name)}
        for name in files.READING_ORDER
    }


@pytest.mark.parametrize("users", [60, 61, 300, 2000])
def test_a_district_has_exactly_so_many_users(users: int) -> None:
    made = list(samples.District(users).records("users"))
    assert len({user["sourcedId"] for user in made}) == len(made) == users


def test_about_ten_enrollments_come_with_each_user() -> None:
    for wanted in (3, 10):
        made = samples.District(3000, enrollments_per_user=wanted)
        count = sum(1 for _ in made.records("enrollments"))
        assert 0.85 * wanted < count / 3000 < 1.2 * wanted


def test_every_reference_leads_somewhere() -> None:
    made = district()
    for name, records in made.items():
        for member, target in model.ref_fields(name).items():
            own, _, inner = member.partition(".")
            for record in records.values():
                values = record.get(own, [])
                values = [one[inner] for one in values] if inner else values
                for value in [values] if isinstance(values, str) else values:
                    assert value in made[target], (name, member, value)


def test_agents_point_both_ways() -> None:
    users = district()["users"]
    pairs = {(own, agent) for own, user in users.items() for agent in user.get("agents", ())}
    assert pairs
    assert {(agent, own) for own, agent in pairs} == pairs


def test_all_kinds_of_people_and_records_are_there() -> None:
    made = district(2000)
    roles = Counter(role["role"] for user in made["users"].values() for role in user["roles"])
    assert set(roles) >= {
        "student",
        "teacher",
        "aide",
        "principal",
        "counselor",
        "guardian",
        "parent",
        "relative",
        "siteAdministrator",
        "districtAdministrator",
        "systemAdministrator",
        "ext:clubLeader",
    }
    assert {org["type"] for org in made["orgs"].values()} == {"district", "school", "department"}
    assert {session["type"] for session in made["academicSessions"].values()} == {
        "schoolYear",
        "semester",
        "term",
        "gradingPeriod",
    }
    assert {klass["classType"] for klass in made["classes"].values()} == {"homeroom", "scheduled"}
    assert {one["role"] for one in made["enrollments"].values()} == {
        "student",
        "teacher",
        "proctor",
    }
    assert any(
        len({role["org"] for role in user["roles"] if role["role"] == "teacher"}) == 2
        for user in made["users"].values()
    )


def test_the_same_numbers_make_the_same_district() -> None:
    assert district(seed=7) == district(seed=7)
    assert district(seed=7)["users"] != district(seed=8)["users"]


def test_too_small_a_district_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 60"):
        list(samples.District(59).records("users"))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_district_is_written_without_a_fault(version: str) -> None:
    kept: dict[str, Kept] = {}
    counts = samples.write_district(
        lambda name: kept.setdefault(name, Kept()), 300, version=version
    )
    bundle = opened(kept)
    records = read(bundle)

    assert bundle.problems.counts == Counter()
    assert {name: len(found) for name, found in records.items()} == {
        name: counts[name] for name in files.READING_ORDER
    }
    if version == "1.2":
        assert records == district()


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("style", variants.STYLES)
def test_every_style_says_the_same_district(style: str, version: str) -> None:
    kept: dict[str, Kept] = {}
    samples.write_district(lambda name: kept.setdefault(name, Kept()), 120, version=version)
    plain = read(opened(kept))

    styled: dict[str, Kept] = {}
    variants.write_variant(
        style, lambda name: styled.setdefault(name, Kept()), 120, version=version
    )
    bundle = opened(styled)
    found = read(bundle)

    for name, records in plain.items():
        more = {own for own in found[name] if own.startswith("lost-")}
        assert {own: record for own, record in found[name].items() if own not in more} == records
    assert bundle.problems.errors() == 0
    assert bundle.problems.warnings() > 0
    assert {name: file.data for name, file in kept.items()} != {
        name: file.data for name, file in styled.items()
    }

"""Users of an invented district and what is known of them."""

import random
from collections.abc import Iterator
from typing import Any

from rosterd.samples import plans, pools

Record = dict[str, Any]

DISTRICT = "district-1"
VENDOR = "galaxy-learning"
_RACES = (
    "white",
    "blackOrAfricanAmerican",
    "asian",
    "americanIndianOrAlaskaNative",
    "nativeHawaiianOrOtherPacificIslander",
)


def student(number: int) -> str:
    return f"student-{number + 1:06d}"


def teacher(number: int) -> str:
    return f"teacher-{number + 1:05d}"


def guardian(number: int) -> str:
    return f"guardian-{number + 1:06d}"


def children(plan: plans.Plan, number: int) -> range:
    """The pupils (by number) of a guardian: one or two who sit next to each other."""
    low = number * plan.students // plan.guardians
    return range(low, min(low + 1 + number % 2, plan.students))


def users(plan: plans.Plan, seed: int, school_year: int) -> Iterator[Record]:
    """Staff, teachers, guardians, pupils."""
    dice = random.Random(f"users {seed}")
    yield from _central(dice)
    for school in plan.schools:
        yield from _school_staff(school, dice)
    for school in plan.schools:
        for number in range(school.first_teacher, school.first_teacher + school.teachers):
            yield _teacher(plan, school, number, dice)
    names = [dice.choice(pools.FAMILY) for _ in range(plan.students)]
    parents: dict[int, list[str]] = {}
    homes = {
        number: school
        for school in plan.schools
        for number in range(school.first, school.first + school.students)
    }
    for number in range(plan.guardians):
        own = children(plan, number)
        for child in own:
            parents.setdefault(child, []).append(guardian(number))
            names[child] = names[own[0]]
        yield _guardian(number, own, homes, names[own[0]], dice)
    for school in plan.schools:
        for grade, cohort in school.cohorts():
            for number in cohort:
                record = _student(number, school, grade, names[number], dice)
                if number in parents:
                    record["agents"] = parents[number]
                yield record


def demographics(plan: plans.Plan, seed: int, school_year: int) -> Iterator[Record]:
    dice = random.Random(f"demographics {seed}")
    for school in plan.schools:
        for grade, cohort in school.cohorts():
            age = 5 if grade == "KG" else 5 + int(grade)
            for number in cohort:
                races = {dice.choice(_RACES)} | (
                    {dice.choice(_RACES)} if number % 9 == 0 else set()
                )
                born = school_year - 1 - age
                record: Record = {
                    "sourcedId": student(number),
                    "birthDate": f"{born}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
                    "sex": dice.choice(
                        ("female", "male") if number % 50 else ("unspecified", "other")
                    ),
                    **{race: "true" if race in races else "false" for race in _RACES},
                    "demographicRaceTwoOrMoreRaces": "true" if len(races) > 1 else "false",
                    "hispanicOrLatinoEthnicity": "true" if dice.random() < 0.3 else "false",
                    "countryOfBirthCode": "US",
                }
                if number % 3 == 0:
                    record["cityOfBirth"] = f"{dice.choice(pools.PLACES)} City"
                    record["stateOfBirthAbbreviation"] = "OH"
                yield record


def _person(sourced_id: str, family: str, dice: random.Random, domain: str) -> Record:
    given = dice.choice(pools.GIVEN)
    return {
        "sourcedId": sourced_id,
        "enabledUser": "true",
        "username": sourced_id.replace("-", "."),
        "userIds": [{"type": "LDAP", "identifier": f"uid={sourced_id}"}],
        "givenName": given,
        "familyName": family,
        "email": f"{sourced_id}@{domain}",
    }


def _role(role: str, org: str, kind: str = "primary") -> Record:
    return {"roleType": kind, "role": role, "org": org}


def _staff(sourced_id: str, roles: list[Record], dice: random.Random) -> Record:
    return {
        **_person(sourced_id, dice.choice(pools.FAMILY), dice, "staff.example.org"),
        "identifier": f"E{dice.randint(10_000, 99_999)}",
        "phone": f"555-01{dice.randint(0, 99):02d}",
        "roles": roles,
        "primaryOrg": roles[0]["org"],
    }


def _central(dice: random.Random) -> Iterator[Record]:
    for role in plans.CENTRAL:
        yield _staff(f"staff-{role.lower()}", [_role(role, DISTRICT)], dice)


def _school_staff(school: plans.School, dice: random.Random) -> Iterator[Record]:
    for role in plans.STAFF:
        own = f"staff-{school.number:02d}-{role.lower()}"
        yield _staff(own, [_role(role, school.sourced_id)], dice)


def _teacher(plan: plans.Plan, school: plans.School, number: int, dice: random.Random) -> Record:
    sourced_id = teacher(number)
    roles = [_role("teacher", school.sourced_id)]
    if visited := second_school(plan, school, number):
        roles.append(_role("teacher", visited.sourced_id))
    if number % 11 == 3:
        roles.append(_role("ext:clubLeader", school.sourced_id, "secondary"))
    record = _staff(sourced_id, roles, dice)
    if number % 4 == 0:
        profile = f"profile-{sourced_id}"
        roles[0]["userProfile"] = profile
        record["userProfiles"] = [
            {
                "sourcedId": profile,
                "profileType": "application",
                "vendorId": VENDOR,
                "applicationId": "math-galaxy",
                "credentials": [
                    {
                        "type": "local",
                        "username": record["username"],
                        "password": f"invented-{dice.randint(1000, 9999)}",
                    }
                ],
            }
        ]
    if number % 6 == 0:
        record["resources"] = ["resource-teacher-guide"]
    return record


def second_school(plan: plans.Plan, school: plans.School, number: int) -> plans.School | None:
    """Every fifteenth teacher visits the next school too."""
    if number % 15 != 7:
        return None
    return plan.schools[school.number % len(plan.schools)]


def _guardian(
    number: int,
    own: range,
    homes: dict[int, plans.School],
    family: str,
    dice: random.Random,
) -> Record:
    role = ("guardian", "parent", "parent", "relative")[number % 4]
    orgs = dict.fromkeys(homes[child].sourced_id for child in own)
    record = {
        **_person(guardian(number), family, dice, "families.example.org"),
        "roles": [_role(role, org) for org in orgs],
        "sms": f"555-01{dice.randint(0, 99):02d}",
        "agents": [student(child) for child in own],
    }
    if number % 40 == 0:
        record["enabledUser"] = "false"
    return record


def _student(
    number: int, school: plans.School, grade: str, family: str, dice: random.Random
) -> Record:
    sourced_id = student(number)
    record = {
        **_person(sourced_id, family, dice, "students.example.org"),
        "identifier": f"{100_000 + number}",
        "userMasterIdentifier": f"umi-{dice.getrandbits(48):012x}",
        "roles": [_role("student", school.sourced_id)],
        "primaryOrg": school.sourced_id,
        "grades": [grade],
        "metadata": {"homeLanguage": dice.choice(pools.LANGUAGES)},
    }
    record["userIds"] = [*record["userIds"], {"type": "SIS", "identifier": str(100_000 + number)}]
    if number % 3 == 0:
        record["middleName"] = dice.choice(pools.GIVEN)
    if number % 10 == 0:
        record["preferredFirstName"] = dice.choice(pools.GIVEN)
    if number % 25 == 0:
        record["pronouns"] = dice.choice(("she/her", "he/him", "they/them"))
    if number % 2:
        record["metadata"]["busRoute"] = f"B{dice.randint(1, 40)}"
    if grade in ("KG", "01"):
        record["password"] = f"picture-{dice.randint(1000, 9999)}"
    return record

"""The law of structural narrowing: no roster exists on which it gives anybody anything."""

import random
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rosterd import access, pictures, plans, rosters
from rosterd.oneroster import model
from tests.unit import districts

ORGS = ["district", "east", "west"]
COURSES = ["algebra", "history", "art", "latin"]
ROLES = [
    *("student", "teacher", "aide", "parent", "guardian", "relative"),
    *("siteAdministrator", "districtAdministrator"),
]
USERS = [user["sourcedId"] for user in districts.records()["users"]]
CLASSES = [each["sourcedId"] for each in districts.records()["classes"]]


def thrown_about(seed: int) -> rosters.Roster:
    """The district, with people, classes and enrollments thrown about by a seed."""
    dice = random.Random(seed)
    records = districts.records()
    for one in records["classes"]:
        one["school"], one["course"] = dice.choice(ORGS), dice.choice(COURSES)
    for user in records["users"]:
        held = {(dice.choice(ROLES), dice.choice(ORGS)) for _ in range(dice.randint(1, 2))}
        user["roles"] = [districts.role(word, org) for word, org in sorted(held)]
        user["agents"] = dice.sample(USERS, dice.randint(0, 2))
    for enrollment in records["enrollments"]:
        enrollment["user"], enrollment["class"] = dice.choice(USERS), dice.choice(CLASSES)
        enrollment["role"] = dice.choice(["student", "teacher", "administrator", "aide"])
    records["enrollments"] = records["enrollments"][dice.randint(0, 7) :]
    return rosters.from_records(records)


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


def conditions(*clauses: str) -> st.SearchStrategy[str]:
    joined = st.sampled_from([" AND ", " OR "])
    return st.builds(
        lambda parts, word: word.join(parts),
        st.lists(st.sampled_from(clauses), min_size=1, max_size=3, unique=True),
        joined,
    )


def parts(**given_: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """At least one of these, since a document with none is refused; `current` alone is on."""
    found = st.fixed_dictionaries({}, optional=given_)
    return found.filter(lambda chosen: any(chosen.values()))


TOGGLE = st.one_of(st.booleans(), st.fixed_dictionaries({"roles": some(ROLES)}))
WHERE_ORGS = conditions("type='school'", "name~'e'", "sourcedId!='east'")
WHERE_COURSES = conditions("title~'a'", "courseCode='M1'", "subjects~'art'")
WHERE_USERS = conditions("grades='05'", "givenName='Given'", "familyName!='x'", "email~'t'")
RULES = st.one_of(
    st.fixed_dictionaries({"access": st.sampled_from(["none", "full"])}),
    st.fixed_dictionaries(
        {
            "access": st.just("basic"),
            "orgs": st.one_of(
                st.just("all"),
                some(ORGS),
                parts(ids=some(ORGS), under=some(ORGS), where=WHERE_ORGS),
            ),
            "courses": st.one_of(
                st.just("all"), some(COURSES), parts(ids=some(COURSES), where=WHERE_COURSES)
            ),
        },
        optional={
            "classes": st.one_of(some(CLASSES), parts(ids=some(CLASSES), current=st.booleans())),
            "people": parts(roles=some(ROLES), where=WHERE_USERS, current=st.booleans()),
            "unenrolledUsers": TOGGLE,
            "guardians": st.booleans(),
            "demographics": TOGGLE,
            "resources": st.booleans(),
        },
    ),
)
FIELD_RULES = parts(
    withhold=some(["users.phone", "users.email", "users.grades", "courses.subjects"]),
    share=some(["users.metadata.bus", "users.metadata.locker", "users.password"]),
)
PERMISSIONS = st.builds(
    lambda rules, fields: rules | ({"fields": fields} if fields else {}), RULES, FIELD_RULES
)


@st.composite
def steps(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two permissions; the second is often the first with one or two of its rules replaced."""
    old, other = draw(PERMISSIONS), draw(PERMISSIONS)
    taken = draw(st.sets(st.sampled_from(sorted({*old, *other} - {"access"}) or ["fields"])))
    if old["access"] != other["access"] or draw(st.booleans()):
        return old, other
    new = {name: rule for name, rule in old.items() if name not in taken}
    return old, new | {name: rule for name, rule in other.items() if name in taken}


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.builds(thrown_about, st.integers(0, 10**6)), steps())
def test_a_structural_narrowing_gains_no_record_and_no_field(
    roster: rosters.Roster, step: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    old, new = (districts.grant(rules) for rules in step)
    assert old.permission is not None
    assert new.permission is not None
    assume(old.permission != new.permission)
    assume(plans.narrowing.narrowing(old.permission, new.permission))

    before = access.view(roster, old, districts.TODAY)
    after = access.view(roster, new, districts.TODAY)

    for collection in model.COLLECTIONS:
        assert after.rows[collection] <= before.rows[collection], collection
    if after.refusal is None:
        for version in ("1.1", "1.2"):
            was, is_ = pictures.Picture(before, version), pictures.Picture(after, version)
            for collection in model.COLLECTIONS:
                for row in after.rows[collection]:
                    gained = is_.record(collection, row).keys() - was.record(collection, row).keys()
                    assert not gained, (collection, gained)


@given(steps())
def test_a_narrowing_and_its_reverse_are_never_both_narrowings_of_different_grants(
    step: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, new = (districts.grant(rules).permission for rules in step)

    if plans.narrowing.narrowing(old, new) and plans.narrowing.narrowing(new, old):
        # Only what says the same in other words: the same rows on every roster.
        roster = districts.roster()
        rows = [access.view(roster, districts.grant(rules), districts.TODAY).rows for rules in step]
        assert rows[0] == rows[1]

"""The law of structural narrowing: no roster exists on which it gives anybody anything."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rosterd import access, pictures, plans, rosters
from rosterd.oneroster import model
from tests.property import rosters_strategies as strategies
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


# ---------------------------------------------------------------- each step of the list


Rules = dict[str, Any]
Step = Callable[[random.Random, strategies.District, Rules], Rules | None]
"""Rules that are narrower by one entry of the list; None where it does not apply."""


def _lower(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    return {**rules, "access": "none"}


def _bare(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    return {"access": "none"}


def _id_removed(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    places = [
        (name, part)
        for name in ("orgs", "courses", "classes")
        if isinstance(rules.get(name), dict)
        for part in ("ids", "under")
        if len(rules[name].get(part, ())) > 1
    ]
    if not places:
        return None
    name, part = dice.choice(places)
    held = dice.sample(rules[name][part], len(rules[name][part]) - 1)
    return {**rules, name: {**rules[name], part: held}}


def _part_added(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    name = dice.choice(["orgs", "courses", "classes"])
    if name not in rules and name != "classes":
        return None
    parts = rules.get(name, {})
    parts = {} if parts == "all" else parts
    held = [each["sourcedId"] for each in district.records[name]]
    offered = {
        "ids": dice.sample(held, dice.randint(1, len(held))),
        "where": dice.choice(strategies.WHERES[name]),
        **({"current": True} if name == "classes" else {}),
        **({"under": dice.sample(held, 1)} if name == "orgs" else {}),
    }
    part = dice.choice(sorted(offered))
    return None if part in parts else {**rules, name: {**parts, part: offered[part]}}


def _clause_added(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    names = ("orgs", "courses", "classes", "people")
    places = [n for n in names if isinstance(rules.get(n), dict) and "where" in rules[n]]
    if not places:
        return None
    name = dice.choice(places)
    clause = dice.choice(strategies.WHERES["users" if name == "people" else name])
    where = f"({rules[name]['where']}) AND ({clause})"
    return {**rules, name: {**rules[name], "where": where}}


def _people_narrowed(
    dice: random.Random, district: strategies.District, rules: Rules
) -> Rules | None:
    people = rules.get("people", {})
    if len(people.get("roles", ())) > 1:
        return {**rules, "people": {**people, "roles": people["roles"][1:]}}
    offered = {
        "roles": ["student"],
        "where": dice.choice(strategies.WHERES["users"]),
        "current": True,
    }
    part = dice.choice(sorted(offered))
    return None if people.get(part) else {**rules, "people": {**people, part: offered[part]}}


def _switched_off(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    names = ("unenrolledUsers", "guardians", "demographics", "resources")
    on = [name for name in names if rules.get(name)]
    return {**rules, dice.choice(on): False} if on else None


def _role_removed(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    named = [
        name
        for name in ("unenrolledUsers", "demographics")
        if isinstance(rules.get(name), dict) and len(rules[name]["roles"]) > 1
    ]
    if not named:
        return None
    name = dice.choice(named)
    return {**rules, name: {"roles": rules[name]["roles"][1:]}}


def _withheld(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    fields = rules.get("fields", {})
    left = [name for name in strategies.FIELDS if name not in fields.get("withhold", ())]
    if not left:
        return None
    withhold = [*fields.get("withhold", ()), dice.choice(left)]
    return {**rules, "fields": {**fields, "withhold": withhold}}


def _unshared(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    fields = rules.get("fields", {})
    if not fields.get("share"):
        return None
    fields = {**fields, "share": fields["share"][1:]}
    kept = {name: value for name, value in fields.items() if value}
    rules = {name: value for name, value in rules.items() if name != "fields"}
    return {**rules, "fields": kept} if kept else rules


def _sooner(dice: random.Random, district: strategies.District, rules: Rules) -> Rules | None:
    day = dice.choice(["2026-02-28", "2026-06-30", "2026-12-31"])
    return {**rules, "expires": day} if day < rules.get("expires", "9999") else None


STEPS: tuple[Step, ...] = (
    *(_lower, _bare, _id_removed, _part_added, _clause_added, _people_narrowed),
    *(_switched_off, _role_removed, _withheld, _unshared, _sooner),
)


@st.composite
def narrowed(draw: st.DrawFn) -> tuple[strategies.District, Rules, Rules]:
    """A district, a permission with whatever a permission can say, and a narrower one."""
    district = draw(strategies.any_district())
    fields = draw(strategies.field_rules()) if draw(st.booleans()) else {}
    fields = fields if fields.get("fields") else {}
    old = draw(strategies.basic_rules(district)) | fields
    dice = draw(strategies.DICE)
    new = dict(old)
    if draw(st.integers(0, 4)) == 0:
        old = {"access": "full"} | fields
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3)):
        new = step(dice, district, new) or new
    return district, old, new


IDS = re.compile(r"<[a-z]+\d{3}>", re.IGNORECASE)


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
@given(narrowed())
def test_each_step_of_the_list_is_one_and_gives_nobody_anything(
    narrower: tuple[strategies.District, Rules, Rules],
) -> None:
    district, *both = narrower
    old, new = (strategies.grant_of(rules) for rules in both)
    assume(old.permission != new.permission)
    assert plans.narrowing.narrowing(old.permission, new.permission)

    before, after = district.view(old), district.view(new)

    if after.refusal is not None:
        return
    for collection in model.COLLECTIONS:
        assert after.rows[collection] <= before.rows[collection], collection
    shown = {
        str(after.roster.sourced_id(name, row))
        for name in model.COLLECTIONS
        for row in after.rows[name]
    }
    for version in ("1.1", "1.2"):
        was, is_ = pictures.Picture(before, version), pictures.Picture(after, version)
        for collection in model.COLLECTIONS:
            for row in after.rows[collection]:
                _nothing_more(was.record(collection, row), is_.record(collection, row), shown)


def _nothing_more(was: Rules, is_: Rules, shown: set[str]) -> None:
    """Members and their parts were all there before; ids are those of records that are shown."""
    assert is_.keys() <= was.keys()
    for name, value in is_.items():
        if value == was[name]:
            continue
        text = json.dumps(value)
        found = set(IDS.findall(text))
        assert found <= shown | set(IDS.findall(json.dumps(was[name]))), name
        if name == "metadata":
            assert value.items() <= was[name].items()
        elif name not in {"roles", "role"}:  # one that is left out may have to be made up anew
            assert found or value in ([], None), f"{name} was {was[name]} and is {value}"

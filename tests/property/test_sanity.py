"""Counts of sanity checks against those of somebody who reads record by record.

Here nothing is a bitmap: each check is said again over the records as the application gets them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from rosterd import access, pictures, sanity
from rosterd.oneroster import filters, model, vocabularies
from tests.property import rosters_strategies as made

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """The records of each collection by id."""

    held: Mapping[str, Mapping[str, Record]]

    def ids(self, collection: str) -> set[str]:
        return set(self.held[collection])

    def all(self, collection: str) -> Iterable[tuple[str, Record]]:
        return self.held[collection].items()

    def people(self, *roles: str) -> set[str]:
        return {
            name
            for name, user in self.all("users")
            if {role["role"] for role in user.get("roles", ())} & set(roles)
        }

    def lacking(self, collection: str, member: str) -> set[str]:
        return {name for name, record in self.all(collection) if not record.get(member)}

    def of(self, member: str, role: str) -> set[str]:
        """Users (or classes) of enrollments in a role."""
        return {each[member] for _, each in self.all("enrollments") if each["role"] == role}

    def twice(self, member: str) -> set[str]:
        values = {
            name: filters.fold(user[member]) for name, user in self.all("users") if member in user
        }
        count = Counter(values.values())
        return {name for name, value in values.items() if count[value] > 1}

    def named(self, collection: str, member: str) -> set[str]:
        return {record[member] for _, record in self.all(collection) if member in record}


def without_teachers(on: Shown) -> set[str]:
    taught = on.of("class", "teacher")
    found = set()
    for student in on.people("student"):
        classes = {
            each["class"]
            for _, each in on.all("enrollments")
            if (each["user"], each["role"]) == (student, "student")
        }
        if classes and not classes & taught:
            found.add(student)
    return found


def guardians_of_nobody(on: Shown) -> set[str]:
    found = on.people("guardian", "parent", "relative") - on.people("teacher", "student")
    named = {agent for _, user in on.all("users") for agent in user.get("agents", ())}
    return {
        name
        for name in found - named
        if not set(on.held["users"][name].get("agents", ())) & on.ids("users")
    }


def ended(on: Shown) -> set[str]:
    today, sessions = made.TODAY.isoformat(), on.held["academicSessions"]
    return {
        name
        for name, each in on.all("classes")
        if each.get("terms") and all(sessions[term]["endDate"] <= today for term in each["terms"])
    }


def without_primary(on: Shown) -> set[str]:
    return {
        name
        for name, user in on.all("users")
        if all(role["roleType"] != "primary" for role in user.get("roles", ()))
    }


def odd_grades(on: Shown) -> set[str]:
    return {
        name
        for name, user in on.all("users")
        if any(grade not in vocabularies.GRADES for grade in user.get("grades", ()))
    }


def undescribed(on: Shown) -> set[str]:
    return on.people("student") - on.ids("demographics") if on.ids("demographics") else set()


def terms_without_parent(on: Shown) -> set[str]:
    return {
        name
        for name, each in on.all("academicSessions")
        if each["type"] == "term" and "parent" not in each
    }


def schools_without_classes(on: Shown) -> set[str]:
    schools = {name for name, org in on.all("orgs") if org["type"] == "school"}
    return schools - on.named("classes", "school")


READ: Mapping[str, Callable[[Shown], set[str]]] = {
    "students-without-grades": lambda on: on.people("student") & on.lacking("users", "grades"),
    "students-without-enrollments": lambda on: on.people("student") - on.of("user", "student"),
    "teachers-without-enrollments": lambda on: on.people("teacher") - on.of("user", "teacher"),
    "students-without-teachers": without_teachers,
    "classes-without-periods": lambda on: on.lacking("classes", "periods"),
    "classes-without-students": lambda on: on.ids("classes") - on.of("class", "student"),
    "classes-without-teachers": lambda on: on.ids("classes") - on.of("class", "teacher"),
    "courses-without-classes": lambda on: on.ids("courses") - on.named("classes", "course"),
    "users-without-primary-role": without_primary,
    "users-without-email": lambda on: on.lacking("users", "email"),
    "emails-used-twice": lambda on: on.twice("email"),
    "usernames-used-twice": lambda on: on.twice("username"),
    "users-without-identifier": lambda on: on.lacking("users", "identifier"),
    "grades-outside-the-vocabulary": odd_grades,
    "guardians-of-nobody": guardians_of_nobody,
    "students-without-demographics": undescribed,
    "classes-without-terms": lambda on: on.lacking("classes", "terms"),
    "classes-in-ended-terms": ended,
    "terms-without-parent": terms_without_parent,
    "schools-without-classes": schools_without_classes,
}


def read(view: access.View) -> Shown:
    picture = pictures.Picture(view, "1.2")
    return Shown(
        {
            collection: {
                record["sourcedId"]: record
                for record in (picture.record(collection, row) for row in view.rows[collection])
            }
            for collection in model.COLLECTIONS
        }
    )


def faulty(district: made.District, dice: Any) -> made.District:
    """The same with what sources get wrong: values that are missing, odd, or two people's."""
    for user in district.records["users"]:
        if dice.random() < 0.5:
            user["grades"] = dice.choice([["05"], ["5"], ["KG", "x"]])
        if dice.random() < 0.5:
            user["email"] = dice.choice(["one@example.org", "ONE@example.org", "two@example.org"])
        if dice.random() < 0.3:
            user["username"] = dice.choice(["Straße", "STRASSE", "other"])
        if dice.random() < 0.3:
            user["identifier"] = "7"
        for role in user["roles"]:
            role["roleType"] = dice.choice(["primary", "primary", "secondary"])
    for each in district.records["classes"]:
        if dice.random() < 0.5:
            each["periods"] = ["1"]
    return district


@settings(max_examples=60)
@given(st.data())
def test_each_count_is_what_reading_record_by_record_finds(data: st.DataObject) -> None:
    district = faulty(data.draw(made.any_district()), data.draw(made.DICE))
    view = district.view(made.grant_of(data.draw(made.any_rules(district))))
    shown = read(view)

    report = sanity.report(pictures.Picture(view, "1.2"))

    assert {each.check for each in report} == set(READ)
    for each in report:
        event(f"{each.check}: {'-' if each.count is None else min(each.count, 1)}")
        expected = READ[each.check](shown)
        if each.count is None:
            assert not each.sample
            continue
        assert each.count == len(expected), each.check
        assert set(each.sample) <= expected, each.check
        assert len(each.sample) == min(len(expected), sanity.SAMPLE), each.check


@settings(max_examples=30)
@given(st.data())
def test_a_withheld_or_masked_member_is_never_counted(data: st.DataObject) -> None:
    district = faulty(data.draw(made.any_district()), data.draw(made.DICE))
    needs = {check.name: check for check in sanity.CHECKS.values() if check.needs}
    check = data.draw(st.sampled_from(sorted(needs)))
    member = f"{needs[check].collection}.{needs[check].needs[0]}"
    view = district.view(made.grant_of({"access": "full", "fields": {"withhold": [member]}}))

    (found,) = sanity.report(pictures.Picture(view, "1.2"), [check])

    assert (found.count, found.sample) == (None, ())

"""Paths and transforms of the template language: what they know, and what they refuse."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosterd import templates
from rosterd.oneroster import model


@pytest.mark.parametrize(
    "grain, text, path",
    [
        ("orgs", "sourcedId", templates.Path((), "orgs", "sourcedId")),
        ("orgs", "parent", templates.Path((), "orgs", "parent")),
        ("orgs", "parent.name", templates.Path(("parent",), "orgs", "name")),
        ("classes", "course.org.name", templates.Path(("course", "org"), "orgs", "name")),
        ("classes", "teacher.email", templates.Path(("teacher",), "users", "email")),
        ("enrollments", "class.sourcedId", templates.Path((), "enrollments", "class")),
        ("enrollments", "class.title", templates.Path(("class",), "classes", "title")),
        ("users", "metadata.bus", templates.Path((), "users", "metadata.bus")),
        ("roles", "role", templates.Path((), None, "role")),
        ("roles", "user.sourcedId", templates.Path(("user",), "users", "sourcedId")),
        (
            "roles",
            "user.demographics.sex",
            templates.Path(("user", "demographics"), "demographics", "sex"),
        ),
    ],
)
def test_a_path_leads_over_steps_to_a_member(grain: str, text: str, path: templates.Path) -> None:
    assert templates.resolve(grain, text) == path


@pytest.mark.parametrize(
    "grain, text, says",
    [
        ("orgs", "nmae", "nothing is called nmae here; known: "),
        ("classes", "course.nmae", "nothing is called nmae here"),
        ("roles", "familyName", "nothing is called familyName here; known: beginDate, endDate"),
        ("roles", "user", "user is a record; name one of its members"),
        ("users", "password", "nothing is called password here"),
        ("users", "status", "nothing is called status here"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_what_is_known(
    grain: str, text: str, says: str
) -> None:
    with pytest.raises(templates.PathError) as told:
        templates.resolve(grain, text)

    assert str(told.value).startswith(says)


def test_a_list_that_a_record_has_not_is_told() -> None:
    with pytest.raises(templates.PathError, match="nothing is called teachers here"):
        templates.listed("orgs", "teachers", "sourcedId")


def test_every_step_and_list_leads_to_a_collection() -> None:
    for steps in (*templates.STEPS.values(), *templates.LISTS.values()):
        assert set(steps.values()) <= set(model.COLLECTIONS)
    assert set(templates.STEPS) == set(model.COLLECTIONS)


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("clever-grade", "03", "3"),
        ("clever-grade", "KG", "Kindergarten"),
        ("clever-grade", "3", None),
        ("apple-grade", "12", "12"),
        ("sds-grade", "PK", "pk"),
        ("sds-role", "counselor", "advisor"),
        ("sds-role", "guardian", None),
        ("date-month-day-year", "2026-03-09", "03/09/2026"),
        ("flag-true-false", "primary", "true"),
        ("flag-y-n", "false", "N"),
        ("id-letters-digits-hyphens", "a-1", "a-1"),
        ("id-letters-digits-hyphens", "a_1", "x615f31"),
        ("id-letters-digits-hyphens", "x615f31", "x78363135663331"),
        ("id-letters-digits-hyphens", "x-1", "x-1"),
        ("lower-case", "A@Example.org", "a@example.org"),
        ("with-at-sign", "a@example.org", "a@example.org"),
        ("with-at-sign", "a", None),
        ("with-at-sign", "@a", None),
        ("phone-international", "+1 (555) 010-0177", "+15550100177"),
        ("phone-international", "555-0177", None),
        ("phone-international", "+1 555 ext. 3", None),
    ],
)
def test_a_transform_knows_its_words(name: str, value: str, expected: str | None) -> None:
    assert templates.TRANSFORMS[name](value) == expected


@given(st.lists(st.text("ax0561f3_-ß", min_size=1, max_size=12), min_size=2, unique=True))
def test_two_ids_are_never_made_one(ids: list[str]) -> None:
    narrow = [templates.TRANSFORMS["id-letters-digits-hyphens"](each) or "" for each in ids]

    assert len(set(narrow)) == len(ids)
    assert all(re.fullmatch("[A-Za-z0-9-]+", each) for each in narrow)

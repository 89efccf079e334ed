import pytest

from rosterd import documents, selections
from rosterd.oneroster import filters


def test_all_picks_everything_and_stands_alone() -> None:
    assert selections.selection("all", "orgs") == selections.Selection("orgs", everything=True)


def test_a_list_picks_by_id() -> None:
    made = selections.selection(("b", "a"), "courses")

    assert made == selections.Selection("courses", ids=frozenset({"a", "b"}))


def test_nothing_selected_is_no_selection() -> None:
    assert selections.selection(None, "classes") is None


def test_parts_are_kept_apart_so_that_each_has_to_agree() -> None:
    parts = documents.OrgParts(ids=("s-1",), under=("d-1",), where="type='school'")

    made = selections.selection(parts, "orgs")

    assert made is not None
    assert not made.everything
    assert made.ids == frozenset({"s-1"})
    assert made.under == frozenset({"d-1"})
    assert isinstance(made.where, filters.Leaf)
    assert (made.where.path.dotted, made.where.value) == ("type", "school")


def test_classes_may_be_those_of_today() -> None:
    made = selections.selection(documents.ClassParts(current=True), "classes")

    assert made == selections.Selection("classes", current=True)


def test_people_narrow_nothing_unless_something_is_said() -> None:
    assert selections.people(None) == selections.People()
    assert selections.people(None) == selections.People(roles=None, where=None, current=False)


def test_people_are_narrowed_by_conditions_on_users() -> None:
    made = selections.people(documents.People(roles=("student",), where="grades='05'"))

    assert made.roles == frozenset({"student"})
    assert isinstance(made.where, filters.Leaf)
    assert made.where.path.collection == "users"


def test_conditions_speak_in_names_of_1_2_only() -> None:
    with pytest.raises(filters.FilterError) as raised:
        selections.where("givenName='x' AND role='student'", "users")

    assert raised.value.column == 19
    assert raised.value.field == "role"

"""Relations, and what a roster in memory answers."""

from array import array
from collections.abc import Hashable
from datetime import date

import hypothesis
import pytest
from hypothesis import strategies as st
from pyroaring import AbstractBitMap, BitMap

from rosterd import rosters
from rosterd.oneroster import filters, model
from rosterd.rosters import remembering
from tests.unit import districts

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=12)


def _ids(roster: rosters.Roster, collection: str, rows: AbstractBitMap) -> set[str]:
    return {roster.sourced_id(collection, row) for row in rows}


def _path(collection: str, name: str, version: str = "1.2") -> model.FieldPath:
    path = model.path(collection, name, version)
    assert path is not None
    return path


@hypothesis.given(LISTS, st.sets(st.integers(0, 11)))
def test_gathering_runs_of_rows_gives_the_targets_of_each(
    lists: list[list[int]], chosen: set[int]
) -> None:
    relation = rosters.Relation.of_lists(lists)
    rows = BitMap(row for row in chosen if row < len(lists))

    assert relation.gather(rows) == BitMap(each for row in rows for each in lists[row])


@pytest.mark.parametrize("step", [1, 2])
def test_gathering_over_many_stretches_leaves_nothing_out_between_them(step: int) -> None:
    many = 200_000  # some times what is gathered in one piece, whether runs are long or short
    starts, targets = array("I", range(many + 1)), array("I", range(many, 2 * many))
    relation = rosters.Relation(memoryview(starts), memoryview(targets))

    found = relation.gather(BitMap(range(0, many, step)))

    assert found == BitMap(range(many, 2 * many, step))


@hypothesis.given(st.lists(st.sampled_from(["a@b", "A@B", "c@d", "", "Stra\xdfe", "STRASSE"])))
def test_rows_that_share_a_value_are_found_whatever_its_case(mails: list[str]) -> None:
    users = [{"sourcedId": f"{number}", "email": mail} for number, mail in enumerate(mails)]
    users = [{name: text for name, text in each.items() if text} for each in users]
    roster = rosters.from_records({"users": users})

    groups = roster.alike("users", _path("users", "email"))

    folded = {filters.fold(mail) for mail in mails if mail}
    expected = [
        [row for row, mail in enumerate(mails) if mail and filters.fold(mail) == each]
        for each in folded
    ]
    assert sorted(map(list, groups)) == sorted(each for each in expected if len(each) > 1)


@hypothesis.given(LISTS)
def test_an_inverted_relation_has_the_same_edges(lists: list[list[int]]) -> None:
    relation = rosters.Relation.of_lists(lists)

    turned = relation.inverted(10)

    assert sorted(turned.pairs()) == sorted((end, row) for row, end in relation.pairs())
    assert all(list(turned.of(row)) == sorted(turned.of(row)) for row in range(10))


def test_a_relation_without_edges_leads_nowhere() -> None:
    assert rosters.Relation.of_lists([[], []]).gather(BitMap([0, 1])) == BitMap()
    assert rosters.Relation.of_lists([[1]]).gather(BitMap()) == BitMap()


def test_every_reference_of_the_standard_is_a_relation() -> None:
    named = {
        (collection, field): target
        for collection in model.COLLECTIONS
        for field, target in model.ref_fields(collection).items()
    }

    assert {**named, ("demographics", "user"): "users"} == rosters.RELATIONS


def test_only_active_rows_have_edges_and_the_others_are_told_of_as_dangling() -> None:
    roster = rosters.from_records(
        districts.records(), {"users": ["mother-e"], "orgs": ["west"], "enrollments": ["e2"]}
    )
    users = roster.relation("users", "agents")
    row = roster.row("users", "pupil-e")
    assert row is not None

    assert list(users.of(row)) == []
    assert row in roster.dangling("users")
    assert _ids(roster, "enrollments", roster.dangling("enrollments")) == {"e3", "e4", "e7", "e8"}
    school = roster.row("orgs", "east")
    assert school is not None
    assert _ids(
        roster, "classes", roster.inverse("classes", "school").gather(BitMap([school]))
    ) == {"algebra-east", "history-east", "art-east"}
    teacher, of_class = roster.row("users", "teacher-e"), roster.row("classes", "algebra-east")
    assert of_class is not None
    assert teacher not in roster.class_users.of(of_class)


def test_roles_count_at_their_org_and_on_their_days() -> None:
    records = districts.records()
    records["users"].append(
        districts.user(
            "past",
            districts.role("aide", "east", beginDate="2025-01-01", endDate="2026-03-02"),
            districts.role("aide", "west", beginDate="2026-03-02"),
        )
    )
    roster = rosters.from_records(records)
    east, west = roster.rows("orgs", ["east"]), roster.rows("orgs", ["west"])

    def holders(orgs: BitMap, today: date | None) -> set[str]:
        return _ids(roster, "users", roster.role_holders({"aide"}, orgs, today))

    assert holders(east, None) == {"helper", "past"}
    assert holders(east, date(2026, 3, 1)) == {"helper", "past"}
    assert holders(east, date(2026, 3, 2)) == {"helper"}  # the last day is not included
    assert holders(west, date(2026, 3, 1)) == set()
    assert holders(west, date(2026, 3, 2)) == {"past"}
    assert "past" in _ids(roster, "users", roster.role_holders(None, west, None))
    assert "aide" in roster.roles()


def test_ids_that_nobody_has_and_inactive_ones_pick_nothing() -> None:
    roster = rosters.from_records(districts.records(), {"orgs": ["west"]})

    assert _ids(roster, "orgs", roster.rows("orgs", ["east", "west", "nowhere"])) == {"east"}


def test_leaves_ask_active_records_only() -> None:
    roster = rosters.from_records(districts.records(), {"users": ["pupil-w"]})
    leaf = filters.Leaf(_path("users", "grades"), "!=", "05")

    assert _ids(roster, "users", roster.leaf("users", leaf, missing=False)) == set()
    assert "pupil-w" not in _ids(roster, "users", roster.leaf("users", leaf, missing=True))
    assert "office" in _ids(roster, "users", roster.leaf("users", leaf, missing=True))


@pytest.mark.parametrize("descending", [False, True])
def test_orders_put_missing_values_last_and_break_ties_by_id(descending: bool) -> None:
    roster = rosters.from_records(
        {
            "courses": [
                {"sourcedId": "d", "title": "t", "courseCode": "2"},
                {"sourcedId": "c", "title": "t"},
                {"sourcedId": "b", "title": "t", "courseCode": "1"},
                {"sourcedId": "a", "title": "t", "courseCode": "2"},
                {"sourcedId": "B", "title": "t"},
            ]
        }
    )

    order = roster.order("courses", _path("courses", "courseCode"), descending=descending)

    values = ["a", "d", "b"] if descending else ["b", "a", "d"]
    assert [roster.sourced_id("courses", row) for row in order] == [*values, "B", "c"]


def test_a_record_handed_out_can_be_changed_without_harm() -> None:
    roster = districts.roster()
    row = roster.row("users", "pupil-e")
    assert row is not None
    record = roster.record("users", row)
    record["roles"][0]["org"] = "elsewhere"
    record["metadata"].clear()

    assert roster.record("users", row)["roles"][0]["org"] == "east"
    assert roster.record("users", row)["metadata"] == {"bus": "7", "locker": "9"}


def test_bare_records_hold_nothing_that_is_hidden_or_derived() -> None:
    record: rosters.Record = {
        "sourcedId": "u",
        "password": "p",
        "metadata": {"a": "b"},
        "userProfiles": [{"sourcedId": "profile"}],
        "roles": [{"roleType": "primary", "role": "aide", "org": "o", "userProfile": "profile"}],
    }

    assert rosters.bare("users", record) == {
        "sourcedId": "u",
        "roles": [{"roleType": "primary", "role": "aide", "org": "o"}],
    }
    assert rosters.bare("orgs", {"sourcedId": "o", "children": ["x"]}) == {"sourcedId": "o"}
    assert "userProfile" in record["roles"][0]


def test_the_answer_asked_for_longest_ago_is_forgotten_first() -> None:
    memory: dict[Hashable, int] = {}
    made: list[str] = []

    def ask(key: str) -> None:
        def make() -> int:
            made.append(key)
            return len(made)

        remembering.kept(memory, key, 2, make)

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)

    assert made == ["a", "b", "c", "b"]
    assert len(memory) == 2


def test_relations_can_be_mapped_bytes() -> None:
    starts = memoryview(array("I", [0, 2, 2, 3]).tobytes()).cast("I")
    targets = memoryview(array("I", [7, 8, 9]).tobytes()).cast("I")

    relation = rosters.Relation(starts, targets)

    assert relation.gather(BitMap([0, 1, 2])) == BitMap([7, 8, 9])
    assert relation.gather(BitMap([2])) == BitMap([9])
    assert list(relation.of(0)) == [7, 8]

import asyncio
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap

from rosterd import errors, generations, rosters
from rosterd.generations import building, calling, deliveries, layout, segments
from rosterd.oneroster import filters, model, rendering
from tests import packages

LIMIT = 64 * 2**20


@dataclass
class Imports:
    """Imports into one folder, one after the other; the last generation is open."""

    folder: Path
    source_folder: Path
    generation: generations.Generation | None = None
    number: int = 0
    sources: tuple[str, ...] = ("sis", "hr")
    events: list[dict[str, Any]] = field(default_factory=list)

    def request(self, delivery: Path, source: str = "sis", **extra: Any) -> building.Request:
        return building.Request(
            number=self.number + 1,
            folder=str(self.folder),
            former=self.generation.name if self.generation else None,
            source=source,
            sources=self.sources,
            delivery=str(delivery),
            limit=LIMIT,
            **extra,
        )

    def bring(
        self,
        tables: packages.Tables,
        source: str = "sis",
        mode: str = "bulk",
        version: str = "1.2",
    ) -> dict[str, Any]:
        """Import a package; gives the report."""
        written = packages.contents(tables, mode=mode, version=version)
        event = self.deliver(packages.write(self.source_folder, written), source)
        assert event["event"] == "built", event
        report: dict[str, Any] = event["report"]
        return report

    def deliver(self, delivery: Path, source: str = "sis", **extra: Any) -> dict[str, Any]:
        event = building.build(self.request(delivery, source, **extra), self.events.append)
        if event["event"] == "built":
            self.number += 1
            self.generation = generations.open_generation(self.folder / event["name"])
        return event

    @property
    def served(self) -> generations.Generation:
        assert self.generation is not None
        return self.generation

    @property
    def roster(self) -> rosters.Roster:
        return self.served.roster

    def active(self, collection: str) -> set[str]:
        roster = self.roster
        return {roster.sourced_id(collection, row) for row in roster.active[collection]}

    def record(self, collection: str, sourced_id: str) -> dict[str, Any]:
        row = self.roster.row(collection, sourced_id)
        assert row is not None
        return self.roster.record(collection, row)

    def changed(self, collection: str, sourced_id: str) -> int:
        row = self.roster.row(collection, sourced_id)
        assert row is not None
        return self.served.changed(collection, row)


@pytest.fixture
def imports(tmp_path: Path) -> Imports:
    return Imports(tmp_path / "generations", tmp_path / "source")


def codes(report: dict[str, Any], severity: str = "error") -> list[tuple[str, int, str]]:
    return [
        (problem["path"], problem["line"], problem["code"])
        for problem in report["problems"]
        if problem["severity"] == severity
    ]


def everything(generation: generations.Generation) -> dict[str, Any]:
    """All that is served, by ids: equal for generations that serve the same."""
    roster = generation.roster
    served: dict[str, Any] = {}
    for name in model.COLLECTIONS:
        rows = list(roster.active[name])
        newer = generation.fragments(name, rows, "1.2")
        older = generation.fragments(name, rows, "1.1")
        served[name] = {
            roster.sourced_id(name, row): (roster.record(name, row), bytes(new), bytes(old))
            for row, new, old in zip(rows, newer, older, strict=True)
        }
    return served


# ---------------------------------------------------------------- what is served


def test_a_first_import_serves_every_record_of_the_package(imports: Imports) -> None:
    report = imports.bring(packages.district())

    assert imports.active("users") == {"student-1", "student-2", "teacher-1", "parent-1"}
    assert imports.active("enrollments") == {"enrollment-1", "enrollment-2", "enrollment-3"}
    assert report["errors"] == 0
    assert report["files"]["users.csv"]["added"] == 4
    assert imports.record("classes", "class-1")["resources"] == ["book-1"]
    assert imports.record("users", "teacher-1")["roles"] == [
        {"roleType": "primary", "role": "teacher", "org": "school-1"}
    ]


def test_stored_fragments_are_what_rendering_makes_of_the_bare_record(imports: Imports) -> None:
    tables = packages.district()
    tables["users"][0] |= {"metadata.house": "Blue", "password": "secret-one"}
    imports.bring(tables)

    for name, records in everything(imports.served).items():
        for record, newer, older in records.values():
            bare = rosters.bare(name, record)
            assert newer == rendering.fragment(name, bare, "1.2")
            assert older == rendering.fragment(name, bare, "1.1")
    assert b"secret-one" not in everything(imports.served)["users"]["student-1"][1]
    assert imports.record("users", "student-1")["metadata"] == {"house": "Blue"}


def test_words_that_1p1_lacks_make_a_fragment_of_its_own(imports: Imports) -> None:
    tables = packages.changed(packages.district(), "classes", "class-1", classType="ext:club")
    imports.bring(tables)

    _, newer, older = everything(imports.served)["classes"]["class-1"]
    assert b'"ext:club"' in newer
    assert b'"ext:club"' not in older
    assert b'"scheduled"' in older


def test_the_roster_of_a_generation_answers_like_one_in_memory(imports: Imports) -> None:
    tables = packages.district()
    tables["users"][0] |= {"metadata.house": "Blue"}
    imports.bring(tables)
    roster = imports.roster
    memory = rosters.from_records(
        {
            name: [roster.record(name, row) for row in sorted(roster.active[name])]
            for name in model.COLLECTIONS
        }
    )

    for key in rosters.RELATIONS:
        assert list(roster.relation(*key).pairs()) == list(memory.relation(*key).pairs()), key
        assert list(roster.inverse(*key).pairs()) == list(memory.inverse(*key).pairs()), key
    assert list(roster.class_users.pairs()) == list(memory.class_users.pairs())
    for collection, text in LEAVES:
        for version in model.VERSIONS:
            try:
                leaf = filters.parse(text, collection, version)
            except filters.FilterError:
                continue
            assert isinstance(leaf, filters.Leaf)
            for missing in (False, True):
                found = roster.leaf(collection, leaf, missing=missing)
                assert found == memory.leaf(collection, leaf, missing=missing), (text, version)
            for descending in (False, True):
                order = roster.order(collection, leaf.path, descending=descending)
                assert order == memory.order(collection, leaf.path, descending=descending), text
    for roles in (None, {"student"}, {"teacher", "parent"}):
        orgs = BitMap(roster.active["orgs"])
        assert roster.role_holders(roles, orgs, None) == memory.role_holders(roles, orgs, None)


LEAVES = [
    ("orgs", "type='school'"),
    ("orgs", "type!='school'"),
    ("orgs", "parent='district-1'"),
    ("orgs", "parent!='district-1'"),
    ("orgs", "parent~'district'"),
    ("orgs", "name~'org S'"),
    ("academicSessions", "startDate>='2026-08-01'"),
    ("academicSessions", "schoolYear='2027'"),
    ("courses", "org.sourcedId='district-1'"),
    ("classes", "terms='term-1'"),
    ("classes", "terms~'term,year'"),
    ("classes", "resources='book-1'"),
    ("classes", "classType='scheduled'"),
    ("users", "status='active'"),
    ("users", "sourcedId>'student-1'"),
    ("users", "sourcedId='student-1'"),
    ("users", "sourcedId!='student-1'"),
    ("users", "familyName~'FAMILY s'"),
    ("users", "email='one@example.org'"),
    ("users", "email!='one@example.org'"),
    ("users", "email='nobody@example.org'"),
    ("users", "grades='09'"),
    ("users", "grades!='09'"),
    ("users", "role='student'"),
    ("users", "orgs='school-1'"),
    ("users", "roles.role='teacher'"),
    ("users", "roles.org='school-2'"),
    ("users", "roles.org!='school-2'"),
    ("users", "primaryOrg='school-2'"),
    ("users", "userIds.identifier='t1'"),
    ("users", "userIds.identifier!='t1'"),
    ("users", "userIds.identifier='t1,t2'"),
    ("users", "userIds.type='LDAP'"),
    ("users", "sourcedId~'TEACHER'"),
    ("users", "sourcedId~'1s'"),
    ("users", "sourcedId~''"),
    ("users", "sourcedId<='student-1'"),
    ("users", "familyName!='Family student-1'"),
    ("users", "agents='parent-1'"),
    ("users", "metadata.house='Blue'"),
    ("users", "metadata.house!='Blue'"),
    ("users", "dateLastModified>'2020-01-01'"),
    ("users", "enabledUser='true'"),
    ("enrollments", "role='student'"),
    ("enrollments", "class='class-1'"),
    ("enrollments", "class='class-9'"),
    ("enrollments", "user!='student-1'"),
    ("enrollments", "primary='true'"),
    ("demographics", "birthDate<'2012-01-01'"),
    ("demographics", "sex='female'"),
    ("resources", "vendorResourceId='b1'"),
]


def test_users_of_1p1_get_roles_by_the_kind_of_their_orgs(imports: Imports) -> None:
    imports.bring({"orgs": packages.district()["orgs"]}, source="hr", version="1.1")
    cells = {"role": "administrator", "orgSourcedIds": "district-1,school-1"}

    imports.bring({"users": [packages.user("head-1", **cells)]}, version="1.1")

    assert imports.record("users", "head-1")["roles"] == [
        {"roleType": "primary", "role": "districtAdministrator", "org": "district-1"},
        {"roleType": "primary", "role": "siteAdministrator", "org": "school-1"},
    ]
    _, _, older = everything(imports.served)["users"]["head-1"]
    assert b'"role":"administrator"' in older


# ---------------------------------------------------------------- the next import


def test_an_unchanged_package_makes_no_generation(imports: Imports) -> None:
    imports.bring(packages.district())
    before = imports.served.contents.deliveries["sis"]

    again = imports.deliver(imports.source_folder, known=before)
    forgotten = imports.deliver(imports.source_folder)

    assert again["event"] == "unchanged"
    assert forgotten["event"] == "unchanged"
    assert sorted(path.name for path in imports.folder.iterdir()) == [imports.served.name]


def test_only_what_changed_is_written(imports: Imports) -> None:
    imports.bring(packages.district())
    first = imports.served

    tables = packages.changed(packages.district(), "users", "student-2", givenName="Other")
    report = imports.bring(tables)

    assert imports.changed("users", "student-2") == 2
    assert imports.changed("users", "student-1") == 1
    assert report["files"]["users.csv"] | {"errors": 0} == report["files"]["users.csv"]
    assert report["files"]["users.csv"]["changed"] == 1
    assert report["files"]["enrollments.csv"]["changed"] == 0
    shared = imports.served.contents.tables["enrollments"].segments
    assert shared == first.contents.tables["enrollments"].segments
    for name in shared:
        assert (imports.served.folder / name).samefile(first.folder / name)
    # fragments of both versions and the records, of either night
    assert len(imports.served.contents.tables["users"].segments) == 6


def test_a_held_generation_goes_on_serving_the_old_content_when_its_folder_is_gone(
    imports: Imports,
) -> None:
    imports.bring(packages.district())
    held = imports.served
    before = everything(held)

    imports.bring(packages.changed(packages.district(), "users", "student-2", givenName="Other"))
    generations.clean(imports.folder, {imports.served.name})

    assert not held.folder.exists()
    assert everything(held) == before
    leaf = filters.parse("givenName='Given'", "users", "1.2")
    assert isinstance(leaf, filters.Leaf)
    assert len(held.roster.leaf("users", leaf, missing=True)) == 4


def test_a_removed_record_keeps_its_row_and_gets_it_back(imports: Imports) -> None:
    imports.bring(packages.district())
    row = imports.roster.row("enrollments", "enrollment-1")

    report = imports.bring(packages.without(packages.district(), enrollments="enrollment-1"))
    assert imports.active("enrollments") == {"enrollment-2", "enrollment-3"}
    assert report["files"]["enrollments.csv"]["removed"] == 1
    assert imports.roster.row("enrollments", "enrollment-1") == row
    assert imports.changed("enrollments", "enrollment-1") == 2

    imports.bring(packages.district())
    assert imports.active("enrollments") == {"enrollment-1", "enrollment-2", "enrollment-3"}
    assert imports.roster.row("enrollments", "enrollment-1") == row
    assert imports.changed("enrollments", "enrollment-1") == 3


def test_an_absent_file_leaves_its_records_alone(imports: Imports) -> None:
    imports.bring(packages.district())
    only_users = {"users": packages.district()["users"][:2], "roles": packages.district()["roles"]}

    imports.bring(only_users)

    assert imports.active("users") == {"student-1", "student-2"}
    assert imports.active("demographics") == {"student-1"}
    assert imports.active("enrollments") == {"enrollment-1", "enrollment-2"}


def test_users_keep_their_roles_when_the_file_of_roles_does_not_come(imports: Imports) -> None:
    imports.bring(packages.district())

    imports.bring({"users": [packages.user("student-1", givenName="Other")]})

    assert imports.record("users", "student-1")["givenName"] == "Other"
    assert imports.record("users", "student-1")["roles"] == [
        {"roleType": "primary", "role": "student", "org": "school-1"}
    ]


def test_a_delta_changes_only_what_it_names(imports: Imports) -> None:
    imports.bring(packages.district())
    before = everything(imports.served)

    rows = packages.delta(
        {
            "enrollments": [
                packages.enrollment("enrollment-1", "class-1", "student-1")
                | {"status": "tobedeleted"},
                packages.enrollment("enrollment-9", "class-1", "student-2"),
            ]
        }
    )
    report = imports.bring(rows, mode="delta")

    after = everything(imports.served)
    assert imports.active("enrollments") == {"enrollment-2", "enrollment-3", "enrollment-9"}
    assert {name: after[name] for name in after if name != "enrollments"} == {
        name: before[name] for name in before if name != "enrollments"
    }
    counts = report["files"]["enrollments.csv"]
    assert (counts["added"], counts["changed"], counts["removed"]) == (1, 0, 1)


def test_a_delta_of_roles_changes_the_users_that_it_names(imports: Imports) -> None:
    imports.bring(packages.district())

    added = packages.role("role-9", "student-1", "school-2", "student")
    gone = packages.role("role-3", "teacher-1", "school-1", "teacher") | {"status": "tobedeleted"}
    new = packages.role("role-8", "teacher-1", "school-2", "teacher")
    imports.bring(packages.delta({"roles": [added, gone, new]}), mode="delta")

    assert [role["org"] for role in imports.record("users", "student-1")["roles"]] == [
        "school-1",
        "school-2",
    ]
    assert [role["org"] for role in imports.record("users", "teacher-1")["roles"]] == ["school-2"]
    assert imports.changed("users", "parent-1") == 1


def test_roles_of_one_key_in_a_delta_are_all_there_are_whatever_their_order(
    imports: Imports,
) -> None:
    """A role has no id of its own in the roster: the same role at the same org may be there twice."""
    imports.bring(packages.district())
    now = packages.role("role-1", "student-1", "school-1") | {"endDate": "2027-01-01"}
    later = packages.role("role-9", "student-1", "school-1") | {"beginDate": "2027-01-01"}
    gone = packages.role("role-8", "student-1", "school-1") | {"status": "tobedeleted"}

    imports.bring(
        packages.delta({"roles": [now, later | {"roleType": "secondary"}, gone]}), mode="delta"
    )
    roles = imports.record("users", "student-1")["roles"]
    assert [(role.get("beginDate"), role.get("endDate")) for role in roles] == [
        (None, "2027-01-01"),
        ("2027-01-01", None),
    ]

    imports.bring(packages.delta({"roles": [gone, now]}), mode="delta")
    (role,) = imports.record("users", "student-1")["roles"]
    assert role["endDate"] == "2027-01-01"


def test_who_comes_back_has_the_roles_of_that_delta_and_no_older_ones(imports: Imports) -> None:
    imports.bring(packages.district())
    person = packages.user("student-1")
    old = packages.role("role-1", "student-1", "school-1")
    gone = {"status": "tobedeleted"}

    imports.bring(packages.delta({"users": [person | gone], "roles": [old | gone]}), mode="delta")
    assert "student-1" not in imports.active("users")
    new = packages.role("role-9", "student-1", "school-2")
    report = imports.bring(packages.delta({"users": [person], "roles": [new]}), mode="delta")

    (role,) = imports.record("users", "student-1")["roles"]
    assert role["org"] == "school-2"
    assert codes(report) == []


# ---------------------------------------------------------------- references


def test_a_row_whose_required_reference_dangles_is_dropped_with_its_line(imports: Imports) -> None:
    tables = packages.district()
    tables["enrollments"].append(packages.enrollment("enrollment-4", "class-9", "student-1"))

    report = imports.bring(tables)

    assert "enrollment-4" not in imports.active("enrollments")
    assert codes(report) == [("enrollments.csv", 5, "dangling-reference")]
    assert "class-9" not in json.dumps(report)
    assert report["files"]["enrollments.csv"]["errors"] == 1


def test_an_optional_reference_that_dangles_is_left_out_with_a_warning(imports: Imports) -> None:
    tables = packages.changed(packages.district(), "orgs", "school-1", parentSourcedId="nowhere")
    tables = packages.changed(tables, "users", "student-1", agentSourcedIds="parent-1,nobody")

    report = imports.bring(tables)

    assert "parent" not in imports.record("orgs", "school-1")
    assert imports.record("users", "student-1")["agents"] == ["parent-1"]
    assert set(codes(report, "warning")) == {
        ("orgs.csv", 3, "dangling-left-out"),
        ("users.csv", 2, "dangling-left-out"),
    }
    served = everything(imports.served)
    assert b"nowhere" not in served["orgs"]["school-1"][1]
    assert b"nobody" not in served["users"]["student-1"][2]


def test_what_needs_a_dropped_row_is_dropped_too(imports: Imports) -> None:
    tables = packages.changed(packages.district(), "courses", "course-2", orgSourcedId="nowhere")

    report = imports.bring(tables)

    assert imports.active("courses") == {"course-1"}
    assert imports.active("classes") == {"class-1"}
    assert imports.active("enrollments") == {"enrollment-1", "enrollment-3"}
    assert {(path, code) for path, _, code in codes(report)} == {
        ("courses.csv", "dangling-reference"),
        ("classes.csv", "dangling-reference"),
        ("enrollments.csv", "dangling-reference"),
    }


def test_a_role_at_an_org_that_is_gone_goes_and_the_user_with_the_last_one(
    imports: Imports,
) -> None:
    tables = packages.district()
    tables["roles"].append(packages.role("role-9", "student-1", "school-2"))
    imports.bring(tables)

    gone = packages.without(tables, orgs="school-2")
    imports.bring(gone)

    assert [role["org"] for role in imports.record("users", "student-1")["roles"]] == ["school-1"]
    assert "student-2" not in imports.active("users")
    leaf = filters.parse("orgs~'school-2'", "users", "1.1")
    assert isinstance(leaf, filters.Leaf)
    assert not imports.roster.leaf("users", leaf, missing=True)


def test_rows_of_another_source_go_with_what_they_need_and_come_back_with_it(
    imports: Imports,
) -> None:
    tables = packages.district()
    own = {"enrollments": tables.pop("enrollments")}
    imports.bring(tables)
    imports.bring(own, source="hr")
    assert len(imports.active("enrollments")) == 3
    full = everything(imports.served)

    imports.bring(packages.without(tables, classes="class-1"))
    assert imports.active("enrollments") == {"enrollment-2"}

    imports.bring(tables)
    assert everything(imports.served) == full
    assert imports.changed("enrollments", "enrollment-1") == 4


def test_rows_that_came_before_what_they_need_wait_for_it(imports: Imports) -> None:
    tables = packages.district()
    own = {"enrollments": tables.pop("enrollments")}

    imports.bring(own, source="hr")
    assert imports.active("enrollments") == set()

    imports.bring(tables)
    assert imports.active("enrollments") == {"enrollment-1", "enrollment-2", "enrollment-3"}


def test_optional_references_of_another_source_heal(imports: Imports) -> None:
    tables = packages.district()
    orgs = {"orgs": tables.pop("orgs")}
    imports.bring(orgs, source="hr")
    imports.bring(tables)
    assert imports.record("users", "student-2")["primaryOrg"] == "school-2"
    tables["roles"].append(packages.role("role-9", "student-2", "school-1"))
    imports.bring(tables)
    full = everything(imports.served)

    imports.bring(packages.without(orgs, orgs="school-2"), source="hr")
    assert "primaryOrg" not in imports.record("users", "student-2")
    assert b"school-2" not in everything(imports.served)["users"]["student-2"][1]
    assert imports.changed("users", "student-2") == 4

    imports.bring(orgs, source="hr")
    assert everything(imports.served) == full


def test_a_record_that_comes_back_is_rendered_with_what_it_refers_to_now(
    imports: Imports,
) -> None:
    late = packages.changed(packages.district(), "orgs", "school-1", parentSourcedId="hub-1")
    imports.bring(late)
    assert "parent" not in imports.record("orgs", "school-1")
    hub = packages.without(late, orgs="school-1")
    hub["orgs"].append(packages.org("hub-1", kind="ext:hub"))
    imports.bring(hub)

    both = packages.without(late)
    both["orgs"].append(packages.org("hub-1", kind="ext:hub"))
    imports.bring(both)

    assert imports.record("orgs", "school-1")["parent"] == "hub-1"
    assert b"hub-1" in everything(imports.served)["orgs"]["school-1"][1]


def test_absence_in_one_source_deletes_nothing_of_another(imports: Imports) -> None:
    imports.bring(packages.district())

    imports.bring({"orgs": [packages.org("office-1", kind="department")]}, source="hr")

    assert imports.active("orgs") == {"district-1", "school-1", "school-2", "office-1"}


def test_a_record_of_another_source_is_refused_while_that_one_delivers_it(
    imports: Imports,
) -> None:
    imports.bring(packages.district())
    stolen = packages.org("school-1") | {"name": "Stolen"}

    event = imports.deliver(
        packages.write(imports.source_folder, packages.contents({"orgs": [stolen]})), "hr"
    )
    assert event["event"] == "unchanged"
    assert codes(event["report"]) == [("orgs.csv", 2, "other-source")]

    imports.sources = ("hr",)  # the source that brought it is declared no more
    imports.bring({"orgs": [stolen]}, source="hr")
    assert imports.record("orgs", "school-1")["name"] == "Stolen"


# ---------------------------------------------------------------- housekeeping


def test_worn_segments_are_written_anew(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FILES", 12)
    tables = packages.district()
    for count in range(12):
        tables = packages.changed(tables, "users", "student-1", givenName=f"Given {count}")
        imports.bring(tables)
        assert len(imports.served.contents.tables["users"].segments) <= 12

    assert imports.record("users", "student-1")["givenName"] == "Given 11"
    assert imports.record("users", "student-2")["familyName"] == "Family student-2"
    fresh = Imports(imports.folder.with_name("fresh"), imports.source_folder)
    fresh.bring(tables)
    assert everything(fresh.served) == everything(imports.served)


def test_another_way_of_rendering_renders_everything_anew(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports.bring(packages.district())
    before = everything(imports.served)
    fragment = rendering.fragment

    def otherwise(*args: Any) -> bytes:
        return fragment(*args)[:-1] + b',"new":1}'

    monkeypatch.setattr(layout, "RENDERING", layout.RENDERING + 1)
    monkeypatch.setattr(rendering, "fragment", otherwise)
    imports.bring(packages.changed(packages.district(), "orgs", "school-1", name="Other"))

    for name, records in everything(imports.served).items():
        assert len(records) == len(before[name])
        assert all(newer.endswith(b',"new":1}') for _, newer, _ in records.values())


@pytest.mark.parametrize(
    "name", ["generation.json", "users.arrays", "columns.db", "orgs-000001.seg"]
)
def test_a_damaged_generation_is_refused(imports: Imports, name: str) -> None:
    imports.bring(packages.district())
    path = imports.served.folder / name
    if path.suffix in (".arrays", ".json"):
        path.write_bytes(path.read_bytes()[:-9])
    else:
        path.unlink()

    with pytest.raises(errors.InputError, match="cannot open the generation"):
        generations.open_generation(imports.served.folder)


def test_clean_removes_left_overs_and_nothing_else(tmp_path: Path) -> None:
    ours = [
        ".building-1",
        ".delivery-2",
        "generation-00000001-0000abcd",
        "generation-00000002-0000abcd",
    ]
    for name in [*ours, "something-else"]:
        (tmp_path / name).mkdir()

    removed = generations.clean(tmp_path, {"generation-00000002-0000abcd"})

    assert sorted(removed) == ours[:3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [ours[3], "something-else"]


# ---------------------------------------------------------------- deliveries


def test_a_zip_and_a_folder_of_the_same_files_are_the_same_delivery(tmp_path: Path) -> None:
    written = packages.contents(packages.district())
    folder = packages.write(tmp_path / "folder", written)
    archive = packages.zipped(tmp_path / "one.zip", written)

    one = deliveries.take(folder, tmp_path / "a", limit=LIMIT)
    other = deliveries.take(archive, tmp_path / "b", limit=LIMIT)

    assert one.digest == other.digest
    for name, opener in other.openers().items():
        with opener() as file:
            assert file.read() == written[name]


def test_one_folder_around_everything_in_a_zip_is_taken_with_a_warning(tmp_path: Path) -> None:
    written = packages.contents(packages.district())
    archive = packages.zipped(tmp_path / "one.zip", written, prefix="export/")

    delivery = deliveries.take(archive, tmp_path / "a", limit=LIMIT)

    assert set(delivery.files) == set(written)
    assert [problem.code for problem in delivery.problems] == ["zip-folder"]


def _named(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return make


def _twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("orgs.csv", "x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("orgs.csv", "y")


def _link(path: Path) -> None:
    info = zipfile.ZipInfo("orgs.csv")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("orgs.csv", bytes(40 * 2**20))


def _many(path: Path) -> None:
    _named(*(f"file-{number}.csv" for number in range(deliveries.FILES + 1)))(path)


def _cut(path: Path) -> None:
    packages.zipped(path, packages.contents(packages.district()))
    path.write_bytes(path.read_bytes()[:-200])


def _corrupt(path: Path) -> None:
    packages.zipped(path, packages.contents(packages.district()))
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)


def _lying(path: Path) -> None:
    """Headers that promise ten bytes where there is more than the limit."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orgs.csv", os.urandom(2**16) * 32)
    data = path.read_bytes()
    size = struct.pack("<I", 2**21)
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack("<I", 10)))


def _encrypted(path: Path) -> None:
    _named("orgs.csv")(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)


def _text(path: Path) -> None:
    path.write_bytes(b"no zip at all")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_named("../orgs.csv"), id="a way up"),
        pytest.param(_named("/etc/orgs.csv"), id="an absolute name"),
        pytest.param(_named("a\\orgs.csv"), id="a backslash"),
        pytest.param(_named("C:orgs.csv"), id="a drive"),
        pytest.param(_named("orgs\n.csv"), id="a line end in a name"),
        pytest.param(_named("a/orgs.csv", "b/users.csv"), id="two folders"),
        pytest.param(_named("orgs.csv", "b/users.csv"), id="a folder beside files"),
        pytest.param(_named("a/b/orgs.csv"), id="a folder in a folder"),
        _twice,
        _link,
        _bomb,
        _many,
        _cut,
        _corrupt,
        _lying,
        _encrypted,
        _text,
    ],
)
def test_a_zip_that_is_no_honest_package_is_refused(
    imports: Imports, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "delivery.zip"
    make(path)

    with pytest.raises(errors.InputError, match="cannot read the delivery"):
        building.build(imports.request(path), imports.events.append)

    assert list(imports.folder.iterdir()) == []
    assert not (tmp_path / "orgs.csv").exists()


def test_bytes_are_counted_as_they_come(tmp_path: Path) -> None:
    folder = packages.write(
        tmp_path / "folder", {"users.csv": b"x" * 5000, "orgs.csv": b"y" * 5000}
    )

    with pytest.raises(errors.InputError, match="more than 9999 bytes"):
        deliveries.take(folder, tmp_path / "a", limit=9999)


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    folder = packages.write(tmp_path / "folder", {"users.csv": b"x"})
    (folder / "orgs.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "classes.csv")

    delivery = deliveries.take(folder, tmp_path / "a", limit=LIMIT)

    assert set(delivery.files) == {"users.csv"}


def test_a_folder_that_changes_while_it_is_copied_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packages.write(tmp_path / "folder", packages.contents(packages.district()))
    opened = deliveries._open

    def meddling(path: Path) -> Any:
        with (folder / "users.csv").open("ab") as file:
            file.write(b"more\r\n")
        return opened(path)

    monkeypatch.setattr(deliveries, "_open", meddling)
    with pytest.raises(errors.TemporaryError, match="changed while it was copied"):
        deliveries.take(folder, tmp_path / "a", limit=LIMIT)


# ---------------------------------------------------------------- the process


async def test_a_process_that_nobody_listens_to_any_more_is_ended(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "yes", stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=100
    )
    assert process.stdout is not None
    await process.stdout.readline()
    while not process.stdout._paused:  # type: ignore[attr-defined]  # noqa: ASYNC110 - too much has come; no event tells of it
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await calling.end(process)

    assert process.returncode is not None


async def test_the_subprocess_builds_and_tells_how_far_it_is(imports: Imports) -> None:
    folder = packages.write(imports.source_folder, packages.contents(packages.district()))
    heard: list[calling.Event] = []

    event = await calling.build(imports.request(folder), heard.append)

    assert event["event"] == "built"
    assert [each["event"] for each in heard][:2] == ["copying", "copied"]
    generation = generations.open_generation(imports.folder / event["name"])
    assert len(generation.roster.active["users"]) == 4


async def test_the_subprocess_refuses_without_telling_values(imports: Imports) -> None:
    written = packages.contents(packages.district())
    written["users.csv"] = written["users.csv"].replace(b"username", b"nonsense-column")
    folder = packages.write(imports.source_folder, written)

    event = await calling.build(imports.request(folder))

    assert event["event"] == "refused"
    assert [problem["path"] for problem in event["problems"]] == ["users.csv"]
    assert "student-1" not in json.dumps(event)


def test_our_own_failure_is_told_by_place_and_not_by_value(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packages.write(imports.source_folder, packages.contents(packages.district()))
    told: list[dict[str, Any]] = []

    def broken(*_: Any) -> bytes:
        raise KeyError("student-1")

    monkeypatch.setattr(rendering, "fragment", broken)
    building.answer(imports.request(folder), told.append)

    assert told[-1]["event"] == "failed"
    assert "KeyError at" in told[-1]["message"]
    assert "student-1" not in told[-1]["message"]
    assert list(imports.folder.iterdir()) == []


POINTS = [
    "copying",
    "copied",
    "collection:orgs",
    "collection:users",
    "writing",
    "written",
    "renamed",
]


@pytest.mark.parametrize("point", POINTS)
async def test_killing_the_import_anywhere_leaves_the_former_generation(
    imports: Imports, point: str
) -> None:
    imports.bring(packages.district())
    before = everything(imports.served)
    folder = packages.write(
        imports.source_folder,
        packages.contents(
            packages.changed(packages.district(), "users", "student-1", givenName="X")
        ),
    )

    def kill(event: calling.Event) -> None:
        if ":".join(filter(None, (event["event"], event.get("name")))) == point:
            os.kill(event["process"], signal.SIGKILL)

    event = await calling.build(imports.request(folder), kill)

    # At the last points the process may have said its last word before the signal came.
    assert event["event"] in ("failed", "built")
    assert everything(generations.open_generation(imports.served.folder)) == before
    removed = generations.clean(imports.folder, {imports.served.name})
    assert [path.name for path in imports.folder.iterdir()] == [imports.served.name]
    assert removed or point == "copying"
    again = imports.deliver(folder)
    assert again["event"] == "built"
    assert imports.record("users", "student-1")["givenName"] == "X"


def test_killing_the_import_at_any_moment_leaves_the_former_generation(imports: Imports) -> None:
    """Not only where it speaks: the moments are spread over the time that a whole import takes."""
    imports.bring(packages.district())
    before = everything(imports.served)
    folder = packages.write(
        imports.source_folder,
        packages.contents(
            packages.changed(packages.district(), "users", "student-1", givenName="X")
        ),
    )
    request = json.dumps(_plain(imports.request(folder)))
    for moment in range(8):
        with subprocess.Popen(
            [sys.executable, "-m", "rosterd.generations.building"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(request + "\n")
            process.stdin.close()
            for _ in range(moment):
                process.stdout.readline()
            process.kill()
        assert everything(generations.open_generation(imports.served.folder)) == before
    generations.clean(imports.folder, {imports.served.name})
    assert [path.name for path in imports.folder.iterdir()] == [imports.served.name]


def _plain(request: building.Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in building.Request.__slots__}


async def test_an_import_that_hangs_is_ended(
    imports: Imports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    folder = packages.write(imports.source_folder, packages.contents(packages.district()))

    event = await calling.build(imports.request(folder), silence=0.1)

    assert event["event"] == "failed"
    assert "said nothing" in event["message"]


async def test_giving_up_an_import_ends_its_process(imports: Imports) -> None:
    folder = packages.write(imports.source_folder, packages.contents(packages.district()))
    started = asyncio.Event()
    processes: list[int] = []

    def heard(event: calling.Event) -> None:
        processes.append(event["process"])
        started.set()

    task = asyncio.create_task(calling.build(imports.request(folder), heard))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)
    shutil.rmtree(imports.folder)

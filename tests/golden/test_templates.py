"""The shipped templates, filled from the example's district and held against what receivers say.

Columns are those of the receivers' own documents; references are looked up in the files
themselves, since one that leads nowhere makes a receiver refuse everything.
"""

import csv
import io
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from rosterd import documents, pictures
from rosterd.exporting import customs
from tests.golden import test_example_repository as example
from tests.golden.conftest import Golden

Table = list[dict[str, str]]
SPLIT = {"sessionSourcedIds"}
"""Columns with several values in a cell."""

HEADERS: Mapping[str, Mapping[str, set[str]]] = {
    "microsoft-sds": {
        "orgs.csv": {"sourcedId", "name", "type"},
        "users.csv": {"sourcedId", "username"},
        "roles.csv": {"userSourcedId", "orgSourcedId", "role"},
        "classes.csv": {"sourcedId", "orgSourcedId", "title"},
        "enrollments.csv": {"classSourcedId", "userSourcedId", "role"},
        "academicSessions.csv": {
            *("sourcedId", "title", "type", "schoolYear", "startDate", "endDate"),
        },
        "courses.csv": {"sourcedId", "orgSourcedId", "title"},
        "demographics.csv": {"userSourcedId"},
        "relationships.csv": {"userSourcedId", "relationshipUserSourcedId", "relationshipRole"},
    },
    "clever": {
        "schools.csv": {"School_id", "School_name", "School_number"},
        "students.csv": {"School_id", "Student_id", "Last_name", "First_name"},
        "teachers.csv": {"School_id", "Teacher_id", "Teacher_email", "First_name", "Last_name"},
        "sections.csv": {"School_id", "Section_id", "Teacher_id"},
        "enrollments.csv": {"School_id", "Section_id", "Student_id"},
    },
    "apple-school-manager": {
        "locations.csv": {"location_id", "location_name"},
        "students.csv": {"person_id", "first_name", "last_name", "location_id"},
        "staff.csv": {"person_id", "first_name", "last_name", "location_id"},
        "courses.csv": {"course_id", "location_id"},
        "classes.csv": {"class_id", "course_id", "location_id"},
        "rosters.csv": {"roster_id", "class_id", "student_id"},
    },
}
"""Template -> file -> columns that its receiver requires."""
KNOWN: Mapping[str, Mapping[str, str]] = {
    "microsoft-sds": {
        "orgs.csv": "sourcedId name type parentSourcedId",
        "users.csv": "sourcedId username givenName familyName password activeDirectoryMatchId email"
        " phone sms",
        "roles.csv": "userSourcedId orgSourcedId role sessionSourcedId grade isPrimary"
        " roleStartDate roleEndDate",
        "classes.csv": "sourcedId orgSourcedId title sessionSourcedIds courseSourcedId",
        "enrollments.csv": "classSourcedId userSourcedId role",
        "academicSessions.csv": "sourcedId title type schoolYear startDate endDate",
        "courses.csv": "sourcedId orgSourcedId title code schoolYearSourcedId subject grade",
        "demographics.csv": "userSourcedId sex birthDate birthCity birthState birthCountry"
        " ethnicityCodes raceCodes",
        "relationships.csv": "userSourcedId relationshipUserSourcedId relationshipRole",
    },
    "clever": {
        "schools.csv": "School_id School_name School_number State_id Low_grade High_grade",
        "students.csv": "School_id Student_id Student_number State_id Last_name Middle_name"
        " First_name Grade Gender Graduation_year DOB Race Hispanic_Latino Home_language Ell_status"
        " Frl_status IEP_status Student_street Student_city Student_state Student_zip Student_email"
        " Contact_relationship Contact_type Contact_name Contact_phone Contact_phone_type"
        " Contact_email Contact_sis_id Username",
        "teachers.csv": "School_id Teacher_id Teacher_number State_teacher_id Teacher_email"
        " First_name Middle_name Last_name Title Username",
        "sections.csv": "School_id Section_id Teacher_id"
        + "".join(f" Teacher_{number}_id" for number in range(2, 11))
        + " Name Section_number Grade Course_name Course_number Course_description Period Subject"
        " Term_name Term_start Term_end",
        "enrollments.csv": "School_id Section_id Student_id",
    },
    "apple-school-manager": {
        "locations.csv": "location_id location_name",
        "students.csv": "person_id person_number first_name middle_name last_name grade_level"
        " email_address sis_username password_policy location_id"
        + "".join(f" location_id_{number}" for number in range(2, 6)),
        "staff.csv": "person_id person_number first_name middle_name last_name email_address"
        " sis_username location_id" + "".join(f" location_id_{number}" for number in range(2, 6)),
        "courses.csv": "course_id course_number course_name location_id",
        "classes.csv": "class_id class_number course_id instructor_id"
        + "".join(f" instructor_id_{number}" for number in range(2, 16))
        + " location_id",
        "rosters.csv": "roster_id class_id student_id",
    },
}
"""Template -> file -> every column that its receiver knows, in the receiver's order."""
REFERENCES: Mapping[str, list[tuple[str, str, str, str]]] = {
    "microsoft-sds": [
        ("orgs.csv", "parentSourcedId", "orgs.csv", "sourcedId"),
        ("roles.csv", "userSourcedId", "users.csv", "sourcedId"),
        ("roles.csv", "orgSourcedId", "orgs.csv", "sourcedId"),
        ("classes.csv", "orgSourcedId", "orgs.csv", "sourcedId"),
        ("classes.csv", "sessionSourcedIds", "academicSessions.csv", "sourcedId"),
        ("classes.csv", "courseSourcedId", "courses.csv", "sourcedId"),
        ("courses.csv", "schoolYearSourcedId", "academicSessions.csv", "sourcedId"),
        ("enrollments.csv", "classSourcedId", "classes.csv", "sourcedId"),
        ("enrollments.csv", "userSourcedId", "users.csv", "sourcedId"),
        ("demographics.csv", "userSourcedId", "users.csv", "sourcedId"),
        ("relationships.csv", "userSourcedId", "users.csv", "sourcedId"),
        ("relationships.csv", "relationshipUserSourcedId", "users.csv", "sourcedId"),
    ],
    "clever": [
        ("students.csv", "School_id", "schools.csv", "School_id"),
        ("teachers.csv", "School_id", "schools.csv", "School_id"),
        ("sections.csv", "School_id", "schools.csv", "School_id"),
        ("sections.csv", "Teacher_id", "teachers.csv", "Teacher_id"),
        ("sections.csv", "Teacher_2_id", "teachers.csv", "Teacher_id"),
        ("enrollments.csv", "Section_id", "sections.csv", "Section_id"),
        ("enrollments.csv", "Student_id", "students.csv", "Student_id"),
    ],
    "apple-school-manager": [
        ("students.csv", "location_id", "locations.csv", "location_id"),
        ("staff.csv", "location_id", "locations.csv", "location_id"),
        ("courses.csv", "location_id", "locations.csv", "location_id"),
        ("classes.csv", "course_id", "courses.csv", "course_id"),
        ("classes.csv", "location_id", "locations.csv", "location_id"),
        ("classes.csv", "instructor_id", "staff.csv", "person_id"),
        ("classes.csv", "instructor_id_2", "staff.csv", "person_id"),
        ("rosters.csv", "class_id", "classes.csv", "class_id"),
        ("rosters.csv", "student_id", "students.csv", "person_id"),
    ],
}
"""Template -> (file, column, file, column): each value of the first, unless blank, is in the second."""
TEMPLATES = sorted(HEADERS)


def filled(template: str, folder: Path, application: str = "everything") -> dict[str, bytes]:
    picture = pictures.Picture(example.view_of(example.CONFIG, application), "1.2")
    customs.write(picture, example.CONFIG.templates[template], folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def shipped(template: str) -> documents.ExportTemplate:
    return example.CONFIG.templates[template]


def tables(files: Mapping[str, bytes], template: str) -> dict[str, Table]:
    backslash = example.CONFIG.templates[template].dialect.escape == "backslash"
    return {
        name: list(
            csv.DictReader(
                io.StringIO(content.decode(), newline=""),
                strict=True,
                doublequote=not backslash,
                escapechar="\\" if backslash else None,
            )
        )
        for name, content in files.items()
    }


def closed(found: Mapping[str, Table], template: str) -> None:
    """Every reference of a package leads to one of its rows."""
    for name, column, target, key in REFERENCES[template]:
        there = {row[key] for row in found[target]}
        cells = [row[column] for row in found[name]]
        named = {
            each for cell in cells for each in (cell.split(",") if column in SPLIT else [cell])
        }
        named -= {""}
        assert named <= there, (name, column)


def test_every_shipped_template_is_looked_at() -> None:
    assert sorted(example.CONFIG.templates) == TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_files_and_columns_are_those_that_the_receiver_requires(
    template: str, tmp_path: Path
) -> None:
    found = tables(filled(template, tmp_path), template)

    assert set(found) == set(HEADERS[template])
    for name, required in HEADERS[template].items():
        assert found[name], name
        assert required <= set(found[name][0]), name


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_column_is_one_that_the_receiver_knows_in_its_order(template: str) -> None:
    for file in shipped(template).files:
        known = iter(KNOWN[template][file.name].split())
        headers = [
            column.header.replace("{n}", str(number))
            for column in file.columns
            for number in (
                (0,)
                if column.repeat is None
                else range(column.repeat.first, column.repeat.last + 1)
            )
        ]
        assert all(header in known for header in headers), file.name


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("application", ["everything", "math-galaxy"])
def test_every_reference_leads_to_a_row_of_the_same_package(
    template: str, application: str, tmp_path: Path
) -> None:
    found = tables(filled(template, tmp_path, application), template)

    closed(found, template)


def test_apple_gets_narrow_ids_line_feeds_and_people_once(tmp_path: Path) -> None:
    files = filled("apple-school-manager", tmp_path)
    found = tables(files, "apple-school-manager")

    assert all(b"\r" not in content for content in files.values())
    ids = [row["person_id"] for name in ("students.csv", "staff.csv") for row in found[name]]
    assert len(ids) == len(set(ids))
    for table in found.values():
        for row in table:
            for column in [name for name in row if name.endswith("_id") or "_id_" in name]:
                assert re.fullmatch("[A-Za-z0-9-]*", row[column])


def test_apple_gets_every_value_in_quotes_and_those_inside_behind_a_backslash(
    tmp_path: Path,
) -> None:
    for content in filled("apple-school-manager", tmp_path).values():
        for line in content.decode().splitlines():
            assert re.fullmatch(r'"(?:[^"\\]|\\.)*"(?:,"(?:[^"\\]|\\.)*")*', line)


def test_clever_gets_no_section_without_a_teacher_and_a_student(tmp_path: Path) -> None:
    found = tables(filled("clever", tmp_path), "clever")

    enrolled = {row["Section_id"] for row in found["enrollments.csv"]}
    assert {row["Section_id"] for row in found["sections.csv"]} <= enrolled
    assert all(row["Teacher_id"] for row in found["sections.csv"])
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4}", row["Term_start"]) for row in found["sections.csv"])


def test_microsoft_gets_words_that_it_lists(tmp_path: Path) -> None:
    found = tables(filled("microsoft-sds", tmp_path), "microsoft-sds")

    roles = {row["role"] for row in found["roles.csv"]}
    assert {"student", "teacher"} <= roles
    assert roles.isdisjoint({"guardian", "parent", "relative", "aide", "counselor"})
    assert {row["relationshipRole"] for row in found["relationships.csv"]} <= {
        *("guardian", "parent", "relative"),
    }
    assert all("@" in row["username"] for row in found["users.csv"])
    assert all(row["email"] == row["email"].lower() for row in found["users.csv"])
    assert {row["grade"] for row in found["roles.csv"] if row["role"] != "student"} == {""}
    assert all(
        re.fullmatch(r"(\+[1-9]\d{6,14})?", row[column])
        for row in found["users.csv"]
        for column in ("phone", "sms")
    )
    assert {row["isPrimary"] for row in found["roles.csv"]} <= {"true", "false"}


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_files_are_those_that_were_reviewed(
    template: str, tmp_path: Path, golden: Golden
) -> None:
    text = []
    for name, content in sorted(filled(template, tmp_path).items()):
        lines = content.decode().splitlines()
        text += [f"== {name}: {len(lines) - 1} rows, sha256 {sha256(content).hexdigest()}"]
        text += [*lines[:3], ""]
    golden.check(f"templates/{template}.txt", "\n".join(text) + "\n")

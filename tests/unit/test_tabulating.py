"""What a template makes of the small district, cell by cell."""

import io
from typing import Any

import orjson
import pytest

from rosterd import access, documents, pictures, rosters, tabulating
from tests.unit import districts


class _Files(dict[str, bytes]):
    """Files by name, as they were closed."""

    def open(self, name: str) -> io.BytesIO:
        files = self

        class File(io.BytesIO):
            def close(self) -> None:
                if not self.closed:
                    files[name] = self.getvalue()
                super().close()

        return File()


def filled(
    *files: dict[str, Any],
    records: districts.Records | None = None,
    dialect: dict[str, Any] | None = None,
    **rules: Any,
) -> tuple[dict[str, list[str]], dict[str, tabulating.Written]]:
    """Lines of each file, and what became of it."""
    template = documents.ExportTemplate.model_validate_json(
        orjson.dumps(
            {"name": "t", "title": "T", "dialect": dialect or {"lineEnd": "lf"}, "files": files}
        )
    )
    roster = rosters.from_records(records or districts.records())
    grant = districts.grant(rules or {"access": "full"})
    picture = pictures.Picture(access.view(roster, grant, districts.TODAY), "1.2")
    out = _Files()
    written = tabulating.write(template, picture, out.open)
    return {name: content.decode().split("\n") for name, content in out.items()}, written


def file(rows: str, *columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "f.csv", "rows": rows, "columns": columns, **more}


def column(header: str, field: str | None = None, **more: Any) -> dict[str, Any]:
    return {"header": header, **({} if field is None else {"field": field}), **more}


def test_a_row_for_each_record_that_the_condition_leaves() -> None:
    lines, written = filled(
        file(
            "orgs",
            column("Id", "sourcedId"),
            column("Above", "parent.name"),
            column("Kind", constant="S"),
            where="type='school'",
        )
    )

    assert lines["f.csv"] == ["Id,Above,Kind", "east,District,S", "west,District,S", ""]
    assert written["f.csv"].rows == 2


def test_steps_lead_from_a_class_to_course_school_first_term_and_teacher() -> None:
    lines, _ = filled(
        file(
            "classes",
            column("Course", "course.title"),
            column("Course's org", "course.org.name"),
            column("Term", "term.startDate", transform="date-month-day-year"),
            column("Teacher", "teacher.sourcedId"),
            where="sourcedId='history-east'",
        )
    )

    assert lines["f.csv"][1] == "History,East,08/01/2025,teacher-w"


def test_a_role_is_a_row_of_its_own() -> None:
    lines, _ = filled(
        file(
            "roles",
            column("User", "user.sourcedId"),
            column("Org", "org.sourcedId"),
            column("Role", "role"),
            roles=["teacher"],
        )
    )

    assert lines["f.csv"][1:-1] == [
        "teacher-e,east,teacher",
        "teacher-w,west,teacher",
        "teacher-w,east,teacher",
    ]


def test_a_contact_is_a_student_with_a_guardian_whichever_record_says_so() -> None:
    lines, _ = filled(
        file(
            "contacts",
            column("Student", "student.sourcedId"),
            column("Contact", "contact.sourcedId"),
            column("Role", "role"),
        )
    )

    assert lines["f.csv"][1:-1] == [
        "pupil-e,mother-e,parent",
        "pupil-e,uncle-e,relative",
        "pupil-w,father-w,guardian",
    ]


def test_numbered_columns_count_through_a_list_and_tell_what_lies_beyond() -> None:
    records = districts.records()
    for number, (who, primary) in enumerate((("teacher-w", "true"), ("office", "false"))):
        records["enrollments"].append(
            {
                "sourcedId": f"more-{number}",
                "user": who,
                "class": "algebra-east",
                "school": "east",
                "role": "teacher",
                "primary": primary,
            }
        )

    lines, written = filled(
        file(
            "classes",
            column("First", "teacher.sourcedId"),
            column("T{n}", "sourcedId", repeat={"over": "teachers", "first": 2, "last": 2}),
            where="sourcedId='algebra-east'",
        ),
        records=records,
    )

    assert lines["f.csv"] == ["First,T2", "teacher-w,office", ""]
    assert written["f.csv"].beyond == {"T2": 1}


def test_a_row_whose_value_has_no_word_or_no_place_is_left_out_and_counted() -> None:
    schools = {
        "name": "schools.csv",
        "rows": "orgs",
        "where": "sourcedId='east'",
        "columns": [column("Id", "sourcedId")],
    }
    lines, written = filled(
        schools,
        file(
            "enrollments",
            column("School", "school", inFile="schools.csv:Id"),
            column("Id", "sourcedId"),
            column("Role", "role", transform="sds-role"),
            column("Grade", "user.grades", transform="clever-grade", required=True),
        ),
    )

    assert lines["f.csv"][1:-1] == ["east,e1,student,5", "east,e6,student,5"]
    assert written["f.csv"].left_out == {
        "School: not in schools.csv:Id": 4,
        "Grade: no value": 2,
    }


@pytest.mark.parametrize(
    "unknown, expected", [("blank", ["", ""]), ("keep", ["x", "x"]), ("drop-row", [])]
)
def test_what_becomes_of_a_value_without_a_word_is_said(unknown: str, expected: list[str]) -> None:
    records = districts.records()
    for user in records["users"]:
        user["grades"] = ["x"]

    lines, _ = filled(
        file(
            "users",
            column("Id", "sourcedId"),
            column("Grade", "grades", transform="sds-grade", unknown=unknown),
            where="roles.role='teacher'",
        ),
        records=records,
    )

    assert [line.split(",")[1] for line in lines["f.csv"][1:-1]] == expected


def test_only_classes_with_the_people_asked_for_are_rows() -> None:
    lines, _ = filled(
        file("classes", column("Id", "sourcedId"), having=["teacher", "student"]),
    )

    assert lines["f.csv"][1:-1] == ["algebra-east", "algebra-west", "history-east"]


def test_what_is_not_shared_masked_or_withheld_is_so_here_too() -> None:
    lines, _ = filled(
        file(
            "enrollments",
            column("Class", "class.title"),
            column("Name", "user.familyName"),
            column("Grade", "user.grades"),
        ),
        access="basic",
        orgs=["west"],
        courses="all",
        fields={"withhold": ["users.grades"], "mask": {"users.familyName": "initial"}},
    )

    assert set(lines["f.csv"][1:-1]) == {"Algebra West,F,"}


@pytest.mark.parametrize(
    "dialect, expected",
    [
        ({"lineEnd": "crlf"}, b'Name\r\n"a ""b"", c"\r\n'),
        ({"lineEnd": "lf", "escape": "backslash"}, b'Name\n"a \\"b\\", c"\n'),
        ({"delimiter": "semicolon", "lineEnd": "lf"}, b'Name\n"a ""b"", c"\n'),
        ({"delimiter": "tab", "lineEnd": "lf", "quoting": "all"}, b'"Name"\n"a ""b"", c"\n'),
        ({"lineEnd": "lf", "byteOrderMark": True}, b'\xef\xbb\xbfName\n"a ""b"", c"\n'),
    ],
)
def test_the_dialect_is_the_receivers(dialect: dict[str, Any], expected: bytes) -> None:
    records = districts.records()
    records["orgs"][0]["name"] = 'a "b",\nc'

    lines, _ = filled(
        file("orgs", column("Name", "name"), where="sourcedId='district'"),
        records=records,
        dialect=dialect,
    )

    assert "\n".join(lines["f.csv"]).encode() == expected


@pytest.mark.parametrize("empty, there", [("omit", False), ("header-only", True)])
def test_a_file_without_rows_is_left_out_or_is_its_header(empty: str, *, there: bool) -> None:
    lines, written = filled(
        file("orgs", column("Id", "sourcedId"), where="type='state'"),
        dialect={"lineEnd": "lf", "emptyFiles": empty},
    )

    assert lines == ({"f.csv": ["Id", ""]} if there else {})
    assert written["f.csv"].rows == 0


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"header": "A"}, "one of field, firstOf and constant"),
        ({"header": "A", "field": "x", "constant": "y"}, "one of field, firstOf and constant"),
        ({"header": "A", "constant": "y", "transform": "lower-case"}, "leave the rest out"),
        ({"header": "A", "field": "x", "repeat": {"over": "orgs", "last": 2}}, "in its header"),
    ],
)
def test_a_column_that_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        documents.Column.model_validate_json(orjson.dumps(wrong))


def test_who_belongs_to_whom_is_not_told_where_it_is_withheld() -> None:
    columns = (column("Student", "student.sourcedId"), column("Contact", "contact.sourcedId"))

    lines, _ = filled(
        file("contacts", *columns), access="full", fields={"withhold": ["users.agents"]}
    )

    assert lines["f.csv"] == ["Student,Contact", ""]


@pytest.mark.parametrize(
    "grain, member, withheld",
    [
        ("classes", "term.title", "classes.terms"),
        ("classes", "terms", "classes.terms"),
        ("orgs", "parent.name", "orgs.parent"),
        ("courses", "org.name", "courses.org"),
        ("courses", "school.name", "courses.org"),
        ("courses", "schoolYear.title", "courses.schoolYear"),
        ("users", "metadata.bus", "users.metadata"),
        ("users", "demographics.birthDate", "demographics.birthDate"),
        ("enrollments", "user.demographics.birthDate", "demographics.birthDate"),
        ("roles", "beginDate", "users.roles"),
        ("roles", "grade", "users.grades"),
    ],
)
def test_no_step_leads_around_what_is_withheld(grain: str, member: str, withheld: str) -> None:
    only = {"where": "sourcedId='latin'"} if grain == "courses" else {}
    lines, _ = filled(
        file(grain, column("Value", member), **only),
        access="full",
        fields={"withhold": [withheld]},
    )

    assert set(lines["f.csv"][1:]) <= {"", '""'}


def test_a_year_stays_a_year_and_people_without_the_toggle_have_no_demographics() -> None:
    columns = (column("Id", "sourcedId"), column("Born", "demographics.birthDate"))
    masked, _ = filled(
        file("users", *columns, where="sourcedId='pupil-e'"),
        access="full",
        fields={"mask": {"demographics.birthDate": "year"}},
    )
    without, _ = filled(
        file("users", *columns, where="sourcedId='pupil-e'"),
        access="basic",
        orgs="all",
        courses="all",
    )

    assert masked["f.csv"][1] == "pupil-e,2014-01-01"
    assert without["f.csv"][1] == "pupil-e,"


@pytest.mark.parametrize("where", ["familyName='Family pupil-e'", "phone~'5'", "metadata.bus~'1'"])
def test_a_condition_asks_of_what_is_given_so_that_rows_tell_nothing(where: str) -> None:
    records = districts.records()
    for user in records["users"]:
        user |= {"phone": "555", "metadata": {"bus": "1"}}

    lines, _ = filled(
        file("users", column("Id", "sourcedId"), where=where),
        records=records,
        access="full",
        fields={"withhold": ["users.phone"], "mask": {"users.familyName": "initial"}},
    )

    assert lines["f.csv"] == ["Id", ""]


def test_people_outside_the_view_are_in_no_list_and_no_count() -> None:
    lines, written = filled(
        file(
            "classes",
            column("First", "teacher.sourcedId"),
            column("T{n}", "sourcedId", repeat={"over": "teachers", "first": 1, "last": 1}),
            where="sourcedId='history-east'",
        ),
        access="basic",
        orgs="all",
        courses="all",
        people={"where": "sourcedId!='teacher-w'"},
    )

    assert lines["f.csv"] == ["First,T1", ",", ""]
    assert not written["f.csv"].beyond


def test_a_teacher_whom_the_other_file_lacks_makes_room_for_the_next() -> None:
    records = districts.records()
    for number, who in enumerate(("office", "head-e")):
        records["enrollments"].append(
            {
                "sourcedId": f"more-{number}",
                "user": who,
                "class": "history-east",
                "school": "east",
                "role": "teacher",
            }
        )
    teachers = {
        "name": "teachers.csv",
        "rows": "users",
        "where": "sourcedId='office' OR sourcedId='teacher-w'",
        "columns": [column("Id", "sourcedId")],
    }
    there = {"inFile": "teachers.csv:Id", "otherwise": "blank"}

    lines, _ = filled(
        teachers,
        file(
            "classes",
            column("First", "teacher.sourcedId", **there),
            column(
                "T{n}", "sourcedId", repeat={"over": "teachers", "first": 2, "last": 3}, **there
            ),
            where="sourcedId='history-east'",
        ),
        records=records,
    )

    assert lines["f.csv"][1] == "office,teacher-w,"


def test_all_values_of_a_member_stand_in_one_cell_but_those_that_would_read_as_two() -> None:
    records = districts.records()
    records["classes"] = [
        each | {"periods": ["1", "2,3", "4"]}
        for each in records["classes"]
        if each["sourcedId"] == "history-east"
    ]
    records["enrollments"] = []

    lines, _ = filled(
        file("classes", column("Periods", "periods", join="comma"), column("One", "periods")),
        records=records,
    )

    assert lines["f.csv"][1] == '"1,4",1'


def test_of_several_values_the_first_with_a_word_and_of_grades_the_lowest() -> None:
    records = districts.records()
    for user in records["users"]:
        user |= {"email": f"{user['sourcedId']}@example.org", "grades": ["07", "KG", "05"]}

    lines, _ = filled(
        file(
            "users",
            column("Name", transform="with-at-sign", firstOf=["username", "email"]),
            column("Grade", "grades"),
            where="sourcedId='pupil-e'",
        ),
        records=records,
    )

    assert lines["f.csv"][1] == "pupil-e@example.org,KG"


def test_only_a_student_has_a_grade_beside_a_role() -> None:
    records = districts.records()
    for user in records["users"]:
        user["grades"] = ["05"]

    lines, _ = filled(
        file("roles", column("Role", "role"), column("Grade", "grade")), records=records
    )

    told = {tuple(line.split(",")) for line in lines["f.csv"][1:-1]}
    assert ("student", "05") in told
    assert {grade for role, grade in told if role != "student"} == {""}


def test_what_is_not_current_is_no_row_where_the_file_asks_for_today() -> None:
    records = districts.records()
    today = districts.TODAY.isoformat()
    dates = {
        "e1": {"endDate": today},
        "e2": {"beginDate": today},
        "e3": {"beginDate": "2026-03-03"},
    }
    for each in records["enrollments"]:
        each.update(dates.get(each["sourcedId"], {}))
    for user in records["users"]:
        user["roles"][0] |= {"endDate": today} if user["sourcedId"] == "office" else {}

    lines, _ = filled(
        file("enrollments", column("Id", "sourcedId"), current=True),
        file("roles", column("Id", "user.sourcedId"), current=True) | {"name": "r.csv"},
        records=records,
    )

    assert lines["f.csv"][1:-1] == ["e2", "e4", "e5", "e6", "e7", "e8"]
    assert "office" not in lines["r.csv"]
    assert "pupil-e" in lines["r.csv"]


def test_a_school_is_the_first_of_ones_orgs_that_is_one_and_of_a_courses_classes() -> None:
    records = districts.records()
    for user in records["users"]:
        if user["sourcedId"] == "helper":
            user["primaryOrg"] = "district"
            user["roles"].insert(0, districts.role("aide", "district"))

    lines, _ = filled(
        file(
            "users",
            column("First", "school.sourcedId"),
            column("S{n}", "sourcedId", repeat={"over": "schools", "first": 2, "last": 2}),
            where="sourcedId='helper'",
        ),
        file("courses", column("Id", "sourcedId"), column("At", "school.sourcedId"))
        | {"name": "c.csv"},
        records=records,
    )

    assert lines["f.csv"][1] == "west,east"
    assert lines["c.csv"][1:-1] == ["algebra,east", "history,east", "art,west", "latin,west"]


@pytest.mark.parametrize(
    "name",
    ["../a.csv", "a/b.csv", ".csv", "..csv", " a.csv", "-a.csv", "a:b.csv", "a.txt", "ä.csv"],
)
def test_a_file_has_a_name_that_nothing_on_its_way_stumbles_over(name: str) -> None:
    columns = ({"header": "A", "constant": "x"},)

    with pytest.raises(ValueError, match="name"):
        documents.TemplateFile.model_validate_json(
            orjson.dumps({"name": name, "rows": "users", "columns": columns})
        )

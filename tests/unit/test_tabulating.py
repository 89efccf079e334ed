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

import io
import time
from typing import Any

import pytest

from rosterd.oneroster.csv import checking, files
from rosterd.oneroster.csv.checking import tables
from tests import packages
from tests.unit import csv_packages

Told = list[tuple[str, int, int, str]]


def judged(package: dict[str, bytes], most: int = checking.MOST) -> checking.Report:
    openers = {name: lambda data=data: io.BytesIO(data) for name, data in package.items()}
    return checking.check(openers, checking.Findings(most))


def told(package: dict[str, bytes]) -> Told:
    return [
        (problem.path, problem.line, problem.column, problem.code)
        for problem in judged(package).problems
    ]


def older_district(**replaced: list[dict[str, str]]) -> packages.Tables:
    """The small district as 1.1 has it."""
    new: packages.Tables = packages.district() | replaced
    roles = {row["userSourcedId"]: row for row in new.pop("roles")}
    for user in new["users"]:
        user.pop("primaryOrgSourcedId", None)
        role = roles[user["sourcedId"]]
        user |= {"role": role["role"], "orgSourcedIds": role["orgSourcedId"]}
    return new


GRADEBOOK: packages.Tables = {
    "categories": [{"sourcedId": "c1", "title": "Tests", "weight": "40"}],
    "lineItems": [
        {
            "sourcedId": "l1",
            "title": "First test",
            "assignDate": "2026-09-01",
            "dueDate": "2026-09-08",
            "classSourcedId": "class-1",
            "categorySourcedId": "c1",
            "academicSessionSourcedId": "term-1",
            "resultValueMin": "0.0",
            "resultValueMax": "1e2",
            "schoolSourcedId": "school-1",
        }
    ],
    "results": [
        {
            "sourcedId": "r1",
            "lineItemSourcedId": "l1",
            "studentSourcedId": "student-1",
            "scoreStatus": "fully graded",
            "score": "88.5",
            "scoreDate": "2026-09-09",
            "classSourcedId": "class-1",
            "late": "false",
        }
    ],
    "scoreScales": [
        {
            "sourcedId": "s1",
            "title": "Letters",
            "type": "percent",
            "orgSourcedId": "school-1",
            "courseSourcedId": "course-1",
            "classSourcedId": "class-1",
            "scoreScaleValue": "{A:90-100},{B:80-89}",
        }
    ],
    "lineItemLearningObjectiveIds": [
        {
            "sourcedId": "o1",
            "lineItemSourcedId": "l1",
            "source": "case",
            "learningObjectiveId": "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
        }
    ],
}


def whole(**replaced: Any) -> packages.Tables:
    return packages.district() | GRADEBOOK | replaced


def contents(given: packages.Tables, **options: str) -> dict[str, bytes]:
    return with_gradebook(given, **options)


def with_gradebook(
    given: packages.Tables, mode: str = "bulk", version: str = "1.2"
) -> dict[str, bytes]:
    """As packages.contents, which knows the columns of rostering files only."""
    known = {name: rows for name, rows in given.items() if files.FILES[version][name].columns}
    written = packages.contents(known, mode=mode, version=version)
    for name in given.keys() - known.keys():
        header = [column.name for column in tables.columns(version, name)]
        lines = [",".join(header)]
        for row in given[name]:
            cells = (row.get(column, "") for column in header)
            lines.append(",".join(f'"{cell}"' if "," in cell else cell for cell in cells))
        written[f"{name}.csv"] = "\r\n".join((*lines, "")).encode()
        old = written["manifest.csv"]
        said = f"file.{name},{mode}".encode()
        written["manifest.csv"] = old.replace(f"file.{name},absent".encode(), said)
    return written


# ---------------------------------------------------------------- what is right


@pytest.mark.parametrize("mode", ["bulk", "delta"])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_right_package_passes_without_a_word(version: str, mode: str) -> None:
    given = packages.district() if version == "1.2" else older_district()
    rows = packages.delta(given) if mode == "delta" else given

    report = judged(packages.contents(rows, mode=mode, version=version))

    assert report.problems == ()
    assert report.version == version
    assert set(report.modes.values()) == {mode}


def test_gradebook_files_are_judged_as_well() -> None:
    assert told(contents(whole())) == []

    bad = [
        row | {"scoreStatus": "graded", "score": "A", "late": "no"} for row in GRADEBOOK["results"]
    ]

    assert [each[3] for each in told(contents(whole(results=bad)))] == [
        "bad-choice",
        "bad-number",
        "bad-flag",
    ]


def test_every_file_of_both_versions_has_columns_and_a_place_in_the_order() -> None:
    for version, known in files.FILES.items():
        for stem in known:
            assert tables.columns(version, stem)[0].name == "sourcedId"
            assert stem in tables.ORDER
            seen = tables.ORDER.index(stem)
            for column in tables.columns(version, stem):
                if column.target not in (None, stem):
                    assert tables.ORDER.index(str(column.target)) < seen


@pytest.mark.parametrize(
    "name, cells",
    [
        ("orgs", {"type": "ext:campus"}),
        ("classes", {"schoolSourcedId": "campus"}),
        ("users", {"username": "  padded", "userIds": "{A:1}, {B:2}", "grades": "all, of them"}),
        ("users", {"metadata.bus": "7"}),
        ("enrollments", {"beginDate": "1999-01-01", "endDate": "1998-01-01"}),
        ("enrollments", {"role": "proctor"}),
    ],
)
def test_nothing_is_demanded_that_the_standard_does_not(name: str, cells: dict[str, str]) -> None:
    given = packages.district()
    given["orgs"].append(packages.org("campus", kind="ext:campus"))
    given[name][-1] |= cells

    assert told(packages.contents(given)) == []


def test_lines_may_end_either_way_and_the_last_one_not_at_all() -> None:
    package = packages.contents(packages.district())
    package["orgs.csv"] = b"\xef\xbb\xbf" + package["orgs.csv"].replace(b"\r\n", b"\n")[:-1]

    assert told(package) == []


def test_the_first_edition_of_1p2_has_another_header_of_users() -> None:
    header = [column.name for column in tables.variants("1.2", "users")[1]]
    row = {"sourcedId": "u", "enabledUser": "true", "username": "n"} | {
        "givenName": "G", "familyName": "F", "resourceSourcedIds": "book-1",
    }  # fmt: skip
    package = packages.contents(packages.district())
    lines = package["users.csv"].decode().splitlines()
    place = header.index("resourceSourcedIds")
    assert all('"' not in line for line in lines)
    cells = [line.split(",") for line in lines]
    for index, line in enumerate(cells):
        line.insert(place, "" if index else "resourceSourcedIds")
    cells[1][place] = row["resourceSourcedIds"]
    package["users.csv"] = "\n".join(map(",".join, cells)).encode()

    assert told(package) == []

    cells[1][place] = "book-2"
    package["users.csv"] = "\n".join(map(",".join, cells)).encode()

    assert told(package) == [("users.csv", 2, place + 1, "dangling")]


# ---------------------------------------------------------------- cells


ORG = "org-9,,,Name,school,,"


@pytest.mark.parametrize(
    "name, cells, column, code",
    [
        ("orgs", {"sourcedId": "with space"}, 1, "bad-id"),
        ("orgs", {"sourcedId": "x" * 256}, 1, "bad-id"),
        ("orgs", {"name": ""}, 4, "missing-value"),
        ("orgs", {"name": " "}, 4, "blank-value"),
        ("orgs", {"type": "School"}, 5, "bad-choice"),
        ("orgs", {"type": "ext:"}, 5, "bad-choice"),
        ("orgs", {"parentSourcedId": "nowhere"}, 7, "dangling"),
        ("orgs", {"status": "active"}, 2, "status-in-bulk"),
        ("orgs", {"dateLastModified": "2026-01-01T00:00:00.000Z"}, 3, "status-in-bulk"),
        ("academicSessions", {"startDate": "2026-02-30"}, 6, "bad-date"),
        ("academicSessions", {"startDate": "8/1/2026"}, 6, "bad-date"),
        ("academicSessions", {"endDate": "2026-08-01T00:00:00Z"}, 7, "bad-date"),
        ("academicSessions", {"schoolYear": "2026-27"}, 9, "bad-year"),
        ("classes", {"termSourcedIds": "term-1,"}, 11, "bad-list"),
        ("classes", {"termSourcedIds": "term-1, year-1"}, 11, "bad-id"),
        ("classes", {"termSourcedIds": "term-1,term-2"}, 11, "dangling"),
        ("classes", {"grades": "9"}, 5, "grade-form"),
        ("classes", {"subjects": "math,art", "subjectCodes": "1"}, 13, "unequal-lists"),
        ("classes", {"subjectCodes": "1"}, 13, "unequal-lists"),
        ("classes", {"schoolSourcedId": "district-1"}, 10, "not-school"),
        ("courses", {"schoolYearSourcedId": "term-1"}, 4, "not-school-year"),
        ("users", {"enabledUser": "TRUE"}, 4, "bad-flag"),
        ("users", {"userIds": "LDAP:1"}, 6, "bad-user-id"),
        ("users", {"userIds": "{LDAP:1:2}"}, 6, "bad-user-id"),
        ("users", {"agentSourcedIds": "nobody"}, 14, "dangling"),
        ("users", {"primaryOrgSourcedId": "school-2"}, 21, "primary-org"),
        ("enrollments", {"role": "parent"}, 7, "bad-choice"),
        ("enrollments", {"userSourcedId": "nobody"}, 6, "dangling"),
        ("demographics", {"sourcedId": "nobody"}, 1, "dangling"),
        ("demographics", {"sex": "f"}, 5, "bad-choice"),
        ("resources", {"roles": "student,pupil"}, 6, "bad-choice"),
    ],
)  # fmt: skip
def test_a_cell_against_the_standard_is_told_by_its_place(
    name: str, cells: dict[str, str], column: int, code: str
) -> None:
    given = packages.district()
    given[name].append(given[name][-1] | {"sourcedId": "another"} | cells)
    if name == "demographics" and "sourcedId" not in cells:
        given[name][-1]["sourcedId"] = "student-2"
    if name == "users":
        given["roles"].append(packages.role("role-another", "another", "school-1"))
    line = len(given[name]) + 1

    found = told(packages.contents(given))

    assert (f"{name}.csv", line, column, code) in found
    assert [each for each in found if each[:2] == (f"{name}.csv", line)] == [
        (f"{name}.csv", line, column, code)
    ]


@pytest.mark.parametrize(
    "value, right",
    [
        ("2026-08-01T06:30:00.000Z", True),
        ("2026-08-01T06:30:00Z", True),
        ("2026-08-01T06:30:00.5+00:00", True),
        ("2016-12-31T23:59:60.000Z", True),
        ("2026-08-01", False),
        ("2026-08-01T06:30:00", False),
        ("2026-08-01T06:30:00+02:00", False),
        ("2026-08-32T06:30:00Z", False),
    ],
)
def test_a_date_time_is_one_in_utc(value: str, right: bool) -> None:
    given = packages.delta({"orgs": [packages.org("o")]})
    given["orgs"][0]["dateLastModified"] = value

    codes = [each[3] for each in told(packages.contents(given, mode="delta"))]

    assert codes == ([] if right else ["bad-instant"])


def test_words_of_the_newer_version_are_wrong_in_the_older() -> None:
    given = older_district()
    given["users"][0]["role"] = "principal"
    given["orgs"][0]["type"] = "ext:campus"
    given["enrollments"][0]["role"] = "aide"  # readers differ about this one

    assert [each[3] for each in told(packages.contents(given, version="1.1"))] == [
        "bad-choice",
        "bad-choice",
    ]


# ---------------------------------------------------------------- lines, headers, files


@pytest.mark.parametrize(
    "lines, line, code",
    [
        (['o1,,,"a"b,school,,'], 2, "stray-quote"),
        (['o1,,,a"b,school,,'], 2, "stray-quote"),
        (["o1,,,a\rb,school,,"], 2, "bare-cr"),
        (['o1,,,"a\r\nb",school,,'], 2, "line-break"),
        (["o1,,,a,school,"], 2, "row-width"),
        (["o1,,,a,school,,,"], 2, "row-width"),
        (["", "o1,,,a,school,,"], 2, "blank-line"),
        (["o1,,,a,school,,", "o1,,,a,school,,"], 3, "duplicate"),
        (["o1,,,a,school,,", 'o2,,,"a,school,,', "o3,,,a,school,,"], 3, "unclosed-quote"),
        (["o1,,,a,school,,", f"o2,,,{'a' * 2**20},school,,"], 3, "too-long"),
    ],
)
def test_a_line_that_no_strict_reader_takes_is_told(lines: list[str], line: int, code: str) -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet("orgs", *lines)

    found = told(package)

    assert [(each[0], each[1], each[3]) for each in found] == [("orgs.csv", line, code)]


def test_quoted_cells_are_read_as_rfc_4180_has_them() -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet(
        "orgs", '"o1","","","A ""fine"", old one","school","",""', '"o2",,,"b",school,"","o1"'
    )

    assert told(package) == []


def test_lines_are_counted_on_after_a_broken_cell() -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet("orgs", 'o1,,,"a\nb",school,,', "o2,,,,school,,o1")

    assert [(each[1], each[3]) for each in told(package)] == [
        (2, "line-break"),
        (4, "missing-value"),
    ]


def test_bytes_that_are_not_utf8_are_told_by_line_and_the_rest_goes_on() -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet("orgs", "o1,,,caf\x00,school,,", "o2,,,b,School,,")
    package["orgs.csv"] = package["orgs.csv"].replace(b"\x00", b"\xe9")

    assert [(each[1], each[3]) for each in told(package)] == [(2, "not-utf8"), (3, "bad-choice")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("stem", ["users", "manifest"])
def test_files_of_another_encoding_are_told_as_such(stem: str, encoding: str) -> None:
    package = packages.contents(packages.district())
    package[f"{stem}.csv"] = package[f"{stem}.csv"].decode().encode(encoding)

    assert told(package) == [(f"{stem}.csv", 0, 0, "other-encoding")]


def test_lines_that_end_in_cr_alone_are_told_and_nothing_that_follows_from_them() -> None:
    package = packages.contents(packages.district())
    package["users.csv"] = package["users.csv"].replace(b"\r\n", b"\r")

    assert [each[::3] for each in told(package)] == [("users.csv", "bare-cr")]


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_cells_between_other_signs_than_commas_are_told_once(sign: str) -> None:
    package = packages.contents(packages.district())
    package["users.csv"] = package["users.csv"].replace(b",", sign.encode())

    assert told(package) == [("users.csv", 1, 0, "delimiter")]


def test_a_quote_that_is_never_closed_makes_nobody_else_wrong() -> None:
    package = packages.contents(packages.district())
    package["orgs.csv"] = csv_packages.sheet("orgs", 'o1,,,"never,school,,')

    assert [each[::3] for each in told(package)] == [("orgs.csv", "unclosed-quote")]


@pytest.mark.parametrize("control", ["\0", "\t", "\x07", "\x7f"])
def test_control_characters_in_a_text_are_told(control: str) -> None:
    given = packages.district()
    given["users"][0]["middleName"] = f"a{control}b"
    given["classes"][0]["subjects"] = f"art,ma{control}th"

    assert told(packages.contents(given)) == [
        ("classes.csv", 2, 12, "control-characters"),
        ("users.csv", 2, 9, "control-characters"),
    ]


ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId"


@pytest.mark.parametrize(
    "header, codes",
    [
        (ORGS + ",metadata.x,metadata.y", []),
        (ORGS.replace("name,type", "type,name"), ["header-order"]),
        ("metadata.x," + ORGS, ["header-order"]),
        (ORGS.replace("name", "Name"), ["header-form"]),
        (ORGS.replace(",identifier", ""), ["missing-column"]),
        (ORGS + ",name", ["duplicate-column"]),
        (ORGS + ",metadata.x,metadata.x", ["duplicate-column"]),
        (ORGS + ",", ["empty-column"]),
        (ORGS + ",ext_bus", ["unknown-column"]),
        (ORGS + ",metadata.", ["unknown-column"]),
    ],
)
def test_a_header_is_the_standards_to_the_letter(header: str, codes: list[str]) -> None:
    values = {"sourcedId": "o1", "name": "N", "Name": "N", "type": "school"}
    row = ",".join(values.get(name, "") for name in header.split(","))
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = f"{header}\r\n{row}\r\n".encode()

    assert [each[3] for each in told(package)] == codes


def test_a_file_without_rows_and_one_without_a_header_are_wrong() -> None:
    package = packages.contents(packages.district())
    package["demographics.csv"] = csv_packages.sheet("demographics")
    package["resources.csv"] = b""

    assert {each[::3] for each in told(package)} >= {
        ("demographics.csv", "no-rows"),
        ("resources.csv", "no-header"),
    }


@pytest.mark.parametrize(
    "old, new, code",
    [
        ("propertyName,value", "property,value", "bad-header"),
        ("manifest.version,1.0", "manifest.version,1.1", "bad-version"),
        ("oneroster.version,1.2", "oneroster.version,1.2.1", "bad-version"),
        ("oneroster.version,1.2\r\n", "", "missing-property"),
        ("file.orgs,bulk", "file.orgs,Bulk", "bad-mode"),
        ("file.orgs,bulk", "file.orgs,", "missing-property"),
        ("file.orgs,bulk\r\n", "file.orgs,bulk\r\nfile.orgs,bulk\r\n", "repeated-property"),
        ("file.orgs,bulk", "file.orgs,bulk\r\nsource.system,x", "bad-property"),
        ("file.orgs,bulk", "file.orgs,absent", "not-declared"),
        ("file.results,absent", "file.results,bulk", "missing-file"),
    ],
)
def test_a_manifest_says_everything_once_and_only_what_is_there(
    old: str, new: str, code: str
) -> None:
    package = packages.contents(packages.district())
    package["manifest.csv"] = package["manifest.csv"].replace(old.encode(), new.encode())

    assert [each[::3] for each in told(package)] == [("manifest.csv", code)]


def test_files_that_are_none_of_the_standards_are_told() -> None:
    package = packages.contents(packages.district())
    package["notes.csv"] = b"a,b\r\n"
    package["Users.csv"] = package["users.csv"]
    package["ORGS.csv"] = package.pop("orgs.csv")

    assert [each[::3] for each in told(package)] == [
        ("ORGS.csv", "file-name"),
        ("Users.csv", "duplicate-file"),
        ("notes.csv", "unknown-file"),
    ]


def test_a_file_of_the_newer_version_is_none_of_the_older() -> None:
    package = packages.contents(older_district(), version="1.1")
    package["roles.csv"] = packages.contents(packages.district())["roles.csv"]

    assert [each[::3] for each in told(package)] == [("roles.csv", "unknown-file")]


def test_without_a_manifest_the_files_are_taken_as_bulk_with_a_warning() -> None:
    package = packages.contents(packages.district())
    del package["manifest.csv"]
    report = judged(package)

    assert [problem.code for problem in report.problems] == ["no-manifest"]
    assert (report.errors, report.warnings, report.version) == (0, 1, "1.2")


def test_the_seven_files_of_1p0_are_recognised() -> None:
    older = {name: rows for name, rows in older_district().items() if name in files.SEVEN}
    package = packages.contents(older, version="1.1")
    del package["manifest.csv"]

    assert [each[3] for each in told(package)] == ["old-package"]


def test_nothing_at_all_is_no_package() -> None:
    report = judged({})

    assert [problem.code for problem in report.problems] == ["no-files"]
    assert report.errors == 1


def test_a_manifest_alone_says_that_nothing_changed() -> None:
    package = {"manifest.csv": packages.contents({})["manifest.csv"]}

    report = judged(package)

    assert [problem.code for problem in report.problems] == ["only-manifest"]
    assert report.errors == 0


# ---------------------------------------------------------------- rows beside each other


def test_a_delta_may_refer_to_what_the_importer_has() -> None:
    given = packages.delta({"enrollments": packages.district()["enrollments"]})

    assert told(packages.contents(given, mode="delta")) == []


def test_a_bulk_file_beside_deltas_may_refer_to_what_they_change() -> None:
    given = packages.district()
    given["users"] = packages.delta({"users": given["users"][:1]})["users"]
    package = packages.contents({name: given[name] for name in ("users", "enrollments", "classes")})
    for mode in (b"users",):
        said = package["manifest.csv"].replace(
            b"file." + mode + b",bulk", b"file." + mode + b",delta"
        )
        package["manifest.csv"] = said

    assert told(package) == []


def test_a_file_that_others_need_and_that_is_absent_is_told_once() -> None:
    given = packages.district()
    del given["courses"]

    assert told(packages.contents(given)) == [("classes.csv", 2, 6, "dangling-file")]


def test_users_of_1p2_need_roles() -> None:
    given = packages.district()
    del given["roles"], given["users"][1]["primaryOrgSourcedId"]

    assert told(packages.contents(given)) == [("users.csv", 0, 0, "no-roles-file")]


def test_users_of_1p2_in_no_row_of_roles_are_told() -> None:
    given = packages.district()
    left = given["users"][0]["sourcedId"]
    given["roles"] = [row for row in given["roles"] if row["userSourcedId"] != left]

    assert told(packages.contents(given)) == [("users.csv", 2, 1, "no-roles")]


def test_questions_over_several_rows_are_warnings() -> None:
    given = whole()
    given["roles"].append(given["roles"][0] | {"sourcedId": "role-9", "role": "aide"})
    given["roles"].append(
        packages.role("role-10", "student-2", "school-1") | {"userProfileSourcedId": "profile-1"}
    )
    given["userProfiles"] = [
        {"sourcedId": "profile-1", "userSourcedId": "student-1", "profileType": "app"}
        | {"vendorId": "v", "credentialType": "x", "username": "n"}
    ]
    given["resources"][0]["roles"] = "teacher"
    given["userResources"] = [
        {"sourcedId": "ur-1", "userSourcedId": "student-1", "orgSourcedId": "school-1"}
        | {"classSourcedId": "class-2", "resourceSourcedId": "book-1"}
    ]
    given["lineItems"] = [
        GRADEBOOK["lineItems"][0] | {"academicSessionSourcedId": "year-1", "resultValueMin": "101"}
    ]
    given["results"] = [
        GRADEBOOK["results"][0] | {"studentSourcedId": "student-2", "classSourcedId": "class-2"}
    ]
    given["scoreScales"] = [GRADEBOOK["scoreScales"][0] | {"scoreScaleValue": "A=1"}]
    given["lineItemLearningObjectiveIds"] = [
        GRADEBOOK["lineItemLearningObjectiveIds"][0] | {"learningObjectiveId": "CCSS.1"}
    ]

    report = judged(contents(given))

    assert report.errors == 0
    assert [(problem.path, problem.code) for problem in report.problems] == [
        ("lineItemLearningObjectiveIds.csv", "urn"),
        ("lineItems.csv", "school-year"),
        ("lineItems.csv", "min-above-max"),
        ("results.csv", "class-of-result"),
        ("roles.csv", "second-primary"),
        ("roles.csv", "foreign-profile"),
        ("scoreScales.csv", "scale-form"),
        ("userResources.csv", "not-enrolled"),
        ("userResources.csv", "class-of-school"),
        ("userResources.csv", "resource-role"),
    ]


# ---------------------------------------------------------------- much of it


def test_equal_faults_are_counted_and_the_first_are_kept() -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet("orgs", *(f"o{n},,,,school,," for n in range(3000)))

    some, every = judged(package, 10), judged(package, 0)

    assert (len(some.problems), some.errors, some.left_out) == (10, 3000, 2990)
    assert (len(every.problems), every.left_out) == (3000, 0)


@pytest.mark.parametrize("piece", [b'"', b'",', b'"\n', b'""\r\n', b"\r", b",", b'a"b,"c\n'])
def test_time_is_linear_in_the_bytes(piece: bytes) -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    took = []
    for times in (2**15, 2**18):
        package["orgs.csv"] = csv_packages.sheet("orgs") + piece * times
        start = time.process_time()
        judged(package)
        took.append(time.process_time() - start)

    assert took[1] < 8 * 6 * max(took[0], 0.005)


def test_no_problem_holds_a_value() -> None:
    package = packages.contents({"orgs": [packages.org("o")]})
    package["orgs.csv"] = csv_packages.sheet(
        "orgs", "SECRET one,SECRET,SECRET,SECRET,SECRET,SECRET,SECRET", "SECRET,,,,,,SECRET2"
    )

    assert all("SECRET" not in str(problem) for problem in judged(package).problems)

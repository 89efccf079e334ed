"""A package as a whole: what refuses it, what drops a row, what is only told."""

import pytest

from rosterd import errors
from rosterd.oneroster.csv import problems
from tests import packages
from tests.unit import csv_packages as csv

USER = "true,name,,Given,Family,,,,,,,,,,,,,,"


def codes(error: errors.InputError) -> list[tuple[str, int, str]]:
    return [(problem.path, problem.line, problem.code) for problem in error.problems]


def refused(package: dict[str, bytes]) -> list[tuple[str, int, str]]:
    with pytest.raises(errors.InputError) as caught:
        csv.read(csv.opened(package))
    return codes(caught.value)


def test_a_whole_district_is_read_without_a_word() -> None:
    bundle = csv.opened(csv.district())
    read = csv.read(bundle)

    assert csv.told(bundle) == []
    assert {name: len(records) for name, records in read.items()} == {
        "resources": 1,
        "orgs": 3,
        "academicSessions": 2,
        "courses": 2,
        "classes": 2,
        "users": 4,
        "enrollments": 3,
        "demographics": 1,
    }
    assert read["users"][0] == {
        "sourcedId": "student-1",
        "enabledUser": "true",
        "username": "name-student-1",
        "givenName": "Given",
        "familyName": "Family student-1",
        "email": "one@example.org",
        "agents": ["parent-1"],
        "grades": ["09"],
        "roles": [{"roleType": "primary", "role": "student", "org": "school-1"}],
    }
    assert read["classes"][0]["resources"] == ["book-1"]


# ---------------------------------------------------------------- the whole package


def test_a_declared_file_that_is_missing_refuses_the_package() -> None:
    package = csv.district()
    del package["enrollments.csv"]
    assert refused(package) == [("manifest.csv", 0, "missing-file")]


def test_missing_required_columns_are_told_for_all_files_at_once() -> None:
    package = csv.district(users=b"sourcedId,username\n", orgs=b"sourcedId,name\n")
    assert [code for _, _, code in refused(package)] == ["no-column"] * 4


def test_an_empty_file_and_one_with_another_encoding_are_refused() -> None:
    latin = (
        "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\no,,,Öl,school,,"
    )
    assert refused(csv.district(orgs=b"")) == [("orgs.csv", 0, "no-header")]
    assert refused(csv.district(orgs=latin.encode("latin-1"))) == [("orgs.csv", 2, "not-utf8")]
    told = [("orgs.csv", 0, "other-encoding")]
    assert refused(csv.district(orgs=latin.encode("utf-16"))) == told
    assert refused(csv.district(orgs=latin.encode("utf-16-be"))) == told


def test_a_file_whose_lines_end_in_bare_carriage_returns_is_refused() -> None:
    package = csv.district()
    package["orgs.csv"] = package["orgs.csv"].replace(b"\n", b"")
    assert refused(package) == [("orgs.csv", 1, "bad-line")]


def test_files_that_are_not_meant_are_left_alone_and_told() -> None:
    package = csv.district() | {
        "userResources.csv": b"undeclared",
        "notes.csv": b"\xff",
        "README.txt": b"\xff",
    }
    bundle = csv.opened(package)
    assert [(path, code) for path, _, _, code in csv.told(bundle)] == [
        ("notes.csv", "extra-file"),
        ("userResources.csv", "not-declared"),
    ]
    assert "userResources" not in bundle.names


def test_gradebook_files_are_left_alone_and_told() -> None:
    package = csv.district() | {"results.csv": b"\xff"}
    manifest = package["manifest.csv"].replace(b"file.results,absent", b"file.results,bulk")
    bundle = csv.opened(package | {"manifest.csv": manifest})
    assert csv.told(bundle) == [("results.csv", 0, 0, "not-imported")]


def test_file_names_may_be_spelled_otherwise_but_not_twice() -> None:
    package = csv.district()
    package["classresources.csv"] = package.pop("classResources.csv")
    bundle = csv.opened(package)
    assert csv.told(bundle) == [("classresources.csv", 0, 0, "file-name")]
    assert bundle.names["classResources"] == "classresources.csv"

    package["ClassResources.csv"] = package["classresources.csv"]
    assert [code for _, _, code in refused(package)] == ["same-name"]


def test_a_delta_row_without_status_refuses_the_package() -> None:
    package = packages.contents(packages.district(), mode="delta")
    assert [code for _, _, code in refused(package)] == ["blank-status"]


def test_a_delta_gives_status_and_time_of_each_row() -> None:
    tables = packages.delta(packages.district())
    tables["orgs"][1] |= {"status": "tobedeleted", "type": "nonsense"}
    bundle = csv.opened(packages.contents(tables, mode="delta"))
    rows = list(bundle.collection("orgs"))

    assert [(row.status, row.changed) for row in rows] == [
        ("active", "2026-11-01T00:00:00.000Z"),
        ("tobedeleted", "2026-11-01T00:00:00.000Z"),
        ("active", "2026-11-01T00:00:00.000Z"),
    ]
    assert bundle.problems.errors() == 0


def test_cells_between_semicolons_are_refused_in_plain_words() -> None:
    package = csv.district()
    package["orgs.csv"] = package["orgs.csv"].replace(b",", b";")

    assert refused(package) == [("orgs.csv", 1, "delimiter")]


def test_a_header_that_cannot_be_read_says_why() -> None:
    orgs = csv.sheet("orgs", "o,,,O,school,,").replace(b"name", b'"na"me')

    assert refused(csv.district(orgs=orgs)) == [("orgs.csv", 1, "stray-quote")]


def test_inactive_of_1_0_is_read_as_tobedeleted_and_told() -> None:
    tables = packages.delta(packages.district())
    for name in ("users", "roles"):
        tables[name][0] |= {"status": "Inactive" if name == "users" else "inactive"}
    bundle = csv.opened(packages.contents(tables, mode="delta"))

    user, *_ = bundle.collection("users")
    role, *_ = bundle.links("roles")

    assert (user.status, role.status) == ("tobedeleted", "tobedeleted")
    assert csv.told(bundle) == [("users.csv", 2, 2, "inactive"), ("roles.csv", 2, 2, "inactive")]


def test_inactive_in_a_bulk_file_is_no_more_active_than_tobedeleted() -> None:
    package = csv.district(
        orgs=csv.sheet("orgs", "fine,,,Fine,school,,", "gone,inactive,,Gone,school,,")
    )
    bundle = csv.opened(package)

    rows = [(row.record["sourcedId"], row.status) for row in bundle.collection("orgs")]

    assert rows == [("fine", "active"), ("gone", "tobedeleted")]
    assert ("orgs.csv", 3, 2, "inactive") in csv.told(bundle)


def test_links_of_a_delta_are_not_folded_but_given_as_they_are() -> None:
    bundle = csv.opened(packages.contents(packages.delta(packages.district()), mode="delta"))
    assert all("roles" not in user for user in csv.read(bundle, "users")["users"])
    assert bundle.untold("users") == {"roles", "userProfiles", "resources"}
    assert [row.record["user"] for row in bundle.links("roles")] == [
        "student-1",
        "student-2",
        "teacher-1",
        "parent-1",
    ]


def test_what_an_absent_link_file_would_tell_is_untold() -> None:
    bundle = csv.opened(csv.district())
    assert bundle.untold("users") == {"userProfiles", "resources"}
    assert bundle.untold("classes") == frozenset()
    assert bundle.untold("courses") == {"resources"}


# ---------------------------------------------------------------- headers


def test_columns_may_come_in_any_order_and_spelling() -> None:
    package = csv.district(
        orgs=b"Type,NAME,sourcedid,parentSourcedId,identifier,dateLastModified,status\r\n"
        b"school,One,school-1,,,,\r\n"
    )
    bundle = csv.opened(package)
    assert csv.read(bundle, "orgs") == {
        "orgs": [{"sourcedId": "school-1", "name": "One", "type": "school"}]
    }
    assert {code for _, _, _, code in csv.told(bundle)} == {"header-form", "header-order"}


def test_empty_and_unknown_columns_are_ignored_and_metadata_is_kept() -> None:
    header = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId"
    package = csv.district(
        orgs=f"{header},metadata.zone,ext_x,Metadata.area,,\ns,,,S,school,,,z,x,a,,\n".encode()
    )
    bundle = csv.opened(package)
    (org,) = csv.read(bundle, "orgs")["orgs"]

    assert list(org["metadata"].items()) == [("area", "a"), ("zone", "z")]
    assert csv.told(bundle) == [("orgs.csv", 1, 9, "unknown-column")]


@pytest.mark.parametrize(
    "name,first,second,code,kept",
    [
        ("identifier", "i", "i", None, True),
        ("identifier", "i", "j", "conflict-ignored", True),
        ("type", "school", "district", "conflict", False),
        ("parentSourcedId", "a", "b", "conflict", False),
    ],
)
def test_a_column_that_is_there_twice_counts_once_when_it_can(
    name: str, first: str, second: str, code: str | None, kept: bool
) -> None:
    cells = {"sourcedId": "s", "name": "S", "type": "school"} | {name: first}
    header = [*(column for column in cells), name]
    text = ",".join(header) + "\n" + ",".join([*cells.values(), second])
    bundle = csv.opened(csv.district(orgs=text.encode()))
    read = csv.read(bundle, "orgs")["orgs"]

    assert [org.get(name, org.get("parent")) for org in read] == ([first] if kept else [])
    told = [found for *_, found in csv.told(bundle) if found != "missing-column"]
    assert told == ["duplicate-column", *([code] if code else [])]


def test_the_first_edition_of_1p2_names_resources_in_users() -> None:
    table = packages.district()["users"]
    table[0]["resourceSourcedIds"] = "book-1"
    bundle = csv.opened(csv.with_rows("users", *table))
    users = csv.read(bundle, "users")["users"]
    assert users[0]["resources"] == ["book-1"]
    assert csv.told(bundle, "users.csv") == []
    assert bundle.untold("users") == {"userProfiles"}


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "line,column,code",
    [
        ("x,,,S", 0, "row-width"),
        ("x,,,S,school,,,", 0, "row-width"),
        (",,,S,school,,", 1, "missing-value"),
        ("x,,,,school,,", 4, "missing-value"),
        ("x,,,  ,school,,", 4, "missing-value"),
        ("x,,,S,campus,,", 5, "bad-choice"),
        ("x!,,,S,school,,", 1, "bad-id"),
        ("x,,,S,school,,b!d", 7, "bad-id"),
        ('x,,,"S\nT",school,,', 4, "line-break"),
        ("x,,,S\rT,school,,", 0, "bad-line"),
        ("x,dropped,,S,school,,", 2, "bad-choice"),
        ("fine,,,S,school,,", 1, "duplicate"),
    ],
)
def test_a_bad_row_is_dropped_and_told_by_place(line: str, column: int, code: str) -> None:
    package = csv.district(
        orgs=csv.sheet("orgs", "fine,,,Fine,school,,", line, "also,,,Also,school,,")
    )
    bundle = csv.opened(package)
    read = csv.read(bundle, "orgs")["orgs"]

    assert [org["sourcedId"] for org in read] == ["fine", "also"]
    told = [one for one in csv.told(bundle) if one[3] != "status-in-bulk"]
    assert told == [("orgs.csv", 3, column, code)]


def test_lines_are_counted_across_broken_cells_and_blank_lines() -> None:
    package = csv.district(
        orgs=csv.sheet(
            "orgs", '"x\ny",,,S,school,,', "", " ,,,,,,", "b,,,S,bad,,", "c,,,S,school,,"
        )
    )
    bundle = csv.opened(package)
    rows = list(bundle.collection("orgs"))

    assert [(row.line, row.record["sourcedId"]) for row in rows] == [(7, "c")]
    assert csv.told(bundle) == [("orgs.csv", 2, 1, "line-break"), ("orgs.csv", 6, 5, "bad-choice")]


def test_a_million_equal_faults_are_counted_and_few_are_kept() -> None:
    lines = [f"x{number},,,S,campus,," for number in range(3000)]
    bundle = csv.opened(csv.district(orgs=csv.sheet("orgs", *lines)))
    csv.read(bundle, "orgs")

    assert bundle.problems.counts["orgs.csv", "bad-choice"] == 3000
    assert bundle.problems.errors("orgs.csv") == 3000
    assert len(bundle.problems.kept) == problems.KEPT


def test_no_problem_holds_a_value() -> None:
    secret = "Marigold"
    lines = [
        f"{secret}!,,,{secret},{secret},,{secret}!",
        f"{secret},{secret},{secret},{secret},school,{secret},",
        f"{secret}",
    ]
    bundle = csv.opened(csv.district(orgs=csv.sheet("orgs", *lines)))
    csv.read(bundle, "orgs")

    assert bundle.problems.errors() > 3
    assert not any(secret in str(problem) for problem in bundle.problems.kept)


def test_warnings_are_told_by_line_also_among_rows_in_order() -> None:
    package = csv.district(
        orgs=csv.sheet("orgs", "a,,,A,school,,", "b,,,B,School,,", "c,,,C,district,,")
    )
    bundle = csv.opened(package)
    assert [org["type"] for org in csv.read(bundle, "orgs")["orgs"]] == [
        "school",
        "school",
        "district",
    ]
    assert csv.told(bundle) == [("orgs.csv", 3, 5, "case")]


def test_a_bulk_row_may_say_that_it_is_to_go() -> None:
    stamp = "2026-01-01T00:00:00Z"
    lines = [
        f"a,active,{stamp},A,school,,",
        f"b,tobedeleted,{stamp},,nonsense,,",
        "c,active,,C,school,,",
    ]
    bundle = csv.opened(csv.district(orgs=csv.sheet("orgs", *lines)))
    rows = list(bundle.collection("orgs"))

    assert [(row.record["sourcedId"], row.status) for row in rows] == [
        ("a", "active"),
        ("b", "tobedeleted"),
        ("c", "active"),
    ]
    assert [code for *_, code in csv.told(bundle)] == ["status-in-bulk"] * 2


def test_a_header_without_rows_is_told() -> None:
    bundle = csv.opened(csv.district(demographics=csv.sheet("demographics")))
    assert csv.read(bundle, "demographics") == {"demographics": []}
    assert csv.told(bundle) == [("demographics.csv", 1, 0, "no-rows")]


def test_subject_codes_stand_beside_subjects() -> None:
    table = packages.district()["courses"]
    table[0] |= {"subjects": "Mathematics,Art", "subjectCodes": "MA"}
    bundle = csv.opened(csv.with_rows("courses", *table))
    assert len(csv.read(bundle, "courses")["courses"]) == 2
    assert csv.told(bundle) == [("courses.csv", 2, 0, "unequal-lists")]


# ---------------------------------------------------------------- users


def roles_of(bundle_rows: list[csv.Record]) -> list[tuple[str, str]]:
    return [(role["roleType"], role["role"]) for role in bundle_rows[0]["roles"]]


def test_a_second_primary_role_at_one_org_becomes_secondary() -> None:
    rows = [
        packages.role("r1", "student-1", "school-1"),
        packages.role("r2", "student-1", "school-1", "aide"),
        packages.role("r3", "student-1", "school-2", "aide"),
        packages.role("r4", "student-1", "school-1"),
    ]
    bundle = csv.opened(csv.with_rows("roles", *rows))
    users = csv.read(bundle, "users")["users"]

    assert roles_of(users) == [
        ("primary", "student"),
        ("secondary", "aide"),
        ("primary", "aide"),
    ]
    told = csv.told(bundle)
    assert ("roles.csv", 3, 0, "second-primary") in told
    assert [line for path, line, _, code in told if code == "no-roles"] == [3, 4, 5]
    assert len(users) == 4


def test_a_role_of_nobody_is_told() -> None:
    rows = [*packages.district()["roles"], packages.role("r9", "nobody", "school-1")]
    bundle = csv.opened(csv.with_rows("roles", *rows))
    csv.read(bundle, "users")
    assert csv.told(bundle) == [("roles.csv", 6, 0, "dangling")]


def test_users_without_a_roles_file_are_kept_and_it_is_told_once() -> None:
    bundle = csv.opened(packages.contents(packages.district() | {"roles": []}))
    assert len(csv.read(bundle, "users")["users"]) == 4
    assert csv.told(bundle) == [("users.csv", 0, 0, "no-roles-file")]
    assert "roles" in bundle.untold("users")


def test_a_profile_row_is_a_profile_and_belongs_to_its_user() -> None:
    profile = {
        "sourcedId": "p1",
        "userSourcedId": "student-1",
        "profileType": "app",
        "vendorId": "v",
        "credentialType": "local",
        "username": "one",
        "password": "secret",
    }
    roles = packages.district()["roles"]
    roles[0]["userProfileSourcedId"] = "p1"
    roles[1]["userProfileSourcedId"] = "p1"
    tables = packages.district() | {"userProfiles": [profile], "roles": roles}
    bundle = csv.opened(packages.contents(tables))
    first, second, *_ = csv.read(bundle, "users")["users"]

    assert first["userProfiles"] == [
        {
            "sourcedId": "p1",
            "profileType": "app",
            "vendorId": "v",
            "credentials": [{"type": "local", "username": "one", "password": "secret"}],
        }
    ]
    assert first["roles"][0]["userProfile"] == "p1"
    assert "userProfile" not in second["roles"][0]
    assert csv.told(bundle) == [("roles.csv", 3, 0, "foreign-profile")]


@pytest.mark.parametrize(
    "org,expected",
    [
        ("school-1", "siteAdministrator"),
        ("district-1", "districtAdministrator"),
        ("elsewhere", "systemAdministrator"),
    ],
)
def test_an_administrator_of_1p1_is_one_of_its_org(org: str, expected: str) -> None:
    cells = {"role": "administrator", "orgSourcedIds": org}
    tables = packages.district() | {"users": [packages.user("u", **cells)]}
    del tables["roles"]
    bundle = csv.opened(packages.contents(tables, version="1.1"))
    users = csv.read(bundle, "orgs", "users")["users"]
    assert roles_of(users) == [("primary", expected)]

    newer = csv.opened(
        csv.with_rows("roles", packages.role("r", "student-1", org, "administrator"))
    )
    assert roles_of(csv.read(newer, "orgs", "users")["users"]) == [("primary", expected)]


def test_an_org_outside_the_package_is_asked_for() -> None:
    tables = packages.district() | {
        "users": [packages.user("u", role="administrator", orgSourcedIds="far-1")]
    }
    del tables["roles"]
    bundle = csv.opened(packages.contents(tables, version="1.1"))
    (row,) = bundle.collection("users", org_type={"far-1": "school"}.get)
    assert row.record["roles"][0]["role"] == "siteAdministrator"
    assert "orgs" not in row.record
    assert "role" not in row.record

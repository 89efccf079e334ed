"""Endpoints below another record: which records they list, for whom."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration import vendors

V1P1 = "/ims/oneroster/v1p1"
V1P2 = "/ims/oneroster/rostering/v1p2"
RESOURCES = "/ims/oneroster/resources/v1p2"

# Only the classes of one course, without the orgs that their people come from.
SOUTH = """\
access: basic
orgs: {under: [d], where: "sourcedId='south'"}
courses: all
"""


def _records() -> dict[str, list[dict[str, Any]]]:
    """The usual district, and a pupil of north who takes a class in south."""
    records = vendors.district()
    records["enrollments"].append(
        {
            "sourcedId": "k-south-s1",
            "user": "s1",
            "class": "k-south",
            "school": "north",
            "role": "student",
        }
    )
    records["enrollments"].append(
        {
            "sourcedId": "k-math-a1",
            "user": "a1",
            "class": "k-math",
            "school": "north",
            "role": "teacher",
        }
    )
    helper = next(each for each in records["users"] if each["sourcedId"] == "t2")
    helper["roles"].append({"roleType": "secondary", "role": "aide", "org": "north"})
    return records


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[vendors.Service]:
    known = {
        **vendors.VENDORS,
        "south": vendors.Vendor(SOUTH),
        "blind": vendors.Vendor(
            "access: full\nfields: {withhold: [courses.org, academicSessions.parent,"
            " classes.resources, courses.resources, users.resources]}"
        ),
    }
    async with vendors.service(tmp_path, known, _records()) as running:
        yield running


async def listed(service: vendors.Service, name: str, url: str) -> set[str] | int:
    """The ids that an endpoint lists, or its status when that is not 200."""
    status, headers, body = await service.ask(url, await service.token(name))
    if status != 200:
        return status
    (records,) = orjson.loads(body).values()
    assert headers["X-Total-Count"] == headers["x-count"] == str(len(records))
    return {each["sourcedId"] for each in records}


STUDENTS_OF_MATH = {"s1", "s2", "s3", "s4", vendors.ODD}


@pytest.mark.parametrize("base", [V1P1, V1P2])
@pytest.mark.parametrize(
    "path, ids",
    [
        ("/schools/north/classes", {"k-math", "k-art"}),
        ("/schools/south/classes", {"k-south"}),
        ("/schools/north/courses", {"c-math", "c-art"}),  # taught there, kept at the district
        ("/schools/south/courses", {"c-art"}),
        ("/schools/south/enrollments", {"k-south-s5", "k-south-s6", "k-south-s7", "k-south-t2"}),
        ("/schools/north/students", STUDENTS_OF_MATH),
        ("/schools/south/students", {"s5", "s6", "s7"}),
        ("/schools/north/users", STUDENTS_OF_MATH | {"t1", "t2", "a1"}),
        ("/schools/south/users", {"s5", "s6", "s7", "t2"}),
        ("/schools/south/teachers", {"t2"}),
        ("/schools/north/terms", {"t1"}),  # the semester is none, there as in /terms
        ("/classes/k-math/students", STUDENTS_OF_MATH),
        ("/classes/k-math/teachers", {"t1", "a1"}),  # by enrollment, whatever else they are
        ("/classes/k-math/users", STUDENTS_OF_MATH | {"t1", "a1"}),
        ("/classes/k-south/students", {"s5", "s6", "s7", "s1"}),
        ("/schools/north/classes/k-art/students", {"s1", "s2"}),
        ("/schools/north/classes/k-art/teachers", {"t1"}),
        ("/schools/north/classes/k-art/enrollments", {"k-art-s1", "k-art-s2", "k-art-t1"}),
        ("/courses/c-art/classes", {"k-art", "k-south"}),
        ("/terms/t1/classes", {"k-math", "k-south"}),
        ("/terms/h1/classes", {"k-art"}),  # a semester that a class names as its term
        ("/terms/t1/gradingPeriods", {"g1"}),
        ("/terms/h1/gradingPeriods", set()),
        ("/students/s1/classes", {"k-math", "k-art", "k-south"}),
        ("/students/odd%2Fid%3A%201/classes", {"k-math"}),
        ("/teachers/t1/classes", {"k-math", "k-art"}),
        ("/users/a1/classes", {"k-math"}),
        ("/users/s7/classes", {"k-south"}),
        # what is not there, not of that kind, or not of that school
        ("/schools/d/classes", 404),
        ("/schools/nowhere/students", 404),
        ("/schools/south/classes/k-math/students", 404),
        ("/schools/south/classes/k-math/enrollments", 404),
        ("/schools/nowhere/classes/k-math/teachers", 404),
        ("/students/t1/classes", 404),
        ("/teachers/s1/classes", 404),
        ("/terms/y/classes", 404),
        ("/terms/g1/gradingPeriods", 404),
        ("/orgs/north/classes", 404),
        ("/schools//classes", 404),
        ("/classes/k-math/nothing", 404),
        ("/schools/north/classes/k-math", 404),
    ],
)
async def test_an_endpoint_below_a_record_lists_what_belongs_to_it(
    service: vendors.Service, base: str, path: str, ids: set[str] | int
) -> None:
    assert await listed(service, "everything", base + path) == ids


async def test_the_role_at_the_school_counts_in_1_2_and_the_one_role_in_1_1(
    service: vendors.Service,
) -> None:
    # t2 teaches at south and helps out at north; 1.1 has one role for both
    assert await listed(service, "everything", V1P2 + "/schools/north/teachers") == {"t1"}
    assert await listed(service, "everything", V1P1 + "/schools/north/teachers") == {"t1", "t2"}


@pytest.mark.parametrize(
    "url",
    [
        f"{V1P1}/classes/k-math/resources",
        f"{V1P1}/courses/c-math/resources",
        f"{RESOURCES}/classes/k-math/resources",
        f"{RESOURCES}/courses/c-math/resources",
        f"{RESOURCES}/users/t1/resources",
    ],
)
async def test_resources_of_a_record_are_those_that_it_names(
    service: vendors.Service, url: str
) -> None:
    assert await listed(service, "everything", url) == {"r1"}
    other = url.replace("k-math", "k-art").replace("c-math", "c-art").replace("t1", "t2")
    assert await listed(service, "everything", other) == set()


@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_what_is_withheld_relates_nothing(service: vendors.Service, base: str) -> None:
    assert await listed(service, "blind", f"{base}/terms/t1/gradingPeriods") == set()
    # by its classes, which are not withheld, and not by its org
    assert await listed(service, "blind", f"{base}/schools/south/courses") == {"c-art"}
    resources = V1P1 if base == V1P1 else RESOURCES
    for path in ("/classes/k-math/resources", "/courses/c-math/resources"):
        assert await listed(service, "blind", resources + path) == set()


@pytest.mark.parametrize("base", [V1P1, V1P2])
async def test_what_stands_in_for_unshared_orgs_counts_as_the_record_shows_it(
    service: vendors.Service, base: str
) -> None:
    # s1 is of north, which is not shared: the record says student of south, whose class it is
    everybody = {"s1", "s5", "s6", "s7"}
    assert await listed(service, "south", f"{base}/schools/south/students") == everybody
    assert await listed(service, "south", f"{base}/schools/south/users") == everybody | {"t2"}
    assert await listed(service, "south", f"{base}/schools/south/enrollments") == {
        *(f"k-south-{user}" for user in everybody),
        "k-south-t2",
    }
    assert await listed(service, "south", f"{base}/schools/north/students") == 404


async def test_the_query_narrows_and_orders_what_an_endpoint_lists(
    service: vendors.Service,
) -> None:
    token = await service.token("everything")
    query = "filter=givenName~'PAT'&sort=givenName&orderBy=desc&limit=2&fields=sourcedId"
    url = f"{V1P2}/classes/k-math/students?{query}"

    status, headers, body = await service.ask(url, token)

    assert status == 200
    assert orjson.loads(body) == {"users": [{"sourcedId": "s4"}, {"sourcedId": "s3"}]}
    assert headers["X-Total-Count"] == "4"
    assert (
        f"<{vendors.PUBLIC_URL}{V1P2}/classes/k-math/students?limit=2&offset=2&filter="
        in (headers["Link"])
    )

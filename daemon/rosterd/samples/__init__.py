"""A seeded synthetic district: for the demo, the benches and the tests.

Everything follows from the numbers given, so two machines make the same district. Nobody in it is
real. It is made of canonical records and written by the one CSV writer, hence in both versions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from rosterd.oneroster.csv import writer
from rosterd.samples import people, plans, teaching

Record = dict[str, Any]

SCHOOL_YEAR = 2027  # the year in which it ends

_METADATA = {"orgs": ("region",), "users": ("busRoute", "homeLanguage"), "classes": ("building",)}


@dataclass(frozen=True, slots=True)
class District:
    """An invented district; ask for a collection as often as you like.

    `users` is exact (60 at least), enrollments are about `enrollments_per_user` times as many.
    """

    users: int = 2000
    seed: int = 1
    enrollments_per_user: int = 10
    school_year: int = SCHOOL_YEAR

    def records(self, collection: str) -> Iterator[Record]:
        """Fresh canonical records of one collection, always the same ones."""
        plan = plans.plan(self.users, self.enrollments_per_user)
        match collection:
            case "orgs":
                return teaching.orgs(plan, self.seed)
            case "academicSessions":
                return teaching.sessions(self.school_year)
            case "courses":
                return teaching.courses(plan, self.school_year)
            case "classes":
                return teaching.classes(plan, self.school_year)
            case "users":
                return people.users(plan, self.seed, self.school_year)
            case "enrollments":
                return teaching.enrollments(plan)
            case "demographics":
                return people.demographics(plan, self.seed, self.school_year)
            case _:
                return teaching.resources(self.seed)


def write_district(
    open_file: Callable[[str], BinaryIO],
    users: int = 2000,
    seed: int = 1,
    *,
    version: str = "1.2",
    enrollments_per_user: int = 10,
    school_year: int = SCHOOL_YEAR,
) -> dict[str, int]:
    """Write an invented district as a OneRoster CSV package; gives rows per file ("users": 2000).

    `open_file` opens a file of that name ("users.csv") for writing bytes; it is closed here.
    ValueError for less than 60 users.
    """
    district = District(users, seed, enrollments_per_user, school_year)
    return writer.write(
        version,
        district.records,
        open_file,
        metadata=lambda collection: _METADATA.get(collection, ()),
        system_name="Invented District SIS",
        system_code="invented",
    )

"""How big everything in an invented district is, before anybody has a name.

A district is laid out first as bare numbers: so each collection can be made on its own, as often as
asked for and always the same, and a million enrollments need not be held to be written.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from rosterd.samples import pools

SECTION = 25  # pupils of one class
PER_SCHOOL = 500  # pupils, about
LEVELS = ("elementary", "middle", "high")
GRADES = {
    "elementary": ("KG", "01", "02", "03", "04", "05"),
    "middle": ("06", "07", "08"),
    "high": ("09", "10", "11", "12"),
}
STAFF = ("principal", "siteAdministrator", "counselor", "aide")  # in each school
CENTRAL = ("districtAdministrator", "systemAdministrator")
SMALLEST = 60


@dataclass(frozen=True, slots=True)
class School:
    """`first` and `students` are a range of pupils by number, likewise `first_teacher`."""

    number: int
    level: str
    first: int
    students: int
    first_teacher: int
    teachers: int

    @property
    def sourced_id(self) -> str:
        return f"school-{self.number:02d}"

    def cohorts(self) -> Iterator[tuple[str, range]]:
        """Grade and the numbers of its pupils."""
        grades = GRADES[self.level]
        bounds = [self.first + self.students * i // len(grades) for i in range(len(grades) + 1)]
        for grade, low, high in zip(grades, bounds[:-1], bounds[1:], strict=True):
            yield grade, range(low, high)


@dataclass(frozen=True, slots=True)
class Offering:
    """A course as taught to one cohort in one part of the year (None: all of it)."""

    course: pools.Course
    grade: str
    half: int | None


@dataclass(frozen=True, slots=True)
class Class:
    """One class: `members` are numbers of pupils, `teacher` is a number of a teacher."""

    sourced_id: str
    school: School
    offering: Offering
    section: int
    teacher: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All numbers of a district."""

    students: int
    guardians: int
    teachers: int
    schools: tuple[School, ...]
    per_student: int  # classes of one pupil

    def classes(self) -> Iterator[Class]:
        for school in self.schools:
            made = 0
            for grade, cohort in school.cohorts():
                for offering in offerings(school.level, grade, self.per_student):
                    for section, members in enumerate(_sections(cohort, offering), 1):
                        teacher = school.first_teacher + made % school.teachers
                        made += 1
                        code = f"{offering.course[1].lower()}-{grade.lower()}"
                        half = "y" if offering.half is None else f"s{offering.half}"
                        own = f"class-{school.number:02d}-{code}-{half}-{section:02d}"
                        yield Class(own, school, offering, section, teacher, members)


def offerings(level: str, grade: str, count: int) -> list[Offering]:
    """What a pupil of this grade attends: whole years first cut in halves when there are many."""
    courses = catalog(level, grade)
    if count <= len(courses):
        return [Offering(course, grade, None) for course in courses[:count]]
    twice = min(count - len(courses), len(courses))
    both = [Offering(course, grade, half) for half in (1, 2) for course in courses[:twice]]
    return [*both, *(Offering(course, grade, None) for course in courses[twice:])]


def catalog(level: str, grade: str) -> tuple[pools.Course, ...]:
    if level == "high":
        return pools.HIGH[GRADES["high"].index(grade)]
    return pools.ELEMENTARY if level == "elementary" else pools.MIDDLE


def plan(users: int, enrollments_per_user: int) -> Plan:
    """Lay out a district of exactly so many users. ValueError below 60."""
    if users < SMALLEST:
        raise ValueError(f"cannot make a district of less than {SMALLEST} users")
    count = max(3, round(users * 0.76 / PER_SCHOOL))
    staff = count * len(STAFF) + len(CENTRAL)
    teachers = max(count, round(users * 0.07))
    guardians = round(users * 0.14)
    students = users - staff - teachers - guardians
    per_student = max(1, min(16, round(enrollments_per_user * users / students)))
    schools = []
    for index in range(count):
        first, after = students * index // count, students * (index + 1) // count
        low, high = teachers * index // count, teachers * (index + 1) // count
        level = LEVELS[index % 3]
        schools.append(School(index + 1, level, first, after - first, low, high - low))
    return Plan(students, guardians, teachers, tuple(schools), per_student)


def _sections(cohort: range, offering: Offering) -> Iterator[tuple[int, ...]]:
    """A cohort cut into classes, mixed otherwise for each course, together in homeroom."""
    count = -(-len(cohort) // SECTION)
    if offering.course[1] == "HR":
        bounds = [len(cohort) * i // count for i in range(count + 1)]
        for low, high in itertools.pairwise(bounds):
            yield tuple(cohort[low:high])
        return
    turn = sum(map(ord, offering.course[1])) + (offering.half or 0)
    for index in range(count):
        yield tuple(cohort[(index + turn) % count :: count])

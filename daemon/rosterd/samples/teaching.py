"""Schools, the school year, courses, classes and who attends them."""

import random
from collections.abc import Iterator
from typing import Any

from rosterd.samples import people, plans, pools

Record = dict[str, Any]

_LEVEL_NAMES = {"elementary": "Elementary School", "middle": "Middle School", "high": "High School"}
_APPLICATIONS = ("math-galaxy", "word-harbor", "lab-bench")


def orgs(plan: plans.Plan, seed: int) -> Iterator[Record]:
    dice = random.Random(f"orgs {seed}")
    places = dice.sample(pools.PLACES, len(pools.PLACES))
    yield {
        "sourcedId": people.DISTRICT,
        "name": f"{places[-1]} County Public Schools",
        "type": "district",
        "identifier": f"39{dice.randint(10_000, 99_999)}",
        "metadata": {"region": "north"},
    }
    for school in plan.schools:
        turn, place = divmod(school.number - 1, len(places))
        name = f"{places[place]} {_LEVEL_NAMES[school.level]}"
        record: Record = {
            "sourcedId": school.sourced_id,
            "name": f"{name} {turn + 1}" if turn else name,
            "type": "school",
            "identifier": f"39{dice.randint(10_000, 99_999)}-{school.number:03d}",
            "parent": people.DISTRICT,
        }
        yield record
        if school.level == "high":
            yield {
                "sourcedId": f"{school.sourced_id}-science",
                "name": f"{name}, Science Department",
                "type": "department",
                "parent": school.sourced_id,
            }


def sessions(school_year: int) -> Iterator[Record]:
    """The school year, its semesters, their terms and the terms' grading periods."""
    before, end = school_year - 1, str(school_year)
    year = f"year-{end}"
    bounds = [f"{before}-08-17", f"{before}-10-19", f"{school_year}-01-04"]
    bounds += [f"{school_year}-03-22", f"{school_year}-06-12"]
    halves = [f"{before}-09-17", f"{before}-11-23", f"{school_year}-02-15", f"{school_year}-05-03"]
    span = {"startDate": bounds[0], "endDate": bounds[4], "schoolYear": end}
    yield {"sourcedId": year, "title": f"{before}-{end}", "type": "schoolYear", **span}
    for half in (1, 2):
        semester = f"semester-{end}-{half}"
        span = {"startDate": bounds[2 * half - 2], "endDate": bounds[2 * half], "schoolYear": end}
        yield _session(semester, f"Semester {half}", "semester", year, span)
        for term in (2 * half - 1, 2 * half):
            own = f"term-{end}-{term}"
            low, middle, high = bounds[term - 1], halves[term - 1], bounds[term]
            yield _session(
                own, f"Term {term}", "term", semester, {**span, "startDate": low, "endDate": high}
            )
            for number, dates in enumerate(((low, middle), (middle, high)), 2 * term - 1):
                period = {**span, "startDate": dates[0], "endDate": dates[1]}
                title = f"Grading Period {number}"
                yield _session(f"period-{end}-{number}", title, "gradingPeriod", own, period)


def courses(plan: plans.Plan, school_year: int) -> Iterator[Record]:
    """One course for each subject and grade, belonging to the district."""
    for level in plans.LEVELS:
        for grade in plans.GRADES[level]:
            for course in plans.catalog(level, grade):
                title, code, subject, subject_code = course
                named = title if level == "high" else f"{title} {grade.lstrip('0')}"
                record: Record = {
                    "sourcedId": _course(course, grade),
                    "schoolYear": f"year-{school_year}",
                    "title": named,
                    "courseCode": f"{code}{grade}",
                    "grades": [grade],
                    "org": people.DISTRICT,
                    "subjects": [subject],
                    "subjectCodes": [subject_code],
                }
                if code in ("MAT", "SCI", "ENG", "ELA"):
                    record["resources"] = [f"resource-{code.lower()}-{level}"]
                yield record


def classes(plan: plans.Plan, school_year: int) -> Iterator[Record]:
    for number, made in enumerate(plan.classes()):
        title, code, subject, subject_code = made.offering.course
        homeroom = code == "HR"
        grade = made.offering.grade
        record: Record = {
            "sourcedId": made.sourced_id,
            "title": f"{title} {grade.lstrip('0')}, Section {made.section}",
            "grades": [grade],
            "course": _course(made.offering.course, grade),
            "classCode": f"{code}{grade}-{made.section:02d}",
            "classType": "homeroom" if homeroom else "scheduled",
            "location": f"Room {100 + number % 80}",
            "school": made.school.sourced_id,
            "terms": _terms(made.offering.half, school_year),
            "subjects": [subject],
            "subjectCodes": [subject_code],
            "periods": ["HR"] if homeroom else _periods(number),
        }
        if number % 20 == 5:
            record["resources"] = ["resource-class-kit"]
        if number % 3 == 0:
            record["metadata"] = {"building": "ABC"[number % 7 % 3]}
        yield record


def enrollments(plan: plans.Plan) -> Iterator[Record]:
    number = 0
    visited = {
        school.number: [
            teacher
            for home in plan.schools
            for teacher in range(home.first_teacher, home.first_teacher + home.teachers)
            if people.second_school(plan, home, teacher) == school
        ]
        for school in plan.schools
    }
    for index, made in enumerate(plan.classes()):
        school = made.school.sourced_id
        staff = [(people.teacher(made.teacher), "teacher", "true")]
        if index % 12 == 4 and (guests := visited[made.school.number]):
            guest = guests[index % len(guests)]
            if guest != made.teacher:
                staff.append((people.teacher(guest), "teacher", "false"))
        if index % 30 == 9:
            staff.append((f"staff-{made.school.number:02d}-aide", "proctor", ""))
        for user, role, primary in staff:
            number += 1
            record = _enrollment(number, made.sourced_id, school, user, role)
            if primary:
                record["primary"] = primary
            yield record
        for member in made.members:
            number += 1
            yield _enrollment(number, made.sourced_id, school, people.student(member), "student")


def resources(seed: int) -> Iterator[Record]:
    dice = random.Random(f"resources {seed}")
    for level in plans.LEVELS:
        for code in ("mat", "sci", "eng", "ela"):
            yield {
                "sourcedId": f"resource-{code}-{level}",
                "vendorResourceId": f"{code}-{level}-{dice.randint(100, 999)}",
                "title": f"{level.title()} {code.upper()} Textbook",
                "roles": ["student", "teacher"],
                "importance": "primary",
                "vendorId": people.VENDOR,
                "applicationId": dice.choice(_APPLICATIONS),
            }
    for name, roles in (("teacher-guide", ["teacher"]), ("class-kit", ["teacher", "aide"])):
        yield {
            "sourcedId": f"resource-{name}",
            "vendorResourceId": name,
            "title": name.replace("-", " ").title(),
            "roles": roles,
            "importance": "secondary",
            "vendorId": people.VENDOR,
        }


def _session(sourced_id: str, title: str, kind: str, parent: str, span: Record) -> Record:
    return {"sourcedId": sourced_id, "title": title, "type": kind, "parent": parent, **span}


def _course(course: pools.Course, grade: str) -> str:
    return f"course-{course[1].lower()}-{grade.lower()}"


def _terms(half: int | None, school_year: int) -> list[str]:
    numbers = (1, 2, 3, 4) if half is None else (2 * half - 1, 2 * half)
    return [f"term-{school_year}-{number}" for number in numbers]


def _periods(number: int) -> list[str]:
    first = 1 + number % 7
    return [str(first)] if number % 5 else [str(first), str(1 + (number + 1) % 7)]


def _enrollment(number: int, made: str, school: str, user: str, role: str) -> Record:
    return {
        "sourcedId": f"enrollment-{number:07d}",
        "user": user,
        "class": made,
        "school": school,
        "role": role,
    }

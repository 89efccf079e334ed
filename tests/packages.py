"""Small OneRoster CSV packages for tests: tables of cells, a folder or a zip of them.

A district of two schools, with one record of every kind, is what most tests start from; they
change a cell, leave a row out, or add one.
"""

import copy
import csv
import io
import zipfile
from pathlib import Path

from rosterd.oneroster.csv import files

Rows = list[dict[str, str]]
Tables = dict[str, Rows]


def org(sourced_id: str, parent: str = "", kind: str = "school") -> dict[str, str]:
    return {"sourcedId": sourced_id, "name": f"Org {sourced_id}", "type": kind} | (
        {"parentSourcedId": parent} if parent else {}
    )


def user(sourced_id: str, **cells: str) -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "enabledUser": "true",
        "username": f"name-{sourced_id}",
        "givenName": "Given",
        "familyName": f"Family {sourced_id}",
    } | cells


def role(sourced_id: str, user: str, org: str, role: str = "student") -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "userSourcedId": user,
        "roleType": "primary",
        "role": role,
        "orgSourcedId": org,
    }


def enrollment(
    sourced_id: str, klass: str, user: str, school: str = "school-1", role: str = "student"
) -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "classSourcedId": klass,
        "schoolSourcedId": school,
        "userSourcedId": user,
        "role": role,
    }


def klass(sourced_id: str, course: str = "course-1", school: str = "school-1") -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "title": f"Class {sourced_id}",
        "courseSourcedId": course,
        "classType": "scheduled",
        "schoolSourcedId": school,
        "termSourcedIds": "term-1",
    }


def district() -> Tables:
    return {
        "orgs": [
            org("district-1", kind="district"),
            org("school-1", "district-1"),
            org("school-2", "district-1"),
        ],
        "academicSessions": [
            session("year-1", "schoolYear", "2026-08-01", "2027-07-01"),
            session("term-1", "term", "2026-08-01", "2027-01-15", "year-1"),
        ],
        "courses": [course("course-1"), course("course-2")],
        "classes": [klass("class-1"), klass("class-2", "course-2", "school-2")],
        "users": [
            user("student-1", agentSourcedIds="parent-1", grades="09", email="one@example.org"),
            user("student-2", grades="10", primaryOrgSourcedId="school-2"),
            user("teacher-1", userIds="{LDAP:t1}"),
            user("parent-1"),
        ],
        "roles": [
            role("role-1", "student-1", "school-1"),
            role("role-2", "student-2", "school-2"),
            role("role-3", "teacher-1", "school-1", "teacher"),
            role("role-4", "parent-1", "school-1", "parent"),
        ],
        "enrollments": [
            enrollment("enrollment-1", "class-1", "student-1"),
            enrollment("enrollment-2", "class-2", "student-2", "school-2"),
            enrollment("enrollment-3", "class-1", "teacher-1", role="teacher"),
        ],
        "demographics": [{"sourcedId": "student-1", "sex": "female", "birthDate": "2011-02-03"}],
        "resources": [{"sourcedId": "book-1", "vendorResourceId": "b1", "title": "A Book"}],
        "classResources": [
            {"sourcedId": "link-1", "classSourcedId": "class-1", "resourceSourcedId": "book-1"}
        ],
    }


def session(sourced_id: str, kind: str, start: str, end: str, parent: str = "") -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "title": f"Session {sourced_id}",
        "type": kind,
        "startDate": start,
        "endDate": end,
        "schoolYear": "2027",
        "parentSourcedId": parent,
    }


def course(sourced_id: str, org: str = "district-1") -> dict[str, str]:
    return {
        "sourcedId": sourced_id,
        "title": f"Course {sourced_id}",
        "orgSourcedId": org,
        "schoolYearSourcedId": "year-1",
    }


def without(tables: Tables, /, **gone: str) -> Tables:
    """A copy without the rows of these sourcedIds: `without(tables, orgs="school-2")`."""
    changed = copy.deepcopy(tables)
    for name, sourced_id in gone.items():
        changed[name] = [row for row in changed[name] if row["sourcedId"] != sourced_id]
    return changed


def changed(tables: Tables, name: str, sourced_id: str, /, **cells: str) -> Tables:
    """A copy in which one row has other cells."""
    copied = copy.deepcopy(tables)
    for row in copied[name]:
        if row["sourcedId"] == sourced_id:
            row.update(cells)
    return copied


def contents(tables: Tables, *, mode: str = "bulk", version: str = "1.2") -> dict[str, bytes]:
    """File name -> bytes; tables without rows are absent."""
    known = files.FILES[version]
    manifest = [("propertyName", "value"), ("manifest.version", "1.0")]
    manifest.append(("oneroster.version", version))
    manifest += [(f"file.{name}", mode if tables.get(name) else "absent") for name in known]
    written = {"manifest.csv": _csv([list(row) for row in manifest])}
    for name, rows in tables.items():
        if rows:
            header = [column.name for column in known[name].columns]
            extra = dict.fromkeys(cell for row in rows for cell in row if cell not in header)
            header += extra
            cells = [[row.get(column, "") for column in header] for row in rows]
            written[f"{name}.csv"] = _csv([header, *cells])
    return written


def delta(tables: Tables) -> Tables:
    """The same rows as a delta has them, active where they say nothing else."""
    filled = {"status": "active", "dateLastModified": "2026-11-01T00:00:00.000Z"}
    return {name: [filled | row for row in rows] for name, rows in tables.items()}


def write(folder: Path, written: dict[str, bytes]) -> Path:
    """Write the files, the manifest last; files that were there before go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name in sorted(written, key=lambda each: each == "manifest.csv"):
        (folder / name).write_bytes(written[name])
    return folder


def zipped(path: Path, written: dict[str, bytes], prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in written.items():
            archive.writestr(prefix + name, data)
    return path


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()

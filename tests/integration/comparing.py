"""What left as CSV and what REST pages say, in one form that can be compared.

Read with the csv module alone and by a table of this file: nothing that the daemon writes with is
used to check it. The form: collection → sourcedId → members, references as sourcedIds, nothing
empty. What only one of the two can say is left out: status, dates, REST's derived children.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Records = dict[str, dict[str, Record]]

_LISTS = frozenset(
    {
        "grades",
        "subjects",
        "subjectCodes",
        "periods",
        "termSourcedIds",
        "agentSourcedIds",
        "orgSourcedIds",
        "roles",
    }
)
# column → member, where they are called otherwise
_MEMBERS: Mapping[str, str] = {
    "parentSourcedId": "parent",
    "schoolYearSourcedId": "schoolYear",
    "orgSourcedId": "org",
    "orgSourcedIds": "orgs",
    "courseSourcedId": "course",
    "schoolSourcedId": "school",
    "termSourcedIds": "terms",
    "agentSourcedIds": "agents",
    "classSourcedId": "class",
    "userSourcedId": "user",
    "primaryOrgSourcedId": "primaryOrg",
    "preferredGivenName": "preferredFirstName",
    "preferredFamilyName": "preferredLastName",
}
# link file → (collection, column of the owner)
_RESOURCES: Mapping[str, tuple[str, str]] = {
    "classResources": ("classes", "classSourcedId"),
    "courseResources": ("courses", "courseSourcedId"),
    "userResources": ("users", "userSourcedId"),
}
_PROFILE = "urn:rosterd:profile:"
_LEFT_OUT = frozenset({"status", "dateLastModified", "children"})
# REST 1.2 requires them, and the sourcedId stands in where a record has none
_STAND_INS: Mapping[str, str] = {"orgs": "identifier", "courses": "courseCode"}


def delivered(path: Path, version: str = "1.2") -> Records:
    """The records of a delivered zip; every file in it is used, or it is an assertion."""
    tables = _tables(path)
    manifest = {row["propertyName"]: row["value"] for row in tables.pop("manifest")}
    assert manifest["oneroster.version"] == version
    bulk = {name.removeprefix("file.") for name, value in manifest.items() if value == "bulk"}
    assert bulk == tables.keys(), "the manifest names other files than there are"
    found: Records = {}
    for name in ("orgs", "academicSessions", "courses", "classes", "users", "enrollments",
                 "demographics", "resources"):  # fmt: skip
        rows = tables.pop(name, [])
        found[name] = _by_id(name, (_cells(row) for row in rows), len(rows))
    for row in tables.pop("roles", []):
        role = _cells(row)
        role.pop("sourcedId")
        found["users"][role.pop("user")].setdefault("roles", []).append(role)
    for row in tables.pop("userProfiles", []):
        profile = _cells(row)
        owner = found["users"][profile.pop("user")]
        owner.setdefault("userProfiles", []).append(_profile(profile))
    for name, (collection, column) in _RESOURCES.items():
        for row in tables.pop(name, []):
            owner = found[collection][row[column]]
            owner.setdefault("resources", []).append(row["resourceSourcedId"])
    assert not tables, f"more files than were compared: {sorted(tables)}"
    return found


def _profile(row: Record) -> Record:
    """A row as REST has it; the profiles of these rosters have one credential each."""
    profile = {"profileId": _PROFILE + row.pop("sourcedId")}
    credential = {"type": row.pop("credentialType"), "username": row.pop("username")}
    return {**profile, **row, "credentials": [credential]}


def _tables(path: Path) -> dict[str, list[dict[str, str]]]:
    tables = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode("utf-8")
            assert text.endswith("\r\n")
            tables[name.removesuffix(".csv")] = list(csv.DictReader(io.StringIO(text, newline="")))
    return tables


def _cells(row: Mapping[str, str]) -> Record:
    record: Record = {}
    for column, cell in row.items():
        if column in _LEFT_OUT or not cell:
            continue
        if column.startswith("metadata."):
            record.setdefault("metadata", {})[column.removeprefix("metadata.")] = cell
            continue
        name = _MEMBERS.get(column, column)
        if column == "userIds":
            pairs = re.findall(r"\{([^:}]*):([^}]*)\}", cell)
            record[name] = [{"type": kind, "identifier": each} for kind, each in pairs]
        elif column == "userProfileSourcedId":
            record["userProfile"] = _PROFILE + cell
        elif column in _LISTS:
            record[name] = cell.split(",")
        else:
            record[name] = cell
    return record


def served(collections: Mapping[str, Iterable[Record]]) -> Records:
    """The same form of REST pages: collection → its records."""
    found: Records = {}
    for name, pages in collections.items():
        listed = list(pages)
        found[name] = _by_id(name, (_members(record) for record in listed), len(listed))
    return found


def _members(record: Record) -> Record:
    return {
        name: _bare(value)
        for name, value in record.items()
        if name not in _LEFT_OUT and value not in ("", [], None)
    }


def _bare(value: Any) -> Any:
    """A reference as its sourcedId, whatever holds it."""
    if isinstance(value, dict):
        if {"href", "sourcedId", "type"} == value.keys():
            return value["sourcedId"]
        return {name: _bare(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value


def _by_id(collection: str, records: Iterable[Record], count: int) -> dict[str, Record]:
    stand_in = _STAND_INS.get(collection)
    found = {}
    for record in records:
        if stand_in is not None:
            record.setdefault(stand_in, record["sourcedId"])
        for name in ("resources", "agents"):  # sets of things, in no order that says anything
            if name in record:
                record[name] = sorted(record[name])
        found[record["sourcedId"]] = record
    assert len(found) == count, f"a sourcedId twice in {collection}"
    return found


def differences(one: Records, other: Records) -> list[str]:
    """Where they differ: collection, sourcedId and member, a few of them; values stay out of it."""
    told: list[str] = []
    for name in sorted(one.keys() | other.keys()):
        left, right = one.get(name, {}), other.get(name, {})
        for sourced_id in sorted(left.keys() | right.keys()):
            if sourced_id not in left or sourced_id not in right:
                where = "one" if sourced_id in left else "other"
                told.append(f"{name} {sourced_id}: only in the {where}")
                continue
            told += _differing(f"{name} {sourced_id}", left[sourced_id], right[sourced_id])
    return told[:20]


def _differing(where: str, left: Record, right: Record) -> list[str]:
    names = sorted(left.keys() | right.keys())
    return [f"{where}: {name}" for name in names if left.get(name) != right.get(name)]

"""What is written is the standard's to the byte, and follows from the records alone."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from rosterd import samples
from rosterd.oneroster.csv import files, writer, zips

Record = dict[str, Any]

USER: Record = {
    "sourcedId": "u1",
    "enabledUser": "true",
    "username": "one",
    "userIds": [{"type": "LDAP", "identifier": "a"}, {"type": "Fed", "identifier": "b"}],
    "givenName": "Given",
    "familyName": 'Quote " and, comma',
    "preferredFirstName": "P",
    "grades": ["09", "10"],
    "roles": [
        {"roleType": "primary", "role": "principal", "org": "s1", "userProfile": "p1"},
        {"roleType": "secondary", "role": "ext:coach", "org": "s1"},
        {"roleType": "primary", "role": "teacher", "org": "s2"},
    ],
    "userProfiles": [
        {
            "sourcedId": "p1",
            "profileType": "app",
            "vendorId": "v",
            "credentials": [
                {"type": "local", "username": "one"},
                {"type": "other", "username": "two", "password": "x"},
            ],
        }
    ],
    "primaryOrg": "s1",
    "resources": ["r1"],
    "metadata": {"zone": "z", "area": "a"},
}


class Kept(io.BytesIO):
    data = b""

    def close(self) -> None:
        if not self.closed:
            self.data = self.getvalue()
        super().close()


def write(version: str, **records: list[Record]) -> dict[str, bytes]:
    kept: dict[str, Kept] = {}

    def of(collection: str) -> Iterable[Record]:
        return records.get(collection, [])

    writer.write(version, of, lambda name: kept.setdefault(name, Kept()))
    assert all(file.closed for file in kept.values())
    return {name: file.data for name, file in kept.items()}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_a_user_of_1p2_fills_four_files() -> None:
    written = write("1.2", users=[USER])

    header, line, end = written["users.csv"].decode().split("\r\n")
    assert header == ",".join(files.FILES["1.2"]["users"].header) + ",metadata.area,metadata.zone"
    assert line == (
        'u1,,,true,one,"{LDAP:a},{Fed:b}",Given,"Quote "" and, comma",,,,,,,"09,10",,,P,,,s1,,a,z'
    )
    assert end == ""
    assert [
        (row["userSourcedId"], row["roleType"], row["role"], row["orgSourcedId"])
        for row in rows(written["roles.csv"])
    ] == [
        ("u1", "primary", "principal", "s1"),
        ("u1", "secondary", "ext:coach", "s1"),
        ("u1", "primary", "teacher", "s2"),
    ]
    profiles = rows(written["userProfiles.csv"])
    assert [(row["credentialType"], row["password"]) for row in profiles] == [
        ("local", ""),
        ("other", "x"),
    ]
    assert profiles[0]["sourcedId"] == "p1" != profiles[1]["sourcedId"]
    assert [row["resourceSourcedId"] for row in rows(written["userResources.csv"])] == ["r1"]


def test_a_user_of_1p1_has_one_role_and_nothing_newer() -> None:
    written = write("1.1", users=[USER])
    (row,) = rows(written["users.csv"])

    assert set(written) == {"users.csv", "manifest.csv"}
    assert (row["role"], row["orgSourcedIds"]) == ("teacher", "s1,s2")
    assert "pronouns" not in row


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_of_what_left_a_delta_tells_the_least(version: str) -> None:
    date = "2026-10-05T12:00:00.000Z"
    gone = {**USER, "status": "tobedeleted", "dateLastModified": date}
    kept: dict[str, Kept] = {}
    counts = writer.write(
        version,
        lambda name: [gone] if name == "users" else [],
        lambda name: kept.setdefault(name, Kept()),
        mode="delta",
    )

    (row,) = rows(kept["users.csv"].data)
    required = {each.name for each in files.FILES[version]["users"].columns if each.required}
    assert {name for name, cell in row.items() if cell} == required | {"status", "dateLastModified"}
    assert (row["status"], row["dateLastModified"]) == ("tobedeleted", date)
    assert counts == {"users": 1}  # its links are told by who knows which were sent
    assert b"file.users,delta" in kept["manifest.csv"].data
    assert b"file.orgs,absent" in kept["manifest.csv"].data


def test_ids_of_links_follow_from_what_is_linked() -> None:
    first = rows(write("1.2", users=[USER])["roles.csv"])
    other = {**USER, "givenName": "Other", "roles": list(reversed(USER["roles"]))}
    again = rows(write("1.2", users=[other])["roles.csv"])

    assert [row["sourcedId"] for row in first] == [row["sourcedId"] for row in reversed(again)]
    assert len({row["sourcedId"] for row in first}) == 3


def test_one_link_given_twice_has_two_ids() -> None:
    role = {"roleType": "secondary", "role": "aide", "org": "s1"}
    twice = {**USER, "roles": [role, {**role, "beginDate": "2026-01-01"}]}
    ids = [row["sourcedId"] for row in rows(write("1.2", users=[twice])["roles.csv"])]
    assert len(set(ids)) == 2


def test_a_role_names_no_profile_that_has_no_row() -> None:
    bare = {**USER, "userProfiles": [{"sourcedId": "p1", "profileType": "a", "vendorId": "v"}]}
    written = write("1.2", users=[bare])
    assert "userProfiles.csv" not in written
    assert [row["userProfileSourcedId"] for row in rows(written["roles.csv"])] == ["", "", ""]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_no_cell_holds_a_line_break(end: str) -> None:
    written = write("1.2", orgs=[{"sourcedId": "o", "name": f"One{end}Two", "type": "school"}])
    assert written["orgs.csv"].split(b"\r\n")[1] == b"o,,,One Two,school,,"


def test_formulas_and_odd_characters_are_left_as_they_are() -> None:
    org = {"sourcedId": "o", "name": "=HYPERLINK(1)", "type": "school", "identifier": "é\u2028-1"}
    (row,) = rows(write("1.2", orgs=[org])["orgs.csv"])
    assert (row["name"], row["identifier"]) == ("=HYPERLINK(1)", "é\u2028-1")


def test_an_item_of_a_list_cannot_become_two() -> None:
    course = {"sourcedId": "c", "title": "T", "org": "o", "subjects": ["Art, Fine", "Music"]}
    (row,) = rows(write("1.2", courses=[course])["courses.csv"])
    assert row["subjects"] == "Art  Fine,Music"


def test_what_csv_requires_and_rest_does_not_is_filled_in() -> None:
    user = {name: USER[name] for name in ("sourcedId", "givenName", "familyName", "roles")}
    made = {"sourcedId": "k", "title": "T", "course": "c", "school": "s", "terms": ["t"]}
    written = write("1.2", users=[user], classes=[made])
    (row,) = rows(written["users.csv"])
    assert (row["enabledUser"], row["username"]) == ("true", "u1")
    assert rows(written["classes.csv"])[0]["classType"] == "scheduled"


@pytest.mark.parametrize("version,count", [("1.1", 13), ("1.2", 21)])
def test_the_manifest_speaks_of_all_files_and_comes_last(version: str, count: int) -> None:
    written = write(version, orgs=[{"sourcedId": "o", "name": "One", "type": "school"}])
    modes = {row["propertyName"]: row["value"] for row in rows(written["manifest.csv"])}

    assert list(written) == ["orgs.csv", "manifest.csv"]
    assert modes.pop("oneroster.version") == version
    assert modes.pop("manifest.version") == "1.0"
    assert modes.pop("file.orgs") == "bulk"
    assert set(modes.values()) == {"absent"}
    assert len(modes) == count - 1


def test_given_keys_of_metadata_spare_the_first_look() -> None:
    asked: list[str] = []

    def of(collection: str) -> Iterator[Record]:
        asked.append(collection)
        yield from [USER] if collection == "users" else []

    kept: dict[str, Kept] = {}
    counts = writer.write(
        "1.2",
        of,
        lambda name: kept.setdefault(name, Kept()),
        metadata=lambda collection: ["zone"] if collection == "users" else [],
        system_name="SIS",
    )
    assert asked == list(files.READING_ORDER)
    assert counts == {"users": 1, "roles": 3, "userProfiles": 2, "userResources": 1}
    assert kept["users.csv"].data.split(b"\r\n")[0].endswith(b",pronouns,metadata.zone")
    assert kept["manifest.csv"].data.endswith(b"source.systemName,SIS\r\n")


def test_files_are_closed_when_the_records_fail() -> None:
    kept: dict[str, Kept] = {}

    def of(collection: str) -> Iterator[Record]:
        for number in range(3000):
            yield {"sourcedId": f"r{number}", "vendorResourceId": "v"}
        raise RuntimeError("the roster went away")

    with pytest.raises(RuntimeError):
        writer.write("1.2", of, lambda name: kept.setdefault(name, Kept()), metadata=lambda _: ())
    assert list(kept) == ["resources.csv"]
    assert kept["resources.csv"].closed


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_zip_is_the_same_bytes_each_time_and_opens_everywhere(version: str) -> None:
    first, again = io.BytesIO(), io.BytesIO()
    counts = writer.bundle_zip(version, samples.District(80).records, first)
    writer.bundle_zip(version, samples.District(80).records, again)
    assert first.getvalue() == again.getvalue()

    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        order = [name for name in files.FILES[version] if name in counts]
        assert archive.namelist() == ["manifest.csv", *(f"{name}.csv" for name in order)]
        for name, count in counts.items():
            assert archive.read(f"{name}.csv").count(b"\r\n") == count + 1
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_DEFLATED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.extra == b""
            assert info.flag_bits == 0


def test_a_zip_without_members_is_a_zip() -> None:
    out = io.BytesIO()
    with zips.Packing(io.BytesIO) as packing:
        packing.write(out)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == []


class _Spools(list[io.BytesIO]):
    """Every scratch file that was opened."""

    def __call__(self) -> io.BytesIO:
        self.append(io.BytesIO())
        return self[-1]


def test_a_member_waits_in_its_own_scratch_file() -> None:
    spools = _Spools()
    out = io.BytesIO()
    with zips.Packing(spools) as packing:
        with packing.open("a.csv") as member:
            member.write(b"some bytes " * 1000)
        packing.write(out)

    assert [spool.closed for spool in spools] == [True]
    with zipfile.ZipFile(out) as archive:
        assert archive.read("a.csv") == b"some bytes " * 1000


def test_a_zip_that_is_cut_leaves_no_scratch_file_open() -> None:
    def records(collection: str) -> Iterator[dict[str, Any]]:
        yield from samples.District(80).records(collection)
        if collection == "users":
            raise RuntimeError("cut")

    spools = _Spools()
    with pytest.raises(RuntimeError, match="cut"):
        writer.bundle_zip("1.2", records, io.BytesIO(), metadata=lambda _: (), scratch=spools)

    assert len(spools) > 1
    assert all(spool.closed for spool in spools)

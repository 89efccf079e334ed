"""The manifest: nothing about life and death of records is guessed."""

import io

import pytest

from rosterd import errors
from rosterd.oneroster.csv import files, manifest, problems

ALL = frozenset(files.SEVEN | {"roles"})


def text(version: str = "1.2", **modes: str) -> str:
    return "\n".join(",".join(row) for row in manifest.rows(version, modes))


def read(
    data: str | None, default_mode: str | None = None, present: frozenset[str] = ALL
) -> tuple[manifest.Manifest, list[str]]:
    found = problems.Problems()
    opener = None if data is None else lambda: io.BytesIO(data.encode())
    stated = manifest.read(manifest.NAME, opener, present, default_mode, found)
    return stated, [problem.code for problem in found.kept]


def refused(data: str | None, present: frozenset[str] = ALL) -> list[tuple[int, str]]:
    with pytest.raises(errors.InputError) as caught:
        read(data, present=present)
    return [(problem.line, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_manifest_that_was_written_is_read(version: str) -> None:
    rows = manifest.rows(version, {"users": "bulk", "orgs": "delta"}, "Own SIS", "own")
    stated, told = read("\r\n".join(",".join(row) for row in rows))

    assert (stated.version, stated.system_name, stated.system_code) == (version, "Own SIS", "own")
    assert {stem for stem, mode in stated.modes.items() if mode != "absent"} == {"users", "orgs"}
    assert (stated.modes["users"], stated.modes["orgs"]) == ("bulk", "delta")
    assert list(stated.modes) == list(files.FILES[version])
    assert told == []


def test_the_order_of_properties_is_free() -> None:
    first, *rest = text(users="bulk").splitlines()
    stated, _ = read("\n".join([first, *reversed(rest)]))
    assert stated.modes["users"] == "bulk"


def test_spelling_is_forgiven_where_the_meaning_is_plain() -> None:
    data = text(users="bulk").replace("propertyName,value", "PropertyName, Value ")
    data = data.replace("file.users,bulk", "File.Users,Bulk")
    stated, told = read(data.replace("oneroster.version,1.2", "oneroster.version,1.2.1"))

    assert (stated.version, stated.modes["users"]) == ("1.2", "bulk")
    assert told == ["manifest-form"] * 3


@pytest.mark.parametrize(
    "old,new,expected",
    [
        ("file.users,bulk", "file.users,", (24, "missing-property")),
        ("file.users,bulk", "", (0, "missing-property")),
        ("file.users,bulk", "file.users,full", (24, "bad-mode")),
        ("file.users,bulk", "file.users,bulk\nfile.users,delta", (25, "repeated-property")),
        ("file.users,bulk", "file.users,bulk\nfile.users,bulk", (25, "repeated-property")),
        ("file.users,bulk", "file.users,bulk\nfile.systemName,x", (25, "bad-property")),
        ("oneroster.version,1.2", "oneroster.version,1.3", (3, "bad-version")),
        ("oneroster.version,1.2", "oneroster.version,1.0", (3, "bad-version")),
        ("manifest.version,1.0", "manifest.version,2.0", (2, "bad-version")),
        ("propertyName,value", "name,value", (1, "bad-header")),
    ],
)
def test_what_is_not_said_plainly_refuses_the_package(
    old: str, new: str, expected: tuple[int, str]
) -> None:
    assert refused(text(users="bulk").replace(old, new)) == [expected]


def test_all_faults_are_told_at_once() -> None:
    data = text(users="full", orgs="none").replace("manifest.version,1.0\n", "")
    assert sorted(code for _, code in refused(data)) == ["bad-mode", "bad-mode", "missing-property"]


@pytest.mark.parametrize("data", [None, "", "propertyName,value\n"])
def test_without_a_manifest_only_a_declared_default_helps(data: str | None) -> None:
    assert [code for _, code in refused(data)] == ["no-manifest"]

    stated, told = read(data, "bulk")
    assert {stem for stem, mode in stated.modes.items() if mode == "bulk"} == ALL
    assert told == ["default-mode"]


def test_a_package_of_1p0_is_recognised() -> None:
    assert [code for _, code in refused(None, files.SEVEN)] == ["old-package"]


def test_with_a_default_an_empty_value_takes_it_and_what_is_not_there_is_left_alone() -> None:
    data = text(users="bulk", orgs="absent")
    stated, told = read(data.replace("file.users,bulk", "file.users,"), "delta")

    assert (stated.modes["users"], stated.modes["orgs"]) == ("delta", "absent")
    assert stated.modes["resources"] == "absent"
    assert told == ["default-mode"]


@pytest.mark.parametrize("present,version", [(ALL, "1.2"), (files.SEVEN, "1.1")])
def test_the_version_follows_from_the_files_when_nobody_says_it(
    present: frozenset[str], version: str
) -> None:
    assert read(None, "bulk", present)[0].version == version


def test_an_unsaid_mode_is_never_taken_over_one_that_is_said() -> None:
    stated, _ = read(text(users="delta"), "bulk")
    assert (stated.modes["users"], stated.modes["orgs"]) == ("delta", "absent")

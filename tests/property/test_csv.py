"""Laws of the CSV binding: what is written is read back, and no bytes are a surprise."""

import contextlib
import io
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rosterd import errors
from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files, manifest, reader, writer
from tests import packages
from tests.property import csv_records

Record = dict[str, Any]
Records = dict[str, list[Record]]


class Kept(io.BytesIO):
    """A file whose bytes stay when it is closed."""

    data = b""

    def close(self) -> None:
        if not self.closed:
            self.data = self.getvalue()
        super().close()


def written(version: str, district: Records) -> dict[str, bytes]:
    kept: dict[str, Kept] = {}
    writer.write(version, district.__getitem__, lambda name: kept.setdefault(name, Kept()))
    return {name: file.data for name, file in kept.items()}


def opened(package: dict[str, bytes], default_mode: str | None = None) -> reader.Bundle:
    openers = {name: lambda data=data: io.BytesIO(data) for name, data in package.items()}
    return reader.read(openers, default_mode=default_mode)


def everything(bundle: reader.Bundle) -> Records:
    return {name: [row.record for row in bundle.collection(name)] for name in files.READING_ORDER}


def in_1p1(district: Records) -> Records:
    """The district as it comes back from 1.1, which has one role and fewer words."""
    types = {org["sourcedId"]: vocabularies.as_1p1("orgs", org)["type"] for org in district["orgs"]}
    return {
        name: [
            vocabularies.from_1p1(name, vocabularies.as_1p1(name, record), types.get)
            for record in records
        ]
        for name, records in district.items()
    }


@given(csv_records.district())
def test_what_is_written_in_1p2_is_read_back(district: Records) -> None:
    bundle = opened(written("1.2", district))

    assert everything(bundle) == district
    assert bundle.problems.errors() == 0


@given(csv_records.district())
def test_what_is_written_in_1p1_is_read_back_as_1p1_has_it(district: Records) -> None:
    bundle = opened(written("1.1", district))

    assert everything(bundle) == in_1p1(district)
    assert bundle.problems.errors() == 0


@given(csv_records.district(), st.sampled_from(["1.1", "1.2"]))
def test_records_make_the_same_bytes_again_after_a_round(district: Records, version: str) -> None:
    first = written(version, district)

    assert written(version, everything(opened(first))) == first


@given(csv_records.district())
def test_a_row_that_is_odd_changes_no_other_row(district: Records) -> None:
    package = {
        name: data if name == manifest.NAME else data + b"one cell too few\r\n"
        for name, data in written("1.2", district).items()
    }
    bundle = opened(package)

    assert everything(bundle) == district
    assert bundle.problems.errors() == len(package) - 1


PACKAGE = packages.contents(packages.district())


@given(
    st.sampled_from(sorted(PACKAGE)),
    st.binary(max_size=200),
    st.integers(0, 500),
    st.integers(0, 50),
    st.sampled_from([None, "bulk", "delta"]),
)
@example("users.csv", b"\xff\xfe", 0, 0, None)
@example("users.csv", b'"', 300, 0, None)
@example("manifest.csv", b"", 0, 500, None)
@example("orgs.csv", b"\r", 0, 1, "bulk")
def test_no_bytes_raise_anything_but_an_input_error(
    name: str, inserted: bytes, place: int, removed: int, default_mode: str | None
) -> None:
    data = PACKAGE[name]
    package = {**PACKAGE, name: data[:place] + inserted + data[place + removed :]}
    with contextlib.suppress(errors.InputError):
        bundle = opened(package, default_mode)
        everything(bundle)


@given(st.dictionaries(st.sampled_from(sorted(PACKAGE)), st.binary(max_size=300)))
def test_no_set_of_files_raises_anything_but_an_input_error(package: dict[str, bytes]) -> None:
    with contextlib.suppress(errors.InputError):
        everything(opened(package, "bulk"))


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('a1"\n\r,{}: /-\x00\ufeff é'), max_size=12), max_size=25),
        max_size=6,
    )
)
def test_no_cells_raise_anything_but_an_input_error(rows: list[list[str]]) -> None:
    header = PACKAGE["users.csv"].split(b"\r\n", 1)[0]
    body = "\n".join(",".join(row) for row in rows).encode()
    users: list[dict[str, Any]] = []
    refused: list[str] = []
    try:
        users = everything(opened({**PACKAGE, "users.csv": header + b"\r\n" + body}))["users"]
    except errors.InputError as error:
        refused = [problem.code for problem in error.problems]
    assert refused == [] or (refused == ["endless-field"] and b'"' in body)
    for user in users:
        assert all(user.values())
        assert not any("\n" in str(value) for value in user.values())


NASTY = ['"', ",", "\r", "{", "{a:b", '","', '"\n', "ä", "\n", " ", "1-", "\r\n", '""', "a,\r"]


@pytest.mark.parametrize("pattern", NASTY)
def test_reading_takes_linear_time(pattern: str) -> None:
    header = PACKAGE["users.csv"].split(b"\r\n", 1)[0]

    def cost(length: int) -> float:
        body = f"user-x,,,true,{pattern * (length // len(pattern))}".encode()
        package = {**PACKAGE, "users.csv": header + b"\r\n" + body}
        least = float("inf")
        for _ in range(3):
            start = time.process_time()
            with contextlib.suppress(errors.InputError):
                everything(opened(package))
            least = min(least, time.process_time() - start)
        return least

    # A quadratic reader would take 64 times as long for 8 times the text.
    assert cost(400_000) < 24 * cost(50_000) + 0.05

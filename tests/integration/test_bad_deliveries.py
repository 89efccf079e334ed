"""Deliveries that are wrong, at a daemon that runs: each is told in one clear line, and what was
served before is still served.
"""

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import processes

Files = dict[str, bytes]


@dataclass
class Site:
    """A demo, its source folder, and the good delivery that lies there between tests."""

    demo: processes.Demo
    source: Path
    good: Files

    def bring(self, files: Mapping[str, bytes]) -> None:
        """Replace what lies there."""
        for old in self.source.iterdir():
            if old.name not in files:
                old.unlink()
        for name, content in files.items():
            if name not in {each.name for each in self.source.iterdir()} or (
                (self.source / name).read_bytes() != content
            ):
                (self.source / name).write_bytes(content)

    def after(self, known: int) -> dict[str, Any]:
        """The newest import, once there are more than were `known`."""

        def newer() -> dict[str, Any] | None:
            imports = self.demo.imports()
            return imports[0] if len(imports) > known else None

        return self.demo.process.until(newer, "the delivery is read")

    def refused(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """What became of a delivery that has to be refused, as `rosterd roster imports` tells it."""
        before = len(self.demo.imports())
        self.bring(files)
        imported = self.after(before)
        assert imported["state"] == "refused", imported
        assert imported["generation"] is None
        listed = self.demo.run("roster", "imports")
        assert listed.status == 0
        assert "refused" in listed.words
        assert " ".join(imported["problem"].split()) in listed.words
        assert len(imported["problem"].splitlines()) == 1
        return imported

    def served(self) -> bytes:
        """All that `everything` gets, as bytes."""
        vendor = self.demo.application("everything")
        return json.dumps(vendor.everything(), sort_keys=True).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bad")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as demo:
        good = {file.name: file.read_bytes() for file in roster.iterdir()}
        yield Site(demo, demo.folder / "roster", good)


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Whatever a test brings, what was served before it is served after it."""
    before = running.served()
    yield running
    assert running.served() == before
    assert running.demo.status()["silent"] == []
    imports = running.demo.imports()
    if imports[0]["state"] == "refused":
        running.bring(running.good)
        assert running.after(len(imports))["state"] == "unchanged"


def changed(files: Files, name: str, column: str, value: str, *, row: int = 0) -> Files:
    """The same files with one cell changed; an empty `value` with `row` -1 removes the column."""
    reader = csv.DictReader(io.StringIO(files[name].decode(), newline=""))
    rows = list(reader)
    columns = list(reader.fieldnames or ())
    if row < 0:
        columns.remove(column)
    else:
        rows[row][column] = value
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return {**files, name: out.getvalue().encode()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def problems(imported: Mapping[str, Any]) -> str:
    return json.dumps(imported["report"])


def test_a_missing_column_is_named_with_its_file(site: Site) -> None:
    imported = site.refused(changed(site.good, "users.csv", "givenName", "", row=-1))

    assert "users.csv" in imported["problem"] + problems(imported)
    assert "givenName" in imported["problem"] + problems(imported)


def test_another_encoding_than_utf_8_is_told_with_its_place(site: Site) -> None:
    told = changed(site.good, "users.csv", "givenName", "Zoë", row=4)
    told["users.csv"] = told["users.csv"].decode().encode("latin-1", "replace")

    imported = site.refused(told)

    assert "UTF-8" in imported["problem"] + problems(imported)
    assert "users.csv" in imported["problem"] + problems(imported)
    assert "Zo" not in imported["problem"] + problems(imported)


def test_a_file_that_the_manifest_promises_and_that_is_not_there_is_named(site: Site) -> None:
    imported = site.refused({k: v for k, v in site.good.items() if k != "enrollments.csv"})

    assert "enrollments.csv" in imported["problem"] + problems(imported)


@pytest.mark.parametrize("part", [0.3, 0.999])
def test_a_zip_that_was_cut_off_is_refused(site: Site, part: float) -> None:
    whole = zipped(site.good)

    imported = site.refused({"export.zip": whole[: int(len(whole) * part)]})

    assert "the zip is damaged, cut off, or no zip at all" in imported["problem"]


def test_a_zip_bomb_is_refused_and_leaves_nothing(site: Site) -> None:
    bomb = zipped({**site.good, "users.csv": site.good["users.csv"] + b" " * (64 * 2**20)})
    assert len(bomb) < 2**20

    imported = site.refused({"export.zip": bomb})

    assert "times its size" in imported["problem"]
    generations = site.demo.folder / "state" / "generations"
    assert not [each.name for each in generations.iterdir() if each.name.startswith(".")]


def test_a_zip_that_leads_out_of_its_folder_is_refused(site: Site) -> None:
    imported = site.refused({"export.zip": zipped({**site.good, "../../escaped.csv": b"x"})})

    assert "no plain file name" in imported["problem"]
    assert not list(site.demo.folder.rglob("escaped.csv"))


def test_a_file_without_even_a_header_takes_nobody_away(site: Site) -> None:
    imported = site.refused({**site.good, "users.csv": b""})

    assert "users.csv" in imported["problem"] + problems(imported)


def test_wrong_references_are_counted_and_cost_only_their_rows(running: Site) -> None:
    """Not refused: the row that leads nowhere is dropped, and told by file and line."""
    site = running
    before = site.demo.status()["served"]["counts"]
    known = len(site.demo.imports())
    site.bring(changed(site.good, "enrollments.csv", "userSourcedId", "nobody", row=2))
    imported = site.after(known)
    listed = site.demo.run("roster", "imports", "--limit", "1")
    counts = site.demo.status()["served"]["counts"]
    site.bring(site.good)
    site.after(known + 1)

    assert imported["state"] == "imported"
    assert imported["errors"] == 1
    (problem,) = imported["report"]["problems"]
    assert (problem["path"], problem["line"]) == ("enrollments.csv", 4)
    assert "nobody" not in json.dumps(imported)
    assert "student-system" in listed.words
    assert counts == {**before, "enrollments": before["enrollments"] - 1}
    assert site.demo.status()["served"]["counts"] == before


SETTLE = 1.0
"""Seconds; what the demo's source says."""


def upload(path: Path, whole: bytes) -> float:
    """Write a file in packets, at an uploader's pace; gives the longest pause in seconds."""
    packet, last, longest = len(whole) // 24 + 1, time.monotonic(), 0.0
    path.write_bytes(b"")
    for start in range(0, len(whole), packet):
        time.sleep(SETTLE / 8)  # no wait for anything: an upload takes its time
        with path.open("ab") as file:
            file.write(whole[start : start + packet])
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


def test_a_folder_is_read_only_when_nothing_moves_any_more(running: Site) -> None:
    """An upload that takes three times as long as the source's `settle`, and never rests as long."""
    site, name = running, "demographics.csv"
    counts = site.demo.status()["served"]["counts"]
    whole = changed(site.good, name, "cityOfBirth", "Elsewhere")[name]

    for _ in range(5):
        known = len(site.demo.imports())
        longest = upload(site.source / name, whole)
        imported = site.after(known)
        if longest < SETTLE:
            break
        # This machine stood still for so long that half a file had settled: no fault of anybody.
        site.bring(site.good)
        site.demo.until(lambda status: status["served"]["counts"] == counts, "all is as it was")
        site.demo.process.until(lambda: site.demo.imports()[0]["state"] != "refused", "and read")
    else:
        pytest.skip("this machine is too busy for anything that has to do with pace")

    assert len(site.demo.imports()) == known + 1
    assert imported["state"] == "imported"
    assert (imported["changed"], imported["removed"], imported["errors"]) == (1, 0, 0)
    site.bring(site.good)
    assert site.after(known + 1)["changed"] == 1

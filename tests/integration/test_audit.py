"""What an auditor gets to see: a daemon whose day is on record, asked while it runs and afterwards."""

import base64
import contextlib
import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import apsw
import pytest

from rosterd import chain, cli
from rosterd.auditing import reports
from tests.integration import demo_repository, processes

AUTHOR = '=HYPERLINK("https://evil.example")'
MESSAGE = "Share with nothing\n\nReviewed-by: <script>alert(1)</script>\x1b[2J"


@dataclass(frozen=True)
class Day:
    """A daemon's day, after it ended: its files, and what was seen while it ran."""

    demo: processes.Demo
    commit: str
    secret: str
    log: processes.Done
    verified: processes.Done
    asked: processes.Done
    """As `verified`, by somebody who may ask the daemon and not read its files."""
    shown_status: str
    status: dict[str, Any]
    answer: dict[str, Any]
    journal: str

    @property
    def store(self) -> Path:
        return self.demo.folder / "state" / "state.db"

    def audit(self, *words: str | Path, store: Path | None = None) -> processes.Done:
        """A command on a store's file; in this process, for there are many."""
        return here("audit", *words, "--store", store or self.store)

    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.log.out)["records"]
        return found[::-1]


def here(*words: str | Path) -> processes.Done:
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["rosterd", *map(str, words)])
        patch.setenv("COLUMNS", "300")
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return processes.Done(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("audit")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as demo:
        demo.until_applied()
        repository = demo_repository.Repository.of(demo)
        repository.set_access("nothing", "full")
        commit = repository.commit(MESSAGE, GIT_COMMITTER_NAME=AUTHOR)
        repository.push()
        repository.approve(commit)
        demo.until_applied(commit)
        shown = demo.run("app", "credentials", "nothing", "--json")
        assert demo.run("export", "run", "everything").status == 0
    with processes.serve(demo.settings, demo.socket) as daemon:
        status = daemon.until_applied(commit)
        answer = processes.ask_socket(demo.socket, "/v1/records?after=1&limit=1")
        log = demo.run("audit", "log", "--json", "--limit", "1000")
        verified = demo.run("audit", "verify")
        shown_status = demo.run("status").words
        with pytest.MonkeyPatch.context() as patch:  # root may read anything
            patch.setattr(os, "access", lambda path, _: Path(path).name != "state.db")
            asked = here("audit", "verify", "--settings", demo.settings)
    secret = json.loads(shown.out)["credentials"][0]["secret"]
    journal = daemon.process.output
    return Day(demo, commit, secret, log, verified, asked, shown_status, status, answer, journal)


@pytest.fixture
def copy(day: Day, tmp_path: Path) -> Path:
    """An auditor's copy of the store."""
    return Path(shutil.copy(day.store, tmp_path / "copy.db"))


def edit(store: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    """As somebody with the file and no scruples would: without the triggers."""
    connection = apsw.Connection(str(store))
    for trigger in ("records_stay", "records_remain", "records_follow", "changes_stay"):
        connection.execute(f"DROP TRIGGER {trigger}").fetchall()
    for statement in statements:
        connection.execute(statement, values if "?" in statement else ()).fetchall()
    connection.close()


def of_kind(day: Day, kind: str) -> list[dict[str, Any]]:
    return [each["entry"] for each in day.records() if each["kind"] == kind]


def test_a_day_is_on_record_from_the_keys_to_the_delivery_by_hand(day: Day) -> None:
    keys, *_ = of_kind(day, "keys")
    pinned, *_, former, applied = of_kind(day, "applied")
    revealed = of_kind(day, "revealed")[-1]
    run = of_kind(day, "export-run")[-1]
    made = {each["application"] for each in of_kind(day, "credentials")}

    assert day.log.status == 0, day.log.err
    assert len(keys["people"]) == 2
    assert keys["rule"]["people"] == 2
    assert pinned["from"] is None
    assert "pinned" in pinned["proven"]
    assert (applied["commit"], applied["from"]) == (day.commit, former["commit"])
    assert applied["people"] == sorted(keys["people"])
    assert "two people's keys" in applied["proven"]
    assert [each["path"] for each in applied["paths"]] == ["permissions/nothing.yaml"]
    assert applied["claimed"][0]["committer"].startswith("=HYPERLINK")
    assert applied["trigger"] in {"poll", "file event", "operator"}
    (exposure,) = applied["planned"]["exposure"]
    assert exposure["application"] == "nothing"
    assert exposure["collections"]["users"]["gained"] > 0
    assert revealed["subject"] == "nothing"
    assert "uid" in revealed["actor"]
    assert (run["subject"], run["application"]) == ("everything", "everything")
    assert {"everything", "nothing"} <= made


def test_neither_secrets_nor_pupils_are_on_record(day: Day) -> None:
    users = processes.district(day.demo.folder.parent / "again") / "users.csv"
    rows = list(csv.DictReader(io.StringIO(users.read_text(encoding="utf-8"))))
    content = day.store.read_bytes() + day.audit("export", "--format", "json").out.encode()
    log = day.log.out

    assert day.secret.encode() not in content
    assert day.secret not in log
    for row in rows:
        assert row["sourcedId"] not in log
        assert f'"{row["familyName"]}"' not in log


def test_the_head_is_in_the_status_in_the_journal_and_in_the_report(day: Day) -> None:
    last = day.records()[-1]
    report = json.loads(day.demo.run("audit", "export", "--format", "json").out)

    assert f"audit record {last['number']}, head {last['head']}" in day.shown_status
    assert day.status["audit"] == {"number": last["number"], "head": last["head"]}
    assert f"audit number={last['number']} kind=keys head={last['head']}" in day.journal
    assert report["heads"]["newest"] == {"number": last["number"], "head": last["head"]}


def test_the_daemon_hands_out_records_byte_for_byte(day: Day) -> None:
    (record,) = day.answer["records"]

    assert record["number"] == 2
    assert sha256(base64.b64decode(record["entry"])).hexdigest() == record["head"]


def test_a_log_is_filtered_by_kind_application_and_time(day: Day, copy: Path) -> None:
    def numbers(*words: str) -> list[int]:
        done = day.audit("log", "--json", *words, store=copy)
        assert done.status == 0, done.err
        return [each["number"] for each in json.loads(done.out)["records"]]

    kinds = {each["number"]: each["kind"] for each in day.records()}
    everything = numbers()

    assert everything == sorted(kinds, reverse=True)
    assert {kinds[number] for number in numbers("--kind", "keys", "--kind", "revealed")} == {
        "keys",
        "revealed",
    }
    assert numbers("--limit", "2") == everything[:2]
    assert max(kinds) == len(kinds)
    assert {kinds[number] for number in numbers("--application", "nothing")} == {
        "applied",
        "credentials",
        "revealed",
    }
    assert numbers("--until", "2020-01-01") == []
    assert numbers("--since", "2020-01-01") == everything
    assert day.audit("log", "--kind", "gossip", store=copy).status == 2
    assert day.audit("log", "--since", "tomorrow", store=copy).status == 2


def test_a_record_is_found_by_number_head_and_commit(day: Day, copy: Path) -> None:
    record = next(each for each in day.records() if each["entry"].get("commit") == day.commit)
    said = [
        day.audit("show", name, store=copy)
        for name in (str(record["number"]), record["head"][:20], day.commit[:12])
    ]

    assert {done.status for done in said} == {0}
    assert len({done.out for done in said}) == 1
    assert "~ Permission nothing" in said[0].out
    assert "nothing: began" in said[0].words
    assert "permissions/nothing.yaml:" in said[0].words
    assert "\x1b" not in said[0].out
    assert day.audit("show", "999", store=copy).status == 1
    assert "audit log" in day.audit("show", "ffffffffffff", store=copy).err


def test_an_untouched_chain_is_proven_beside_the_daemon_and_from_a_copy(
    day: Day, copy: Path
) -> None:
    copied = day.audit("verify", "--json", store=copy)
    found = json.loads(copied.out)

    assert day.verified.status == copied.status == 0
    assert "a chain written anew" in day.verified.words
    assert found["holding"] == len(day.records())
    assert found["head"] == day.records()[-1]["head"]
    assert found["unseen"]
    assert day.asked.status == 0
    assert "the daemon was asked, not the file" in day.asked.words
    assert list(copy.parent.iterdir()) == [copy]  # nothing is left beside an auditor's file


def test_a_head_that_was_kept_proves_what_lies_before_it(day: Day, copy: Path) -> None:
    kept = day.records()[2]
    fine = day.audit("verify", "--head", kept["head"], "--number", "3", store=copy)
    other = day.audit("verify", "--head", kept["head"], "--number", "2", store=copy)
    foreign = day.audit("verify", "--head", f"sha256:{'0' * 64}", store=copy)

    assert (fine.status, other.status, foreign.status) == (0, 1, 1)
    assert "the head you kept is record 3" in fine.words
    assert "the head you kept is older" in fine.words
    assert "is that of record 3, not of 2" in other.words
    assert "does not contain the head" in foreign.words
    assert day.audit("verify", "--number", "2", store=copy).status == 2
    assert day.audit("verify", "--head", "sha256:abc", store=copy).status == 2


def test_a_cut_tail_is_only_found_with_a_head(day: Day, copy: Path) -> None:
    last = day.records()[-1]
    edit(copy, "DELETE FROM records WHERE number = (SELECT max(number) FROM records)")

    without = day.audit("verify", store=copy)
    assert without.status == 0
    assert "not seen: records cut off the end" in without.words
    assert day.audit("verify", "--head", last["head"], store=copy).status == 1


@pytest.mark.parametrize(
    "statement, number, says",
    [
        (
            "UPDATE records SET entry=CAST(replace(entry, 'by two people', 'by six people') AS BLOB)",
            None,
            "does not have the digest",
        ),
        ("UPDATE records SET kind='secret' WHERE number=2", 2, "its row says kind secret"),
        ("UPDATE records SET time='2020-01-01T00:00:00.000000Z' WHERE number=3", 3, "its row says"),
        ("UPDATE records SET time='yesterday' WHERE number=3", 3, "its row says"),
        ("UPDATE records SET number=number+100 WHERE number=4", 4, "has to be"),
        ("UPDATE records SET entry=x'ff' WHERE number=4", 4, "does not have the digest"),
        ("DELETE FROM records WHERE number=3", 3, "number 4 stands where number 3 has to be"),
    ],
)  # fmt: skip
def test_an_edited_store_is_found_and_the_record_is_named(
    day: Day, copy: Path, statement: str, number: int | None, says: str
) -> None:
    edit(copy, "PRAGMA foreign_keys=OFF", statement)
    if number is None:
        number = next(
            each["number"]
            for each in day.records()
            if "two people" in each["entry"].get("proven", "")
        )
    done = day.audit("verify", "--json", store=copy)
    found = json.loads(done.out)
    report = day.audit("export", "--format", "html", store=copy)

    assert (done.status, found["bad"]) == (1, number), done.words
    assert says in found["problems"][0]
    assert report.status == 1
    assert "chain of records is broken" in report.out
    assert day.audit("log", store=copy).status == 0


@pytest.mark.parametrize(
    "statement, says",
    [
        ("UPDATE changes SET people='[\"mallory\"]' WHERE number=2", "name another people"),
        ("UPDATE changes SET \"commit\"='ff' WHERE number=1", "name another commit"),
        (
            "UPDATE documents SET content=CAST(content || x'0a' AS BLOB)",
            "documents in the store are not those",
        ),
    ],
)
def test_a_store_that_does_not_agree_with_its_records_is_found(
    day: Day, copy: Path, statement: str, says: str
) -> None:
    edit(copy, statement)
    done = day.audit("verify", store=copy)

    assert done.status == 1
    assert says in done.words


class _Looked(HTMLParser):
    """Whatever in a page would run or be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            if name in {"src", "href", "action", "data"} and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")


def test_a_report_is_one_page_in_which_nothing_runs(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = day.audit("export", "--format", "html", "--output", path)
    page = path.read_text(encoding="utf-8")
    looked = _Looked()
    looked.feed(page)

    assert done.status == 0, done.err
    assert looked.fetched == looked.handlers == []
    assert "script" not in looked.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert day.commit in page
    assert day.records()[-1]["head"] in page
    assert "Applied changes" in page
    assert "Deliveries by hand" in page


def test_a_report_as_csv_runs_nothing_in_a_spreadsheet(day: Day, copy: Path) -> None:
    edit(copy, "UPDATE records SET entry=?, head='x' WHERE number=1", values=(
        json.dumps({"v": 2, "kind": "keys", "actor": '=cmd|"/c calc"!A0', "subject": "@x"}).encode(),
    ))  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(day.audit("export", "--format", "csv", store=copy).out)))

    assert [int(row["number"]) for row in rows] == [each["number"] for each in day.records()]
    assert rows[0]["actor"] == '\'=cmd|"/c calc"!A0'
    assert rows[0]["subject"] == "'@x"


def test_a_report_has_the_period_that_was_asked_for(day: Day, copy: Path) -> None:
    records = day.records()
    middle = records[2]["entry"]["time"]
    done = day.audit("export", "--format", "json", "--from", middle, store=copy)
    report = json.loads(done.out)
    numbers = [each["number"] for section in report["sections"].values() for each in section]
    empty = day.audit("export", "--to", "2020-01-01", store=copy)

    assert sorted(numbers) == [
        each["number"] for each in records if each["entry"]["time"] >= middle
    ]
    assert report["heads"]["before"]["number"] == min(numbers) - 1
    assert "Nothing is on record" in empty.out
    assert day.audit("export", "--from", "2030-01-01", store=copy).status == 2


def test_without_a_daemon_and_without_a_store_it_is_said_what_is_missing(tmp_path: Path) -> None:
    done = here("audit", "log", "--store", tmp_path / "none.db")

    assert done.status == 1
    assert "no such file" in done.words


DOC = (Path(__file__).resolve().parents[2] / "docs" / "auditing.md").read_text(encoding="utf-8")


def test_every_kind_of_record_is_told_to_auditors() -> None:
    told = [line.split("`")[1] for line in DOC.splitlines() if line.startswith("| `")]

    assert sorted(told) == sorted(chain.KINDS)
    placed = [kind for _, kinds in reports.SECTIONS.values() for kind in kinds]
    assert sorted(placed) == sorted(chain.KINDS), "each in one section of a report"


@pytest.mark.parametrize(
    "damage, status",
    [
        (None, 0),
        ("UPDATE records SET entry=CAST(replace(entry, 'people', 'peoples') AS BLOB)", 1),
        ("DELETE FROM records WHERE number=3", 1),
    ],
)
def test_the_page_says_how_to_verify_without_rosterd(
    day: Day, copy: Path, damage: str | None, status: int
) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    if damage is not None:
        edit(copy, "PRAGMA foreign_keys=OFF", damage)
    done = subprocess.run(["sh", "-ec", block], cwd=copy.parent, capture_output=True, check=False)
    heads = copy.with_name("heads").read_text(encoding="ascii")

    assert done.returncode == status, done.stderr
    assert day.records()[-1]["head"].removeprefix("sha256:") in heads


def test_a_copy_that_nobody_may_write_to_is_read(day: Day, copy: Path) -> None:
    copy.chmod(stat.S_IRUSR)
    copy.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert day.audit("verify", store=copy).status == 0
    finally:
        copy.parent.chmod(stat.S_IRWXU)

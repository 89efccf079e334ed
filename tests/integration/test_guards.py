"""What the guards hold, and how people let it go: in the demo's repository, with its two people,
its vendors and its daemon as a process.

Each test begins and ends with a branch whose newest commit is served, and with nobody held.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import demo_repository, processes, rosters_on_disk

USERS = f"{processes.ROSTERING}/users?limit=1000&sort=sourcedId"
ENROLLMENTS = f"{processes.ROSTERING}/enrollments?limit=1000&sort=sourcedId"
READING = "permissions/reading-river.yaml"
REST = ("rest: {enabled: false}", "rest: {enabled: true}")
ONE_SCHOOL = {"orgs": "[school-02]", "courses": "all"}


@dataclass
class Guarded:
    """A demo that serves, and its repository."""

    demo: processes.Demo
    repository: demo_repository.Repository

    def publish(self, message: str, *, approved: bool = True) -> str:
        """Commit all there is, have the second person vouch for it, push."""
        commit = self.repository.commit(message)
        if approved:
            self.repository.approve(commit)
        self.repository.push()
        return commit

    def applied(self, message: str, *, approved: bool = True) -> str:
        commit = self.publish(message, approved=approved)
        self.demo.until_applied(commit)
        return commit

    def refused(self, commit: str, reason: str) -> str:
        """The message with which this commit waits."""
        status = self.demo.until(
            lambda status: (
                status["repository"]["fetched"] == commit
                and _guard(status)["reason"] == reason
                and _guard(status)["status"] == "no"
            ),
            f"{commit} waits: {reason}",
        )
        message: str = _guard(status)["message"]
        return message

    def vendor(self, name: str) -> processes.Vendor:
        vendor = self.demo.application(name)
        assert vendor.sign_in().status == 200
        return vendor

    def held(self) -> dict[str, dict[str, Any]]:
        return {each["application"]: each for each in self.demo.status()["guards"]["holds"]}

    def until_held(self, *names: str) -> dict[str, dict[str, Any]]:
        self.demo.until(
            lambda status: (
                {each["application"] for each in status["guards"]["holds"]} == set(names)
            ),
            f"held are exactly {names}",
        )
        return self.held()

    def release(self, text: str) -> str:
        """Commit what the status says, in the place of what stands there."""
        path = "rosterd.yaml"
        now = (self.repository.work / path).read_text(encoding="utf-8")
        now = re.sub(r"^release:\n(?:  .*\n)*", "", now, flags=re.MULTILINE)
        self.repository.write(path, now + text)
        return self.applied("Let it go: we looked at it")

    def records(self) -> list[str]:
        answer = processes.ask_socket(self.demo.socket, "/v1/records?limit=1000")
        return [each["kind"] for each in answer["records"]]


def _guard(status: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in status["conditions"] if each["type"] == "Guarded"]
    return dict(found)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guards")
    roster = processes.district(folder / "district", users=120)
    with processes.demo(folder / "demo", "--roster", roster) as demo:
        guarded = Guarded(demo, demo_repository.Repository.of(demo))
        repository = guarded.repository
        limit = "{count: 2, percent: 10}"
        text = (repository.work / "rosterd.yaml").read_text(encoding="utf-8")
        text = re.sub(r"^  (gained|lost): .*$", rf"  \1: {limit}", text, flags=re.MULTILINE)
        repository.write("rosterd.yaml", text)
        repository.replace("applications/reading-river.yaml", *REST)
        repository.set_access("nothing", "basic", **ONE_SCHOOL)
        guarded.applied("Guard closely, and share one school with nothing")
        yield guarded


@pytest.fixture
def guarded(running: Guarded) -> Iterator[Guarded]:
    running.demo.until_applied(running.repository.published())
    assert running.held() == {}
    yield running
    running.demo.until_applied(running.repository.published())
    assert running.held() == {}


def test_a_beginning_that_a_document_states_is_not_held(guarded: Guarded) -> None:
    assert int(guarded.vendor("nothing").get(USERS).headers["x-total-count"]) > 2


def test_a_selection_that_shows_one_vendor_more_is_held_for_that_vendor_alone(
    guarded: Guarded,
) -> None:
    river, galaxy = guarded.vendor("reading-river"), guarded.vendor("math-galaxy")
    before, revision = river.get(USERS), river.get(USERS).headers["x-perm-rev"]
    guarded.repository.replace(READING, "orgs: [school-01, school-02]", "orgs: all")
    guarded.repository.replace(
        "permissions/math-galaxy.yaml", "users.sms, users.identifier", "users.sms"
    )
    guarded.applied("All schools read; Galaxy sees the numbers of pupils")

    (hold,) = guarded.until_held("reading-river").values()
    status = guarded.demo.run("status")

    assert status.status == 1
    assert "Held: reading-river is served as before" in status.words
    assert hold["release"].splitlines()[1].strip() in status.out
    assert hold["cause"] == "documents"
    assert {each["collection"] for each in hold["collections"] if each["over"]} >= {"enrollments"}
    held = river.get(USERS)
    assert (held.body, held.headers["x-perm-rev"]) == (before.body, revision)
    moved = galaxy.get(USERS)
    assert any("identifier" in each for each in moved.json()["users"]), "the others move on"
    assert hold["release"].splitlines()[0] == "release:"

    guarded.release(hold["release"])

    assert guarded.until_held() == {}
    now = river.get(USERS)
    assert int(now.headers["x-total-count"]) > int(before.headers["x-total-count"])
    assert {"held", "released"} <= set(guarded.records())


def started(folder: Path, log: str, *words: str | Path) -> processes.Demo:
    """A demo that nobody asks to end well."""
    process = processes.Process.start(
        folder.with_name(log),
        *("demo", "--directory", folder, "--port", "0", "--console-port", "0", *words),
    )
    process.until(lambda: processes.SERVES in process.output, "the demo serves")
    told = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    return processes.Demo(process, folder / "rosterd.toml", folder / "control.sock", folder, told)


def test_a_hold_outlives_a_daemon_that_is_killed_and_ends_when_it_is_taken_back(
    tmp_path: Path,
) -> None:
    roster = processes.district(tmp_path / "district", users=120)
    demo = started(tmp_path / "demo", "first.log", "--roster", roster)
    try:
        guarded = Guarded(demo, demo_repository.Repository.of(demo))
        repository = guarded.repository
        text = (repository.work / "rosterd.yaml").read_text(encoding="utf-8")
        text = re.sub(
            r"^  gained: .*$", "  gained: {count: 2, percent: 5}", text, flags=re.MULTILINE
        )
        repository.write("rosterd.yaml", text)
        repository.replace("applications/reading-river.yaml", *REST)
        guarded.applied("Guard closely")
        river = guarded.vendor("reading-river")
        before = river.get(USERS)
        repository.replace(READING, "orgs: [school-01, school-02]", "orgs: all")
        guarded.applied("All schools read")
        (hold,) = guarded.until_held("reading-river").values()
        # an unrelated commit, so that what it is kept at is not the commit applied before
        repository.replace("applications/math-galaxy.yaml", "title: ", "title: New ")
        guarded.applied("A new title")
    finally:
        demo.process.kill()

    revived = started(tmp_path / "demo", "again.log")
    try:
        guarded = Guarded(revived, repository)
        (kept,) = guarded.until_held("reading-river").values()
        assert kept == hold
        river = guarded.vendor("reading-river")
        assert _bare(river.get(USERS)) == _bare(before)

        repository.replace(READING, "orgs: all", "orgs: [school-01, school-02]")
        guarded.applied("Only the pilot reads")
        assert guarded.until_held() == {}
        assert _bare(river.get(USERS)) == _bare(before)
        assert revived.process.stop() == 0
    finally:
        revived.process.kill()


def _bare(answer: processes.Answer) -> tuple[bytes, str]:
    """Without the port, which is another after a restart."""
    body = re.sub(rb"127\.0\.0\.1:\d+", b"host", answer.body)
    return body, answer.headers["x-perm-rev"]


def test_an_import_that_loses_half_a_school_is_held_for_those_who_lose_by_it(
    guarded: Guarded,
) -> None:
    demo = guarded.demo
    folder = demo.folder / "roster"
    river, nothing = guarded.vendor("reading-river"), guarded.vendor("nothing")
    before = river.get(ENROLLMENTS)
    pupil = nothing.get(USERS).json()["users"][0]["sourcedId"]
    generation = demo.status()["served"]["generation"]
    lines = {name: (folder / name).read_bytes() for name in ("enrollments.csv", "users.csv")}

    rosters_on_disk.rewritten(
        folder / "enrollments.csv",
        lambda number, row: None if row["schoolSourcedId"] == "school-01" and number % 2 else row,
    )
    rosters_on_disk.rewritten(
        folder / "users.csv",
        lambda _, row: {**row, "middleName": "Q"} if row["sourcedId"] == pupil else row,
    )
    demo.until(lambda status: status["served"]["generation"] > generation, "it is imported")

    held = guarded.held()
    assert "reading-river" in held
    assert "nothing" not in held
    assert held["reading-river"]["cause"] == "roster"
    assert held["reading-river"]["generation"] == generation
    assert river.get(ENROLLMENTS).body == before.body
    moved = {each["sourcedId"]: each for each in nothing.get(USERS).json()["users"]}
    assert moved[pupil]["middleName"] == "Q", "who loses nothing moves on"

    # What a commit says of a held application goes on, on the roster that it is kept at.
    guarded.repository.replace(READING, "users.agents]", "users.agents, enrollments.primary]")
    guarded.applied("Who is first is nobody's business", approved=True)
    narrowed = river.get(ENROLLMENTS)
    assert narrowed.headers["x-total-count"] == before.headers["x-total-count"]
    assert not any("primary" in each for each in narrowed.json()["enrollments"])

    # each hold has a change of its own
    entries = [each["release"].partition("\n")[2] for each in guarded.held().values()]
    guarded.release("release:\n" + "".join(entries))
    assert guarded.until_held() == {}
    now = river.get(f"{ENROLLMENTS}&filter=status='active'")
    assert int(now.headers["x-total-count"]) < int(before.headers["x-total-count"])
    for name, content in lines.items():
        assert (folder / name).read_bytes() != content


def test_a_block_stops_one_application_at_once_and_survives_a_commit(guarded: Guarded) -> None:
    demo = guarded.demo
    galaxy, river = guarded.vendor("math-galaxy"), guarded.vendor("reading-river")

    done = demo.run("app", "block", "math-galaxy", "--reason", "its vendor was broken into")

    assert done.status == 0, done.words
    assert galaxy.get(USERS).status in {401, 403}
    refused = galaxy.sign_in()
    assert (refused.status, refused.json()["error"]) == (400, "unauthorized_client")
    assert "broken" not in refused.json()["error_description"], "why is for operators"
    assert river.get(USERS).status == 200
    (block,) = demo.status()["guards"]["blocks"]
    assert (block["application"], block["reason"], block["drift"]) == (
        "math-galaxy",
        "its vendor was broken into",
        True,
    )
    assert "uid" in block["actor"]
    assert any("math-galaxy is blocked" in line for line in demo.status()["warnings"])
    assert demo.run("app", "block", "math-galaxy", "--reason", "again").status == 1
    assert demo.run("app", "block", "math-galaxy").status == 2

    guarded.repository.replace("applications/math-galaxy.yaml", "title: ", "title: Another ")
    guarded.applied("A title changes nothing about that")
    assert galaxy.sign_in().status == 400

    assert demo.run("app", "unblock", "math-galaxy", "--reason", "all is well").status == 0
    assert demo.run("app", "unblock", "math-galaxy", "--reason", "again").status == 1
    assert galaxy.sign_in().status == 200
    assert galaxy.get(USERS).status == 200
    assert demo.status()["guards"]["blocks"] == []
    assert {"blocked", "unblocked"} <= set(guarded.records())


def test_while_suspended_nothing_is_applied_or_exported_but_what_takes_away(
    guarded: Guarded,
) -> None:
    demo, repository = guarded.demo, guarded.repository
    text = (repository.work / "rosterd.yaml").read_text(encoding="utf-8")
    said = "suspended: {reason: the student system is being moved, since: 2026-01-05}\n"
    repository.write("rosterd.yaml", text + said)
    guarded.applied("Wait until the student system has moved")
    deliveries = _stamps(demo)

    refused = demo.run("export", "run", "everything")
    assert refused.status == 1
    assert "suspended" in refused.words
    assert _stamps(demo) == deliveries
    assert "suspended for" in " ".join(demo.status()["warnings"])
    assert "Applying and exporting are suspended since 2026-01-05" in demo.run("status").words

    repository.replace("permissions/library-lane.yaml", "[users.grades]", "[users.phone]")
    waiting = guarded.publish("Lane sees grades")
    assert "the student system is being moved" in guarded.refused(waiting, "Suspended")
    repository.replace(
        "permissions/library-lane.yaml", "[users.phone]", "[users.grades, users.phone]"
    )
    guarded.applied("Lane sees less")

    repository.write("rosterd.yaml", text)
    guarded.applied("The student system has moved")
    assert demo.status()["guards"]["suspended"] is None
    assert demo.run("export", "run", "everything").status == 0
    assert _stamps(demo) != deliveries


def _stamps(demo: processes.Demo) -> dict[str, int]:
    """Two deliveries of one minute have one name."""
    return {each.name: each.stat().st_mtime_ns for each in demo.deliveries()}


def test_a_rename_keeps_key_and_token_and_what_the_vendor_holds(guarded: Guarded) -> None:
    demo, repository = guarded.demo, guarded.repository
    galaxy = guarded.vendor("math-galaxy")
    before = galaxy.get(USERS)
    for folder in ("applications", "permissions"):
        path = repository.work / folder / "math-galaxy.yaml"
        text = path.read_text(encoding="utf-8")
        for field in ("name", "application"):
            text = text.replace(f"\n{field}: math-galaxy\n", f"\n{field}: galaxy\n")
        path.unlink()
        repository.write(f"{folder}/galaxy.yaml", f"{text}previously: math-galaxy\n")

    guarded.applied("Math Galaxy is called Galaxy now")

    after = galaxy.get(USERS)
    assert after.status == 200, "its token goes on"
    assert (after.body, after.headers["x-perm-rev"]) == (before.body, before.headers["x-perm-rev"])
    assert galaxy.sign_in().status == 200, "its key goes on"
    named = demo.vendor(galaxy.base, "galaxy")
    assert (named.key, named.secret) == (galaxy.key, galaxy.secret)


def test_to_remove_many_applications_takes_a_release_in_the_same_commit(guarded: Guarded) -> None:
    """The last one: these applications do not come back."""
    demo, repository = guarded.demo, guarded.repository
    served = demo.status()["served"]["commit"]
    before = {each["name"] for each in _applications(demo)}
    protected = {
        path.stem
        for path in (repository.work / "applications").iterdir()
        if "protected: true" in path.read_text(encoding="utf-8")
    }
    gone = sorted(before - protected - {"everything", "nothing", "reading-river", "galaxy"})[:5]
    assert len(gone) * 5 >= len(before) * 2, "40 % at least"
    for name in gone:
        for folder in ("applications", "permissions", "sftp-targets"):
            (repository.work / folder / f"{name}.yaml").unlink(missing_ok=True)

    commit = guarded.publish("A glob went wrong")
    message = guarded.refused(commit, "Held")

    assert f"5 of {len(before)} applications" in message
    assert demo.status()["served"]["commit"] == served
    assert {each["name"] for each in _applications(demo)} == before
    release = message[message.index("release:\n") :]
    assert "lose: 10" in release

    guarded.release(release)

    assert {each["name"] for each in _applications(demo)} == before - set(gone)


def _applications(demo: processes.Demo) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = processes.ask_socket(demo.socket, "/v1/applications")[
        "applications"
    ]
    return found

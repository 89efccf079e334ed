"""A whole day of a district, in one story: two people, a forge's buttons, vendors, an operator and an
auditor, each only through what they would use themselves.

It is one test because it is one day: the auditor's report at its end tells of everything before.
"""

import json
import os
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.integration import demo_repository, processes, rosters_on_disk

USERS = f"{processes.ROSTERING}/users?limit=5000&sort=sourcedId"
HARBOR = "permissions/nothing.yaml"
GALAXY = "permissions/math-galaxy.yaml"
LEAVING = ("code-camp", "counsel-corner", "library-lane", "lunch-line", "music-studio")
EMPTIED = "school-02"


@dataclass
class Day:
    """The demo, its repository, and what is remembered from one hour to the next."""

    demo: processes.Demo
    repository: demo_repository.Repository
    heads: list[tuple[int, str]] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)
    served: set[str] = field(default_factory=set)
    requests: int = 0
    began: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    noon: str = ""

    @property
    def people(self) -> tuple[str, str]:
        author, reviewer = (
            self.demo.told["people"][who]["email"] for who in ("author", "reviewer")
        )
        return author, reviewer

    def vendor(self, name: str) -> processes.Vendor:
        vendor = self.demo.application(name)
        assert vendor.sign_in().status == 200
        return vendor

    def run(self, *words: str | Path, status: int = 0) -> processes.Done:
        done = self.demo.run(*words)
        assert done.status == status, done.words
        return done

    def branch(self, name: str, message: str) -> str:
        """Commit what was changed on a branch of its own and open a request; gives its tip."""
        self.repository.git("checkout", "-q", "-B", name)
        tip = self.repository.commit(message)
        self.requests += 1
        self.repository.git("push", "-q", "origin", f"HEAD:refs/pull/{self.requests}/head")
        return tip

    def squash(self, name: str, what: str) -> str:
        """The forge's button: one new unsigned commit on main, by somebody whom nobody lists."""
        base = self.repository.published()
        self.repository.reset(base)
        self.repository.git("merge", "-q", "--squash", name)
        message = f"{what} (#{self.requests})"
        commit = self.repository.commit(message, signed=False, **demo_repository.STRANGER)
        self.repository.push()
        self.commits[what] = commit
        return commit

    def merged(self, what: str) -> str:
        """A branch, a request, an approval, a squash: applied. The change is in the folder."""
        base = self.repository.published()
        self.branch("topic", what)
        self.repository.approve(f"{base}..topic")
        commit = self.squash("topic", what)
        self.until_applied(commit)
        return commit

    def until_applied(self, commit: str) -> dict[str, Any]:
        status = self.demo.until_applied(commit)
        self.served.add(commit)
        return status

    def planned(self, tip: str) -> dict[str, Any]:
        """The open request with this head, once the daemon has planned it."""

        def found(status: dict[str, Any]) -> list[dict[str, Any]]:
            return [
                each
                for each in status["requests"]["open"]
                if each["head"] == tip and each["state"] == "valid"
            ]

        (one,) = found(self.demo.until(found, f"the request of {tip} is planned"))
        return one

    def held(self, *names: str) -> None:
        self.demo.until(
            lambda status: (
                {each["application"] for each in status["guards"]["holds"]} == set(names)
            ),
            f"held are exactly {names}",
        )

    def release_as_printed(self) -> None:
        """Copy the YAML that `rosterd status` prints into rosterd.yaml, in the place of a former."""
        printed = release_of(self.run("status", status=1).out)
        path = "rosterd.yaml"
        text = (self.repository.work / path).read_text(encoding="utf-8")
        text = re.sub(r"^release:\n(?:  .*\n)*", "", text, flags=re.MULTILINE)
        self.repository.write(path, text + printed)


def release_of(shown: str) -> str:
    """The document that stands in what a command printed, as a person would copy it."""
    (found,) = re.findall(r"^( *release:\n(?:(?: *#| *- | {4}).*\n)+)", shown, flags=re.MULTILINE)
    return textwrap.dedent(str(found))


class Told(HTMLParser):
    """What a person reads on a page: its text, and each section's under its heading."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {"": []}
        self._heading: list[str] | None = None
        self._at = ""
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in {"style", "title"} or (self._silent and tag != "body")
        if tag == "h2":
            self._heading = []

    def handle_endtag(self, tag: str) -> None:
        self._silent = self._silent and tag not in {"style", "title"}
        if tag == "h2" and self._heading is not None:
            self._at = " ".join("".join(self._heading).split())
            self.sections[self._at], self._heading = [], None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._heading is not None:
            self._heading.append(data)
        else:
            self.sections[self._at].append(data)

    def text(self, heading: str) -> str:
        return " ".join(" ".join(self.sections[heading]).split())


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    roster = processes.district(tmp_path / "district", users=300)
    with processes.demo(tmp_path / "demo", "--roster", roster) as demo:
        demo.until_applied()
        yield Day(demo, demo_repository.Repository.of(demo))


def test_a_day_from_the_morning_to_the_auditor(day: Day, tmp_path: Path) -> None:
    keep_the_head(day)
    two_people_a_branch_and_a_button(day)
    the_same_without_an_approval(day)
    forty_percent_of_the_applications_go(day)
    a_selection_doubles_what_one_vendor_sees(day)
    an_import_empties_a_school(day)
    an_application_is_blocked_and_let_go(day)
    keep_the_head(day)
    the_auditor_proves_the_chain(day)
    the_auditor_reads_the_report(day, tmp_path)
    the_auditor_asks_who_saw_and_received(day)


def keep_the_head(day: Day) -> None:
    audit = day.demo.status()["audit"]
    day.heads.append((audit["number"], audit["head"]))


def two_people_a_branch_and_a_button(day: Day) -> None:
    """Homework Harbor gets one school. Its plan is the same wherever one asks."""
    repository, what = day.repository, "Share one school with Homework Harbor"
    base = repository.head
    assert day.demo.application("nothing").sign_in().status == 400
    repository.set_access("nothing", "basic", orgs="[school-01]", courses="all")
    tip = day.branch("harbor", what)

    shown = day.run("plan", "-C", repository.work, "--to", tip)
    asked = day.planned(tip)
    own = json.loads(day.run("plan", "-C", repository.work, "--json").out)

    assert "Permission nothing" in shown.words
    assert "nothing: begins" in shown.words
    assert asked["people"] == [day.people[0]]
    assert asked["live"], "a listed person signed it"
    assert "widening" in asked["warnings"]
    assert asked["digest"] == own["digest"]
    repository.approve(f"{base}..{tip}")
    passes = len(day.demo.status()["history"])
    commit = day.squash("harbor", what)

    status = day.until_applied(commit)

    assert {each["reason"] for each in status["history"][: len(status["history"]) - passes]} <= {
        "Applied"
    }, "it was applied by the first pass that saw it"
    assert sorted(status["served"]["people"]) == sorted(day.people)
    assert total(day.vendor("nothing").get(USERS)) > 0
    later = datetime.now(UTC) + timedelta(seconds=1)  # an auditor asks in whole seconds
    day.noon = later.isoformat(timespec="seconds").replace("+00:00", "Z")


def the_same_without_an_approval(day: Day) -> None:
    """The button alone vouches for nobody; who is missing is told, and what waits stays out."""
    repository, what = day.repository, "Let Galaxy see the numbers of pupils"
    base = repository.head
    galaxy = day.vendor("math-galaxy")
    before = galaxy.get(USERS)
    repository.replace(GALAXY, "users.sms, users.identifier", "users.sms")
    day.branch("galaxy", what)
    commit = day.squash("galaxy", what)
    day.demo.until(
        lambda status: (
            status["repository"]["fetched"] == commit and status["repository"]["state"] == "waiting"
        ),
        "the change waits",
    )

    status = day.run("status", status=1)
    review = day.run("review", status=1)

    assert day.demo.status()["served"]["commit"] == base
    assert galaxy.get(USERS).body == before.body
    (row,) = [line.split() for line in status.out.splitlines() if line.startswith(GALAXY)]
    assert row[1:] == ["2", "nobody"], "the squash lost the author's signature"
    assert f"rosterd approve {commit[:12]}" in status.words
    for person in day.people:
        assert person in review.words
    assert "2 more people" in review.words
    repository.approve(commit)
    day.demo.run("reconcile")
    assert f"one more person: {day.people[0]}" in day.run("review", status=1).words
    repository.approve("galaxy", "author")
    day.until_applied(commit)
    assert any("identifier" in each for each in galaxy.get(USERS).json()["users"])


def forty_percent_of_the_applications_go(day: Day) -> None:
    """A deleted folder waits as a whole, until the document that the hold prints is committed."""
    demo, repository, what = day.demo, day.repository, "Five contracts have ended"
    applications = {each["name"] for each in listed(day)}
    assert len(LEAVING) / len(applications) >= 0.4
    camp = day.vendor("code-camp")
    for name in LEAVING:
        for folder in ("applications", "permissions", "sftp-targets"):
            (repository.work / folder / f"{name}.yaml").unlink(missing_ok=True)
    base = repository.published()
    day.branch("ended", what)
    repository.approve(f"{base}..ended")
    commit = day.squash("ended", what)
    status = demo.until(
        lambda status: (
            status["repository"]["fetched"] == commit and guarded(status)["reason"] == "Held"
        ),
        "the deletion is held",
    )

    assert status["served"]["commit"] == base
    assert f"{len(LEAVING)} of {len(applications)} applications" in guarded(status)["message"]
    assert {each["name"] for each in listed(day)} == applications
    assert camp.get(USERS).status == 200

    day.release_as_printed()
    day.merged("Yes, all five of them")

    assert {each["name"] for each in listed(day)} == applications - set(LEAVING)
    assert camp.sign_in().status in {400, 401}
    assert camp.get(USERS).status == 401


def a_selection_doubles_what_one_vendor_sees(day: Day) -> None:
    """Homework Harbor would see all schools: it stays as it was, everybody else moves on."""
    demo, repository = day.demo, day.repository
    harbor, galaxy = day.vendor("nothing"), day.vendor("math-galaxy")
    everything = day.vendor("everything")
    before = [harbor.get(USERS), galaxy.get(USERS), everything.get(USERS)]
    repository.replace(HARBOR, "orgs: [school-01]", "orgs: all")
    repository.replace(GALAXY, "withhold: [users.phone", "withhold: [users.email, users.phone")
    day.merged("All schools for Harbor; no addresses for Galaxy")
    day.held("nothing")

    after = [harbor.get(USERS), galaxy.get(USERS), everything.get(USERS)]
    assert same(after[0], before[0]), "the held vendor gets the same bytes"
    assert not same(after[1], before[1]), "who is not held moves on"
    assert not any("email" in each for each in after[1].json()["users"])
    assert same(after[2], before[2]), "nothing was changed for this one"
    status = day.run("status", status=1)
    assert "1 application is held: nothing" in status.words
    assert "Held: nothing is served as before" in status.words
    (row,) = [each for each in listed(day) if each["name"] == "nothing"]
    assert any(each.startswith("held since") for each in row["warnings"])

    day.release_as_printed()
    day.merged("Harbor is meant to see all schools")

    day.held()
    assert total(harbor.get(USERS)) >= 2 * total(before[0])
    assert guarded(demo.status())["message"] == ""


def an_import_empties_a_school(day: Day) -> None:
    """A delivery without a school's lessons is not even imported until an operator lets it go; then
    it moves nobody who would lose by it. The next one, whole again, ends every hold by itself.
    """
    demo, folder = day.demo, day.demo.folder / "roster"
    path = folder / "enrollments.csv"
    warehouse = day.vendor("everything")
    before = warehouse.get(USERS)
    whole, generation = path.read_bytes(), demo.status()["served"]["generation"]
    rosters_on_disk.rewritten(
        path, lambda _, row: None if row["schoolSourcedId"] == EMPTIED else row
    )
    demo.until(lambda status: status["sources"][0]["state"] == "held", "the import is held")
    assert demo.status()["served"]["generation"] == generation
    (release,) = re.findall(r"`rosterd (roster release \w+)", day.run("status").words)
    key = demo.told["people"]["reviewer"]["signing_key"]
    day.run(*release.split(), "--reason", "that school's system is being replaced", "--key", key)
    status = demo.until(
        lambda status: status["served"]["generation"] > generation and status["guards"]["holds"],
        "the poor delivery is imported, and held for whoever would lose by it",
    )

    held = {each["application"]: each for each in status["guards"]["holds"]}
    assert "everything" in held
    assert "science-lab" not in held, "it is at another school"
    assert {each["cause"] for each in held.values()} == {"roster"}
    assert same(warehouse.get(USERS), before)
    shown = day.run("status", status=1)
    document = release_of(shown.out)
    assert document.count("change: sha256:") == len(held), "one document for all that are held"
    for name in held:
        assert name in shown.words

    rosters_on_disk.put(path, whole)
    day.held()

    assert warehouse.get(USERS).body == before.body
    day.run("status")


def an_application_is_blocked_and_let_go(day: Day) -> None:
    galaxy = day.vendor("math-galaxy")
    day.run("app", "block", "math-galaxy", "--reason", "its vendor was broken into")
    assert galaxy.get(USERS).status in {401, 403}
    assert galaxy.sign_in().status == 400
    assert "its vendor was broken into" in day.run("status").words
    day.run("app", "unblock", "math-galaxy", "--reason", "its vendor has new keys")
    assert galaxy.sign_in().status == 200


# ---------------------------------------------------------------- the auditor


def the_auditor_proves_the_chain(day: Day) -> None:
    """With the head of the morning the day is proven to go on from it; another head is refused."""
    for number, head in day.heads:
        proven = day.run("audit", "verify", "--head", head, "--number", str(number))
        assert proven.out.startswith("fine: records 1 to ")
        newest = (number, head) == day.heads[-1]
        assert (f"changed between {number + 1} and" in proven.words) != newest
    false = "sha256:" + "0" * 64
    day.run("audit", "verify", "--head", false, status=1)


def the_auditor_reads_the_report(day: Day, tmp_path: Path) -> None:
    """The page tells each event of the day with its people, and how it lies in the chain."""
    page, today = tmp_path / "day.html", datetime.now(UTC).date().isoformat()
    words = ("--from", day.began, "--to", today, "--output", page)
    day.run("audit", "export", "--format", "html", *words)
    told = Told()
    told.feed(page.read_text(encoding="utf-8"))
    applied, held = told.text("Applied changes"), told.text("Held back and released")

    for what, commit in day.commits.items():
        if commit in day.served:
            assert commit in applied, what
    for person in day.people:
        assert person in applied
    assert "Merge Button" in applied, "who pressed the button is claimed, not proven"
    for name in LEAVING:
        assert name in applied
    assert "nothing" in held
    assert "everything" in held
    stops = told.text("Emergency stops")
    assert "its vendor was broken into" in stops
    assert "its vendor has new keys" in stops
    assert f"uid {os.getuid()}" in stops, "under the name of whoever did it"
    everything = told.text("")
    assert "The chain of records holds" in everything
    assert day.heads[-1][1] in " ".join(told.text(each) for each in told.sections)


def the_auditor_asks_who_saw_and_received(day: Day) -> None:
    """What an application could see at noon, and who received one pupil's records."""
    harbor = day.vendor("nothing")
    pupil = harbor.get(f"{processes.ROSTERING}/schools/school-01/students?limit=1").json()
    (found,) = pupil["users"]
    now = json.loads(day.run("audit", "view", "nothing", "--json").out)
    first = json.loads(day.run("audit", "view", "nothing", "--at", day.noon, "--json").out)
    gone = json.loads(day.run("audit", "view", "library-lane", "--json").out)
    words = ("audit", "student", "-", "--json", "--settings", day.demo.settings)
    asked = processes.command(*words, given=found["sourcedId"])
    answer = json.loads(asked.out)

    assert now["commit"] == day.commits["Harbor is meant to see all schools"]
    assert now["records"]["users"] >= 2 * first["records"]["users"] > 0
    assert first["commit"] == day.commits["Share one school with Homework Harbor"]
    assert gone["refusal"]
    received = {each["application"] for each in answer["applications"] if each["did_receive"]}
    assert {"nothing", "everything"} <= received
    assert "science-lab" not in received
    for commit, people in answer["commits"].items():
        assert sorted(people) in ([], sorted(day.people)), commit
    assert found["sourcedId"] not in day.run("audit", "log", "--json", "--limit", "1000").out


# ---------------------------------------------------------------- small questions


def same(one: processes.Answer, other: processes.Answer) -> bool:
    return (one.status, one.body, one.headers.get("x-perm-rev")) == (
        other.status,
        other.body,
        other.headers.get("x-perm-rev"),
    )


def total(answer: processes.Answer) -> int:
    return int(answer.headers["x-total-count"])


def guarded(status: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in status["conditions"] if each["type"] == "Guarded"]
    return dict(found)


def listed(day: Day) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(day.run("app", "list", "--json").out)["applications"]
    return found

"""What an operator does, row by row of the design's table: each is done with the command or on the
console of a running demo, and its effect is looked for where it counts: at the vendor, in what was
delivered, in the mail, on record.

The rows of the console of a commercial roster server, and at the end what none of them has.
"""

import asyncio
import csv
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import (
    demo_repository,
    processes,
    test_commands,
    test_mail,
    test_notified_daemon,
)

USERS = f"{processes.ROSTERING}/users"
NAMED = "Quillfeather"


class Site:
    """A demo, the clone of its author, and one person who is called as nobody else is."""

    def __init__(self, demo: processes.Demo, person: str) -> None:
        self.demo = demo
        self.repository = demo_repository.Repository.of(demo)
        self.work = self.repository.work
        self.person = person

    def run(self, *words: str | Path, status: int = 0) -> str:
        """What a command prints that asks the demo and ends as it should."""
        done = test_commands.run(*words, "--settings", self.demo.settings)
        assert done.status == status, done
        return done.out

    def told(self, *words: str | Path, status: int = 0) -> dict[str, Any]:
        """The same for programs."""
        found: dict[str, Any] = json.loads(self.run(*words, "--json", status=status))
        return found

    def prepared(self, *words: str | Path) -> list[str]:
        """The git commands that a command prints which writes into the clone."""
        done = test_commands.run(*words, "--repository", self.work, "--json")
        assert done.status == 0, done
        commands: list[str] = json.loads(done.out)["commands"]
        return commands

    def page(self, path: str) -> str:
        """A page of the console as an operator sees it."""
        headers = {"Authorization": f"Bearer {self.demo.told['console_token']}"}
        answer = processes.ask(f"{self.demo.told['console']}{path}", headers=headers)
        assert answer.status == 200, answer
        return answer.body.decode()

    def applied(self, message: str, *, approved: bool = True) -> None:
        """What is in the clone is committed by the author, vouched for, and served."""
        commit = self.repository.commit(message)
        if approved:
            self.repository.approve()
        self.repository.push()
        self.demo.until_applied(commit)

    def audited(self, kind: str, subject: str) -> int:
        found = self.told("audit", "log", "--kind", kind, "--limit", "1000")["records"]
        return sum(each["entry"]["subject"] == subject for each in found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("operators")
    roster = processes.district(folder / "roster")
    person = test_commands._changed(roster / "users.csv", "familyName", NAMED)
    with processes.demo(folder / "demo", "--roster", roster) as running:
        yield Site(running, person["sourcedId"])


def _ids(records: list[dict[str, Any]]) -> set[str]:
    return {each["sourcedId"] for each in records}


# ------------------------------------------------------------ Applications page


def test_the_list_of_applications_shows_use_access_with_counts_and_development(site: Site) -> None:
    given = {name: site.demo.application(name) for name in ("everything", "math-galaxy")}
    counts = {
        name: {
            each: len(vendor.walk(f"{processes.ROSTERING}/{each}")) for each in ("orgs", "courses")
        }
        for name, vendor in given.items()
    }

    def used() -> dict[str, Any] | None:
        listed = {each["name"]: each for each in site.told("app", "list")["applications"]}
        return listed if all(listed[name]["last"].get("rest") for name in given) else None

    listed = processes.until(used, "both requests are in the list")

    assert listed["everything"]["last"]["rest"]["status"] == "200"
    assert listed["everything"]["last"]["sftp"]["status"] == "delivered"
    for kind in ("orgs", "courses"):
        everything = listed["everything"][kind]
        assert everything == {"level": "FULL ACCESS", "count": counts["everything"][kind]}
        assert listed["nothing"][kind] == {"level": "NO ACCESS", "count": 0}
    courses = listed["math-galaxy"]["courses"]
    assert courses == {"level": "LIMITED ACCESS", "count": counts["math-galaxy"]["courses"]}
    assert [name for name, each in listed.items() if each["development"]] == ["science-lab"]
    table, page = site.run("app", "list"), site.page("/")
    assert "Science Lab DEV" in table
    for words in (table, page):
        for level in ("NO ACCESS", "LIMITED ACCESS", "FULL ACCESS"):
            assert level in words
    assert "DEV" in page
    assert "Math Galaxy" in page


# ------------------------------------------------------------ Add application


def test_an_application_is_added_from_the_catalogue_and_a_commit_makes_it_true(site: Site) -> None:
    assert "Science Lab" not in site.run("app", "search", "science", status=1)
    assert "Science Lab DEV" in site.run("app", "search", "science", "--development")
    assert "History Trail" in site.page("/add?q=milestone")

    commands = site.prepared("app", "add", "history-trail", "--name", "trail")

    assert any(each.startswith("git commit -S") for each in commands)
    site.run("app", "show", "trail", status=1)  # written is not yet true
    site.applied("Add trail")
    shown = site.told("app", "show", "trail")
    assert (shown["enabled"], shown["refusal"]) == (False, "its permission says access: none")
    path = "applications/trail.yaml"
    site.repository.replace(path, "enabled: false", "enabled: true")
    site.repository.set_access("trail", "basic", orgs="all", courses="all")
    site.applied("Enable trail")
    vendor = site.demo.vendor(site.demo.told["api"], "trail")
    assert vendor.sign_in().status == 200
    assert len(vendor.walk(USERS)) == site.told("app", "show", "trail")["counts"]["users"] > 0


# ------------------------------------------------------------ Permissions


def test_permissions_are_none_basic_full_and_can_be_copied(site: Site) -> None:
    vendor = site.demo.application("nothing")
    assert vendor.sign_in().json()["error"] == "unauthorized_client"
    given = site.demo.application("counsel-corner").walk(USERS)

    site.prepared("app", "copy-permission", "counsel-corner", "nothing")
    preview = site.told("app", "preview", site.work / "permissions" / "nothing.yaml")
    site.applied("Give nothing the rules of counsel-corner")

    assert vendor.sign_in().status == 200
    copied = vendor.walk(USERS)
    assert _ids(copied) == _ids(given)
    assert [set(each) for each in copied] == [set(each) for each in given]
    assert preview["counts"]["users"] == len(copied)

    site.repository.set_access("nothing", "full")
    site.applied("Share everything")
    vendor.sign_in()
    everything = site.demo.application("everything")
    assert _ids(vendor.walk(USERS)) == _ids(everything.walk(USERS))

    site.repository.set_access("nothing", "none")
    site.applied("Share nothing", approved=False)  # taking away needs one person
    assert vendor.get(USERS).status == 401
    assert vendor.sign_in().json()["error"] == "unauthorized_client"

    picked = site.told("select", "courses", "subjects~'math'")
    rules = {"orgs": "all", "courses": "{where: \"subjects~'math'\"}"}
    site.repository.set_access("nothing", "basic", **rules)
    site.applied("Share mathematics")
    vendor.sign_in()
    courses = vendor.walk(f"{processes.ROSTERING}/courses")
    active = [each for each in courses if each["status"] == "active"]
    assert len(active) == picked["count"] > 0
    assert {each["status"] for each in courses} == {"active", "tobedeleted"}  # it held all of them


# ------------------------------------------------------------ Find


def test_a_class_or_user_is_found_within_what_an_application_sees(site: Site) -> None:
    held = _ids(site.demo.application("counsel-corner").walk(USERS))
    for user in site.demo.application("everything").walk(USERS):
        name, sees = user["sourcedId"], user["sourcedId"] in held
        found = site.told("find", name, "--application", "counsel-corner", status=0 if sees else 1)
        assert (name in {each["id"] for each in found["hits"]}) == sees
        if len(held) < 5:
            break
    (hit,) = site.told("find", NAMED)["hits"]
    assert hit["id"] == site.person
    assert ("counsel-corner" in hit["applications"]) == (site.person in held)
    klass = site.demo.application("counsel-corner").walk(f"{processes.ROSTERING}/classes")[0]
    hits = site.told("find", klass["sourcedId"], "--application", "counsel-corner")["hits"]
    assert klass["title"] in {each["name"] for each in hits}
    assert 'name="text"' in site.page("/find")


# ------------------------------------------------------------ Run sanity check


def test_a_sanity_check_finds_what_the_roster_lacks(site: Site) -> None:
    check = ("sanity", "everything", "--check", "students-without-grades")
    (before,) = site.told(*check)["findings"]
    assert before["count"] == 0
    path = site.demo.folder / "roster" / "users.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    student = next(each for each in rows if each["sourcedId"].startswith("student"))
    student["grades"] = ""
    test_commands._written(path, rows)

    def run() -> dict[str, Any] | None:
        done = test_commands.run(*check, "--json", "--settings", site.demo.settings)
        (finding,) = json.loads(done.out)["findings"]
        return {**finding, "status": done.status} if finding["count"] else None

    found = processes.until(run, "the check finds the student")

    assert (found["count"], found["sample"], found["status"]) == (1, [student["sourcedId"]], 1)
    assert found["difference"] == 1
    assert "students-without-grades" in site.run(*check, status=1)
    assert "Sanity" in site.page("/applications/everything")


# ------------------------------------------------------------ API key and secret


def test_key_and_secret_are_shown_on_record_and_raising_key_makes_the_next_pair(
    site: Site,
) -> None:
    before = site.audited("revealed", "math-galaxy")
    (pair,) = site.told("app", "credentials", "math-galaxy")["credentials"]
    assert site.audited("revealed", "math-galaxy") == before + 1
    former = processes.Vendor(site.demo.told["api"], pair["key"], pair["secret"])
    assert former.sign_in().status == 200

    site.repository.replace("applications/math-galaxy.yaml", "key: 1", "key: 2")
    site.applied("Give Math Galaxy a new key")

    pairs = site.told("app", "credentials", "math-galaxy")["credentials"]
    assert len({each["secret"] for each in pairs}) == 2
    assert [each["retires"] is not None for each in pairs].count(True) == 1
    for each in pairs:  # the former one works for as long as `overlap` says
        vendor = processes.Vendor(site.demo.told["api"], each["key"], each["secret"])
        assert vendor.sign_in().status == 200
    wrong = processes.Vendor(site.demo.told["api"], pairs[0]["key"], pairs[1]["secret"])
    assert wrong.sign_in().status == 401


# ------------------------------------------------------------ SFTP settings, test connection


def test_a_connection_is_tested_and_files_arrive_as_the_document_says(site: Site) -> None:
    folder = Path(site.demo.told["sftp"]["deliveries"])
    before = {each.name for each in folder.iterdir()}
    shown = site.told("app", "show", "everything")["targets"]
    assert [(each["name"], each["template"], each["mode"]) for each in shown] == [
        ("everything", "oneroster-1.2", "bulk")
    ]

    tested = site.told("sftp", "test", "everything")

    assert "removed it" in tested["steps"]
    assert {each.name for each in folder.iterdir()} == before
    sent = site.told("export", "run", "everything")
    assert sent["state"] == "delivered"
    content = (folder / sent["file"]).read_bytes()
    assert len(content) == sent["bytes"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read("users.csv").decode()
    assert _ids(list(csv.DictReader(io.StringIO(text)))) == _ids(
        site.demo.application("everything").walk(USERS)
    )
    newest = site.told("export", "list")["exports"][0]
    assert (newest["state"], newest["file"]) == ("delivered", sent["file"])
    site.run("sftp", "test", "lunch-line", status=1)  # its password was never set


# ------------------------------------------------------------ Email developer


async def test_a_developer_gets_a_letter_whose_link_shows_the_credentials_once(
    site: Site, tmp_path: Path
) -> None:
    inbox = test_mail.Inbox()
    async with test_mail.listening(inbox) as server:
        await asyncio.to_thread(_written_to, site, tmp_path, inbox, server.port)


def _written_to(site: Site, tmp_path: Path, inbox: test_mail.Inbox, port: int) -> None:
    settings = test_notified_daemon.follower(site.demo, tmp_path / "other", port)
    assert processes.command("trust", site.repository.head, "--settings", settings).status == 0
    with processes.serve(settings, settings.parent / "control.sock") as daemon:
        daemon.until_applied()
        preview = test_commands.run(
            "app", "email", "counsel-corner", "--preview", "--settings", settings
        )
        assert (preview.status, inbox.mails) == (0, []), preview
        sent = test_commands.run("app", "email", "counsel-corner", "--settings", settings)
        assert sent.status == 0, sent
        (mail,) = inbox.mails
        text = mail.get_content()
        assert str(mail["To"]) in sent.out
        link = re.search(r"http://\S+/reveal/\S+", text)
        assert link is not None
        button = processes.ask(link[0]).body.decode()
        shown = processes.ask(link[0], method="POST").body.decode()
        pair = json.loads(
            test_commands.run(
                "app", "credentials", "counsel-corner", "--json", "--settings", settings
            ).out
        )["credentials"][-1]
        assert pair["secret"] in shown
        assert pair["secret"] not in text + button
        assert pair["secret"] not in processes.ask(link[0], method="POST").body.decode()
        log = test_commands.run("audit", "log", "--settings", settings).words
        assert "mailed" in log
        assert "revealed" in log


# ------------------------------------------------------------ Remove


def test_removing_the_documents_ends_access_at_the_next_reconcile(site: Site) -> None:
    vendor = site.demo.application("family-messenger")
    assert vendor.sign_in().status == 200
    assert vendor.get(USERS).status == 200

    commands = site.prepared("app", "remove", "family-messenger")
    assert vendor.get(USERS).status == 200  # not before a commit says so
    assert any("family-messenger" in each for each in commands)
    site.applied("Remove family-messenger", approved=False)

    assert vendor.get(USERS).status == 401
    assert vendor.sign_in().status in {400, 401}
    listed = site.told("app", "list")["applications"]
    assert "family-messenger" not in {each["name"] for each in listed}
    site.run("app", "show", "family-messenger", status=1)


# ------------------------------------------------------------ what none of them has


def test_a_change_is_planned_approved_explained_audited_and_stopped_without_git(
    site: Site,
) -> None:
    name = "code-camp"
    explain = ("explain", name, "users", site.person)
    site.run(*explain, status=1)
    site.repository.set_access(name, "full")
    commit = site.repository.commit("Share everything with the camp")

    plan = site.told("plan", "-C", site.work)
    assert "full-access" in {each["name"] for each in plan["warnings"]}
    site.repository.push()
    site.demo.until(
        lambda status: (
            status["repository"]["missing"] and status["repository"]["fetched"] == commit
        ),
        "the change waits for a second person",
    )
    site.run("status", status=1)
    site.repository.approve()
    site.demo.until_applied(commit)

    assert "sees" in site.run(*explain)
    vendor = site.demo.application(name)
    assert vendor.sign_in().status == 200
    assert vendor.get(f"{USERS}/{site.person}").status == 200
    student = site.told("audit", "student", site.person)
    (camp,) = [each for each in student["applications"] if each["application"] == name]
    assert camp["could_see"]
    assert camp["did_receive"]
    assert site.run("audit", "verify").startswith("fine: ")

    head = site.repository.published()
    site.run("app", "block", name, "--reason", "a breach at the vendor")
    assert vendor.get(USERS).status in {401, 403}
    assert site.repository.published() == head
    assert site.audited("blocked", name) == 1
    site.run("app", "unblock", name, "--reason", "it was none")
    assert vendor.sign_in().status == 200
    subprocess.run(["git", "-C", site.work, "diff", "--quiet"], check=True)

"""`rosterd demo` as its users meet it: the files it promises, two applications that see two things,
and a delivery that says what the pages say."""

import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import comparing, processes


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    """One demo of the invented district for all tests here, which change nothing in it."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    with processes.demo(folder) as running:
        yield running


def test_demo_json_tells_programs_all_they_need(demo: processes.Demo) -> None:
    told = demo.told

    assert told.keys() == {
        "api", "token_url", "console", "console_token", "repository", "branch", "applications",
        "people", "sftp", "settings",
    }  # fmt: skip
    assert stat.S_IMODE((demo.folder / "demo.json").stat().st_mode) == 0o600
    assert told["token_url"].startswith(told["api"])
    assert told["branch"] == "main"
    assert Path(told["settings"]).is_file()
    assert {"everything", "nothing", "math-galaxy"} <= told["applications"].keys()
    assert all(
        re.fullmatch("[A-Za-z0-9_-]{16,}", text)
        for pair in told["applications"].values()
        for text in (pair["key"], pair["secret"])
    )
    assert told["people"].keys() == {"author", "reviewer"}
    for person in told["people"].values():
        assert person.keys() == {"name", "email", "signing_key"}
        assert stat.S_IMODE(Path(person["signing_key"]).stat().st_mode) == 0o600
    assert told["sftp"].keys() == {"host", "port", "deliveries"}


def test_the_repository_in_demo_json_is_bare_and_has_the_branch(demo: processes.Demo) -> None:
    listed = subprocess.run(
        ["git", "--git-dir", demo.told["repository"], "rev-parse", "--is-bare-repository", "main"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert listed[0] == "true"
    assert demo.status()["served"]["commit"] == listed[1]


def test_nobody_else_on_the_machine_can_read_the_demo(demo: processes.Demo) -> None:
    assert stat.S_IMODE(demo.folder.stat().st_mode) == 0o700


def test_what_was_served_first_was_vouched_for_by_two_people(demo: processes.Demo) -> None:
    status = demo.run("status")

    assert status.status == 0, status.words
    people = demo.told["people"]
    assert f"two people's keys ({people['author']['email']}, {people['reviewer']['email']})" in (
        status.words
    )


@pytest.mark.parametrize("base", [processes.ROSTERING, processes.OLDER])
def test_key_and_secret_get_a_token_and_pages_of_users(demo: processes.Demo, base: str) -> None:
    vendor = demo.application("everything")
    assert vendor.sign_in().status == 200

    answer = vendor.get(f"{base}/users?limit=7")

    assert answer.status == 200
    users = answer.json()["users"]
    assert len(users) == 7
    assert int(answer.headers["x-total-count"]) == demo.status()["served"]["counts"]["users"]
    assert all(user["status"] == "active" for user in users)


def test_curl_as_the_tour_prints_it_works(demo: processes.Demo) -> None:
    pair = demo.told["applications"]["everything"]
    tour = demo.process.output
    script = "\n".join(
        line
        for line in tour.partition("as a vendor gets it")[2].partition("A change,")[0].splitlines()
        if line.strip()
    ).replace("KEY:SECRET", f"{pair['key']}:{pair['secret']}")

    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=False, timeout=30
    )

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["users"]) == 2


def test_another_application_gets_what_its_permission_says(demo: processes.Demo) -> None:
    """math-galaxy: mathematics of all schools, its people, two kinds of staff without lessons."""
    everything = demo.application("everything").everything()
    given = demo.application("math-galaxy").everything("demographics")

    ids = {name: {record["sourcedId"] for record in records} for name, records in given.items()}
    courses = {
        course["sourcedId"]
        for course in everything["courses"]
        if any("math" in subject.casefold() for subject in course.get("subjects", ()))
    }
    schools = {org["sourcedId"] for org in everything["orgs"] if org["type"] == "school"}
    classes = {
        each["sourcedId"]
        for each in everything["classes"]
        if each["course"]["sourcedId"] in courses and each["school"]["sourcedId"] in schools
    }
    enrollments = [
        each for each in everything["enrollments"] if each["class"]["sourcedId"] in classes
    ]
    staff = {
        user["sourcedId"]
        for user in everything["users"]
        for role in user["roles"]
        if role["role"] in {"siteAdministrator", "principal"}
        and role["org"]["sourcedId"] in schools
    }
    assert ids["classes"] == classes
    assert ids["enrollments"] == {each["sourcedId"] for each in enrollments}
    assert ids["users"] == staff | {each["user"]["sourcedId"] for each in enrollments}
    assert ids["courses"] <= courses
    assert 0 < len(ids["users"]) < len(everything["users"])
    for user in given["users"]:
        assert not user.keys() & {"phone", "sms", "identifier"}
        assert len(user["familyName"].rstrip(".")) == 1


def test_the_console_counts_what_the_pages_hold(demo: processes.Demo) -> None:
    listed = demo.run("app", "list", "--json")

    counted = {each["name"]: each["counts"] for each in json.loads(listed.out)["applications"]}
    for name in ("math-galaxy", "family-messenger"):
        vendor = demo.application(name)
        assert vendor.sign_in().status == 200
        for collection in ("users", "classes", "enrollments"):
            path = f"{processes.ROSTERING}/{collection}?limit=1"
            total = int(vendor.get(path).headers["x-total-count"])
            assert total == counted[name][collection] > 0


def test_demographics_that_are_not_shared_are_refused(demo: processes.Demo) -> None:
    vendor = demo.application("math-galaxy")
    assert vendor.sign_in().status == 200

    assert vendor.get(f"{processes.ROSTERING}/demographics").status == 403


def test_an_application_that_was_granted_nothing_gets_no_token(demo: processes.Demo) -> None:
    answer = demo.application("nothing").sign_in()

    assert answer.status == 400
    assert answer.json()["error"] == "unauthorized_client"


def test_a_wrong_secret_and_no_token_get_nothing(demo: processes.Demo) -> None:
    vendor = demo.application("everything")
    vendor.secret = vendor.secret[::-1]

    assert vendor.sign_in().status == 401
    assert vendor.get(f"{processes.ROSTERING}/users").status == 401


def test_the_delivered_zip_holds_what_the_pages_hold(demo: processes.Demo) -> None:
    (package,) = demo.deliveries()

    delivered = comparing.delivered(package)
    served = comparing.served(demo.application("everything").everything())

    assert comparing.differences(delivered, served) == []
    assert all(delivered[name] for name in processes.COLLECTIONS)


def test_nobody_of_the_roster_is_in_the_log(demo: processes.Demo) -> None:
    users = demo.application("everything").walk(f"{processes.ROSTERING}/users")
    log = demo.process.output

    assert not [user["sourcedId"] for user in users if user["sourcedId"] in log]
    assert not [user["username"] for user in users if user["username"] in log]


def test_once_delivers_ends_well_and_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    roster = processes.district(tmp_path / "district")

    once = processes.demo_once(folder, "--roster", roster)
    first = json.loads((folder / "demo.json").read_text())
    packages = set(Path(first["sftp"]["deliveries"]).glob("*.zip"))
    with processes.demo(folder) as running:
        again = running.told
        commit = running.status()["served"]["commit"]
        served = comparing.served(running.application("everything").everything())

    assert once.status == 0, once.words
    assert len(packages) == 1
    for same in ("applications", "people", "repository", "console_token", "settings", "sftp"):
        assert _known(again[same]) == _known(first[same]), same
    assert commit in _commits(Path(first["repository"]))
    assert comparing.differences(comparing.delivered(packages.pop()), served) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")

    done = processes.demo_once(tmp_path)

    assert done.status == 1
    assert "cannot make a demo" in done.err
    assert "Traceback" not in done.err
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_port_that_is_taken_is_told_in_one_line(demo: processes.Demo, tmp_path: Path) -> None:
    taken = demo.told["api"].rpartition(":")[2]

    done = processes.command(
        *("demo", "--directory", tmp_path / "second", "--port", taken, "--console-port", "0"),
        *("--roster", processes.district(tmp_path / "district")),
    )

    assert done.status == 1
    assert "cannot listen" in done.err
    assert "Traceback" not in done.err


def _known(told: Any) -> Any:
    return (
        {name: each for name, each in told.items() if name != "port"}
        if (isinstance(told, dict))
        else told
    )


def _commits(repository: Path) -> list[str]:
    return subprocess.run(
        ["git", "--git-dir", str(repository), "rev-list", "main"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

"""A permission changes by reviewed commits: in the demo's repository, with its own two people.

Each test begins and ends with a branch whose newest commit is served.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import demo_repository, processes

USERS = f"{processes.ROSTERING}/users?limit=1"
NOTHING = "permissions/nothing.yaml"
MATH = "permissions/math-galaxy.yaml"
LUNCH = "permissions/lunch-line.yaml"


@dataclass(frozen=True)
class Review:
    """A demo that serves, and its repository."""

    demo: processes.Demo
    repository: demo_repository.Repository

    def state(self) -> tuple[str, str]:
        status = self.demo.status()
        return status["repository"]["state"], status["served"]["commit"]

    def until_judged(self, commit: str) -> dict[str, Any]:
        """The status after the daemon has looked at this commit, whatever it thinks of it."""
        return self.demo.until(
            lambda status: (
                status["repository"]["fetched"] == commit
                and status["repository"]["state"] not in {"starting", "unreachable"}
                and (
                    status["served"]["commit"] == commit
                    or status["repository"]["state"] != "applied"
                )
            ),
            f"{commit} is judged",
        )

    def publish(self, message: str, *, signed: bool = True, **environment: str) -> str:
        """Commit all there is and push it; gives the commit."""
        commit = self.repository.commit(message, signed=signed, **environment)
        self.repository.push()
        return commit


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    folder = tmp_path_factory.mktemp("review")
    roster = processes.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as demo:
        yield Review(demo, demo_repository.Repository.of(demo))


@pytest.fixture
def review(running: Review) -> Iterator[Review]:
    running.demo.until_applied(running.repository.published())
    running.repository.reset(running.repository.published())
    yield running
    served = running.demo.status()["served"]["commit"]
    running.repository.reset(served)
    running.repository.push("--force")
    running.demo.until_applied(served)


def test_a_widening_waits_for_the_second_person(review: Review) -> None:
    demo, repository = review.demo, review.repository
    repository.set_access("nothing", "full")
    commit = review.publish("Share with nothing what it never had")

    review.until_judged(commit)
    status = demo.run("status")

    assert status.status == 1
    assert review.state() == ("waiting", repository.git("rev-parse", "HEAD^"))
    author, reviewer = (demo.told["people"][who]["email"] for who in ("author", "reviewer"))
    (missing,) = [line for line in status.out.splitlines() if line.startswith(NOTHING)]
    assert missing.split()[1:] == ["2", author]
    assert reviewer not in missing
    assert demo.application("nothing").sign_in().status == 400
    asked = demo.run("review")
    assert asked.status == 1
    assert f"one more person: {reviewer}" in asked.words

    repository.approve()
    demo.until_applied(commit)

    assert f"two people's keys ({author}, {reviewer})" in demo.run("status").words
    vendor = demo.application("nothing")
    assert vendor.sign_in().status == 200
    assert int(vendor.get(USERS).headers["x-total-count"]) > 0


def test_an_approval_before_the_push_counts_as_well(review: Review) -> None:
    repository = review.repository
    repository.replace(MATH, "users.phone, users.sms", "users.sms")
    commit = repository.commit("Let Galaxy call")
    repository.approve(commit)
    repository.push()

    review.until_judged(commit)

    assert review.state() == ("applied", commit)


def test_the_author_cannot_be_the_second_person(review: Review) -> None:
    repository = review.repository
    repository.replace(MATH, "users.sms, users.identifier", "users.identifier")
    commit = review.publish("Let Galaxy write messages")
    repository.approve(person="author")
    review.demo.run("reconcile")

    assert review.until_judged(commit)["repository"]["state"] == "waiting"


def test_access_none_of_one_person_applies_at_once(review: Review) -> None:
    """What it had is taken: its token ends with the commit, and it gets no other."""
    demo, repository = review.demo, review.repository
    vendor = demo.application("counsel-corner")
    assert vendor.sign_in().status == 200
    assert vendor.get(USERS).status == 200

    repository.set_access("counsel-corner", "none")
    commit = review.publish("The grant money ends")
    review.until_judged(commit)

    assert review.state() == ("applied", commit)
    assert demo.run("status").words.count("one person's key") == 1
    assert vendor.get(USERS).status in {401, 403}
    refused = vendor.sign_in()
    assert (refused.status, refused.json()["error"]) == (400, "unauthorized_client")


def test_access_none_that_nobody_signed_is_refused(review: Review) -> None:
    demo, repository = review.demo, review.repository
    vendor = demo.application("math-galaxy")
    assert vendor.sign_in().status == 200

    repository.set_access("math-galaxy", "none")
    commit = review.publish("Galaxy is gone", signed=False)
    status = review.until_judged(commit)

    assert status["repository"]["state"] == "waiting"
    assert status["repository"]["missing"] == [
        {"path": "permissions/math-galaxy.yaml", "needed": 1, "have": []}
    ]
    assert "nobody" in demo.run("status").words
    assert vendor.get(USERS).status == 200


def test_a_commit_signed_by_a_stranger_counts_for_nobody(review: Review, tmp_path: Path) -> None:
    """The author's name and address are easily written; the key is not the author's."""
    repository = review.repository
    key = demo_repository.make_key(tmp_path / "stranger")
    repository.set_access("music-studio", "none")
    repository.git("config", "user.signingkey", str(key))
    try:
        commit = review.publish("The studio closes")
    finally:
        author = repository.told["people"]["author"]["signing_key"]
        repository.git("config", "user.signingkey", author)

    status = review.until_judged(commit)

    assert status["repository"]["state"] == "waiting"
    assert [each["have"] for each in status["repository"]["missing"]] == [[]]


def test_a_branch_that_is_set_back_is_refused(review: Review) -> None:
    demo, repository = review.demo, review.repository
    served = demo.status()["served"]["commit"]
    older = repository.git("rev-parse", "HEAD^")
    repository.reset(older)
    repository.push("--force")

    status = review.until_judged(older)

    assert status["repository"]["state"] == "refused"
    assert status["served"]["commit"] == served
    assert "set back" in demo.run("status").words
    assert demo.application("everything").sign_in().status == 200


def test_a_history_that_is_written_anew_is_refused(review: Review) -> None:
    """The same documents, signed by the author, in a commit beside the served one."""
    demo, repository = review.demo, review.repository
    served = demo.status()["served"]["commit"]
    repository.git("commit", "-q", "--amend", "--gpg-sign", "-m", "As if it had always been so")
    commit = repository.head
    repository.push("--force")

    status = review.until_judged(commit)

    assert commit != served
    assert status["repository"]["state"] == "refused"
    assert status["served"]["commit"] == served
    assert "history was rewritten" in demo.run("status").words


def test_a_history_that_both_vouch_for_is_taken_when_an_operator_asks(review: Review) -> None:
    demo, repository = review.demo, review.repository
    served = demo.status()["served"]["commit"]
    repository.git("commit", "-q", "--amend", "--gpg-sign", "-m", "Without the address in it")
    commit = repository.head
    repository.push("--force")
    review.until_judged(commit)
    words = ("accept-rewrite", served[:12], commit[:12], "--reason", "a message was purged")
    repository.approve(commit, "author", "--rewrite", served)

    refused = demo.run(*words)
    repository.approve(commit, "reviewer", "--rewrite", served)
    done = demo.run(*words)

    assert refused.status == 1
    assert "it needs two people" in refused.words
    assert done.status == 0, done.words
    assert review.state() == ("applied", commit)
    assert "a message was purged" in demo.run("audit", "log").words


def test_a_squash_merge_by_a_forge_keeps_what_people_vouched_for(review: Review) -> None:
    demo, repository = review.demo, review.repository
    base = repository.head
    repository.git("checkout", "-q", "-B", "topic")
    repository.replace(MATH, "courses: {where: \"subjects~'math'\"}", "courses: all")
    repository.commit("Share all courses with Galaxy")
    repository.replace(MATH, "resources: true", "resources: true\nguardians: true")
    repository.commit("And the guardians")
    repository.approve(f"{base}..HEAD")

    repository.reset(base)
    repository.git("merge", "-q", "--squash", "topic")
    commit = review.publish("Galaxy (#12)", signed=False, **demo_repository.STRANGER)
    status = review.until_judged(commit)

    assert review.state() == ("applied", commit), status["repository"]
    assert sorted(status["served"]["people"]) == sorted(
        demo.told["people"][who]["email"] for who in ("author", "reviewer")
    )


def test_a_squash_that_smuggles_something_in_waits(review: Review) -> None:
    repository = review.repository
    base = repository.head
    repository.git("checkout", "-q", "-B", "topic")
    repository.replace(
        MATH, "unenrolledUsers: {roles: [siteAdministrator, principal]}", "unenrolledUsers: true"
    )
    repository.commit("Share all staff with Galaxy")
    repository.approve(f"{base}..HEAD")

    repository.reset(base)
    repository.git("merge", "-q", "--squash", "topic")
    repository.set_access("nothing", "full", demographics="true")
    commit = review.publish("Galaxy (#13)", signed=False, **demo_repository.STRANGER)
    status = review.until_judged(commit)

    assert status["repository"]["state"] in {"waiting", "refused"}
    assert status["served"]["commit"] == base


def test_broken_yaml_is_refused_with_its_place(review: Review) -> None:
    demo, repository = review.demo, review.repository
    vendor = demo.application("everything")
    assert vendor.sign_in().status == 200
    before = vendor.get(USERS).body
    opened = repository.replace(MATH, "access: basic", "access: [basic")
    misspelt = repository.replace(LUNCH, "access: basic", "access: most")
    commit = repository.commit("Two slips")
    repository.approve(commit)
    repository.push()

    status = review.until_judged(commit)

    told = demo.run("status")
    assert status["repository"]["state"] == "refused"
    assert told.status == 1
    assert f"{LUNCH}:{misspelt}:9: most is not one of none, basic, full" in told.out
    assert f"{MATH}:{opened + 1}:5: this is no YAML" in told.out
    assert vendor.get(USERS).body == before


def test_a_removed_application_is_locked_out(review: Review) -> None:
    demo, repository = review.demo, review.repository
    vendor = demo.application("code-camp")
    assert vendor.sign_in().status == 200
    (repository.work / "permissions/code-camp.yaml").unlink()
    (repository.work / "applications/code-camp.yaml").unlink()
    commit = review.publish("The camp is over")

    review.until_judged(commit)

    assert review.state() == ("applied", commit)
    assert vendor.get(USERS).status == 401
    assert vendor.sign_in().status in {400, 401}


def test_without_a_pin_it_stays_up_and_serves_no_data(review: Review, tmp_path: Path) -> None:
    """A second installation that follows the same repository, before `rosterd trust`."""
    demo = review.demo
    settings = processes.second_installation(demo, tmp_path / "second")
    socket = tmp_path / "second" / "control.sock"
    with processes.serve(settings.path, socket) as daemon:
        daemon.until(
            lambda status: status["repository"]["state"] == "untrusted", "the pin is missed"
        )
        told = daemon.run("status")
        answer = processes.ask(f"{settings.base}{USERS}", headers={"Authorization": "Bearer x"})
        token = demo.application("everything")
        token.base = settings.base
        refused = token.sign_in()

        assert daemon.process.running()

    assert told.status == 1
    assert "rosterd trust" in told.words
    assert "nothing: no commit is accepted yet" in told.words
    assert answer.status == 503
    assert refused.status == 503


def test_trusting_a_commit_begins_to_serve(review: Review, tmp_path: Path) -> None:
    demo, repository = review.demo, review.repository
    settings = processes.second_installation(demo, tmp_path / "second")
    socket = tmp_path / "second" / "control.sock"
    served = demo.status()["served"]["commit"]
    with processes.serve(settings.path, socket) as daemon:
        done = daemon.run("trust", repository.git("rev-parse", served))
        assert done.status == 0, done.words
        daemon.until_applied(served)

        vendor = daemon.vendor(settings.base, "everything")
        assert len(vendor.walk(f"{processes.ROSTERING}/users")) > 0

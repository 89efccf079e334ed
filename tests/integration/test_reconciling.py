"""The acceptance rule and the loop, against real repositories, real keys and the real store."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from click.testing import CliRunner

from rosterd import cli, git, reconciling, rosters, settings, storage, worlds
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories

MATH = "permissions/math.yaml"
WIDER = {MATH: texts.basic("math", "title~'m'")}


class Place:
    """A site, and the daemon's part that follows it; `again()` is that part after a restart."""

    def __init__(self, folder: Path, people: int = 2, *, made: bool = True) -> None:
        self.site = repositories.Site(folder, made=made)
        self.folder = folder
        self.people = people
        self.time: datetime | None = None
        self.pin = folder / "trusted_root"
        self.stores: list[storage.Storage] = []

    @property
    def settings(self) -> settings.Settings:
        return settings.Settings(
            paths=settings.Paths(state=self.folder / "state"),
            repository=settings.Repository(
                id="forge", url=str(self.site.bare), poll=3600, trusted_root=self.pin
            ),
            review=settings.Review(
                people=self.people,
                allowed_signers=self.site.allowed,
                revoked_keys=self.site.revoked,
            ),
            listen=settings.Listen(public_url="http://127.0.0.1:8420"),
        )

    def clock(self) -> datetime:
        return self.time or datetime.now(UTC)

    async def again(self, generation: Any = None) -> reconciling.Reconciling:
        for store in self.stores:
            await store.close()
        machine = self.settings
        machine.paths.state.mkdir(exist_ok=True)
        store = storage.open_sqlite(machine.state_db)
        await store.open()
        self.stores = [store]
        self.served = worlds.Worlds(
            worlds.World(generation=generation, today=date(2026, 9, 1)), self.clock
        )
        mirror = git.Mirror(machine.mirror, machine.repository)
        self.loop = reconciling.Reconciling(machine, mirror, store, self.served, clock=self.clock)
        return self.loop

    async def look(self) -> reconciling.Status:
        return await self.loop.reconcile()

    @contextlib.asynccontextmanager
    async def looked(self) -> AsyncIterator[Self]:
        """With its first commit pinned, looked at and applied."""
        self.begin()
        await self.again()
        status = await self.look()
        assert status.reason == "Applied", status.message
        yield self
        for store in self.stores:
            await store.close()

    def begin(self) -> str:
        """The first commit, pinned, and two people who count."""
        self.alice = self.site.person("alice")
        self.bob = self.site.person("bob")
        self.first = self.site.commit(texts.district(), by=self.alice)
        self.site.push()
        self.pin.write_text(self.first + "\n")
        return self.first

    async def approve(
        self, commit: str, by: repositories.Person, *more: str, fine: bool = True
    ) -> str:
        """What `rosterd approve` prints, run by that person in the clone."""
        words = ["approve", commit, "--key", str(by.key), "--clone", str(self.site.clone), *more]
        result = await asyncio.to_thread(CliRunner().invoke, cli.commands, words)
        assert (result.exit_code == 0) == fine, f"{result.output}{result.exception!r}"
        return result.output + str(result.exception or "")

    def title(self) -> str:
        """The condition under which math sees courses, as it is served."""
        config = self.served.current.config
        assert config is not None
        courses = config.permissions["math"].courses
        return str(getattr(courses, "where", courses))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(tmp_path).looked() as place:
        yield place


@pytest.fixture
async def bare_place(tmp_path: Path) -> AsyncIterator[Place]:
    """Nothing is pinned and nothing has been looked at."""
    place = Place(tmp_path)
    place.begin()
    place.pin.unlink()
    await place.again()
    yield place
    for store in place.stores:
        await store.close()


# ---------------------------------------------------------------- beginning


async def test_without_a_pin_nothing_is_served_and_the_status_says_how_to_pin(
    bare_place: Place,
) -> None:
    status = await bare_place.look()

    assert status.reason == "NotPinned"
    assert f"rosterd trust COMMIT` (the branch is at {bare_place.first}" in status.message
    assert bare_place.served.current.config is None


async def test_trust_pins_a_commit_and_the_next_pass_serves_it(bare_place: Place) -> None:
    machine = bare_place.folder / "rosterd.toml"
    machine.write_text(
        f'[repository]\nid = "forge"\nurl = "{bare_place.site.bare}"\n'
        '[listen]\npublic_url = "http://127.0.0.1:1"\n'
    )
    words = ["trust", bare_place.first[:10], "--settings", str(machine)]
    result = await asyncio.to_thread(CliRunner().invoke, cli.commands, words)

    assert result.exit_code == 0, result.output
    assert bare_place.pin.read_text() == f"{bare_place.first}\n"
    status = await bare_place.look()
    assert (status.reason, status.proven) == (
        "Applied",
        "pinned by the administrator of this machine",
    )


async def test_trust_refuses_a_commit_that_the_branch_does_not_have(bare_place: Place) -> None:
    machine = bare_place.folder / "rosterd.toml"
    machine.write_text(
        f'[repository]\nid = "forge"\nurl = "{bare_place.site.bare}"\n'
        '[listen]\npublic_url = "http://127.0.0.1:1"\n'
    )
    words = ["trust", "1" * 40, "--settings", str(machine)]
    result = await asyncio.to_thread(CliRunner().invoke, cli.commands, words)

    assert result.exit_code == 1
    assert "cannot find the commit" in str(result.exception)
    assert not bare_place.pin.exists()


async def test_a_pin_that_is_no_commit_id_is_told(bare_place: Place) -> None:
    bare_place.pin.write_text("main\n")

    status = await bare_place.look()

    assert "expected one full commit id" in status.message
    assert bare_place.served.current.config is None


async def test_commits_after_the_pin_need_people(bare_place: Place) -> None:
    bare_place.site.commit(WIDER, by=bare_place.alice)
    bare_place.site.push()
    bare_place.pin.write_text(bare_place.first)

    status = await bare_place.look()

    assert (status.reason, status.accepted) == ("NotVouched", bare_place.first)
    assert bare_place.title() == "title~'math'"


# ---------------------------------------------------------------- who vouches


async def test_a_widening_by_its_author_alone_waits_and_names_what_is_missing(
    place: Place,
) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.candidate, status.accepted) == (
        "NotVouched",
        commit,
        place.first,
    )
    assert [str(missing) for missing in status.missing] == [
        f"{MATH}: needs two people, has 1 (alice@district.example)"
    ]
    assert place.title() == "title~'math'"


async def test_the_reviewers_approval_applies_it(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.look()

    printed = await place.approve(commit, place.bob)

    assert MATH in printed
    status = await place.look()
    assert (status.reason, status.accepted) == ("Applied", commit)
    assert status.proven == (
        "vouched for by two people's keys (alice@district.example, bob@district.example)"
    )
    assert place.title() == "title~'m'"


async def test_one_person_with_two_keys_is_one_person(place: Place) -> None:
    second = place.site.person("alice", key_name="alice-at-home")
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()

    await place.approve(commit, second)

    status = await place.look()
    assert (status.reason, status.missing[0].have) == ("NotVouched", 1)


async def test_an_unsigned_change_is_refused_even_when_it_only_narrows(place: Place) -> None:
    place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice, signed=False)
    place.site.push()

    status = await place.look()

    assert [str(missing) for missing in status.missing] == [
        f"{MATH}: needs one person, has 0 (nobody)"
    ]
    assert place.title() == "title~'math'"


@pytest.mark.parametrize(
    "files",
    [
        {MATH: texts.permission("math", "none")},
        {"applications/math.yaml": texts.application("math", enabled=False)},
        {MATH: texts.basic("math", "title~'math'", "expires: 2027-06-30\n")},
        {MATH: texts.basic("math", "title~'math' AND courseCode='1'")},
        {MATH: None},
    ],
)
async def test_a_narrowing_signed_by_one_person_applies_at_once(
    place: Place, files: dict[str, str | bytes | None]
) -> None:
    commit = place.site.commit(files, by=place.alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.accepted) == ("Applied", commit), status.message
    assert status.proven == "vouched for by one person's key (alice@district.example)"


async def test_a_stranger_who_signs_is_nobody(place: Place) -> None:
    stranger = place.site.person("mallory", listed=False)
    place.site.commit({MATH: texts.permission("math", "none")}, by=stranger)
    place.site.push()

    status = await place.look()

    assert status.missing[0].people == ()


async def test_an_author_line_is_no_signature(place: Place) -> None:
    stranger = place.site.person("mallory", listed=False)
    as_alice = dataclasses.replace(place.alice, key=stranger.key)
    place.site.commit({MATH: texts.permission("math", "none")}, by=as_alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.missing[0].people) == ("NotVouched", ())


async def test_nobody_is_asked_when_the_rule_asks_for_nobody(tmp_path: Path) -> None:
    place = Place(tmp_path, people=0)
    place.begin()
    place.pin.write_text(place.first)
    await place.again()
    place.site.commit(WIDER, signed=False)
    place.site.push()

    status = await place.look()

    assert status.reason == "Applied"
    assert status.proven.startswith("unproven")
    await place.stores[0].close()


async def test_a_rule_of_one_person_is_told_as_one_person(tmp_path: Path) -> None:
    place = Place(tmp_path, people=1)
    place.begin()
    place.pin.write_text(place.first)
    await place.again()
    place.site.commit(WIDER, by=place.bob)
    place.site.push()

    status = await place.look()

    assert status.proven == "vouched for by one person's key (bob@district.example)"
    await place.stores[0].close()


# ---------------------------------------------------------------- merge buttons


async def topic(place: Place) -> str:
    """A signed commit on a branch of its own, approved by bob."""
    place.site.git("checkout", "-q", "-b", "topic")
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push(branch="topic")
    await place.approve("topic", place.bob)
    place.site.git("checkout", "-q", "main")
    return commit


async def test_a_squash_merge_by_an_unlisted_committer_of_an_approved_change_is_accepted(
    place: Place,
) -> None:
    await topic(place)
    place.site.git("merge", "-q", "--squash", "topic")
    squashed = place.site.commit({}, message="Squashed by the forge", signed=False)
    place.site.git("push", "-q", "origin", ":refs/heads/topic")
    place.site.push()

    status = await place.look()

    assert (status.reason, status.accepted) == ("Applied", squashed), status.message
    assert status.people == ("alice@district.example", "bob@district.example")


async def test_a_merge_button_and_a_rebase_button_are_accepted(place: Place) -> None:
    await topic(place)
    place.site.commit({"README.md": "# Later\n"}, by=place.alice)
    place.site.push()
    await place.approve("HEAD", place.bob)
    place.site.git("merge", "-q", "--no-ff", "--no-edit", "topic", by=None)
    place.site.push()

    status = await place.look()

    assert status.reason == "Applied", status.message

    place.site.git("checkout", "-q", "-b", "second", place.first)
    place.site.commit({"permissions/none.yaml": texts.permission("none", "full")}, by=place.alice)
    await place.approve("second", place.bob)
    place.site.git("rebase", "-q", "main")
    place.site.git("checkout", "-q", "main")
    place.site.git("merge", "-q", "--ff-only", "second")
    place.site.push()

    status = await place.look()

    assert status.reason == "Applied", status.message


async def test_an_evil_merge_is_not_covered_by_what_it_merges(place: Place) -> None:
    await topic(place)
    place.site.git("merge", "-q", "--no-ff", "--no-commit", "topic")
    place.site.commit({"permissions/none.yaml": texts.permission("none", "full")}, signed=False)
    place.site.push()

    status = await place.look()

    assert [missing.path for missing in status.missing] == ["permissions/none.yaml"]
    assert place.title() == "title~'math'"


async def test_an_unsigned_commit_in_between_is_not_covered_by_signed_neighbours(
    place: Place,
) -> None:
    place.site.commit({"README.md": "# One\n"}, by=place.alice)
    place.site.commit(WIDER, signed=False)
    place.site.commit({"README.md": "# Two\n"}, by=place.bob)
    place.site.push()

    status = await place.look()

    assert {missing.path for missing in status.missing} == {MATH, "README.md"}


async def test_statements_of_several_steps_compose(place: Place) -> None:
    base = place.first
    place.site.commit({MATH: texts.basic("math", "title~'ma'")}, by=place.alice)
    last = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(f"{base}..{last}", place.bob)

    status = await place.look()

    assert status.reason == "Applied", status.message


async def test_pushing_more_after_an_approval_waits_again(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)
    place.site.commit({MATH: texts.permission("math", "full")}, by=place.alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", place.first)


# ---------------------------------------------------------------- history


async def test_a_forced_push_to_an_older_commit_is_refused(place: Place) -> None:
    commit = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    await place.look()
    place.site.git("reset", "-q", "--hard", place.first)
    place.site.push("--force")

    status = await place.look()

    assert (status.reason, status.accepted) == ("RolledBack", commit)
    served = place.served.current.config
    assert served is not None
    assert served.permissions["math"].access == "none"


async def test_a_rewritten_history_is_refused(place: Place) -> None:
    place.site.git("checkout", "-q", "--orphan", "other")
    place.site.commit(texts.district() | {"README.md": "# Other\n"}, by=place.alice)
    place.site.push("--force")

    status = await place.look()

    assert (status.reason, status.accepted) == ("HistoryRewritten", place.first)


async def test_an_approval_does_not_count_again_after_a_revert(place: Place) -> None:
    await topic(place)
    place.site.git("merge", "-q", "--squash", "topic")
    place.site.commit({}, message="squash")
    place.site.push()
    assert (await place.look()).reason == "Applied"
    place.site.commit({MATH: texts.basic("math", "title~'math'")}, by=place.alice)
    place.site.push()
    await place.approve("HEAD", place.bob)
    reverted = place.site.head()
    assert (await place.look()).accepted == reverted

    place.site.commit(WIDER, signed=False, message="the same once more")
    place.site.push()
    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", reverted)
    assert status.missing[0].people == ()


async def test_merging_an_old_branch_again_does_not_bring_its_signatures_back(
    place: Place,
) -> None:
    commit = await topic(place)
    place.site.git("merge", "-q", "--squash", "topic")
    place.site.commit({}, message="squash")
    place.site.push()
    assert (await place.look()).reason == "Applied"
    place.site.commit({MATH: texts.basic("math", "title~'math'")}, by=place.alice)
    place.site.push()
    await place.approve("HEAD", place.bob)
    assert (await place.look()).reason == "Applied"

    place.site.git("merge", "-q", "--no-ff", "--no-edit", "-s", "ours", commit)
    place.site.commit(WIDER, signed=False)
    place.site.push()
    status = await place.look()

    assert status.reason == "NotVouched"


async def test_what_was_approved_and_undone_before_anybody_looked_counts_no_more(
    place: Place,
) -> None:
    carol = place.site.person("carol")
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)
    await place.approve(commit, carol)
    place.site.commit({MATH: texts.basic("math", "title~'math'")}, signed=False)
    place.site.push()
    assert (await place.look()).reason == "Applied"

    place.site.commit(WIDER, signed=False)
    place.site.push()

    assert (await place.look()).reason == "NotVouched"


# ---------------------------------------------------------------- keys


async def test_a_revoked_key_counts_no_more(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)
    place.site.revoke(place.bob)

    status = await place.look()

    assert (status.reason, status.missing[0].people) == (
        "NotVouched",
        ("alice@district.example",),
    )
    assert "not listed (any more)" in status.ignored[0]


async def test_a_missing_revocation_file_stops_everything(place: Place) -> None:
    place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    place.site.revoked.unlink()

    status = await place.look()

    assert status.reason == "Keys"
    assert "it may be empty, but it has to be there" in status.message
    assert place.title() == "title~'math'"


async def test_a_damaged_revocation_file_stops_everything(place: Place) -> None:
    place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    place.site.revoked.write_text("this is no key\n")

    status = await place.look()

    assert (status.reason, status.problems[0].line) == ("Keys", 1)


async def test_an_expired_key_gains_nothing_by_a_date_of_the_past(place: Place) -> None:
    dave = place.site.person("dave", listed=False)
    place.site.allow(dave, 'valid-before="20240101"')
    place.site.commit(
        {MATH: texts.permission("math", "none")},
        by=dave,
        GIT_COMMITTER_DATE="2023-06-01T00:00:00Z",
        GIT_AUTHOR_DATE="2023-06-01T00:00:00Z",
    )
    place.site.push()

    status = await place.look()

    assert (status.reason, status.missing[0].people) == ("NotVouched", ())


# ---------------------------------------------------------------- statements that are not for this


async def test_statements_for_another_repository_or_branch_count_nothing(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob, "--repository", "other")
    place.site.git("push", "-q", "origin", "HEAD:refs/heads/next")
    await place.approve(f"{place.first}..{commit}", place.bob, "--branch", "next")

    status = await place.look()

    assert status.reason == "NotVouched"
    assert len(status.ignored) == 2
    assert any("for the repository 'other', not 'forge'" in why for why in status.ignored)
    assert any("for the branch 'next', not 'main'" in why for why in status.ignored)


def _kept(place: Place) -> tuple[str, bytes]:
    ref = place.site.git("for-each-ref", "--format=%(refname)", "refs/rosterd/statements")
    return ref, place.site.git("cat-file", "blob", ref).encode()


async def test_a_tampered_statement_counts_nothing(place: Place) -> None:
    from hashlib import sha256

    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob, "--no-push", "--repository", "other")
    _, blob = _kept(place)
    changed = blob.replace(b'\\"other\\"', b'\\"forge\\"')
    assert changed != blob
    tampered = repositories.run(
        "git", "hash-object", "-w", "--stdin", cwd=place.site.clone, given=changed.decode()
    ).strip()
    name = f"refs/rosterd/statements/{sha256(changed).hexdigest()}"
    place.site.git("push", "-q", "origin", f"{tampered}:{name}")

    status = await place.look()

    assert status.reason == "NotVouched"
    assert "signature is not good" in status.ignored[0]


async def test_a_statement_under_another_name_counts_nothing(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob, "--no-push")
    ref, _ = _kept(place)
    place.site.git("push", "-q", "origin", f"{ref}:refs/rosterd/statements/{'0' * 64}")

    status = await place.look()

    assert status.reason == "NotVouched"
    assert "not named by the sha256" in status.ignored[0]


async def test_a_statement_ends_by_the_clock_of_the_daemon(place: Place) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob, "--days", "1")
    place.time = datetime(2100, 1, 1, tzinfo=UTC)

    status = await place.look()

    assert status.reason == "NotVouched"
    assert "it ended at" in status.ignored[0]


async def test_a_signature_made_for_git_is_no_statement_and_the_reverse(place: Place) -> None:
    place.site.allowed.write_text("")
    place.site.allow(place.alice)
    place.site.allow(place.bob, 'namespaces="git"')
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)

    assert (await place.look()).reason == "NotVouched"


# ---------------------------------------------------------------- broken candidates


@pytest.mark.parametrize(
    "content", ["access: [", "apiVersion: rosterd/v1\nkind: Permission\nnome: x\n", "\x00"]
)
async def test_broken_documents_are_told_by_place_and_the_last_good_ones_go_on(
    place: Place, content: str
) -> None:
    place.site.commit({MATH: content}, by=place.alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.accepted) == ("Invalid", place.first)
    assert status.problems[0].path == MATH
    assert place.title() == "title~'math'"

    fixed = place.site.commit({MATH: texts.basic("math", "title~'math'")}, by=place.alice)
    place.site.push()
    assert (await place.look()).accepted == fixed


async def test_links_submodules_and_names_alike_are_refused(place: Place) -> None:
    place.site.write({"permissions/Math.yaml": "x", "permissions/é.yaml": "x"})
    (place.site.clone / "permissions" / "link.yaml").symlink_to("/etc/passwd")
    place.site.git("update-index", "--add", "--cacheinfo", f"160000,{place.first},vendor")
    place.site.git("add", "-A", "permissions")
    place.site.git("commit", "-q", "-m", "tricks")
    place.site.push()

    status = await place.look()

    reasons = {problem.path: problem.message for problem in status.problems}
    assert reasons["permissions/link.yaml"].startswith("a symbolic link")
    assert reasons["vendor"].startswith("a submodule")
    assert "only in its spelling" in reasons[MATH]


async def test_a_huge_file_is_refused(place: Place) -> None:
    place.site.commit({"permissions/big.yaml": "#" * (2**20 + 1)}, by=place.alice)
    place.site.push()

    status = await place.look()

    assert (status.reason, status.problems[0].path) == ("Invalid", "permissions/big.yaml")


# ---------------------------------------------------------------- exposure


def small_roster() -> rosters.Roster:
    org = {"sourcedId": "o1", "name": "School", "type": "school"}
    courses = [
        {"sourcedId": f"c{number}", "title": title, "org": "o1"}
        for number, title in enumerate(("math 1", "math 2", "music"))
    ]
    return rosters.from_records({"orgs": [org], "courses": courses})


async def test_the_plan_says_what_each_application_gains(tmp_path: Path) -> None:
    place = Place(tmp_path, people=1)
    place.begin()
    place.pin.write_text(place.first)
    roster = small_roster()
    pages = SimpleNamespace(
        number=1,
        roster=roster,
        by_change=lambda name: {1: roster.active[name]},
        by_source=lambda _name, rows: {"sis": rows},
    )
    await place.again(generation=pages)
    await place.look()
    place.site.commit(WIDER, by=place.alice)
    place.site.push()

    status = await place.look()

    assert status.plan is not None
    assert status.plan.exposure is not None
    (math,) = status.plan.exposure
    assert (math.application, math.collections["courses"].gained) == ("math", 1)
    applied = await place.stores[0].run(lambda store: store.applied())
    assert applied is not None
    assert (applied.plan, applied.revisions["math"]) == (status.plan.digest, 2)
    await place.stores[0].close()


# ---------------------------------------------------------------- lasting


async def test_the_applied_config_is_served_after_a_restart_without_git(place: Place) -> None:
    commit = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    await place.look()
    place.site.bare.rename(place.folder / "away.git")

    await place.again()
    restored = await reconciling.restore(place.stores[0])
    status = await place.look()

    assert restored is not None
    assert restored[1].commit == commit
    assert (status.reason, status.accepted) == ("Temporary", commit)
    assert status.proven == "vouched for by one person's key (alice@district.example)"
    served = place.served.current.config
    assert served is not None
    assert served.permissions["math"].access == "none"


async def test_the_chain_holds_every_change(place: Place) -> None:
    from rosterd import chain

    place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    await place.look()

    store = place.stores[0]
    records = await store.run(lambda kept: kept.recorded())
    history = await store.run(lambda kept: kept.history())
    keys, pinned, changed = (each.read() for each in records if each.kind != "credentials")

    assert chain.verify(records) == chain.Verdict(len(records), records[-1].head)
    assert [change.record for change in reversed(history)] == [
        each for each in records if each.kind == "applied"
    ]
    assert sorted(keys["people"]) == ["alice@district.example", "bob@district.example"]
    assert keys["why"] == "start"
    assert pinned["from"] is None
    assert (changed["from"], changed["commit"]) == (place.first, place.site.head())


async def test_whose_keys_count_is_on_record_at_each_start_and_whenever_it_changes(
    place: Place,
) -> None:
    async def recorded() -> list[dict[str, Any]]:
        records = await place.stores[-1].run(lambda kept: kept.recorded())
        return [each.read() for each in records if each.kind == "keys"]

    signers = place.settings.review.allowed_signers
    listed = signers.read_text(encoding="utf-8")
    await place.look()
    await place.look()
    await place.again()
    await place.look()
    signers.write_text(listed.splitlines(keepends=True)[0], encoding="utf-8")
    await place.look()
    signers.write_text("nonsense\n", encoding="utf-8")
    await place.look()
    signers.write_text(listed, encoding="utf-8")
    await place.look()
    await place.look()
    found = await recorded()

    assert [each["why"] for each in found] == ["start", "start", "changed", "changed", "changed"]
    assert [len(each["people"]) for each in found] == [2, 2, 1, 0, 2]
    assert "allowed_signers" in found[3]["problem"]
    assert all(
        key.startswith("ssh-ed25519 SHA256:")
        for key in found[4]["people"]["alice@district.example"]
    )
    assert found[0]["rule"]["people"] == 2


@pytest.mark.parametrize("damage", ["lock", "object", "head"])
async def test_a_damaged_mirror_is_made_anew(place: Place, damage: str) -> None:
    mirror = place.settings.mirror
    if damage == "lock":
        (mirror / "refs" / "rosterd" / "candidate.lock").write_text("")
    elif damage == "head":
        (mirror / "HEAD").unlink()
    else:
        for file in mirror.rglob("objects/*/*"):
            if file.is_file():
                file.chmod(0o600)
                file.write_bytes(b"damaged")
    commit = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    await place.again()

    status = await place.look()
    status = await place.look() if status.reason == "Temporary" else status
    status = await place.look() if status.reason == "Temporary" else status

    assert (status.reason, status.accepted) == ("Applied", commit), status.message


async def test_the_loop_wakes_passes_and_stops(place: Place) -> None:
    task = asyncio.create_task(place.loop.run(), name="reconciling")
    first = await place.look()
    commit = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    second = await place.look()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (first.accepted, second.accepted) == (place.first, commit)


async def test_a_full_disk_or_locked_store_applies_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rosterd import errors

    async def refuse(_work: Callable[[storage.Store], Any]) -> Any:
        raise errors.TemporaryError("cannot write the state: disk full")

    place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    run = place.stores[0].run
    monkeypatch.setattr(place.stores[0], "run", refuse)
    status = await place.look()

    assert status.reason == "Temporary"
    assert place.title() == "title~'math'"

    monkeypatch.setattr(place.stores[0], "run", run)
    assert (await place.look()).reason == "Applied"


KILLED = """
import asyncio, os, pathlib, signal, sys
from rosterd.storage import Storage
from tests.integration import test_reconciling as tests

before, folder = sys.argv[1] == "before", pathlib.Path(sys.argv[2])

async def main():
    place = tests.Place(folder, made=False)
    await place.again()
    run = place.stores[0].run

    async def killed(work):
        applying = "apply" in work.__code__.co_names
        if applying and before:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await run(work)
        if applying:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    place.stores[0].run = killed
    await place.look()

asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_while_applying_leaves_the_former_or_the_new_config_whole(
    place: Place, moment: str
) -> None:
    commit = place.site.commit({MATH: texts.permission("math", "none")}, by=place.alice)
    place.site.push()
    await place.stores.pop().close()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, moment, str(place.folder)),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("daemon", "."))},
    )
    assert await process.wait() == -signal.SIGKILL

    await place.again()
    restored = await reconciling.restore(place.stores[0])
    assert restored is not None
    former = restored[1].commit == place.first
    assert former == (moment == "before")
    assert restored[0].permissions["math"].access == ("basic" if former else "none")
    status = await place.look()
    assert (status.reason, status.accepted) == ("Applied", commit)
    history = await place.stores[0].run(lambda store: store.history())
    assert [change.commit for change in history] == [commit, place.first]

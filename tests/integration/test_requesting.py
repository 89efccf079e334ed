"""Open requests, from real repositories with refs/pull/N/head, and told to forges that page."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner

from rosterd import cli, plans, reconciling, requesting, running, settings, watching
from rosterd.git import inbox
from tests.integration import configs_in_git as texts
from tests.integration import forge_servers as servers
from tests.integration import git_repositories as repositories
from tests.integration import test_standing, vendors
from tests.integration.test_reconciling import MATH, WIDER, Place
from tests.unit import districts

NONE = "permissions/none.yaml"
FULL = {NONE: texts.permission("none")}


def served_roster() -> SimpleNamespace:
    """A generation, as far as plans look at one."""
    roster = districts.roster()
    return SimpleNamespace(
        number=1,
        roster=roster,
        by_change=lambda name: {1: roster.active[name]},
        by_source=lambda _name, rows: {"sis": rows},
    )


class Desk(Place):
    """The daemon's two loops over one store: the one that accepts, the one that looks at requests."""

    extra: Mapping[str, Any] = MappingProxyType({})

    @property
    def settings(self) -> settings.Settings:
        values = {"refs": ("refs/pull/*/head",), "poll": 3600.0, **self.extra}
        return super().settings.model_copy(update={"requests": settings.Requests(**values)})

    async def again(self, generation: Any = None) -> reconciling.Reconciling:
        loop = await super().again(generation)
        self.requests = requesting.Requesting(
            self.settings, self.stores[0], self.served, self.clock
        )
        return loop

    def request(
        self,
        number: int,
        files: dict[str, Any],
        *,
        by: repositories.Person | None = None,
        base: str = "main",
    ) -> str:
        """Somebody's request: a branch from `base`, seen at the forge as refs/pull/N/head."""
        self.site.git("checkout", "-q", "-B", f"request-{number}", base)
        commit = self.site.commit(files, by=by, message=f"request {number}")
        self.site.git("push", "-q", "-f", "origin", f"HEAD:refs/pull/{number}/head")
        self.site.git("checkout", "-q", "main")
        return commit

    async def seen(self, number: int = 1) -> requesting.Seen:
        status = await self.requests.look()
        assert status.problem == ""
        (found,) = [each for each in status.requests if each.number == number]
        return found

    def mirrored(self, *words: str) -> str:
        return repositories.run("git", "--git-dir", str(self.settings.mirror), *words)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    desk.begin()
    await desk.again(served_roster())
    assert (await desk.look()).reason == "Applied"
    yield desk
    for store in desk.stores:
        await store.close()


# ---------------------------------------------------------------- what is planned


async def test_a_stranger_gets_the_plan_of_the_documents_alone(desk: Desk) -> None:
    mallory = desk.site.person("mallory", listed=False)
    desk.request(1, FULL, by=mallory)

    seen = await desk.seen()

    assert (seen.state, seen.people) == ("valid", ())
    assert seen.plan is not None
    assert seen.plan.exposure is None
    assert "nobody listed vouches" in seen.message
    assert "may-widen" in {each.name for each in seen.plan.warnings}


async def test_what_a_listed_key_signed_is_planned_on_the_roster(desk: Desk) -> None:
    desk.request(1, FULL, by=desk.alice)

    seen = await desk.seen()

    assert seen.people == (desk.alice.email,)
    assert seen.plan is not None
    assert seen.plan.exposure
    assert seen.plan.exposure[0].application == "none"
    assert seen.structure is not None
    assert seen.structure.exposure is None


async def test_a_statement_of_a_listed_person_about_a_strangers_change_is_enough(
    desk: Desk,
) -> None:
    commit = desk.request(1, FULL)
    assert (await desk.seen()).people == ()

    await desk.approve(commit, desk.bob, "--repository", "forge")

    seen = await desk.seen()
    assert seen.people == (desk.bob.email,)
    assert seen.plan is not None
    assert seen.plan.exposure is not None


async def test_one_document_that_nobody_vouches_for_takes_the_roster_from_all(
    desk: Desk,
) -> None:
    first = desk.request(1, FULL, by=desk.alice)
    desk.request(1, WIDER, base=first)

    seen = await desk.seen()

    assert seen.people == ()
    assert seen.plan is not None
    assert seen.plan.exposure is None


async def test_a_key_that_was_revoked_shows_nothing_any_more(desk: Desk) -> None:
    desk.request(1, FULL, by=desk.alice)
    assert (await desk.seen()).people

    desk.site.revoke(desk.alice)

    assert (await desk.seen()).people == ()


async def test_documents_with_problems_are_named(desk: Desk) -> None:
    desk.request(1, {NONE: "kind: ["}, by=desk.alice)

    seen = await desk.seen()

    assert (seen.state, seen.plan) == ("invalid", None)
    assert any(problem.path == NONE for problem in seen.problems)


async def test_a_request_behind_the_branch_is_planned_as_it_would_be_merged(desk: Desk) -> None:
    desk.request(1, FULL, by=desk.alice)
    narrower = {MATH: None}
    commit = desk.site.commit(narrower, by=desk.alice)
    desk.site.push()
    await desk.approve(commit, desk.bob, "--repository", "forge")
    assert (await desk.look()).reason == "Applied"

    seen = await desk.seen()

    assert seen.plan is not None
    assert [change.path for change in seen.plan.changes] == [NONE]
    assert seen.people == (desk.alice.email,)


async def test_a_request_that_conflicts_has_no_plan(desk: Desk) -> None:
    desk.request(1, WIDER, by=desk.alice)
    desk.site.commit({MATH: texts.permission("math", "none")}, by=desk.alice)
    await desk.approve(desk.site.head(), desk.bob, "--repository", "forge", "--no-push")
    desk.site.push()
    await desk.approve(desk.site.head(), desk.bob, "--repository", "forge")
    assert (await desk.look()).reason == "Applied"

    seen = await desk.seen()

    assert (seen.state, seen.plan) == ("conflict", None)
    assert MATH in seen.message


async def test_a_request_with_another_history_and_one_that_is_merged_are_told_apart(
    desk: Desk,
) -> None:
    desk.site.git("checkout", "-q", "--orphan", "other")
    desk.site.commit({"x.txt": "1"})
    desk.site.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
    desk.site.git("push", "-q", "origin", "main:refs/pull/2/head")

    assert (await desk.seen(1)).state == "conflict"
    assert (await desk.seen(2)).state == "accepted"


async def test_links_and_odd_paths_of_a_request_are_refused(desk: Desk) -> None:
    desk.site.git("checkout", "-q", "-B", "request-1", "main")
    (desk.site.clone / "permissions" / "link.yaml").symlink_to("/etc/passwd")
    desk.site.commit({})
    desk.site.git("push", "-q", "origin", "HEAD:refs/pull/1/head")

    seen = await desk.seen()

    assert seen.state == "unreadable"
    assert "symbolic link" in str(seen.problems[0])


# ---------------------------------------------------------------- what can never be


async def test_nothing_of_a_request_comes_near_what_is_accepted(desk: Desk) -> None:
    """Two listed keys and all: a head is data, until it is on the branch."""
    desk.site.git("checkout", "-q", "-B", "topic", "main")
    commit = desk.site.commit(FULL, by=desk.alice)
    desk.site.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
    desk.site.git("checkout", "-q", "main")
    assert (await desk.seen()).people

    status = await desk.look()

    assert (status.candidate, status.accepted) == (desk.first, desk.first)
    objects = desk.mirrored("cat-file", "--batch-all-objects", "--batch-check")
    assert commit not in objects
    refs = desk.mirrored("for-each-ref", "--format=%(refname)").split()
    assert not [ref for ref in refs if "requests" in ref or "pull" in ref]


async def test_a_statement_inside_a_request_is_no_statement(desk: Desk) -> None:
    """Whoever may open a request may put any ref name into it, and the blob of a statement."""
    commit = desk.request(1, FULL)
    printed = await desk.approve(commit, desk.bob, "--repository", "forge", "--no-push")
    ref = next(word for word in printed.split() if word.startswith("refs/rosterd/statements/"))
    blob = desk.site.git("cat-file", "-p", ref)
    desk.request(1, {"statements/x": blob, ref: blob}, base=commit)
    desk.site.git("push", "-q", "origin", f"{ref}:refs/pull/9/head/{ref}")

    seen = await desk.seen()

    assert seen.people == ()
    status = await desk.look()
    assert status.accepted == desk.first


async def test_only_refs_with_a_number_are_requests(desk: Desk) -> None:
    desk.request(7, FULL)
    for ref in ("refs/heads/refs/pull/8/head", "refs/pull/x/head", "refs/pull/07/head"):
        desk.site.git("push", "-q", "origin", f"request-7:{ref}")

    status = await desk.requests.look()

    assert [each.number for each in status.requests] == [7]


async def test_the_newest_are_looked_at_and_closed_ones_forgotten(desk: Desk) -> None:
    desk.extra = {"most": 2}
    await desk.again(served_roster())
    await desk.look()
    for number in (3, 10, 9):
        desk.request(number, FULL)

    assert [each.number for each in (await desk.requests.look()).requests] == [10, 9]
    desk.site.git("push", "-q", "origin", ":refs/pull/10/head")

    assert [each.number for each in (await desk.requests.look()).requests] == [9, 3]
    refs = repositories.run(
        *("git", "--git-dir", str(desk.settings.requests_mirror), "for-each-ref"),
        *("--format=%(refname)", inbox.REQUESTS),
    )
    assert refs.split() == [f"{inbox.REQUESTS}/pull/{number}/head" for number in (3, 9)]


async def test_a_request_that_is_too_large_keeps_no_other_from_being_planned(
    desk: Desk,
) -> None:
    desk.extra = {"max_bytes": 2**20}
    await desk.again(served_roster())
    await desk.look()
    desk.request(1, FULL, by=desk.alice)
    desk.request(2, {f"{name}.bin": os.urandom(700_000) for name in "abcd"})

    status = await desk.requests.look()

    (large, small) = status.requests
    assert (large.number, large.state) == (2, "unknown")
    assert "cannot be fetched" in large.message
    assert (small.state, small.people) == ("valid", (desk.alice.email,))
    left = list((desk.settings.requests_mirror / "objects" / "pack").glob("tmp_*"))
    assert left == []


async def test_a_repository_that_is_away_is_told_and_found_again(desk: Desk) -> None:
    desk.request(1, FULL)
    away = desk.site.bare.with_name("away.git")
    desk.site.bare.rename(away)

    status = await desk.requests.look()
    assert "cannot run git" in status.problem

    away.rename(desk.site.bare)
    assert (await desk.seen()).state == "valid"


async def test_the_same_request_is_judged_once(desk: Desk) -> None:
    desk.request(1, FULL, by=desk.alice)

    first, again = await desk.seen(), await desk.seen()

    assert again is first


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - the loop tells nobody when a pass has ended
            await asyncio.sleep(0.01)


async def test_the_loop_wakes_and_ends(desk: Desk) -> None:
    desk.request(1, FULL)
    task = asyncio.create_task(desk.requests.run())
    try:
        await until(lambda: len(desk.requests.status.requests) == 1)
        desk.request(2, FULL)
        desk.requests.wake()
        await until(lambda: len(desk.requests.status.requests) == 2)
    finally:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ---------------------------------------------------------------- what is told


@contextlib.asynccontextmanager
async def posting(desk: Desk, kind: servers.Kind) -> AsyncIterator[servers.Fake]:
    """A forge that the desk posts to."""
    fake = servers.Fake(kind)
    token = desk.folder / "token"
    token.write_text(servers.TOKEN)
    async with vendors.listening(fake.application()) as address:
        desk.extra = {
            "forge": fake.kind,
            "api": f"{address}{fake.base}",
            "project": servers.PROJECT,
            "token": token,
            "timeout": 5.0,
        }
        await desk.again(served_roster())
        await desk.look()
        fake.open = {1: "main"}
        yield fake


@pytest.fixture(params=["github", "gitlab", "gitea"])
async def told(desk: Desk, request: pytest.FixtureRequest) -> AsyncIterator[servers.Fake]:
    async with posting(desk, request.param) as fake:
        yield fake


@pytest.fixture
async def github(desk: Desk) -> AsyncIterator[servers.Fake]:
    """One of them, where they do not differ."""
    async with posting(desk, "github") as fake:
        yield fake


async def test_one_comment_and_one_status_are_posted_once(desk: Desk, told: servers.Fake) -> None:
    head = desk.request(1, FULL, by=desk.alice)

    status = await desk.requests.look()

    assert status.forge == ""
    (comment,) = told.ours(1)
    assert comment.startswith("<!-- rosterd:plan:forge:main -->")
    assert head in comment
    assert "What applications gain and lose" in comment
    assert (status.requests[0].plan or plans.Plan((), None)).digest in comment
    ((sha, posted),) = told.statuses
    assert (sha, posted["state"]) == (head, "success")
    changes = told.changes
    await desk.requests.look()
    assert told.changes == changes


async def test_a_restart_finds_its_comment_and_posts_no_second(
    desk: Desk, told: servers.Fake
) -> None:
    desk.request(1, FULL, by=desk.alice)
    await desk.requests.look()

    await desk.again(served_roster())
    await desk.look()
    await desk.requests.look()

    assert len(told.ours(1)) == 1


async def test_a_push_edits_the_comment_and_a_new_verdict_makes_a_new_one(
    desk: Desk, told: servers.Fake
) -> None:
    first = desk.request(1, FULL, by=desk.alice)
    await desk.requests.look()
    second = desk.request(1, WIDER, by=desk.alice, base=first)
    await desk.requests.look()
    (edited,) = told.ours(1)
    assert second in edited

    third = desk.request(1, {NONE: "kind: ["}, by=desk.alice, base=second)
    await desk.requests.look()

    old, new = told.ours(1)
    assert "newer plan stands below" in old
    assert "the documents have problems" in new
    assert NONE in new
    assert [sha for sha, _ in told.statuses] == [first, second, third]
    assert told.statuses[-1][1]["state"] in {"failure", "failed"}


async def test_a_planted_marker_is_nobody_we_know(desk: Desk, github: servers.Fake) -> None:
    for _ in range(5):
        github.say(1, servers.STRANGER, "<!-- rosterd:plan:forge:main -->\nall is well, merge it")
    desk.request(1, FULL, by=desk.alice)

    await desk.requests.look()

    assert len(github.ours(1)) == 1
    strange = [each.body for each in github.comments[1] if each.author == servers.STRANGER]
    assert strange == ["<!-- rosterd:plan:forge:main -->\nall is well, merge it"] * 5


async def test_where_everybody_reads_only_documents_are_told(
    desk: Desk, github: servers.Fake
) -> None:
    github.private = False
    desk.request(1, FULL, by=desk.alice)

    status = await desk.requests.look()

    (comment,) = github.ours(1)
    assert "does without the roster" in comment
    assert "What applications gain" not in comment
    assert status.requests[0].plan is not None
    assert status.requests[0].plan.exposure is not None


async def test_closed_requests_and_those_for_other_branches_are_left_alone(
    desk: Desk, github: servers.Fake
) -> None:
    github.open = {2: "other"}
    for number in (1, 2):
        desk.request(number, FULL, by=desk.alice)

    status = await desk.requests.look()

    assert status.requests == ()
    assert github.comments == {}


@pytest.mark.parametrize("answer", [401, 403, 422, 500])
async def test_a_forge_that_refuses_stops_nothing_and_its_token_is_not_logged(
    desk: Desk, github: servers.Fake, answer: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    github.refuse = lambda _: web.json_response(
        {"message": f"not with {servers.TOKEN}"}, status=answer
    )
    desk.request(1, FULL, by=desk.alice)

    status = await desk.requests.look()

    assert status.requests[0].state == "valid"
    assert f"the forge answers {answer}" in status.forge
    assert servers.TOKEN not in caplog.text + status.forge
    github.refuse = lambda _: None
    assert (await desk.requests.look()).forge == ""
    assert len(github.ours(1)) == 1


async def test_a_forge_that_asks_for_patience_is_not_asked_again(
    desk: Desk, github: servers.Fake
) -> None:
    github.refuse = lambda _: web.json_response({}, status=429, headers={"Retry-After": "600"})
    desk.request(1, FULL, by=desk.alice)
    await desk.requests.look()
    asked = len(github.asked)

    status = await desk.requests.look()

    assert len(github.asked) == asked
    assert "asked again later" in status.forge
    assert status.requests[0].state == "valid"


async def test_a_status_that_is_refused_keeps_no_comment_back(
    desk: Desk, github: servers.Fake
) -> None:
    github.refuse = lambda request: (
        web.json_response({"message": "no such commit"}, status=404)
        if "/statuses/" in request.path
        else None
    )
    desk.request(1, FULL, by=desk.alice)

    status = await desk.requests.look()

    assert "no such commit" in status.forge
    assert len(github.ours(1)) == 1


# ---------------------------------------------------------------- the whole daemon


async def test_status_and_console_show_open_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "refs", lambda _url: None)
    site = repositories.Site(tmp_path)
    alice = site.person("alice")
    first = site.commit(texts.district(), by=alice)
    site.push()
    (tmp_path / "trusted_root").write_text(first + "\n")
    (tmp_path / "operators").write_text(f"grace operator {sha256(b'token').hexdigest()}\n")
    (tmp_path / "operators").chmod(0o600)
    head = site.commit(FULL, by=alice)
    site.git("push", "-q", "origin", "HEAD:refs/pull/4/head")
    asked = settings.Requests(refs=("refs/pull/*/head",), poll=0.1)
    machine = test_standing.machine(tmp_path, site, requests=asked)
    started: asyncio.Future[tuple[running.Daemon, running.Listening]] = asyncio.Future()
    stop = asyncio.Event()
    task = asyncio.create_task(
        running.serve(
            machine,
            ready=lambda daemon, ports: started.set_result((daemon, ports)),
            stop=stop,
            signals=False,
        )
    )
    try:
        either: set[asyncio.Future[Any]] = {task, started}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        daemon, ports = started.result()
        await until(lambda: len(daemon.requesting.status.requests) == 1)
        console, authorized = f"http://127.0.0.1:{ports.console}", {"Authorization": "Bearer token"}
        async with aiohttp.ClientSession(headers=authorized) as session:
            async with session.get(f"{console}/v1/status") as answer:
                told = (await answer.json())["requests"]
            async with session.get(f"{console}/history") as answer:
                page = " ".join((await answer.text()).split())
        toml = tmp_path / "rosterd.toml"
        toml.write_text(
            f'[paths]\ncontrol_socket = "{machine.paths.control_socket}"\n'
            f'[repository]\nid = "forge"\nurl = "{site.bare}"\n'
            '[listen]\npublic_url = "http://127.0.0.1:1"\n'
        )
        words = ["status", "--settings", str(toml)]
        shown = await asyncio.to_thread(CliRunner().invoke, cli.commands, words)
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)

    (one,) = told["open"]
    assert (one["number"], one["head"], one["state"]) == (4, head, "valid")
    assert one["people"] == [alice.email]
    assert "one-person" in one["warnings"]
    assert '<h2 id="requests">Open requests</h2>' in page
    assert f"<code>{head[:10]}</code>" in page
    assert f"vouched for by {alice.email}" in page
    assert "Open requests:" in shown.output
    assert head[:12] in shown.output

"""Where the daemon stands, asked from outside: hooks, conditions, metrics, what ends soon."""

import asyncio
import base64
import contextlib
import hmac
import json
import logging
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import pytest
from prometheus_client import parser
from ruamel.yaml import YAML

from rosterd import building, git, running, settings, watching
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories
from tests.integration import processes

SECRET = "a secret of these tests alone"
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TOKEN = "operator-token"
BODY = b'{"ref": "refs/heads/elsewhere", "commits": []}'


async def holds(condition: Callable[[], object]) -> None:
    """Wait until something is true of objects of this process."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells when it becomes true
            await asyncio.sleep(0.001)


@dataclass
class Running:
    """A daemon inside this process that polls once an hour and sees no file events."""

    site: repositories.Site
    alice: repositories.Person
    daemon: running.Daemon
    ports: running.Listening
    session: aiohttp.ClientSession

    @property
    def vendors(self) -> str:
        return f"http://127.0.0.1:{self.ports.vendors}"

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.ports.console}"

    def push(self, title: str) -> str:
        commit = self.site.commit(
            {"permissions/math.yaml": texts.basic("math", f"title~'{title}'")}, by=self.alice
        )
        self.site.push()
        return commit

    async def serves(self, commit: str) -> None:
        """Wait until this commit is what is served, and what the loop's status says."""
        async with asyncio.timeout(60):
            world = self.daemon.served.current
            while world.commit != commit:
                world = await self.daemon.served.wait(world)
            await holds(lambda: self.daemon.reconciling.status.accepted == commit)

    async def get(self, path: str, method: str = "GET") -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.request(method, self.console + path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await (answer.json() if path.startswith("/v1") else answer.text())


def machine(folder: Path, site: repositories.Site, **more: Any) -> settings.Settings:
    (folder / "vault.key").write_text(base64.b64encode(bytes(32)).decode())
    (folder / "vault.key").chmod(0o600)
    return settings.Settings(
        paths=settings.Paths(state=folder / "state", control_socket=folder / "run" / "socket"),
        repository=settings.Repository(
            id="forge", url=str(site.bare), poll=3600, trusted_root=folder / "trusted_root"
        ),
        review=settings.Review(people=1, allowed_signers=site.allowed, revoked_keys=site.revoked),
        listen=settings.Listen(public_url="http://127.0.0.1:8420", port=0),
        console=settings.Console(port=0, tokens=folder / "operators"),
        secrets=settings.Secrets(vault_key=folder / "vault.key"),
        **more,
    )


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    webhook: settings.Webhook | None = None,
    *,
    files: dict[str, str | bytes | None] | None = None,
    operators: bool = True,
) -> AsyncIterator[Running]:
    site = repositories.Site(folder)
    alice = site.person("alice")
    first = site.commit(texts.district() | (files or {}), by=alice)
    site.push()
    (folder / "trusted_root").write_text(first + "\n")
    if operators:
        (folder / "operators").write_text(f"grace operator {sha256(TOKEN.encode()).hexdigest()}\n")
        (folder / "operators").chmod(0o600)
    started: asyncio.Future[tuple[running.Daemon, running.Listening]] = asyncio.Future()
    stop = asyncio.Event()
    task = asyncio.create_task(
        running.serve(
            machine(folder, site, webhook=webhook or settings.Webhook()),
            ready=lambda daemon, ports: started.set_result((daemon, ports)),
            stop=stop,
            signals=False,
        )
    )
    try:
        either: set[asyncio.Future[Any]] = {task, started}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        daemon, ports = started.result()
        async with aiohttp.ClientSession() as session:
            here = Running(site, alice, daemon, ports, session)
            await here.serves(site.head())
            yield here
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_file_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository could as well be on another machine."""
    monkeypatch.setattr(watching, "refs", lambda _url: None)


# ---------------------------------------------------------------- webhooks


def github() -> dict[str, str]:
    return {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), BODY, 'sha256').hexdigest()}",
    }


def gitlab() -> dict[str, str]:
    now = str(int(time.time()))
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg-1.{now}.".encode() + BODY, "sha256")
    return {
        "X-Gitlab-Event": "Push Hook",
        "webhook-id": "msg-1",
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def gitlab_token() -> dict[str, str]:
    return {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}


def gitea() -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()
    return {"X-Gitea-Event": "push", "X-GitHub-Event": "push", "X-Gitea-Signature": digest}


def bitbucket() -> dict[str, str]:
    return {
        "X-Event-Key": "repo:push",
        "X-Hub-Signature": f"sha256={hmac.new(SECRET.encode(), BODY, 'sha256').hexdigest()}",
    }


@pytest.mark.parametrize(
    "scheme, secret, proof",
    [
        ("github", SECRET, github),
        ("gitlab", SIGNING, gitlab),
        ("gitlab-token", SECRET, gitlab_token),
        ("gitea", SECRET, gitea),
        ("bitbucket", SECRET, bitbucket),
    ],
)
async def test_a_push_is_served_as_soon_as_the_forge_calls(
    tmp_path: Path, scheme: Any, secret: str, proof: Callable[[], dict[str, str]]
) -> None:
    (tmp_path / "secret").write_text(secret + "\n")
    webhook = settings.Webhook(scheme=scheme, secrets=(tmp_path / "secret",))
    async with serving(tmp_path, webhook) as here:
        before = here.daemon.served.current.commit
        commit = here.push("x")
        url = f"{here.vendors}/hooks/git"
        sent = {"Content-Type": "application/json"}
        async with here.session.post(url, data=BODY, headers=sent) as answer:
            assert answer.status == 401
        assert here.daemon.served.current.commit == before
        async with here.session.post(url, data=BODY, headers={**sent, **proof()}) as answer:
            assert answer.status == 204

        await here.serves(commit)

        assert here.daemon.reconciling.history[0].trigger == "webhook"
        scrape = await here.get("/metrics")
        assert 'rosterd_webhook_total{outcome="accepted"} 1.0' in scrape
        assert 'rosterd_webhook_total{outcome="unproven"} 1.0' in scrape


async def test_without_a_scheme_there_is_no_such_endpoint(tmp_path: Path) -> None:
    async with serving(tmp_path) as here:
        url = f"{here.vendors}/hooks/git"
        async with here.session.post(url, data=BODY, headers=github()) as answer:
            assert answer.status == 404


# ---------------------------------------------------------------- reconcile now


class SlowMirror(git.Mirror):
    """A mirror whose fetches wait until the test lets them go."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.fetches = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def fetch(self) -> str:
        self.fetches += 1
        newest = await super().fetch()  # what is pushed from now on is not in this one
        self.begun.set()
        await self.go.wait()
        return newest


async def test_reconcile_waits_for_a_pass_that_begins_after_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as here:
        loop = here.daemon.reconciling
        slow = SlowMirror(here.daemon.machine.mirror, here.daemon.machine.repository)
        monkeypatch.setattr(loop._mirror, "fetch", slow.fetch)
        before = here.daemon.served.current.commit
        loop.wake("poll")
        await asyncio.wait_for(slow.begun.wait(), 60)
        commit = here.push("x")  # the running pass has looked already
        asked_before = loop._asked
        asked = asyncio.create_task(here.get("/v1/reconcile", "POST"))
        await holds(lambda: loop._asked > asked_before)
        slow.begun.clear()
        slow.go.set()

        answer = await asyncio.wait_for(asked, 60)

        assert before != commit
        assert answer["served"]["commit"] == commit
        assert slow.fetches == 2
        assert answer["history"][0]["trigger"] == "operator"


async def test_status_and_reconcile_tell_conditions_and_history(tmp_path: Path) -> None:
    async with serving(tmp_path) as here:
        first = here.daemon.served.current.commit
        bad = here.site.commit({"permissions/math.yaml": "kind: Nothing\n"}, by=here.alice)
        here.site.push()

        answer = await here.get("/v1/reconcile", "POST")

        told = {each["type"]: each for each in answer["conditions"]}
        assert {name: each["status"] for name, each in told.items()} == {
            "Fetched": "yes", "Vouched": "unknown", "Valid": "no", "Planned": "unknown",
            "Guarded": "unknown", "Applied": "unknown", "Ready": "no",
        }  # fmt: skip
        assert (told["Valid"]["seen"], told["Valid"]["applied"]) == (bad, first)
        assert [each["reason"] for each in answer["history"]] == ["Invalid", "Applied"]
        assert json.dumps(answer["history"]).count(bad) == 1
        await here.get("/v1/reconcile", "POST")
        assert len(here.daemon.reconciling.history) == 2  # it ended as the one before


async def test_a_suspended_daemon_looks_and_says_loudly_that_it_applies_nothing(
    tmp_path: Path,
) -> None:
    since = datetime.now(UTC).date() - timedelta(days=40)
    suspended = f"{texts.REPOSITORY}suspended: {{reason: a dispute, since: {since}}}\n"
    async with serving(tmp_path, files={"rosterd.yaml": suspended}) as here:
        first = here.daemon.served.current.commit
        path = tmp_path / "rosterd.toml"
        path.write_text(
            f'[paths]\nstate = "{tmp_path}/state"\ncontrol_socket = "{tmp_path}/run/socket"\n'
            f'[repository]\nid = "forge"\nurl = "{here.site.bare}"\n'
            '[listen]\npublic_url = "http://127.0.0.1:8420"\n'
        )
        words = ("reconcile", "--settings", path)
        quiet = await asyncio.to_thread(processes.command, *words)
        here.site.commit(
            {"permissions/math.yaml": texts.basic("math", "title~'x' OR title~'m'")}, by=here.alice
        )
        here.site.push()
        loud = await asyncio.to_thread(processes.command, *words)

        for done in (quiet, loud):
            assert done.status == 1
            assert f"SUSPENDED since {since}: a dispute" in done.err
        assert here.daemon.reconciling.status.reason == "Suspended"
        assert here.daemon.reconciling.status.condition("Guarded").fine is False
        assert here.daemon.served.current.commit == first
        scrape = await here.get("/metrics")
        seconds = float(re.findall(r"^rosterd_suspended_seconds (\S+)", scrape, re.MULTILINE)[0])
        assert seconds > 39 * 86_400


async def test_history_begins_with_what_an_earlier_run_applied(tmp_path: Path) -> None:
    async with serving(tmp_path) as here:
        machine, commit = here.daemon.machine, here.daemon.served.current.commit
    async with again(machine) as daemon:
        await daemon.reconciling.reconcile()
        history = daemon.reconciling.history

    assert [(each.trigger, each.candidate) for each in history] == [
        ("start", commit),
        ("earlier run", commit),
    ]


# ---------------------------------------------------------------- what somebody has to look after


async def test_a_missing_operators_file_is_told_in_status_and_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, operators=False) as here:
        warnings = here.daemon.desk.status()["warnings"]

    what = f"nobody may use the console: cannot read {tmp_path / 'operators'}"
    assert [each for each in warnings if each.startswith(what)]
    assert what in caplog.text


TARGET = """\
apiVersion: rosterd/v1
kind: SftpTarget
name: {name}
application: math
enabled: {enabled}
host: sftp.example.com
username: us
authentication: {{password: {name}-password}}
hostKeys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnw9vcU9RRucOxcnx1Vll3mTMX8BAUvxpNZss3ekreF
directory: {name}
export: {{template: oneroster-1.2, when: after-import}}
"""


async def test_a_secret_of_a_disabled_target_is_not_missed(tmp_path: Path) -> None:
    targets = {
        f"sftp-targets/{name}.yaml": TARGET.format(name=name, enabled=enabled)
        for name, enabled in (("off", "false"), ("on", "true"))
    }
    async with serving(tmp_path, files={**targets}) as here:
        found = {each["name"]: each for each in await here.daemon.desk.secrets()}

    assert (found["off-password"]["needed"], found["on-password"]["needed"]) == (False, True)
    assert found["off-password"]["used"]


async def test_a_scrape_counts_what_vendors_asked_and_no_person(tmp_path: Path) -> None:
    async with serving(tmp_path) as here:
        here.daemon.book.note("math", "rest", "200")
        text = await here.get("/metrics")

    names = {family.name for family in parser.text_string_to_metric_families(text)}
    assert {"rosterd_requests", "rosterd_condition", "process_resident_memory_bytes"} <= names
    assert 'rosterd_requests_total{application="math",kind="rest",status="200"} 1.0' in text


async def test_every_name_in_the_documented_alerts_is_in_a_scrape(tmp_path: Path) -> None:
    """Rules about what nobody tells would never fire."""
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (rules,) = [block for block in blocks if block.startswith("groups:")]
    (group,) = YAML(typ="safe").load(rules)["groups"]
    documented = set(re.findall(r"`((?:rosterd|process)_[a-z_]+)", text.partition("## Alerts")[0]))
    async with serving(tmp_path) as here:
        scrape = await here.get("/metrics")
    families = list(parser.text_string_to_metric_families(scrape))
    told = {
        name for each in families for name in (each.name, f"{each.name}_total", "process_")
    }  # a counter without a sample yet is there by its family alone

    assert len(group["rules"]) > 10
    for rule in group["rules"]:
        names = set(re.findall(r"(?:rosterd|process)_[a-z_]+", rule["expr"]))
        assert names, rule
        assert names <= told, rule["alert"]
    assert documented <= told
    assert {each.name for each in families if each.name.startswith("rosterd_")} <= {
        name.removesuffix("_total") for name in documented
    }


async def test_an_agreement_ends_at_midnight_where_the_district_is_and_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [datetime(2026, 10, 3, 16, tzinfo=UTC)]
    monkeypatch.setattr(building, "now", lambda: clock[0])
    monkeypatch.setattr(running, "DAY_CHECK", 0.01)
    caplog.set_level(logging.INFO)
    files: dict[str, str | bytes | None] = {
        "rosterd.yaml": texts.REPOSITORY.replace("UTC", "America/New_York"),
        "applications/math.yaml": texts.application(
            "math", more='agreement: {reference: "7", expires: 2026-10-09}\n'
        ),
    }

    async def told() -> tuple[str | None, list[str]]:
        (math, _) = await here.daemon.desk.applications()
        return math["refusal"], [each["message"] for each in here.daemon.desk.status()["endings"]]

    async with serving(tmp_path, files=files) as here:
        assert await told() == (
            None,
            ["math: its agreement ends in 6 days, its last day is 2026-10-09; then it is refused"],
        )
        clock[0] = datetime(2026, 10, 10, 3, 59, 59, tzinfo=UTC)  # a second before midnight there
        await holds(lambda: here.daemon.served.current.today == date(2026, 10, 9))
        assert (await told())[0] is None
        clock[0] = datetime(2026, 10, 10, 4, tzinfo=UTC)
        await holds(lambda: here.daemon.served.current.today == date(2026, 10, 10))
        assert await told() == ("its agreement expired on 2026-10-09", [])
        scrape = await here.get("/metrics")
        assert 'rosterd_application_refused{application="math"} 1.0' in scrape
    days = [each for each in caplog.messages if each.startswith("math: its agreement ends")]
    assert [each.split(",")[0] for each in days][-1] == "math: its agreement ends today"


# ---------------------------------------------------------------- policies


def policy(level: str) -> str:
    return f"{texts.REPOSITORY}policies: {{demographics-without-agreement: {level}}}\n"


async def test_a_commit_that_lifts_a_policy_cannot_break_it_as_well(tmp_path: Path) -> None:
    sharing = {"permissions/math.yaml": texts.basic("math", "title~'m'", "demographics: true\n")}
    async with serving(tmp_path, files={"rosterd.yaml": policy("error")}) as here:
        first = here.daemon.served.current.commit or ""
        here.site.commit({**sharing, "rosterd.yaml": policy("off")}, by=here.alice)
        here.site.push()

        refused = await here.get("/v1/reconcile", "POST")

        assert refused["served"]["commit"] == first
        assert refused["history"][0]["reason"] == "Policy"
        (problem,) = refused["repository"]["problems"]
        assert problem.startswith("permissions/math.yaml:8:15: demographics go to math without an")
        assert problem.endswith("(policy demographics-without-agreement)")
        here.site.git("reset", "-q", "--hard", first)
        here.site.commit({"rosterd.yaml": policy("off")}, by=here.alice)
        here.site.push("--force")
        lifted = await here.get("/v1/reconcile", "POST")
        assert lifted["served"]["commit"] == here.site.head()
        here.site.commit(sharing, by=here.alice)
        here.site.push()
        applied = await here.get("/v1/reconcile", "POST")
        assert applied["served"]["commit"] == here.site.head()


# ---------------------------------------------------------------- drift


WIDER = texts.permission("math").encode()


def tamper(folder: Path, sql: str, *values: object) -> None:
    """What somebody with the file could do, while the daemon runs or not."""
    connection = apsw.Connection(str(folder / "state" / "state.db"))
    connection.set_busy_timeout(10_000)
    connection.execute(sql, values)
    connection.close()


def stored(folder: Path, path: str) -> bytes:
    connection = apsw.Connection(str(folder / "state" / "state.db"))
    ((content,),) = connection.execute("SELECT content FROM documents WHERE path=?", (path,))
    connection.close()
    return bytes(content)


EDIT = "UPDATE documents SET content=?2 WHERE path=?1"


async def test_documents_that_are_edited_in_the_store_are_taken_from_git_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as here:
        good = stored(tmp_path, "permissions/math.yaml")
        world = here.daemon.served.current
        tamper(tmp_path, EDIT, "permissions/math.yaml", WIDER)
        extra = texts.application("extra").encode()
        tamper(tmp_path, "INSERT INTO documents VALUES (?,?)", "applications/extra.yaml", extra)

        answer = await here.get("/v1/reconcile", "POST")

        assert here.daemon.served.current is world  # what is served never was another
        assert stored(tmp_path, "permissions/math.yaml") == good
        assert answer["repository"]["state"] == "applied"
        record = await here.daemon.store.run(lambda kept: kept.last_record("drift"))
        assert record is not None
        assert record.read()["paths"] == ["applications/extra.yaml", "permissions/math.yaml"]
        assert "rosterd_drift_corrected_total 1.0" in await here.get("/metrics")
    assert "the store was changed by something other than the daemon" in caplog.text


@contextlib.asynccontextmanager
async def again(machine: settings.Settings) -> AsyncIterator[running.Daemon]:
    """The daemon after a restart, before its first pass has been waited for."""
    started: asyncio.Future[running.Daemon] = asyncio.Future()
    stop = asyncio.Event()
    task = asyncio.create_task(
        running.serve(
            machine,
            ready=lambda daemon, _ports: started.set_result(daemon),
            stop=stop,
            signals=False,
        )
    )
    try:
        yield await asyncio.wait_for(started, 60)
    finally:
        stop.set()
        await task


async def test_a_start_serves_nothing_of_an_edited_store_until_git_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as here:
        machine, commit = here.daemon.machine, here.daemon.served.current.commit
        good = stored(tmp_path, "permissions/math.yaml")
    tamper(tmp_path, EDIT, "permissions/math.yaml", WIDER)

    async with again(machine) as daemon:
        begun = daemon.served.current  # the first pass has not run yet
        assert begun.config is None
        status = await daemon.reconciling.reconcile()
        config = daemon.served.current.config
        assert (status.reason, status.accepted) == ("Applied", commit)
        assert config is not None
        assert config.permissions["math"].access == "basic"
    assert stored(tmp_path, "permissions/math.yaml") == good


async def test_an_edited_store_serves_nothing_while_git_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as here:
        machine = here.daemon.machine
    tamper(tmp_path, EDIT, "permissions/math.yaml", WIDER)
    shutil.rmtree(machine.mirror)
    away = here.site.bare.rename(tmp_path / "away.git")

    async with again(machine) as daemon:
        status = await daemon.reconciling.reconcile()
        assert status.reason == "Drift"
        assert "its documents are not those that were applied" in status.message
        assert daemon.served.current.config is None
        assert status.condition("Ready").fine is False
        away.rename(here.site.bare)
        status = await daemon.reconciling.reconcile()
        assert status.reason == "Applied"
        assert daemon.served.current.config is not None


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TRIGGER changes_stay; UPDATE changes SET plan = 'another'",
        "DROP TRIGGER records_stay; UPDATE records SET entry = CAST(entry || ' ' AS BLOB)",
        "DROP TRIGGER changes_remain; DELETE FROM changes",
    ],
)
async def test_a_record_that_was_edited_is_for_a_person_to_look_at(
    tmp_path: Path, sql: str
) -> None:
    async with serving(tmp_path) as here:
        machine, world = here.daemon.machine, here.daemon.served.current
        commit = here.push("y")
        await here.get("/v1/reconcile", "POST")
        world = here.daemon.served.current
        assert world.commit == commit
        tamper(tmp_path, sql)
        answer = await here.get("/v1/reconcile", "POST")
        assert answer["history"][0]["reason"] == "Drift"
        assert here.daemon.served.current is world

    async with again(machine) as daemon:
        status = await daemon.reconciling.reconcile()
        assert status.reason == "Drift"
        assert daemon.served.current.config is None

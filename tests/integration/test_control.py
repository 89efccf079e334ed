"""The operators' side: the control socket, the console's JSON and its page."""

import contextlib
import logging
import os
import stat
from collections.abc import AsyncIterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from rosterd import errors
from rosterd.web import app, console, control, listening, operators
from tests.integration import operators_desk, vendors

VIEWER, OPERATOR, METERS = "viewer-token", "operator-token", "metrics-token"


def write_tokens(path: Path, *extra: str) -> Path:
    lines = [
        "# who may look",
        f"ada viewer {sha256(VIEWER.encode()).hexdigest()}",
        f"grace operator {sha256(OPERATOR.encode()).hexdigest().upper()}  # on call",
        *extra,
    ]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


@contextlib.asynccontextmanager
async def on_socket(desk: operators_desk.Desk, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    runner = app.runner(control.application(desk))
    await runner.setup()
    try:
        await web.SockSite(runner, listening.control_socket(path)).start()
        connector = aiohttp.UnixConnector(path=str(path))
        async with aiohttp.ClientSession("http://rosterd", connector=connector) as session:
            yield session
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def on_console(
    desk: operators_desk.Desk, tokens: Path | None
) -> AsyncIterator[aiohttp.ClientSession]:
    page = console.Console(desk, operators.Operators(tokens)).application()
    jar = aiohttp.CookieJar(unsafe=True)  # cookies for an IP address, as browsers keep them
    async with (
        vendors.listening(page) as address,
        aiohttp.ClientSession(address, cookie_jar=jar) as session,
    ):
        yield session


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# ---------------------------------------------------------------- the control socket


BODIES: dict[str, dict[str, Any]] = {
    "/v1/secrets/math-galaxy": {"value": "x"},
    "/v1/person": {"id": "s1"},
    "/v1/plan": {"documents": {"rosterd.yaml": ""}},
    "/v1/rewrite": {"from": "a" * 40, "to": "b" * 40, "reason": "an address was in it"},
    "/v1/applications/math-galaxy/block": {"reason": "its vendor was broken into"},
    "/v1/applications/math-galaxy/unblock": {"reason": "its vendor is back"},
    "/v1/applications/math-galaxy/files": {"template": "oneroster-1.2"},
    "/v1/applications/math-galaxy/email": {"template": "enabled"},
    "/v1/held-imports/release": {"signed": "{}", "signature": "x"},
    "/v1/select": {"collection": "users", "selection": "all"},
    "/v1/find": {"text": "pupil"},
    "/v1/explain": {"application": "math-galaxy", "collection": "users", "id": "user-17"},
    "/v1/roster/users": {"search": "pupil"},
    "/v1/preview": {"permission": "access: basic"},
}
"""What has to be said to endpoints that ask for it."""


async def test_the_socket_answers_every_endpoint(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    async with on_socket(desk, tmp_path / "control.sock") as session:
        for endpoint in control.ENDPOINTS:
            path = endpoint.path.replace("{name}", "math-galaxy").replace("{number}", "1")
            path = path.replace("{collection}", "users")
            body = BODIES.get(path)
            async with session.request(endpoint.method, path, json=body) as response:
                content = await response.read()
                assert response.status == 200, (path, content)
                assert response.headers["Cache-Control"] == "no-store"
                if path.endswith(("/files", "/received", "/processed")):
                    assert (response.content_type, content) == ("application/zip", b"PK")
                else:
                    assert isinstance(await response.json(), dict)


async def test_who_asked_for_a_secret_is_who_the_kernel_says(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    async with (
        on_socket(desk, tmp_path / "control.sock") as session,
        session.post("/v1/applications/math-galaxy/credentials") as response,
    ):
        answer = await response.json()

    assert answer["credentials"] == [
        {
            "key": "the-key",
            "secret": "the-secret",
            "generation": 1,
            "created": "2026-09-01T00:00:00+00:00",
            "retires": None,
        }
    ]
    ((_, name, who),) = desk.asked
    assert name == "math-galaxy"
    assert f"uid {os.getuid()}" in who


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("POST", "/v1/applications/unknown/credentials", 400),
        ("GET", "/v1/applications/unknown", 404),
        ("GET", "/v1/applications/math-galaxy/credentials", 405),
        ("POST", "/v1/targets/stalled/run", 503),
        ("POST", "/v1/targets/guarded/run", 409),
        ("POST", "/v1/targets/faulty/test", 500),
        ("PUT", "/v1/secrets/password", 400),
        ("POST", "/v1/applications/math-galaxy/files", 400),
        ("POST", "/v1/person", 400),
        ("GET", "/v1/applications/math-galaxy/seen?at=yesterday", 400),
        ("GET", "/v1/applications/math-galaxy/seen?at=2026-09-01", 400),
        ("GET", "/v1/imports?limit=0", 400),
        ("POST", "/v1/held-imports/release", 400),
        ("POST", "/v1/imports/last/received", 400),
        ("GET", "/v1/imports?limit=x", 400),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/status", 405),
    ],
)
async def test_what_is_refused_says_why(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async with (
        on_socket(operators_desk.Desk(), tmp_path / "control.sock") as session,
        session.request(method, path) as response,
    ):
        answer = await response.json()

    assert response.status == status
    assert answer["error"]
    assert "private" not in answer["error"]


async def test_a_person_is_asked_for_in_the_body_and_is_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = operators_desk.Desk()
    caplog.set_level(logging.DEBUG)
    body = {"id": "s-private", "since": "2026-09-01T00:00:00Z"}
    async with (
        on_socket(desk, tmp_path / "control.sock") as session,
        session.post("/v1/person", json=body) as response,
    ):
        assert response.status == 200

    ((_, sourced_id, who, since, until),) = desk.asked
    assert (sourced_id, since, until) == ("s-private", "2026-09-01 00:00:00+00:00", "None")
    assert f"uid {os.getuid()}" in who
    assert "control POST /v1/person" in caplog.text
    assert "s-private" not in caplog.text


async def test_a_limit_is_handed_on_and_clamped(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    async with on_socket(desk, tmp_path / "control.sock") as session:
        for path in ("/v1/imports", "/v1/imports?limit=3", "/v1/exports?limit=99999"):
            async with session.get(path) as response:
                assert response.status == 200

    assert desk.asked == [("imports", "50"), ("imports", "3"), ("exports", "1000")]


async def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    async with on_socket(operators_desk.Desk(), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(errors.InputError, match="another daemon answers there"):
            listening.control_socket(path)


async def test_a_socket_that_nobody_serves_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listening.control_socket(path).close()
    assert path.exists()

    async with on_socket(operators_desk.Desk(), path) as session, session.get("/v1/status") as got:
        assert got.status == 200


def test_a_file_in_the_way_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    with pytest.raises(errors.InputError, match="something else is there"):
        listening.control_socket(path)

    assert path.read_text() == "precious"


# ---------------------------------------------------------------- the console's JSON


async def test_the_console_answers_tokens_by_their_role(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        for endpoint in control.ENDPOINTS:
            path = endpoint.path.replace("{name}", "math-galaxy").replace("{number}", "1")
            path = path.replace("{collection}", "users")
            for token, status in [(None, 401), ("wrong", 401), (VIEWER, 200), (OPERATOR, 200)]:
                headers = bearer(token) if token else {}
                body = BODIES.get(path)
                async with session.request(
                    endpoint.method, path, headers=headers, json=body
                ) as response:
                    allowed = endpoint.role == "viewer" or token != VIEWER
                    expected = (status if allowed else 403) if endpoint.console else 404
                    assert response.status == expected, (path, token)
                    assert "error" in await response.json() or expected == 200

    assert {asked[0] for asked in desk.asked} <= {
        "held imports", "imports", "exports", "plan", "reconcile"
    }  # fmt: skip


def test_what_browsers_are_offered_changes_nothing() -> None:
    offered = [endpoint for endpoint in control.ENDPOINTS if endpoint.console]

    assert {endpoint.method for endpoint in offered if endpoint.role == "viewer"} == {"GET"}
    assert [each.path for each in offered if each.method != "GET"] == [
        "/v1/plan",
        "/v1/reconcile",
        # what is sought stands in bodies, so that no log has it
        "/v1/select",
        "/v1/find",
        "/v1/explain",
        "/v1/roster/{collection}",
        "/v1/preview",
    ]
    assert not [endpoint.path for endpoint in offered if "secret" in endpoint.path]


async def test_a_page_of_another_site_cannot_reconcile_with_somebodys_session(
    tmp_path: Path,
) -> None:
    desk = operators_desk.Desk()
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        async with session.post("/sign-in", data={"token": OPERATOR}) as response:
            assert response.url.path == "/"
        async with session.post("/v1/reconcile") as response:
            assert response.status == 403
            assert "the token itself" in (await response.json())["error"]

    assert ("reconcile",) not in desk.asked


async def test_what_a_proxy_asked_a_browser_for_is_no_proof_that_a_form_is_ours(
    tmp_path: Path,
) -> None:
    desk = operators_desk.Desk()
    proxied = {"Authorization": "Basic Z3JhY2U6eA=="}
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        async with session.post("/sign-in", data={"token": OPERATOR}) as response:
            assert response.url.path == "/"
        asked = list(desk.asked)
        async with session.post("/v1/reconcile", headers=proxied) as response:
            assert response.status == 403
        form = {"collection": "users", "text": "x", "application": "math-galaxy"}
        async with session.post("/find", data=form, headers=proxied) as response:
            assert response.status == 403
            assert "not made for this session" in await response.text()

    assert desk.asked == asked


async def test_metrics_have_a_role_that_reads_nothing_else(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    line = f"prometheus metrics {sha256(METERS.encode()).hexdigest()}"
    async with on_console(desk, write_tokens(tmp_path / "tokens", line)) as session:
        for token, status in [(None, 401), ("wrong", 401), (METERS, 200), (VIEWER, 200)]:
            headers = bearer(token) if token else {}
            async with session.get("/metrics", headers=headers) as response:
                assert response.status == status
                assert ("rosterd_x" in await response.text()) == (status == 200)
                if status == 200:
                    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        async with session.get("/v1/status", headers=bearer(METERS)) as response:
            assert response.status == 403
        async with session.get("/", headers=bearer(METERS)) as response:
            assert response.status == 403
        async with session.post("/sign-in", data={"token": METERS}) as response:
            assert response.status == 403

    assert desk.asked == [("metrics",)] * 2


async def test_a_line_that_is_removed_ends_that_ones_access(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens")
    async with on_console(operators_desk.Desk(), path) as session:
        async with session.post("/sign-in", data={"token": VIEWER}) as response:
            assert response.url.path == "/"
        async with session.get("/v1/status") as response:
            assert response.status == 200

        path.write_text(f"grace operator {sha256(OPERATOR.encode()).hexdigest()}\n")

        async with session.get("/v1/status") as response:
            assert response.status == 401
        async with session.get("/v1/status", headers=bearer(OPERATOR)) as response:
            assert response.status == 200


@pytest.mark.parametrize("mode", [0o622, 0o660, 0o666])
async def test_a_tokens_file_that_others_may_write_lets_nobody_in(
    tmp_path: Path, mode: int
) -> None:
    path = write_tokens(tmp_path / "tokens")
    path.chmod(mode)

    assert operators.Operators(path).known(OPERATOR) is None


def test_a_missing_tokens_file_is_told_once_and_again_when_it_has_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens"
    people = operators.Operators(path)

    for _ in range(3):
        assert people.problem == (
            f"nobody may use the console: cannot read {path}: No such file or directory"
        )
    assert len(caplog.records) == 1
    write_tokens(path)
    assert people.problem == ""
    path.write_text("# nobody\n")
    assert people.problem == f"nobody may use the console: {path} names nobody"
    path.unlink()
    assert "No such file" in people.problem
    assert len(caplog.records) == 2
    assert operators.Operators(None).problem == ""


def test_wrong_lines_are_named_and_leave_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_tokens(tmp_path / "tokens", "eve operator", "eve root " + "0" * 64, "x viewer zz")

    people = operators.Operators(path)

    assert people.known(VIEWER) == operators.Operator("ada", "viewer")
    assert people.known(OPERATOR) == operators.Operator("grace", "operator")
    assert [record.getMessage().split()[-7] for record in caplog.records] == [
        f"{path}:{number}" for number in (4, 5, 6)
    ]


def test_a_session_ends_by_time_and_by_signing_out(tmp_path: Path) -> None:
    now = [0.0]
    people = operators.Operators(write_tokens(tmp_path / "tokens"), lambda: now[0])
    first, second = people.sign_in(VIEWER), people.sign_in(VIEWER)
    assert first is not None
    assert second is not None
    assert people.sign_in("wrong") is None

    people.sign_out(first)

    assert people.of_session(first) is None
    assert people.of_session(second) == operators.Operator("ada", "viewer")
    now[0] = operators.SESSION
    assert people.of_session(second) is None


# ---------------------------------------------------------------- the page


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


async def shown(session: aiohttp.ClientSession, path: str = "/") -> Page:
    async with session.post("/sign-in", data={"token": VIEWER}) as response:
        assert response.status == 200
    async with session.get(path) as response:
        assert response.status == 200
        return Page(await response.text())


async def test_the_page_needs_a_sign_in_and_takes_only_a_known_token(tmp_path: Path) -> None:
    async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
        async with session.get("/") as response:
            assert response.url.path == "/sign-in"
            assert "Math Galaxy" not in await response.text()
        async with session.post("/sign-in", data={"token": "wrong"}) as response:
            assert response.status == 401
            assert "Nobody has this token" in await response.text()
        page = await shown(session)
        assert "Math Galaxy" in page.text
        async with session.post("/sign-out") as response:
            assert response.url.path == "/sign-in"
        async with session.get("/", allow_redirects=False) as response:
            assert response.status == 303


async def test_the_cookie_is_not_for_scripts_nor_for_other_sites(tmp_path: Path) -> None:
    async with (
        on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session,
        session.post("/sign-in", data={"token": VIEWER}, allow_redirects=False) as response,
    ):
        cookie = response.headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert VIEWER not in cookie


async def test_every_answer_forbids_scripts_frames_and_keeping(tmp_path: Path) -> None:
    async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
        await shown(session)
        for path in ("/", "/sign-in", "/console.css", "/nothing", "/v1/status"):
            async with session.get(path, allow_redirects=False) as response:
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'")
                assert "script" not in policy
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert response.headers["Cache-Control"] == "no-store"
                assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_escapes_what_documents_say_and_has_no_script(tmp_path: Path) -> None:
    async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
        page = await shown(session)

    assert "Reading Lab <Pilot>" in page.text
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "pilot", "style", "iframe"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


async def test_the_page_shows_applications_with_levels_and_counts(tmp_path: Path) -> None:
    async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
        text = " ".join((await shown(session)).text.split())

    for part in (
        "4 in the config, 3 receiving data",
        "Math Galaxy math-galaxy Enabled basic, REST 1.2 LIMITED ACCESS 4 LIMITED ACCESS 37 3 861",
        "FULL ACCESS 24 FULL ACCESS 1 204",
        "Its agreement expired on 2026-06-30",
        "Delivery to reading-lab failed: the server's host key is not the pinned one",
        "DEV",
    ):
        assert part in text, part


async def test_the_status_shows_the_headline_imports_and_deliveries(tmp_path: Path) -> None:
    async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
        text = " ".join((await shown(session, "/status")).text.split())

    for part in (
        "All is served as the repository says",
        "ada@example.org, grace@example.org",
        "users.csv has no column sourcedId",
        "host key is not the pinned one",
    ):
        assert part in text, part


async def test_the_page_says_whose_statement_is_missing(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    desk.repository["state"] = "waiting"
    desk.repository["reason"] = "One document waits."
    desk.repository["missing"] = [
        {"path": "permissions/math-galaxy.yaml", "needed": 2, "have": ["ada@example.org"]}
    ]
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        text = " ".join((await shown(session, "/status")).text.split())

    assert "A change waits for statements" in text
    assert "permissions/math-galaxy.yaml" in text
    assert "vouched for by ada@example.org; 1 more person has to" in text
    assert "rosterd approve" in text


async def test_the_page_shows_conditions_passes_and_what_ends_soon(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    desk.conditions[4] = operators_desk.condition(
        "Guarded", "no", "Frozen", "a freeze until Monday"
    )
    desk.conditions[5] = operators_desk.condition("Applied", "unknown", "NotAsked", "not asked")
    desk.warnings = ["nobody may use the console: /etc/rosterd/operators names nobody"]
    desk.endings = [
        {
            "application": "math-galaxy", "what": "agreement", "last": "2026-10-09", "days": 4,
            "urgent": True, "message": "math-galaxy: its agreement ends in 4 days",
        }
    ]  # fmt: skip
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        text = " ".join((await shown(session, "/status")).text.split())

    for part in (
        "To look after nobody may use the console",
        "math-galaxy: its agreement ends in 4 days",
        "Guarded No Frozen a freeze until Monday",
        "Applied Unknown NotAsked not asked",
        "3f5d8a1c9e Applied the newest commit is served webhook",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    "state, ready, silent, title",
    [
        ("applied", True, [], "All is served as the repository says"),
        ("waiting", True, [], "A change waits for statements"),
        ("refused", True, [], "The newest commit is refused"),
        ("untrusted", True, [], "The newest commit is refused"),
        ("unreachable", True, [], "The repository cannot be reached"),
        ("untrusted", False, [], "Nothing is served yet"),
        ("applied", False, [], "Nothing is served yet"),
        ("applied", True, ["importing"], "A part of the daemon hangs"),
    ],
)
def test_the_headline_is_what_matters_now(
    state: Any, ready: bool, silent: list[str], title: str
) -> None:
    desk = operators_desk.Desk()
    desk.repository["state"] = state
    desk.served["ready"] = ready
    desk.silent = silent

    said = console.headline(desk.status())

    assert said["title"] == title
    assert said["text"]
    assert said["mood"] in ("good", "wait", "stop")


@pytest.mark.parametrize("tokens", [None, "absent"])
async def test_without_tokens_the_page_says_how_to_get_in(
    tmp_path: Path, tokens: str | None
) -> None:
    path = tmp_path / tokens if tokens else None
    async with (
        on_console(operators_desk.Desk(), path) as session,
        session.get("/") as response,
    ):
        text = await response.text()

    assert "Nobody can sign in yet" in text
    assert "<form" not in text


async def test_an_empty_daemon_has_a_page_too(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    desk.served = {
        "ready": False, "commit": None, "applied": None, "people": [], "generation": None,
        "published": None, "today": "2026-10-05", "counts": {},
    }  # fmt: skip
    desk.repository |= {"state": "untrusted", "fetched": None, "looked": None}
    async with on_console(desk, write_tokens(tmp_path / "tokens")) as session:
        text = (await shown(session)).text

    assert "Nothing is served yet" in text


async def test_no_token_of_an_operator_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with on_console(operators_desk.Desk(), write_tokens(tmp_path / "tokens")) as session:
            await shown(session)
            async with session.get("/v1/status", headers=bearer(OPERATOR)) as response:
                assert response.status == 200

    assert VIEWER not in caplog.text
    assert OPERATOR not in caplog.text
    assert "control GET /v1/status by=grace status=200" in caplog.text

"""The console as its enemies meet it: pages of other sites, rebound names, broken forms, stolen and
foreign sessions. `SECURITY.md` lists them.
"""

import asyncio
import base64
import contextlib
import http.cookies
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from rosterd import errors
from rosterd.web import console, control, desk, operators
from rosterd.web.console import histories, origins, serving
from tests.integration import operators_desk, test_console, test_control, vendors

OPERATOR, VIEWER = test_control.OPERATOR, test_control.VIEWER
GUARDED = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "rosterd",
}


@contextlib.asynccontextmanager
async def on_console(
    folder: Path, desk: operators_desk.Desk | None = None, *, public_url: str | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    people = operators.Operators(test_control.write_tokens(folder / "tokens"))
    page = console.Console(desk or operators_desk.Desk(), people, public_url=public_url)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        vendors.listening(page.application()) as address,
        aiohttp.ClientSession(address, cookie_jar=jar) as session,
    ):
        yield session


async def answer(
    session: aiohttp.ClientSession, method: str, path: str, **more: Any
) -> tuple[int, Mapping[str, str], str]:
    async with session.request(method, path, allow_redirects=False, **more) as response:
        return response.status, response.headers, await response.text()


def guarded(headers: Mapping[str, str]) -> None:
    """Every answer, the failed ones too, forbids scripts, frames and keeping, and names no library."""
    assert {name: headers.get(name) for name in GUARDED} == GUARDED
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )


# ---------------------------------------------------------------- names of the listener


REBOUND = (
    "attacker.example", "attacker.example:8421", "127.0.0.1.attacker.example", "10.0.0.1",
    "localhost.attacker.example", "[::ffff:10.0.0.1]", "", "[::1", "127.0.0.1:x@y",
)  # fmt: skip


async def test_a_name_that_was_rebound_to_loopback_is_not_answered(tmp_path: Path) -> None:
    desk = operators_desk.Desk()
    async with on_console(tmp_path, desk) as session:
        for host in REBOUND:
            for method, path in [("GET", "/sign-in"), ("GET", "/"), ("POST", "/sign-in")]:
                form = {"token": OPERATOR} if method == "POST" else None
                status, headers, text = await answer(
                    session, method, path, headers={"Host": host}, data=form
                )
                assert status == 421, host
                assert "Set-Cookie" not in headers
                assert "attacker" not in text
                guarded(headers)
            headers = {"Host": host, **test_control.bearer(OPERATOR)}
            status, _, text = await answer(session, "GET", "/v1/status", headers=headers)
            assert (status, "repository" in text) == (421, False)
    assert desk.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8421", "localhost:9000", "LOCALHOST", "[::1]:8421", "localhost."],
)
async def test_loopback_is_answered_under_each_of_its_names(tmp_path: Path, host: str) -> None:
    async with on_console(tmp_path) as session:
        status, _, _ = await answer(session, "GET", "/sign-in", headers={"Host": host})
        assert status == 200


async def test_behind_a_proxy_that_ends_tls_its_name_is_answered_and_no_other(
    tmp_path: Path,
) -> None:
    async with on_console(tmp_path, public_url="https://console.example:8443") as session:
        for host, expected in [
            ("console.example:8443", 200), ("console.example", 200), ("127.0.0.1:8421", 200),
            ("other.example", 421), ("console.example.evil.example", 421),
        ]:  # fmt: skip
            status, _, _ = await answer(session, "GET", "/sign-in", headers={"Host": host})
            assert status == expected, host


async def test_behind_tls_the_cookie_is_never_sent_in_the_clear_nor_set_by_a_neighbour(
    tmp_path: Path,
) -> None:
    async with on_console(tmp_path, public_url="https://console.example") as session:
        form = {"token": OPERATOR}
        _, headers, _ = await answer(session, "POST", "/sign-in", data=form)
        (cookie,) = http.cookies.SimpleCookie(headers["Set-Cookie"]).values()
        assert (cookie.key, cookie["path"], cookie["domain"]) == (
            f"__Host-{console.COOKIE}",
            "/",
            "",
        )
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Strict"
        mine = {"Cookie": f"{cookie.key}={cookie.value}"}
        assert (await answer(session, "GET", "/status", headers=mine))[0] == 200
        # a page of a sibling name can set the plain one, and it counts nothing
        set_by_a_neighbour = {"Cookie": f"{console.COOKIE}={cookie.value}"}
        assert (await answer(session, "GET", "/status", headers=set_by_a_neighbour))[0] == 303


# ---------------------------------------------------------------- pages of other sites

FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "http://127.0.0.1:9"},  # a program beside it on the same machine
    {"Origin": "https://127.0.0.1.attacker.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Origin": "null", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]


async def test_another_page_signs_nobody_in_as_somebody_else(tmp_path: Path) -> None:
    async with on_console(tmp_path) as session:
        for sent in FOREIGN:
            form = {"token": VIEWER}
            status, headers, _ = await answer(session, "POST", "/sign-in", data=form, headers=sent)
            assert (status, headers.get("Set-Cookie")) == (403, None), sent
            guarded(headers)


async def test_another_page_signs_nobody_out(tmp_path: Path) -> None:
    async with on_console(tmp_path) as session:
        await test_console.signed_in(session, OPERATOR)
        for sent in FOREIGN:
            status, headers, _ = await answer(session, "POST", "/sign-out", headers=sent)
            assert (status, headers.get("Set-Cookie")) == (403, None), sent
            assert (await answer(session, "GET", "/status"))[0] == 200


async def test_a_sign_out_without_a_session_takes_no_cookie_away(tmp_path: Path) -> None:
    """Other sites' forms come without the cookie, and the browser would obey the answer."""
    async with on_console(tmp_path) as session:
        status, headers, _ = await answer(session, "POST", "/sign-out")
        assert (status, headers.get("Set-Cookie")) == (303, None)


async def test_another_page_loads_and_frames_nothing(tmp_path: Path) -> None:
    """It would learn by times and sizes; and a preview would be counted in somebody's name."""
    desk = operators_desk.Desk()
    async with on_console(tmp_path, desk) as session:
        await test_console.signed_in(session, OPERATOR)
        asked = list(desk.asked)
        for site in ("cross-site", "same-site"):
            for mode, dest in [("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")]:
                sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
                for path in ("/add?own=1&form=1&name=x&access=full", "/v1/imports", "/roster/orgs"):
                    assert (await answer(session, "GET", path, headers=sent))[0] == 403
        assert desk.asked == asked
        linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
                  "Sec-Fetch-Dest": "document"}  # fmt: skip
        assert (await answer(session, "GET", "/status", headers=linked))[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Origin": "null"},  # of our own forms, by our Referrer-Policy, in a browser of long ago
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
async def test_our_own_forms_are_taken_as_browsers_send_them(
    tmp_path: Path, sent: dict[str, str]
) -> None:
    async with on_console(tmp_path) as session:
        form = {"token": VIEWER}
        status, headers, _ = await answer(session, "POST", "/sign-in", data=form, headers=sent)
        assert status == 303
        assert headers["Location"] == "/"


@pytest.mark.parametrize(
    "origin, host, public, ours",
    [
        ("http://127.0.0.1:8421", "127.0.0.1:8421", None, True),
        ("http://LOCALHOST:8421", "localhost:8421", None, True),
        ("http://localhost:8421", "127.0.0.1:8421", None, False),
        ("http://127.0.0.1:8422", "127.0.0.1:8421", None, False),
        ("https://console.example", "console.example", "https://console.example", True),
        ("https://console.example", "127.0.0.1:8421", "https://console.example", True),
        ("http://console.example", "console.example", "https://console.example", False),
        ("https://console.example:444", "console.example", "https://console.example", False),
        ("file://", "127.0.0.1:8421", None, False),
        ("http://[::1", "127.0.0.1:8421", None, False),
    ],
)
def test_an_origin_is_ours_when_it_is_the_one_that_was_asked(
    origin: str, host: str, public: str | None, ours: bool
) -> None:
    assert origins.Origins(public).ours(origin, host) is ours


# ---------------------------------------------------------------- broken forms


FORM = "application/x-www-form-urlencoded"
BROKEN = (
    (b"token=\xff\xfe", FORM, 401),
    (b"token=%FF%00", FORM, 401),
    (b"token=x", f"{FORM}; charset=nothing", 401),
    (b"token=x", f"{FORM}; charset=utf-16", 401),
    (b"a=1&" * 500, FORM, 400),
    (b"token=" + b"x" * 100_000, FORM, 413),
    (b"\x00" * 100, "application/octet-stream", 401),
    (b"token=" + OPERATOR.encode() + b"&token=x", FORM, 401),
)
"""What is sent, as what, and how signing in with it is answered."""


async def test_a_broken_form_is_refused_and_nothing_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_console(tmp_path) as session:
        word = await test_console.signed_in(session, OPERATOR)
        for body, kind, status in BROKEN:
            sent = {"Content-Type": kind}
            got, headers, _ = await answer(session, "POST", "/sign-in", data=body, headers=sent)
            assert got == status, body[:20]
            guarded(headers)
            ours = body + b"&word=" + word.encode()
            got, headers, _ = await answer(session, "POST", "/find", data=ours, headers=sent)
            assert got == (200 if status == 401 else status), body[:20]
            guarded(headers)
        packed = {"Content-Type": FORM, "Content-Encoding": "gzip"}
        got, headers, _ = await answer(session, "POST", "/sign-in", data=b"abcd", headers=packed)
        assert got == 400
        guarded(headers)
    assert "failed" not in caplog.text


async def test_a_form_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.05)
    async with on_console(tmp_path) as session:
        url = session._base_url
        assert url is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\ntoken="
        )
        async with asyncio.timeout(10):
            line = await reader.readline()
        writer.write(b"end")  # or the listener would wait for it when it stops
        await writer.drain()
        writer.close()
    assert line.startswith(b"HTTP/1.1 408 ")


class Failing(operators_desk.Desk):
    """A desk whose store does not answer, or that has a fault."""

    def __init__(self, error: Exception, *, whole: bool = False) -> None:
        super().__init__()
        self.error, self.whole = error, whole

    def status(self) -> Any:
        if self.whole:
            raise self.error
        return super().status()

    async def applications(self) -> Any:
        raise self.error

    async def catalog(self) -> Any:
        raise self.error

    async def imports(self, limit: int) -> Any:
        raise self.error

    async def head(self) -> Any:
        raise self.error

    async def metrics(self) -> bytes:
        raise self.error

    async def find(self, text: str, application: str | None, who: str) -> Any:
        raise self.error


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "error, status",
    [(errors.TemporaryError("the store does not answer"), 503), (KeyError("ada lovelace"), 500)],
    ids=["store", "fault"],
)
async def test_what_fails_is_said_without_what_it_was_about(
    tmp_path: Path, error: Exception, status: int, whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Failing(error, whole=whole)
    paths = ["/", "/applications/math-galaxy", "/add", "/find", "/roster", "/history", "/audit"]
    async with on_console(tmp_path, desk) as session:
        assert (await answer(session, "POST", "/sign-in", data={"token": OPERATOR}))[0] == 303
        for path in [*paths, *(["/status", "/nothing"] if whole else []), "/metrics"]:
            got, headers, text = await answer(session, "GET", path)
            assert got in (status, 500) if whole else got == status, path
            assert "lovelace" not in text
            guarded(headers)
        assert (await answer(session, "GET", "/sign-in"))[0] == 303
    assert "lovelace" not in caplog.text
    assert "Traceback" not in caplog.text


class Chained(operators_desk.Desk):
    """A desk with a long chain of records, of which few are letters."""

    def __init__(self, number: int, **more: Any) -> None:
        super().__init__()
        self.number, self.more, self.read = number, more, 0

    async def head(self) -> desk.Head:
        return {"number": self.number, "head": f"sha256:{'f' * 64}"}

    async def records(self, after: int, limit: int) -> Sequence[desk.Record]:
        self.read += limit
        found: list[desk.Record] = []
        for number in range(after + 1, min(after + limit, self.number) + 1):
            kind = "mailed" if number % 1000 == 0 else self.more.get("kind", "looked")
            entry = {"v": 1, "number": number, "actor": "grace", "what": "find",
                     "subject": "math-galaxy", "time": operators_desk.NOW, **self.more,
                     "kind": kind}  # fmt: skip
            found.append(
                {"number": number, "kind": kind, "time": operators_desk.NOW, "previous": "0" * 64,
                 "head": "f" * 64, "entry": base64.b64encode(orjson.dumps(entry)).decode()}
            )  # fmt: skip
        return found


async def test_a_long_record_is_looked_through_within_bounds_and_says_where_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "_DEEPEST", 1_000)
    monkeypatch.setattr(histories, "_BLOCK", 100)
    made = Chained(1_000_000)
    async with on_console(tmp_path, made) as session:
        await test_console.signed_in(session, VIEWER)
        for path in (
            "/audit?offset=950", "/audit?kind=mailed", "/audit?offset=999999950",
            "/audit?since=0001-01-01&until=9999-12-31",
        ):  # fmt: skip
            made.read = 0
            status, _, text = await answer(session, "GET", path)
            assert status == 200
            assert made.read <= 1_000
            assert "rosterd audit log" in text, path
        made.read = 0
        status, _, text = await answer(session, "GET", "/audit")
        assert made.read <= 100
        assert "rosterd audit log" not in text


def planned(documents: int) -> dict[str, Any]:
    """The plan of a commit that touches so many documents, each in as many fields."""
    return {
        "warnings": [{"subject": "x", "text": "y"}] * documents,
        "changes": [
            {"action": "changed", "kind": "Permission", "name": "x", "narrowing": False,
             "fields": [{"field": "f", "old": "a", "new": "b"}] * (documents if number < 3 else 1)}
            for number in range(documents)
        ],
        "exposure": [
            {"application": "x", "state": "changed", "levels": {}, "fields": {},
             "collections": {"users": {"gained": "<10", "lost": 0}}}
        ] * documents,
    }  # fmt: skip


async def test_a_commit_of_everything_is_told_within_a_page(tmp_path: Path) -> None:
    """Each adds its lines to a page that is made while vendors wait; the commands tell all."""
    lengths = []
    for documents in (60, 300):
        made = Chained(1, kind="applied", plan="x", planned=planned(documents))
        async with on_console(tmp_path, made) as session:
            await test_console.signed_in(session, VIEWER)
            status, _, text = await answer(session, "GET", "/history")
        assert status == 200
        assert "rosterd audit show 1" in text
        lengths.append(len(text))
    assert abs(lengths[1] - lengths[0]) < 200
    assert lengths[1] < 200_000


# ---------------------------------------------------------------- sessions


def people(folder: Path, *extra: str) -> operators.Operators:
    return operators.Operators(test_control.write_tokens(folder / "tokens", *extra))


def test_the_digest_of_nothing_is_nobodys_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What `printf %s "$token" | sha256sum` gives when the variable is empty."""
    some = people(tmp_path, f"eve operator {sha256(b'').hexdigest()}")
    assert some.known("") is None
    assert some.sign_in("") is None
    assert "is the digest of an empty token" in caplog.text
    assert some.known(OPERATOR) is not None


def test_one_token_cannot_push_the_sessions_of_others_out(tmp_path: Path) -> None:
    some = people(tmp_path)
    session = some.sign_in(OPERATOR)
    assert session is not None
    viewers = [some.sign_in(VIEWER) for _ in range(2_000)]
    assert some.of_session(session) is not None
    last = some.of_session(viewers[-1] or "")
    assert last is not None
    assert last.role == "viewer"


async def test_signing_in_again_ends_the_session_that_was_there(tmp_path: Path) -> None:
    """A session that somebody planted, or left behind, does not live beside the new one."""
    async with on_console(tmp_path) as session:
        await test_console.signed_in(session, VIEWER)
        url = session._base_url
        assert url is not None
        former = session.cookie_jar.filter_cookies(url)[console.COOKIE].value
        cookie = {"Cookie": f"{console.COOKIE}={former}"}
        async with aiohttp.ClientSession(url) as other:
            assert (await answer(other, "GET", "/status", headers=cookie))[0] == 200
            await test_console.signed_in(session, OPERATOR)
            assert (await answer(other, "GET", "/status", headers=cookie))[0] == 303


async def test_a_session_that_is_made_up_is_none(tmp_path: Path) -> None:
    async with on_console(tmp_path) as session:
        for value in ("", "x", "a" * 5000, "%00", '"x"'):
            cookie = {"Cookie": f"{console.COOKIE}={value}"}
            assert (await answer(session, "GET", "/", headers=cookie))[0] == 303


# ---------------------------------------------------------------- a viewer, and the log


async def test_a_viewer_reaches_no_endpoint_that_does_something(tmp_path: Path) -> None:
    """Neither by the session, nor by what forms say, nor by the token."""
    desk = operators_desk.Desk()
    async with on_console(tmp_path, desk) as session:
        word = await test_console.signed_in(session, VIEWER)
        desk.asked.clear()
        for endpoint in control.ENDPOINTS:
            path = endpoint.path.replace("{name}", "math-galaxy").replace("{number}", "1")
            reads = endpoint.role == "viewer" and endpoint.console and endpoint.method == "GET"
            for sent in ({}, test_control.bearer(word), test_control.bearer(VIEWER)):
                got, _, text = await answer(
                    session, endpoint.method, path, headers=sent, json={"word": word}
                )
                assert got == 200 if reads and sent != test_control.bearer(word) else got >= 400
                assert "the-secret" not in text
    assert {each[0] for each in desk.asked} <= {"imports", "exports", "held imports"}


async def test_requests_for_pages_are_logged_by_route_and_person_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with on_console(tmp_path) as session:
        word = await test_console.signed_in(session, OPERATOR)
        await answer(session, "POST", "/find", data={"word": word, "text": "lovelace"})
        await answer(session, "GET", "/applications/lovelace?q=lovelace")
        await answer(session, "POST", "/sign-in", data={"token": "lovelace"})
        await answer(session, "GET", "/v1/status", headers=test_control.bearer("lovelace"))
        await answer(session, "POST", "/v1/find", headers=test_control.bearer(VIEWER))
    assert "console POST /find by=grace status=200" in caplog.text
    assert "console GET /applications/{name} by=grace status=404" in caplog.text
    assert "console POST /sign-in by=grace status=303" in caplog.text
    assert "console POST /sign-in by=- status=401" in caplog.text
    assert "console GET /v1/status by=- status=401" in caplog.text
    assert "console POST /v1/find by=ada status=403" in caplog.text
    for private in ("lovelace", word, OPERATOR):
        assert private not in caplog.text


# ---------------------------------------------------------------- the control socket


async def test_who_cannot_be_named_is_not_answered_on_the_socket() -> None:
    """On record there would be nobody."""
    desk = operators_desk.Desk()
    async with (
        vendors.listening(control.application(desk)) as address,
        aiohttp.ClientSession(address) as session,
    ):
        path = "/v1/applications/math-galaxy/credentials"
        status, _, text = await answer(session, "POST", path)
    assert (status, "the-secret" in text) == (403, False)
    assert desk.asked == []

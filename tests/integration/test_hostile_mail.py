"""Mail servers that refuse or hang at each stage, and webhooks that do, through the real loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd import smtp

from rosterd import mail, notifying, posting
from tests.integration import test_mail, test_notifying, vendors

PASSWORD = "a-mail-password"
READER = "it@lakeside.example.org"
MAIL = f"  - {{to: {READER}, about: [exports, imports]}}\n"
HOOK = "  - {webhook: ops-hook, format: generic, about: [exports]}\n"
FAILED = notifying.Incident("exports", "export:math", "delivery to math failed", "it is away")
HANG = "hang"
NAMES = {"EHLO": "handle_EHLO", "MAIL": "handle_MAIL", "RCPT": "handle_RCPT", "DATA": "handle_DATA"}


class Bad(test_mail.Inbox):
    """Refuses or hangs at one stage, until it is mended."""

    def __init__(self, stage: str, how: str) -> None:
        super().__init__()
        self.stage, self.how = stage, how
        self.met = 0

    async def _at(self, stage: str) -> str | None:
        if stage != self.stage:
            return None
        self.met += 1
        if self.how == HANG:
            await asyncio.sleep(3600)
        return self.how

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: smtp.SMTP, session: smtp.Session, _envelope: smtp.Envelope,
        hostname: str, responses: list[str],
    ) -> list[str]:  # fmt: skip
        session.host_name = hostname
        said = await self._at("EHLO")
        return [said] if said else responses

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: smtp.SMTP, _session: smtp.Session, envelope: smtp.Envelope,
        address: str, _options: list[str],
    ) -> str:  # fmt: skip
        envelope.mail_from = address
        return await self._at("MAIL") or "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: smtp.SMTP, session: smtp.Session, envelope: smtp.Envelope,
        address: str, options: list[str],
    ) -> str:  # fmt: skip
        said = await self._at("RCPT")
        return said or await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: smtp.SMTP, session: smtp.Session, envelope: smtp.Envelope
    ) -> str:
        return await self._at("DATA") or await super().handle_DATA(server, session, envelope)

    def check(self, *_: object) -> smtp.AuthResult:
        """The authenticator; it cannot hang, as it is no coroutine."""
        if self.stage == "AUTH":
            self.met += 1
            return smtp.AuthResult(success=False, handled=False)
        return smtp.AuthResult(success=True)


@contextlib.asynccontextmanager
async def told(
    folder: Path, bad: Bad, notifications: str = MAIL, **more: Any
) -> AsyncIterator[test_notifying.Office]:
    """A loop whose mails go to that server."""
    password = folder / "mail-password"
    password.write_text(f"{PASSWORD}\n")
    async with (
        test_mail.listening(bad, authenticator=bad.check, auth_require_tls=False) as server,
        test_notifying.office(
            folder,
            notifications,
            **(
                test_notifying.reached(server)
                | {"username": "rosters", "password": password}
                | more
            ),
        ) as it,
    ):
        yield it


@pytest.mark.parametrize(
    "stage, how",
    [
        *((stage, how) for stage in ("MAIL", "RCPT", "DATA") for how in (
            f"550 5.7.1 <{READER}> not here", "451 later", HANG,
        )),
        ("EHLO", "421 closing"),
        ("EHLO", HANG),
        ("AUTH", "535 no"),
    ],
)  # fmt: skip
async def test_a_mail_that_does_not_leave_is_told_tried_later_and_its_end_told_once(
    stage: str,
    how: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3 if how == HANG else 10.0)
    caplog.set_level(logging.DEBUG, "rosterd")
    bad = Bad(stage, how)
    async with asyncio.timeout(20), told(tmp_path, bad) as it:
        it.wrong.append(FAILED)
        await it.look()
        (warning,) = it.loop.warnings()
        assert warning.startswith(f"cannot notify {READER}: ")
        met = bad.met
        await it.look(seconds=30)
        assert bad.met == met, "not before its pause is over"
        await it.look(seconds=31)
        assert bad.met > met, "after a minute"
        met = bad.met
        await it.look(minutes=4)
        assert bad.met == met, "then after five"
        bad.stage = ""
        monkeypatch.setattr(mail, "TIMEOUT", 10.0)
        await it.look(minutes=2)
        assert [str(each["Subject"]) for each in bad.mails] == [
            "[Test district] delivery to math failed"
        ]
        assert it.loop.warnings() == []
        it.wrong.clear()
        for _ in range(3):
            await it.look(minutes=2)

    assert [str(each["Subject"])[16:] for each in bad.mails[1:]] == [
        "over: delivery to math failed"
    ]
    logged = caplog.text + "".join(map(str, it.loop.problems.values()))
    assert PASSWORD not in logged
    assert "5.7.1" not in logged, "the server's words"


Greets = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def greeting(greets: Greets) -> AsyncIterator[int]:
    """The port of a server that talks like that."""
    before = asyncio.all_tasks()
    talking: set[asyncio.Task[Any]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await greets(reader, writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talking - before:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


async def drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins an answer that never ends."""
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"220-wait\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def refuses(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"554 go away\r\n")
    writer.close()


async def talks_nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(b"\xff\x00" * 2**16 + b"\r\n")
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("greets", [drips, silent, hangs_up, refuses, talks_nonsense])
@pytest.mark.parametrize("security", ["none", "tls"])
async def test_a_server_that_does_not_even_greet_keeps_nobody_waiting(
    greets: Greets, security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    async with (
        asyncio.timeout(10),
        greeting(greets) as port,
        test_notifying.office(
            tmp_path,
            MAIL,
            host="127.0.0.1",
            port=port,
            security=security,
            sender="a@b.example",
        ) as it,
    ):
        it.wrong.append(FAILED)
        await it.look()

        (warning,) = it.loop.warnings()
        assert "mail server 127.0.0.1" in warning


async def test_a_server_without_starttls_gets_neither_password_nor_mail(tmp_path: Path) -> None:
    bad = Bad("", "")
    async with asyncio.timeout(10), told(tmp_path, bad, security="starttls") as it:
        it.wrong.append(FAILED)
        await it.look()

        (warning,) = it.loop.warnings()
        assert "STARTTLS" in warning
        assert "starttls" in warning, "what to set, when that is right"
    assert bad.mails == []


async def test_why_nobody_is_told_is_known_after_a_restart(tmp_path: Path) -> None:
    bad = Bad("RCPT", "550 no")
    async with told(tmp_path, bad) as it:
        it.wrong.append(FAILED)
        await it.look()
        before = it.loop.warnings()
    async with told(tmp_path, bad) as again:
        again.wrong.append(FAILED)
        await again.look()

        assert [each.partition(": ")[0] for each in again.loop.warnings()] == [
            each.partition(": ")[0] for each in before
        ]
        assert bad.met == 1, "it was not tried again yet"


# ---------------------------------------------------------------- webhooks


class Hook:
    """Takes events once it is mended."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.met = 0
        self.events: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.met += 1
        if self.how == HANG:
            await asyncio.sleep(1)
        if self.how == "drip":
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                for _ in range(50):
                    await response.write(b"x")
                    await asyncio.sleep(0.02)
            return response
        if self.how.startswith("3"):
            raise AssertionError if request.path == "/other" else web.HTTPFound("/other")
        if self.how.isdigit():
            return web.Response(status=int(self.how), text="who knows what")
        self.events += (await request.json())["events"]
        return web.Response()


@pytest.mark.parametrize("how", [HANG, "302", "404", "429", "500", "503"])
async def test_a_webhook_that_fails_is_tried_later_and_its_end_told_once(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT", 0.3 if how == HANG else 10.0)
    hook = Hook(how)
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.take)
    async with (
        asyncio.timeout(20),
        vendors.listening(app) as address,
        test_notifying.office(tmp_path, HOOK) as it,
    ):
        config = it.service.worlds.current.config
        await it.named.set(config, "ops-hook", f"{address}/secret-path", "ada")
        it.wrong.append(FAILED)
        await it.look()
        (warning,) = it.loop.warnings()
        await it.look(seconds=30)
        assert hook.met == 1
        hook.how = ""
        monkeypatch.setattr(posting, "TIMEOUT", 10.0)
        await it.look(seconds=31)
        await it.look(minutes=2)
        it.wrong.clear()
        await it.look(minutes=2)
        await it.look(minutes=2)
        assert it.loop.warnings() == []

    assert [each["what"] for each in hook.events] == ["begun", "over"]
    assert "secret-path" not in caplog.text + warning
    assert "who knows what" not in caplog.text + warning


async def test_an_answer_that_does_not_end_counts_by_its_status(tmp_path: Path) -> None:
    hook = Hook("drip")
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    async with vendors.listening(app) as address, asyncio.timeout(10):
        await posting.post(f"{address}/hook", {"version": 1})

    assert hook.met == 1

"""Notifications through real receivers: a mail server, a listener for webhooks, and bad ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import test_utils, web

from rosterd import configs, errors, loading, notifying, posting, sealing, vault
from tests.integration import configs_in_git, test_letters, test_mail, vendors

FAILED = notifying.Incident("exports", "export:math", "delivery to math failed", "it is away")
MAIL = "  - {to: it@lakeside.example.org, about: [exports, imports]}\n"
HOOK = "  - {webhook: ops-hook, format: %s, about: [exports]}\n"


def documents(notifications: str) -> configs.Config:
    text = configs_in_git.REPOSITORY + "notifications:\n" + notifications
    made, problems = configs.check(loading.load({"rosterd.yaml": text.encode()}))
    assert made is not None, [str(problem) for problem in problems]
    return made


@dataclass
class Office:
    """A loop that is told what is wrong, and passes when a test says so."""

    loop: notifying.Notifying
    service: vendors.Service
    named: sealing.Secrets
    wrong: list[notifying.Incident] = field(default_factory=list)

    async def look(self, **later: float) -> None:
        self.service.clock.pass_by(**later)
        await self.loop.look()
        await self.loop.settle()


@contextlib.asynccontextmanager
async def office(tmp_path: Path, notifications: str, **mail: Any) -> AsyncIterator[Office]:
    async with vendors.service(tmp_path, documents=documents(notifications)) as service:
        key = tmp_path / "vault.key"
        if not key.exists():
            vault.create_key(key)
        named = sealing.Secrets(service.storage, vault.load(key), service.clock)
        wrong: list[notifying.Incident] = []

        async def look() -> notifying.Seen:
            return notifying.Seen(tuple(wrong))

        loop = notifying.Notifying(
            machine=test_letters.machine(tmp_path, **mail),
            served=service.worlds,
            state=service.storage,
            named=named,
            look=look,
            clock=service.clock,
        )
        yield Office(loop, service, named, wrong)


def reached(server: Any) -> dict[str, Any]:
    return {
        "host": server.host, "port": server.port, "security": "none", "sender": server.sender,
    }  # fmt: skip


async def test_a_mail_when_it_begins_and_one_when_it_is_over(tmp_path: Path) -> None:
    inbox = test_mail.Inbox()
    async with (
        test_mail.listening(inbox) as server,
        office(tmp_path, MAIL, **reached(server)) as it,
    ):
        it.wrong.append(FAILED)
        await it.look()
        await it.look(minutes=2)
        it.wrong.clear()
        await it.look(minutes=2)
        await it.look(minutes=2)

    begun, over = inbox.mails
    assert begun["To"] == "it@lakeside.example.org"
    assert begun["Subject"] == "[Test district] delivery to math failed"
    assert "it is away" in begun.get_content()
    assert over["Subject"] == "[Test district] over: delivery to math failed"


async def test_only_what_was_asked_for_is_told(tmp_path: Path) -> None:
    inbox = test_mail.Inbox()
    async with (
        test_mail.listening(inbox) as server,
        office(tmp_path, MAIL, **reached(server)) as it,
    ):
        it.wrong.append(notifying.Incident("holds", "hold:math", "math is held"))
        await it.look()
    assert inbox.mails == []


async def test_a_server_that_refuses_is_asked_later_and_told_in_the_status(tmp_path: Path) -> None:
    inbox = test_mail.Inbox(refuses="451 later")
    async with (
        test_mail.listening(inbox) as server,
        office(tmp_path, MAIL, **reached(server)) as it,
    ):
        it.wrong.append(FAILED)
        await it.look()
        (warning,) = it.loop.warnings()
        assert warning.startswith("cannot notify it@lakeside.example.org: the mail server")
        inbox.refuses = None
        await it.look(seconds=30)
        assert inbox.mails == []
        await it.look(seconds=31)
        assert len(inbox.mails) == 1
        assert it.loop.warnings() == []


async def test_a_restart_between_noting_and_sending_tells_it_once_more_and_no_more(
    tmp_path: Path,
) -> None:
    inbox = test_mail.Inbox()
    async with test_mail.listening(inbox) as server:
        async with office(tmp_path, MAIL, **reached(server)) as it:
            it.wrong.append(FAILED)
            await it.loop.look()
            await it.loop._cut()  # as a kill would: noted, and nobody knows whether it arrived
        arrived = len(inbox.mails)
        async with office(tmp_path, MAIL, **reached(server)) as it:
            it.wrong.append(FAILED)
            await it.look()
            await it.look(minutes=2)
            await it.look(minutes=2)
    assert len(inbox.mails) == arrived + 1


@pytest.mark.parametrize("form", ["generic", "slack"])
async def test_a_webhook_gets_json_in_the_form_that_was_chosen(tmp_path: Path, form: str) -> None:
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with test_utils.TestServer(app) as server, office(tmp_path, HOOK % form) as it:
        config = it.service.worlds.current.config
        await it.named.set(config, "ops-hook", f"{server.make_url('/hook')}\n", "ada")
        it.wrong.append(FAILED)
        await it.look()

    (payload,) = got
    if form == "slack":
        assert payload.keys() == {"text"}
        assert "delivery to math failed" in payload["text"]
    else:
        assert payload == {
            "version": 1,
            "district": "Test district",
            "events": [
                {
                    "what": "begun", "key": "export:math", "about": "exports", "subject": "",
                    "title": "delivery to math failed", "text": "it is away",
                    "since": "2026-10-05T12:00:00Z",
                }
            ],
        }  # fmt: skip


async def test_a_webhook_without_its_url_says_how_to_set_it(tmp_path: Path) -> None:
    async with office(tmp_path, HOOK % "generic") as it:
        it.wrong.append(FAILED)
        await it.look()
        (warning,) = it.loop.warnings()
    assert "rosterd secret set ops-hook" in warning


async def test_a_receiver_that_hangs_keeps_nobody_else_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    monkeypatch.setattr(posting, "TIMEOUT", 0.5)
    app = web.Application()
    app.router.add_post("/hook", hang)
    inbox = test_mail.Inbox()
    async with (
        test_mail.listening(inbox) as mails,
        test_utils.TestServer(app) as server,
        office(tmp_path, MAIL + HOOK % "generic", **reached(mails)) as it,
    ):
        config = it.service.worlds.current.config
        await it.named.set(config, "ops-hook", str(server.make_url("/hook")), "ada")
        it.wrong.append(FAILED)
        await it.look()
        assert len(inbox.mails) == 1
        (warning,) = it.loop.warnings()
        assert "cannot notify webhook ops-hook: cannot reach the webhook" in warning


async def test_a_redirect_is_not_followed_and_no_error_has_the_address() -> None:
    async def lead(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def taken(_request: web.Request) -> web.Response:
        raise AssertionError("followed")

    app = web.Application()
    app.router.add_post("/secret-path", lead)
    app.router.add_post("/elsewhere", taken)
    async with test_utils.TestServer(app) as server:
        with pytest.raises(errors.InputError, match="leads elsewhere") as refused:
            await posting.post(str(server.make_url("/secret-path")), {})
        gone = str(server.make_url("/secret-path"))
    assert "secret-path" not in str(refused.value)
    with pytest.raises(errors.TemporaryError) as away:
        await posting.post(gone, {})
    assert "secret-path" not in str(away.value)


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/x", "ftp://127.0.0.1/", "https://", "x", "http://10.0.0.1/"]
)
def test_an_address_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(errors.InputError, match="https"):
        posting.check(url)


def test_documents_say_one_way_and_each_receiver_once() -> None:
    text = configs_in_git.REPOSITORY + "notifications:\n"
    for wrong, why in (
        ("  - {to: a@b.example, webhook: x, about: [exports]}\n", "one way"),
        ("  - {about: [exports]}\n", "one way"),
        (MAIL + MAIL, "twice"),
    ):
        files: dict[str, str | bytes | None] = {"rosterd.yaml": text + wrong}
        assert why in str(configs_in_git.problems_of(files))

"""Mail through real SMTP servers on the loopback, friendly ones and others."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd import smtp

from rosterd import errors, mail
from tests.integration import certificates

TEXT = "Math Galaxy is enabled.\nGrüße\n"
MAIL = mail.Mail(to="maker@example.org", subject="Math Galaxy is enabled", text=TEXT)


class Inbox:
    """Keeps what arrives; `refuses` answers each reader instead."""

    def __init__(self, refuses: str | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = refuses

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: smtp.SMTP, _session: smtp.Session, envelope: smtp.Envelope,
        address: str, _options: list[str],
    ) -> str:  # fmt: skip
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: smtp.SMTP, _session: smtp.Session, envelope: smtp.Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        parsed = message_from_bytes(content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 OK"


@contextlib.asynccontextmanager
async def listening(
    inbox: Inbox,
    certificate: certificates.Certificate | None = None,
    security: mail.Security = "none",
    **more: Any,
) -> AsyncIterator[mail.Server]:
    """A server in this event loop, and how it is reached."""
    context = serving(certificate) if certificate is not None else None
    if security == "starttls":
        more |= {"tls_context": context, "require_starttls": True}
    before = asyncio.all_tasks()
    server = await asyncio.get_running_loop().create_server(
        lambda: smtp.SMTP(inbox, **more),
        "127.0.0.1",
        0,
        ssl=context if security == "tls" else None,
    )
    try:
        yield mail.Server(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            security=security,
            sender="rosters@lakeside.example.org",
            certificates=str(certificate.chain) if certificate is not None else None,
            timeout=10,
        )
    finally:
        server.close()
        conversations = asyncio.all_tasks() - before - {asyncio.current_task()}
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"))


def serving(certificate: certificates.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


async def test_a_mail_arrives_as_it_was_written() -> None:
    inbox = Inbox()
    async with listening(inbox) as server:
        await mail.send(server, replace(MAIL, reply_to="it@lakeside.example.org"))

    (arrived,) = inbox.mails
    assert arrived.get_content().splitlines() == TEXT.splitlines()
    assert (arrived["To"], arrived["Subject"]) == (MAIL.to, MAIL.subject)
    assert arrived["From"] == "rosterd <rosters@lakeside.example.org>"
    assert arrived["Reply-To"] == "it@lakeside.example.org"
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived["Message-ID"].endswith("@lakeside.example.org>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_arrives_over_tls(
    security: mail.Security, certificate: certificates.Certificate
) -> None:
    inbox = Inbox()
    async with listening(inbox, certificate, security) as server:
        await mail.send(server, MAIL)

    assert len(inbox.mails) == 1


async def test_a_server_that_nobody_vouches_for_is_not_told_anything(
    certificate: certificates.Certificate,
) -> None:
    inbox = Inbox()
    async with listening(inbox, certificate, "starttls") as server:
        with pytest.raises(errors.InputError, match="cannot trust the mail server"):
            await mail.send(replace(server, certificates=None), MAIL)

    assert inbox.mails == []


async def test_a_server_without_starttls_is_not_written_to_in_the_clear() -> None:
    inbox = Inbox()
    async with listening(inbox) as server:
        with pytest.raises(errors.RosterdError):
            await mail.send(replace(server, security="starttls"), MAIL)

    assert inbox.mails == []


async def test_a_password_that_is_refused_is_for_the_administrator() -> None:
    def check(*_: object) -> smtp.AuthResult:
        return smtp.AuthResult(success=False, handled=False)

    inbox = Inbox()
    async with listening(inbox, authenticator=check, auth_require_tls=False) as server:
        with pytest.raises(
            errors.InputError, match="refuses the user name or the password"
        ) as told:
            await mail.send(replace(server, username="rosterd", password="not-this-one"), MAIL)

    assert "not-this-one" not in str(told.value)
    assert "not-this-one" not in repr(replace(server, password="not-this-one"))


@pytest.mark.parametrize(
    "answer, kind",
    [
        ("550 no such mailbox maker@example.org", errors.InputError),
        ("451 try again", errors.TemporaryError),
    ],
)
async def test_a_reader_who_is_refused_is_told_without_the_address(
    answer: str, kind: type[errors.RosterdError]
) -> None:
    async with listening(Inbox(answer)) as server:
        with pytest.raises(kind) as told:
            await mail.send(server, MAIL)

    assert f"refuses the reader: {answer[:3]}" in str(told.value)
    assert "maker@example.org" not in str(told.value)


async def test_a_line_break_in_a_subject_is_no_header() -> None:
    inbox = Inbox()
    async with listening(inbox) as server:
        with pytest.raises(errors.InputError, match="cannot write"):
            await mail.send(server, replace(MAIL, subject="Hello\r\nBcc: all@example.org"))

    assert inbox.mails == []


async def test_a_server_that_is_not_there_is_for_later() -> None:
    async with listening(Inbox()) as server:
        pass

    with pytest.raises(errors.TemporaryError, match="cannot reach the mail server"):
        await mail.send(server, MAIL)


@pytest.fixture
async def silence() -> AsyncIterator[int]:
    """A port where somebody listens and never answers."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for writer in held:
        writer.close()
    server.close()


async def test_a_server_that_hangs_is_given_up(silence: int) -> None:
    server = mail.Server("127.0.0.1", silence, "none", "a@example.org", timeout=0.2)

    with pytest.raises(errors.TemporaryError, match="cannot reach the mail server"):
        await mail.send(server, MAIL)

"""Sending one mail through the district's own server.

The text was made elsewhere and holds neither a pupil's data nor a secret. What goes wrong is told
by who has to act: the administrator of this machine (a password that is refused, a certificate), or
nobody, since the same mail may leave later.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formataddr, make_msgid
from typing import Final, Literal

import aiosmtplib

from rosterd import errors, settings

Security = Literal["starttls", "tls", "none"]
TIMEOUT: Final = 30.0
"""Seconds that the server has for each answer; three times as long for the whole conversation."""


@dataclass(frozen=True, slots=True)
class Server:
    """How the server is reached. `none` sends in the clear: for this machine's own server."""

    host: str
    port: int
    security: Security
    sender: str
    """The address that mails come from."""
    sender_name: str = "rosterd"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    certificates: str | None = None
    """File with the authorities that vouch for the server; those of the system when left out."""
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Mail:
    """One plain text for one reader."""

    to: str
    subject: str
    text: str
    reply_to: str | None = None


def server(machine: settings.Mail) -> Server:
    """The server of the settings, its password read anew: it may have been replaced.

    Raises errors.InputError when none is set, or its password cannot be read.
    """
    if machine.host is None or machine.sender is None:
        raise errors.InputError(
            "cannot send mail: no mail server is set; add [mail] with host and sender to the"
            " settings"
        )
    password = None
    if machine.password is not None:
        try:
            password = machine.password.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise errors.InputError(
                f"cannot read the mail server's password in {machine.password}"
            ) from error
    return Server(
        host=machine.host,
        port=machine.port,
        security=machine.security,
        sender=machine.sender,
        sender_name=machine.sender_name,
        username=machine.username,
        password=password,
        certificates=str(machine.certificates) if machine.certificates is not None else None,
        timeout=TIMEOUT,
    )


async def send(server: Server, mail: Mail) -> None:
    """Hand the mail to the server.

    Raises errors.InputError when it or this machine's settings have to be mended, and
    errors.TemporaryError when the same mail may be sent later.
    """
    where = f"{server.host}:{server.port}"
    try:
        message = _message(server, mail)
        async with asyncio.timeout(3 * server.timeout):
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                username=server.username,
                password=server.password,
                tls_context=_trusted(server) if server.security != "none" else None,
                timeout=server.timeout,
            )
    except aiosmtplib.SMTPAuthenticationError as error:
        raise errors.InputError(
            f"cannot sign in at the mail server {where}: it refuses the user name or the password"
            f" ({error.code})"
        ) from error
    except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPSenderRefused) as error:
        raise _refused(where, error) from error
    except FileNotFoundError as error:
        raise errors.InputError(
            f"cannot read the certificates of the mail server {where}: {server.certificates}"
        ) from error
    except ssl.SSLError as error:
        raise errors.InputError(
            f"cannot trust the mail server {where}: {error.reason or 'TLS failed'}"
        ) from error
    except aiosmtplib.SMTPResponseException as error:
        if error.code >= 500:
            raise errors.InputError(f"the mail server {where} refuses: {error.code}") from error
        raise errors.TemporaryError(
            f"the mail server {where} says: later ({error.code})"
        ) from error
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise _broken(where, error) from error
    except ValueError as error:
        raise errors.InputError("cannot write this mail: an address is no address") from error


def _message(server: Server, mail: Mail) -> EmailMessage:
    """Raises ValueError for a header that would begin another one."""
    message = EmailMessage()
    message["From"] = formataddr((server.sender_name, server.sender))
    message["To"] = mail.to
    message["Subject"] = mail.subject
    if mail.reply_to is not None:
        message["Reply-To"] = mail.reply_to
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence is answered to it
    message.set_content(mail.text)
    return message


def _trusted(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.certificates)


def _broken(where: str, error: Exception) -> errors.RosterdError:
    if isinstance(error.__cause__, ssl.SSLError):
        reason = error.__cause__.reason or "TLS failed"
        return errors.InputError(f"cannot trust the mail server {where}: {reason}")
    if "not supported" in str(error):  # the library has no class of its own for it
        return errors.InputError(
            f"cannot write to the mail server {where}: it offers no STARTTLS, or no way to sign in,"
            " and nothing is sent without; look at security (starttls, tls) and username in [mail]"
        )
    return errors.TemporaryError(f"cannot reach the mail server {where}: {type(error).__name__}")


def _refused(
    where: str, error: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPSenderRefused
) -> errors.RosterdError:
    """Codes from 500 are for good. The server's words may repeat an address: they are not told."""
    refusals = error.recipients if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else [error]
    code = max(refusal.code for refusal in refusals)
    who = "the reader" if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else "the sender"
    message = f"the mail server {where} refuses {who}: {code}"
    if code >= 500:
        return errors.InputError(message)
    return errors.TemporaryError(message)

"""Certificates that are renewed under a running listener, and who may connect."""

import asyncio
import contextlib
import datetime as dt
import ssl
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rosterd import errors
from rosterd.web import app, listening


def write_pair(folder: Path, name: str, *, password: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate for `name` and its key, replacing those that are there."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    for path, content in zip(
        paths, (certificate.public_bytes(serialization.Encoding.PEM), pem), strict=True
    ):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)  # as those who renew certificates do
    return paths


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", hello)
    runner = app.runner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def presented(port: int, name: str | None = "roster.example.org") -> str:
    """The name in the certificate that a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name or ""
    )
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
        await writer.wait_closed()
    (attribute,) = x509.load_der_x509_certificate(shown).subject
    return str(attribute.value)


async def test_a_renewed_certificate_is_presented_without_a_restart(tmp_path: Path) -> None:
    now = [0.0]
    held = listening.Certificate(*write_pair(tmp_path, "first"), clock=lambda: now[0])
    async with serving(held.context) as port:
        assert await presented(port) == "first"
        write_pair(tmp_path, "second")
        assert await presented(port) == "first"  # not looked at again yet

        now[0] = listening.LOOK_AGAIN
        assert await presented(port) == "second"
        assert await presented(port, name=None) == "second"


@pytest.mark.parametrize("damage", ["other key", "half a file", "gone"])
async def test_a_broken_pair_leaves_the_former_one_in_use(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    certificate, key = write_pair(tmp_path, "first")
    held = listening.Certificate(certificate, key, clock=lambda: now[0])
    async with serving(held.context) as port:
        if damage == "other key":
            before = certificate.read_bytes()
            write_pair(tmp_path, "second")
            certificate.write_bytes(before + b"\n")
        elif damage == "half a file":
            certificate.write_bytes(certificate.read_bytes()[:200])
        else:
            key.unlink()
        now[0] += listening.LOOK_AGAIN

        assert await presented(port) == "first"
        assert "certificate not renewed" in caplog.text

        write_pair(tmp_path, "third")
        now[0] += listening.LOOK_AGAIN
        assert await presented(port) == "third"


async def test_older_tls_is_refused(tmp_path: Path) -> None:
    held = listening.Certificate(*write_pair(tmp_path, "first"))

    assert held.context.minimum_version == ssl.TLSVersion.TLSv1_2
    async with serving(held.context) as port:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what this is about
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


def test_a_pair_that_does_not_belong_together_is_refused_at_the_start(tmp_path: Path) -> None:
    certificate, _ = write_pair(tmp_path, "first")
    other = tmp_path / "other"
    other.mkdir()
    _, key = write_pair(other, "second")

    with pytest.raises(errors.InputError, match="cannot use the certificate"):
        listening.Certificate(certificate, key)
    with pytest.raises(errors.InputError, match="No such file"):
        listening.Certificate(certificate, tmp_path / "absent")


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="password"):
        listening.Certificate(*write_pair(tmp_path, "first", password=b"secret"))


@pytest.mark.parametrize(
    "address, allowed",
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
        ("198.51.100.1", False),
        ("127.0.0.1", False),
        ("", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_only_trusted_proxies_are_answered(
    address: str | None, allowed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    peers = listening.Peers(["192.0.2.0/24", "2001:db8::/32"])

    assert not peers.open
    assert peers.allowed(address) == allowed
    assert peers.allowed(address) == allowed  # also when it was judged before
    assert len(caplog.records) == (0 if allowed else 1)


def test_without_proxies_everybody_is_answered() -> None:
    peers = listening.Peers()

    assert peers.open
    assert peers.allowed("198.51.100.1")

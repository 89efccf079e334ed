"""The way into an SFTP server, and the way out of one that does not answer.

The connection is made by hand instead of with paramiko's SSHClient, which asks for the first host
key type it knows and fails when the server would have shown another one that is pinned as well.
"""

import contextlib
import io
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, Self

import paramiko

from rosterd import errors

CONNECT_SECONDS = 15.0
SIGN_IN_SECONDS = 30.0
STALL_SECONDS = 60.0
"""How long one answer of the server may take."""

# paramiko still offers these; a server that has nothing better is refused, never met half-way
_WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, how it is known, and how one signs in. Never logged: it holds secrets."""

    host: str
    port: int
    username: str
    host_keys: tuple[str, ...]
    """Pinned keys as "type base64"; any one of them is good, so that keys can be rotated."""
    password: str | None = None
    private_key: str | None = None
    """OpenSSH or PEM text."""
    passphrase: str | None = None
    directory: str = "."
    purpose: Literal["deliver to", "fetch from"] = "deliver to"
    """For messages."""

    def __repr__(self) -> str:
        return f"<Endpoint {self.username}@{self.host}:{self.port}>"


class Watch:
    """The most seconds one conversation may take, counted from when this is made.

    For one conversation only. `cut` may be called from any thread, before or while it runs.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reason = ""
        self._ends = time.monotonic() + seconds
        self._closers: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self.cut, (f"it took longer than {seconds:g} s",))
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def cut(self, reason: str) -> None:
        """End the conversation now; the first reason stays."""
        with self._lock:
            self.reason = self.reason or reason
            closers, self._closers = self._closers, []
        for close in reversed(closers):
            with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                close()

    def on_cut(self, close: Callable[[], object]) -> None:
        """Have `close` called when the conversation is cut, at once when it already is."""
        with self._lock:
            if not self.reason:
                self._closers.append(close)
                return
        close()

    def left(self, most: float) -> float:
        """Seconds to wait for one thing: `most`, or what is left."""
        return max(0.001, min(most, self._ends - time.monotonic()))


def fingerprint(key: paramiko.PKey) -> str:
    """Type and fingerprint of a key, as `ssh-keygen -l` shows it."""
    digest = b64encode(sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


@contextlib.contextmanager
def signed_in(
    endpoint: Endpoint, watch: Watch
) -> Iterator[tuple[paramiko.SFTPClient, paramiko.Transport]]:
    """A session that ends with the context, or when the watch cuts it."""
    key = _private_key(endpoint)
    with watch, _translated(endpoint, watch), contextlib.ExitStack() as stack:
        line = stack.enter_context(_connected(endpoint, watch))
        transport = paramiko.Transport(line, disabled_algorithms=_WEAK)
        stack.callback(transport.close)
        watch.on_cut(transport.close)
        transport.banner_timeout = transport.handshake_timeout = watch.left(CONNECT_SECONDS)
        transport.auth_timeout = watch.left(SIGN_IN_SECONDS)
        transport.channel_timeout = watch.left(SIGN_IN_SECONDS)
        _meet(transport, endpoint, watch)
        _sign_in(transport, endpoint, key)
        session = paramiko.SFTPClient.from_transport(transport)
        if session is None:
            raise errors.TemporaryError(f"cannot open SFTP at {endpoint.host}")
        channel = session.get_channel()
        assert channel is not None  # noqa: S101 - a session that was just made has one
        channel.settimeout(STALL_SECONDS)
        yield session, transport


@contextlib.contextmanager
def _connected(endpoint: Endpoint, watch: Watch) -> Iterator[socket.socket]:
    """Our own socket: the kernel gives up on a peer that acknowledges nothing."""
    address = (endpoint.host, endpoint.port)
    with socket.create_connection(address, timeout=watch.left(CONNECT_SECONDS)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(STALL_SECONDS * 1000)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        watch.on_cut(line.close)
        yield line


def _meet(transport: paramiko.Transport, endpoint: Endpoint, watch: Watch) -> None:
    """Agree on keys with a server that proves a pinned one; anything else ends here."""
    types = {pinned.split()[0] for pinned in endpoint.host_keys}
    names = [name for kind in sorted(types) for name in _SIGNATURES.get(kind, (kind,))]
    transport.get_security_options().key_types = names
    transport.start_client(timeout=watch.left(CONNECT_SECONDS))
    shown = transport.get_remote_server_key()
    if f"{shown.get_name()} {shown.get_base64()}" not in endpoint.host_keys:
        raise errors.InputError(
            f"cannot {endpoint.purpose} {endpoint.host}: it shows the host key {fingerprint(shown)}, which"
            " is not pinned in hostKeys; ask whoever runs it whether the key was changed"
        )


def _sign_in(transport: paramiko.Transport, endpoint: Endpoint, key: paramiko.PKey | None) -> None:
    if key is not None:
        further = transport.auth_publickey(endpoint.username, key)
        if transport.is_authenticated():
            return
        if endpoint.password is None:
            raise errors.InputError(
                f"cannot sign in to {endpoint.host}: beside the key it wants {', '.join(further)}"
            )
    if endpoint.password is None:
        raise errors.InputError(f"cannot sign in to {endpoint.host}: no secret is set")
    transport.auth_password(endpoint.username, endpoint.password)
    if not transport.is_authenticated():
        raise errors.InputError(f"cannot sign in to {endpoint.host}: the password is not enough")


def _private_key(endpoint: Endpoint) -> paramiko.PKey | None:
    if endpoint.private_key is None:
        return None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException, ValueError):
            key: paramiko.PKey = kind.from_private_key(
                io.StringIO(endpoint.private_key), endpoint.passphrase
            )
            return key
    raise errors.InputError(
        f"cannot use the private key for {endpoint.host}: it is no ed25519, ECDSA or RSA key, or"
        " its passphrase is missing or wrong"
    )


@contextlib.contextmanager
def _translated(endpoint: Endpoint, watch: Watch) -> Iterator[None]:
    """Turns what paramiko and the system raise into who has to act."""
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        yield
    except UnicodeDecodeError as error:  # paramiko reads names as UTF-8, or not at all
        raise errors.InputError(
            f"cannot {endpoint.purpose} {where}: a name that it tells is no UTF-8; rename what lies"
            " there"
        ) from error
    except (paramiko.SSHException, EOFError, OSError, errors.RosterdError) as error:
        if watch.reason:
            raise errors.TemporaryError(f"cannot finish with {where}: {watch.reason}") from error
        if isinstance(error, errors.RosterdError):
            raise
        raise _told(error, where, endpoint.purpose) from error


def _told(error: Exception, where: str, purpose: str) -> errors.RosterdError:
    text = clean(str(error)) or type(error).__name__
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return errors.InputError(
            f"cannot talk to {where}: it offers no key or cipher that is pinned or safe ({text})"
        )
    # a server that hangs up in the middle raises the same class as one that says no
    if isinstance(error, paramiko.BadAuthenticationType) or text == "Authentication failed.":
        return errors.InputError(f"cannot sign in to {where}: it refuses user and secret ({text})")
    if isinstance(error, FileNotFoundError | PermissionError) and not of_the_line(error):
        verb = "write" if purpose == "deliver to" else "read"
        return errors.InputError(f"cannot {verb} at {where}: {text}")
    return errors.TemporaryError(f"cannot {purpose} {where}: {text}")


def of_the_line(error: OSError) -> bool:
    """Whether the connection failed, rather than the server saying no to one request."""
    return isinstance(error, TimeoutError | ConnectionError | socket.gaierror) or (
        str(error) == "Socket is closed"
    )


def clean(text: str) -> str:
    """A server's words, so far as they can stand in a log line."""
    return "".join(letter for letter in text if letter.isprintable())[:200]

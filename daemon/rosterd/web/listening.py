"""Sockets and certificates: on what the daemon listens, and to whom.

Certificates are renewed while the daemon runs, so the files are looked at when a connection begins
and read again when they changed; a broken pair leaves the former one in use and is said in the log.
Behind proxies only their addresses are answered, and nothing that they (or anybody) put into
X-Forwarded headers is believed.
"""

import errno
import ipaddress
import logging
import os
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from rosterd import errors

LOOK_AGAIN: Final = 2.0
"""Seconds between two looks at the certificate files."""
_PEERS: Final = 10_000

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """A TLS context that follows its files."""

    def __init__(
        self, certificate: Path, key: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises errors.InputError when the two files are no certificate and its key."""
        self._files = (certificate, key)
        self._clock = clock
        self._stamp = self._stamped()
        self._looked = clock()
        try:
            self._inner = self._loaded()
            self.context = self._loaded()
        except (OSError, ssl.SSLError) as error:
            raise errors.InputError(
                f"cannot use the certificate {certificate} with the key {key}: {_reason(error)}"
            ) from error
        # called in every handshake, whether the client names a server or not
        self.context.sni_callback = self._chosen

    def _chosen(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        now = self._clock()
        if now - self._looked >= LOOK_AGAIN:
            self._looked = now
            self._renew()
        connection.context = self._inner

    def _renew(self) -> None:
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._inner = self._loaded()
        except (errors.InputError, OSError, ssl.SSLError) as error:
            _log.warning("certificate not renewed, the former one stays: %s", _reason(error))
            return
        self._stamp = stamp
        _log.info("certificate renewed from %s", self._files[0])

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.load_cert_chain(*self._files, password=_no_password)
        return context

    def _stamped(self) -> _Stamp:
        try:
            statuses = [path.stat() for path in self._files]
        except OSError as error:
            raise errors.InputError(
                f"cannot read {error.filename}: {error.strerror or error}"
            ) from error
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in statuses)


class Peers:
    """Which addresses may connect: everybody, or the trusted proxies alone."""

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
        self._judged: dict[str | None, bool] = {}

    @property
    def open(self) -> bool:
        """Whether everybody is answered."""
        return not self._networks

    def allowed(self, address: str | None) -> bool:
        """Whether a connection from `address` is answered. None is a unix socket or gone."""
        if not self._networks:
            return True
        known = self._judged.get(address)
        if known is None:
            known = self._judge(address)
            if len(self._judged) < _PEERS:
                self._judged[address] = known
                if not known:  # once for each address: a proxy that was forgotten is found so
                    _log.warning("refused: %s is none of listen.trusted_proxies", address)
        return known

    def _judge(self, address: str | None) -> bool:
        try:
            peer = ipaddress.ip_address((address or "").partition("%")[0])
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)


def control_socket(path: Path) -> socket.socket:
    """A listening unix socket that its owner alone may use (mode 0600 from its first moment).

    One that nobody serves any more is replaced. Raises errors.InputError when another daemon
    answers there, or something else is in the way.
    """
    _clear(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    mask = os.umask(0o177)
    try:
        control.bind(str(path))
    except OSError as error:
        control.close()
        raise errors.InputError(f"cannot listen on {path}: {error.strerror or error}") from error
    finally:
        os.umask(mask)
    control.listen()
    control.settimeout(0)
    return control


def _clear(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise errors.InputError(f"cannot listen on {path}: something else is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise errors.InputError(
                    f"cannot listen on {path}: {error.strerror or error}"
                ) from error
            path.unlink(missing_ok=True)
            return
    raise errors.InputError(f"cannot listen on {path}: another daemon answers there")


def _no_password() -> str:
    """Instead of asking on the terminal."""
    raise errors.InputError("the key has a password; a daemon needs one without")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "they do not belong together"
    return str(error)

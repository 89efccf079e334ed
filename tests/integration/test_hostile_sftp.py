"""SFTP servers with a pinned key and bad intentions, or bad luck: what they list, give, and hold back."""

import contextlib
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rosterd import errors, sftp
from rosterd.sftp import sessions
from tests.integration import sshd

FILE = stat.S_IFREG | 0o644
HOST = paramiko.ECDSAKey.generate(bits=256)
Listing = list[tuple[str, int, int]]


@dataclass
class Manners:
    """How the server behaves; `hang` names the step at which it says nothing more."""

    listing: Listing = field(default_factory=lambda: [("users.csv", FILE, 10)])
    content: Callable[[int, int], bytes] = lambda offset, length: b"0123456789"[offset:][:length]
    mode: int = FILE
    hang: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    passwords: list[str] = field(default_factory=list)

    def at(self, step: str) -> None:
        if self.hang == step:
            self.over.wait(20)


class _Door(paramiko.ServerInterface):
    def __init__(self, manners: Manners) -> None:
        self._manners = manners

    def get_allowed_auths(self, _username: str) -> str:
        return "password"

    def check_auth_password(self, _username: str, password: str) -> int:
        self._manners.at("sign in")
        self._manners.passwords.append(password)
        return paramiko.AUTH_SUCCESSFUL  # type: ignore[attr-defined,no-any-return]  # untyped

    def check_channel_request(self, _kind: str, _number: int) -> int:
        self._manners.at("channel")
        return paramiko.OPEN_SUCCEEDED  # type: ignore[attr-defined,no-any-return]  # untyped

    def check_channel_subsystem_request(self, channel: Any, name: str) -> bool:
        self._manners.at("subsystem")
        return bool(super().check_channel_subsystem_request(channel, name))


class _Handle(paramiko.SFTPHandle):
    def __init__(self, manners: Manners) -> None:
        super().__init__()
        self._manners = manners

    def read(self, offset: int, length: int) -> bytes:
        self._manners.at("read")
        return self._manners.content(offset, length)

    def stat(self) -> paramiko.SFTPAttributes:
        return _attributes("", FILE, 10)


class _Files(paramiko.SFTPServerInterface):
    manners: Manners

    def __init__(self, server: _Door, *_: object, **__: object) -> None:
        self.manners = server._manners
        super().__init__(server)

    def canonicalize(self, path: str) -> str:
        return f"/{path.strip('/.')}"

    def list_folder(self, _path: str) -> Any:
        self.manners.at("list")
        return [_attributes(*each) for each in self.manners.listing]

    def stat(self, path: str) -> Any:
        return _attributes(path, stat.S_IFDIR | 0o755, 0)

    def lstat(self, path: str) -> Any:
        self.manners.at("look at")
        return _attributes(path, self.manners.mode, 10)

    def open(self, _path: str, _flags: int, _attr: object) -> Any:
        self.manners.at("open")
        return _Handle(self.manners)


def _attributes(name: str, mode: int, size: int) -> paramiko.SFTPAttributes:
    found = paramiko.SFTPAttributes()
    found.filename, found.st_mode, found.st_size = name, mode, size
    found.st_mtime = found.st_atime = 1_600_000_000
    return found


@contextlib.contextmanager
def serving(manners: Manners) -> Iterator[sftp.Endpoint]:
    """A server in threads of this process, for one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listener.accept()
                if manners.hang == "banner":
                    manners.over.wait(20)
                    line.close()
                    continue
                transport = paramiko.Transport(line)
                transport.add_server_key(HOST)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
                transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=_Door(manners))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield sftp.Endpoint(
            host="127.0.0.1",
            port=listener.getsockname()[1],
            username="sis",
            host_keys=(f"{HOST.get_name()} {HOST.get_base64()}",),
            password="a-password",
            purpose="fetch from",
        )
    finally:
        manners.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join(5)


def look(manners: Manners) -> list[str]:
    with serving(manners) as endpoint:
        return [each.name for each in sftp.look(endpoint, watch=sftp.Watch(10))]


def fetch(manners: Manners, into: Path, size: int = 10, limit: int = 1000) -> None:
    into.mkdir(exist_ok=True)
    wanted = [sftp.Entry("users.csv", size, 1_600_000_000)]
    with serving(manners) as endpoint:
        sftp.fetch(endpoint, wanted, into, limit=limit, watch=sftp.Watch(10))


# ---------------------------------------------------------------- what it lists


BAD_NAMES = [
    "..", ".", "../users.csv", "/etc/passwd", "a/b.csv", "a\\b.csv", "C:x.csv", ".hidden.csv",
    "x" * 300 + ".csv", "evil\x1b[31m.csv", "line\nfeed.csv", "turned\u202evsc.exe",
]  # fmt: skip


def test_only_regular_files_with_plain_names_are_seen() -> None:
    kinds = (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR, 0)
    listing = [(name, FILE, 1) for name in BAD_NAMES]
    listing += [(f"kind-{number}.csv", kind | 0o644, 1) for number, kind in enumerate(kinds)]

    assert look(Manners([*listing, ("users.csv", FILE, 1)])) == ["users.csv"]


def test_a_folder_of_thousands_is_no_drop_box() -> None:
    with pytest.raises(errors.InputError, match="too many files"):
        look(Manners([(f"{number}.csv", FILE, 1) for number in range(2500)]))


def test_a_name_twice_is_told() -> None:
    with pytest.raises(errors.InputError, match="lists a file twice"):
        look(Manners([("users.csv", FILE, 10), ("users.csv", FILE, 10)]))


def test_a_name_that_is_no_text_is_told_and_keeps_no_delivery_out(tmp_path: Path) -> None:
    with sshd.running(tmp_path / "sshd") as server:
        (server.folder / "bad\udcff.csv").write_text("x")  # bytes that are no UTF-8
        endpoint = server.endpoint(directory=str(server.folder), purpose="fetch from")
        with pytest.raises(errors.InputError, match=r"cannot fetch from .* is no UTF-8; rename"):
            sftp.look(endpoint, watch=sftp.Watch(10))

        file = tmp_path / "bundle.zip"
        file.write_bytes(b"whole")
        upload = sftp.Upload(file, "bundle.zip", 5, sha256(b"whole").hexdigest())
        sftp.deliver(endpoint, [upload], run="run", watch=sftp.Watch(10))
        assert (server.folder / "bundle.zip").read_bytes() == b"whole"


# ---------------------------------------------------------------- what it gives


@pytest.mark.parametrize(
    "manners, says",
    [
        (Manners(content=lambda _offset, length: b"x" * length), "longer than it was"),
        (Manners(content=lambda offset, length: b"01234"[offset:][:length]), "shorter"),
        (Manners(mode=stat.S_IFLNK | 0o777), "became something else"),
        (Manners(mode=stat.S_IFCHR | 0o666), "became something else"),
        (Manners(listing=[("users.csv", FILE, 11)]), "changed while it was copied"),
        (Manners(listing=[]), "changed while it was copied"),
    ],
    ids=["endless", "short", "a link", "a device", "grew", "went away"],
)
def test_a_file_that_is_not_what_was_listed_is_for_later(
    manners: Manners, says: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.TemporaryError, match=says):
        fetch(manners, tmp_path / "into")

    written = sum(path.stat().st_size for path in (tmp_path / "into").iterdir())
    assert written <= 2 * 32768


@pytest.mark.parametrize("size", [1001, 2**40, 2**63 - 1])
def test_what_is_said_to_be_huge_is_not_even_asked_for(size: int, tmp_path: Path) -> None:
    manners = Manners()

    with pytest.raises(errors.InputError, match="more than 1000 bytes"):
        fetch(manners, tmp_path / "into", size)

    assert manners.passwords == []


def test_what_is_fetched_is_its_owners_alone(tmp_path: Path) -> None:
    fetch(Manners(), tmp_path / "into")

    (file,) = (tmp_path / "into").iterdir()
    assert file.read_bytes() == b"0123456789"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# ---------------------------------------------------------------- what it holds back


@pytest.mark.parametrize(
    "step", ["banner", "sign in", "channel", "subsystem", "list", "look at", "open", "read"]
)
def test_a_server_that_hangs_is_left_in_time(step: str, tmp_path: Path) -> None:
    before = time.monotonic()
    wanted = [sftp.Entry("users.csv", 10, 1_600_000_000)]
    with (
        serving(Manners(hang=step)) as endpoint,
        pytest.raises(errors.TemporaryError) as told,
    ):
        sftp.fetch(endpoint, wanted, tmp_path, limit=1000, watch=sftp.Watch(0.5))

    assert time.monotonic() - before < 5
    assert "a-password" not in str(told.value)


def test_another_key_gets_no_password() -> None:
    manners = Manners()
    other = paramiko.ECDSAKey.generate(bits=256)
    pinned = f"{other.get_name()} {other.get_base64()}"
    with serving(manners) as endpoint:
        changed = sftp.Endpoint(
            endpoint.host, endpoint.port, "sis", (pinned,), password="a-password"
        )
        with pytest.raises(errors.InputError, match="not pinned"):
            sftp.look(changed, watch=sftp.Watch(10))

    assert manners.passwords == []
    assert sessions.fingerprint(HOST).startswith("ecdsa-sha2-nistp256 SHA256:")

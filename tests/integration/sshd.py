"""A real sshd on loopback that serves SFTP out of one folder."""

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rosterd import sftp

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
AuthorizedKeysFile {work}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LoginGraceTime 20
{host_keys}
Subsystem sftp internal-sftp -d {folder} {flags}
{more}
"""


@dataclass
class Server:
    """A running sshd; `folder` is where files land."""

    port: int
    folder: Path
    work: Path
    process: subprocess.Popen[bytes]
    kinds: tuple[str, ...]

    def host_key(self, kind: str = "") -> str:
        """The public host key of a type (the first), as a document pins it."""
        kind = kind or self.kinds[0]
        return " ".join((self.work / f"host_{kind}.pub").read_text().split()[:2])

    def endpoint(self, **changes: object) -> sftp.Endpoint:
        """How to reach it, all right unless `changes` say otherwise."""
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": getpass.getuser(),
            "host_keys": (self.host_key(),),
            "private_key": (self.work / "client").read_text(),
        }
        return sftp.Endpoint(**(values | changes))  # type: ignore[arg-type]  # tables of cases

    def connections(self) -> list[int]:
        """Processes that serve a connection now."""
        return _descendants(self.process.pid)

    def stop(self) -> None:
        """Freeze the connections, as a hanging server would: sockets stay open, nothing moves."""
        for process in self.connections():
            os.kill(process, signal.SIGSTOP)

    def files(self) -> dict[str, bytes]:
        """What lies in the folder."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


def _descendants(process: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for child in map(int, children):
            found += [child, *_descendants(child)]
    return found


@contextlib.contextmanager
def running(
    work: Path, *, kinds: tuple[str, ...] = ("ed25519",), flags: str = "", more: str = ""
) -> Iterator[Server]:
    """An sshd with host keys of `kinds`; `flags` go to its SFTP server, `more` to its config.

    Skips the test where there is no sshd.
    """
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no sshd on this machine (package openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    folder = work / "deliveries"
    folder.mkdir(exist_ok=True)
    for name, kind in [("client", "ed25519"), *((f"host_{kind}", kind) for kind in kinds)]:
        if not (work / name).exists():
            make_key(work / name, kind)
    shutil.copy(work / "client.pub", work / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    host_keys = "\n".join(f"HostKey {work}/host_{kind}" for kind in kinds)
    config = work / "sshd_config"
    config.write_text(
        _CONFIG.format(
            port=port, work=work, folder=folder, host_keys=host_keys, flags=flags, more=more
        )
    )
    process = subprocess.Popen(
        [program, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, bufsize=0
    )
    server = Server(port, folder, work, process, kinds)
    try:
        _wait(process)
        yield server
    finally:
        for child in server.connections():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.terminate()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def make_key(path: Path, kind: str, passphrase: str = "") -> None:
    """A key pair at `path` and `path.pub`."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Until sshd says on its log that it listens."""
    assert process.stderr is not None
    said = b""
    while not re.search(rb"Server listening", said):
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"sshd did not start: {said.decode()}")
        said += line

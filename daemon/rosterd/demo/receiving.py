"""A vendor's SFTP server for the demo: loopback, one account, one folder.

The demo must show a delivery without asking anybody to install a server, so this one speaks SFTP
through paramiko. It offers what deliveries need (write, stat, rename, posix-rename, remove, list)
and nothing outside its folder.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import BinaryIO

import paramiko
from paramiko import common, sftp

from rosterd import errors


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where the server listens and what it accepts."""

    address: str
    port: int
    username: str
    password: str
    folder: Path
    host_key: paramiko.PKey


class _Access(paramiko.ServerInterface):
    """One account with a password; only SFTP."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def check_auth_password(self, username: str, password: str) -> int:
        same = compare_digest(username.encode(), self._receiver.username.encode())
        same &= compare_digest(password.encode(), self._receiver.password.encode())
        return common.AUTH_SUCCESSFUL if same else common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return common.OPEN_SUCCEEDED
        return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Handle(paramiko.SFTPHandle):
    """An open file; paramiko reads and writes through `readfile` and `writefile`."""

    def __init__(self, flags: int, file: BinaryIO) -> None:
        super().__init__(flags)
        self.readfile = self.writefile = file

    def stat(self) -> paramiko.SFTPAttributes | int:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.writefile.fileno()))


class _Folder(paramiko.SFTPServerInterface):
    """The files of one folder; a path can never leave it."""

    def __init__(self, server: _Access, folder: Path) -> None:
        super().__init__(server)
        self._folder = folder

    def _place(self, path: str) -> Path:
        return self._folder / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(item.stat(), item.name)
                for item in sorted(self._place(path).iterdir())
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._place(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self.stat(path)

    def open(
        self, path: str, flags: int, attr: paramiko.SFTPAttributes
    ) -> paramiko.SFTPHandle | int:
        place = self._place(path)
        writing = bool(flags & (os.O_WRONLY | os.O_RDWR))
        try:
            descriptor = os.open(place, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            file = os.fdopen(descriptor, "r+b" if writing else "rb", buffering=0)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return _Handle(flags, file)

    def remove(self, path: str) -> int:
        return self._change(lambda: self._place(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._place(newpath).exists():
            return sftp.SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._change(lambda: self._place(oldpath).replace(self._place(newpath)))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return self._change(lambda: self._place(path).mkdir(mode=0o700))

    def _change(self, change: Callable[[], object]) -> int:
        try:
            change()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return sftp.SFTP_OK


@contextlib.contextmanager
def listening(receiver: Receiver) -> Iterator[int]:
    """Serve until the context ends; gives the port, a free one when `receiver.port` is 0."""
    receiver.folder.mkdir(parents=True, exist_ok=True)
    try:
        listener = socket.create_server((receiver.address, receiver.port))
    except OSError as error:
        raise errors.InputError(
            f"cannot listen on port {receiver.port} for the demo's SFTP server:"
            f" {os.strerror(error.errno or 0)}; is this demo running already?"
        ) from error
    transports: list[paramiko.Transport] = []
    accepting = threading.Thread(
        target=_accept, args=(listener, receiver, transports), name="demo sftp", daemon=True
    )
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        # shutdown wakes the thread out of accept(); close alone does not
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for transport in transports:
            transport.close()


def _accept(
    listener: socket.socket, receiver: Receiver, transports: list[paramiko.Transport]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        transports[:] = [transport for transport in transports if transport.is_active()]
        transport = paramiko.Transport(connection)
        transport.add_server_key(receiver.host_key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, receiver.folder)
        transports.append(transport)
        try:
            # the event makes this return at once; the handshake goes on in paramiko's thread
            transport.start_server(event=threading.Event(), server=_Access(receiver))
        except (paramiko.SSHException, OSError):
            transport.close()

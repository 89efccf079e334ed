"""Bringing files to an SFTP server, and from one (`fetching`), that is trusted for nothing but its pinned host key.

What can go wrong is decided here, since paramiko by itself would wait for ever: a server that is
stopped in the middle of an upload holds `put` without end, whatever socket options say. So every
conversation has a `Watch`: after its seconds, or when somebody calls `cut`, the connection is
closed under it and whatever waits ends. A file gets its name only when all of it is there.

Everything here blocks; callers use a thread. `errors.InputError` means that a person has to act
(another host key, a refused password, a missing folder), `errors.TemporaryError` that it may work
later.
"""

import io
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import paramiko

from rosterd import errors
from rosterd.sftp import fetching, sessions
from rosterd.sftp.sessions import Endpoint, Watch

__all__ = [
    "Endpoint",
    "Entry",
    "Probe",
    "Publish",
    "Upload",
    "Verify",
    "Watch",
    "deliver",
    "fetch",
    "find",
    "look",
    "probe",
    "survey",
]

Entry = fetching.Entry
fetch = fetching.fetch
look = fetching.look

Publish = Literal["posix-rename", "rename", "direct"]
Verify = Literal["size", "readback", "none"]

_READS_AHEAD = 64
_PIECE = 32768


@dataclass(frozen=True, slots=True)
class Upload:
    """One local file and what it is called at the target."""

    path: Path
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What `probe` met."""

    host_key: str
    """Type and SHA256 fingerprint, as ssh-keygen shows them."""
    server: str
    """How the server calls itself."""
    steps: tuple[str, ...]
    """What worked, in order."""


def deliver(
    endpoint: Endpoint,
    uploads: Sequence[Upload],
    *,
    run: str,
    watch: Watch,
    publish: Publish = "posix-rename",
    verify: Verify = "size",
) -> None:
    """Bring all files to the endpoint's directory; they get their names in the given order, after
    the last of them is there whole.

    `run` names the attempt in temporary names, `.NAME.RUN-….part`; those of an earlier attempt of
    the same run are removed. Raises errors.InputError, errors.TemporaryError.
    """
    with sessions.signed_in(endpoint, watch) as (session, _):
        _enter(session, endpoint)
        _clear(session, uploads, run)
        token = f"{run}-{secrets.token_hex(6)}"
        temporary = {
            upload: upload.name if publish == "direct" else f".{upload.name}.{token}.part"
            for upload in uploads
        }
        try:
            for upload, name in temporary.items():
                _put(session, upload, name, verify, watch)
            for upload, name in temporary.items():
                _publish(session, name, upload.name, publish)
        except BaseException:
            for name in temporary.values() if publish != "direct" else ():
                _remove(session, name)
            raise


def find(endpoint: Endpoint, expected: Upload, *, watch: Watch) -> bool:
    """Whether the very bytes of `expected` lie at the endpoint under that name already.

    They are read back: a file of the same name and size may be yesterday's. A server that does not
    let us look counts as one that has nothing.
    """
    with sessions.signed_in(endpoint, watch) as (session, _):
        try:
            session.chdir(endpoint.directory)
            if session.stat(expected.name).st_size != expected.size:
                return False
            return _read_back(session, expected.name) == expected.sha256
        except OSError as error:
            if sessions.of_the_line(error):
                raise
            return False


def probe(endpoint: Endpoint, *, watch: Watch, publish: Publish = "posix-rename") -> Probe:
    """Sign in, write an empty hidden file, publish it the way deliveries are, and remove it."""
    with sessions.signed_in(endpoint, watch) as (session, transport):
        steps = ["the host key is pinned", "signed in"]
        _enter(session, endpoint)
        steps.append(f"entered {endpoint.directory}")
        final = f".rosterd-test.{secrets.token_hex(6)}"
        name = final if publish == "direct" else f"{final}.part"
        try:
            session.putfo(io.BytesIO(), name, confirm=False)
            steps.append("wrote a file")
            _publish(session, name, final, publish)
            if publish != "direct":
                steps.append(f"published it by {publish}")
        finally:
            _remove(session, name)
            gone = _remove(session, final)
        if gone:
            steps.append("removed it")
        return Probe(
            host_key=sessions.fingerprint(transport.get_remote_server_key()),
            server=sessions.clean(str(transport.remote_version)),
            steps=tuple(steps),
        )


def survey(endpoint: Endpoint, *, watch: Watch) -> Probe:
    """Sign in, enter the folder and list it, as a fetch does; nothing is written."""
    with sessions.signed_in(endpoint, watch) as (session, transport):
        found = fetching.entries(session, endpoint)
        return Probe(
            host_key=sessions.fingerprint(transport.get_remote_server_key()),
            server=sessions.clean(str(transport.remote_version)),
            steps=(
                "the host key is pinned",
                "signed in",
                f"entered {endpoint.directory}",
                f"listed it: {len(found)} regular files",
            ),
        )


def _enter(session: paramiko.SFTPClient, endpoint: Endpoint) -> None:
    try:
        session.chdir(endpoint.directory)
    except FileNotFoundError as error:
        raise errors.InputError(
            f"cannot deliver to {endpoint.host}: it has no folder {endpoint.directory}"
        ) from error


def _clear(session: paramiko.SFTPClient, uploads: Sequence[Upload], run: str) -> None:
    """Remove what attempts of the same run left, at a server that lets us list."""
    prefixes = tuple(f".{upload.name}.{run}-" for upload in uploads)
    try:
        names = session.listdir()
    except UnicodeDecodeError:  # somebody else's file; what we left is removed another time
        return
    except OSError as error:
        if sessions.of_the_line(error):
            raise
        return
    for name in names:
        if name.startswith(prefixes) and name.endswith(".part"):
            _remove(session, name)


def _put(
    session: paramiko.SFTPClient, upload: Upload, name: str, verify: Verify, watch: Watch
) -> None:
    def check(_sent: int, _all: int) -> None:
        if watch.reason:
            raise TimeoutError(watch.reason)

    with upload.path.open("rb") as file:
        session.putfo(file, name, upload.size, check, confirm=False)
    if verify == "size":
        size = session.stat(name).st_size
        if size != upload.size:
            raise errors.TemporaryError(
                f"cannot deliver {upload.name}: {upload.size} bytes were sent and the server has"
                f" {'no size for it' if size is None else size}"
            )
    elif verify == "readback" and _read_back(session, name) != upload.sha256:
        raise errors.TemporaryError(
            f"cannot deliver {upload.name}: what the server gives back is not what was sent"
        )


def _publish(session: paramiko.SFTPClient, temporary: str, final: str, publish: Publish) -> None:
    if publish == "direct":
        return
    try:
        if publish == "posix-rename":
            session.posix_rename(temporary, final)
        else:
            _rename(session, temporary, final)
    except OSError as error:
        if sessions.of_the_line(error):
            raise
        hint = "; when it does not know posix-rename, say `publish: rename`"
        raise errors.InputError(
            f"cannot deliver {final}: the server refused the {publish}: {sessions.clean(str(error))}"
            f"{hint if publish == 'posix-rename' else ''}"
        ) from error


def _rename(session: paramiko.SFTPClient, temporary: str, final: str) -> None:
    """The plain rename of the protocol fails where the name is taken; for a moment there is none."""
    try:
        session.rename(temporary, final)
    except OSError as error:
        if sessions.of_the_line(error) or not _exists(session, final):
            raise
        session.remove(final)
        session.rename(temporary, final)


def _exists(session: paramiko.SFTPClient, name: str) -> bool:
    try:
        return stat.S_ISREG(session.stat(name).st_mode or 0)
    except FileNotFoundError:
        return False


def _remove(session: paramiko.SFTPClient, name: str) -> bool:
    """Clean up as far as the server still listens."""
    try:
        session.remove(name)
    except (OSError, EOFError, paramiko.SSHException):
        return False
    return True


def _read_back(session: paramiko.SFTPClient, name: str) -> str:
    digest = sha256()
    with session.open(name, "rb") as file:
        file.prefetch(max_concurrent_requests=_READS_AHEAD)
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()

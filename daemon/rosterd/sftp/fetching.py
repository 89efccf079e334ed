"""Bringing files from an SFTP server that is trusted with the roster, and with nothing else.

Only regular files of its folder are read, under plain names, never through a link, no more bytes
than the caller allows whatever sizes the server tells, and none when something moved meanwhile.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import paramiko

from rosterd import errors
from rosterd.sftp import sessions
from rosterd.sftp.sessions import Endpoint, Watch

_PIECE: Final = 32768
_AHEAD: Final = 64
MOST: Final = 2000
"""Entries of a folder; one with more is no drop box."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A regular file as the server lists it."""

    name: str
    size: int
    modified: int
    """Seconds since 1970, by the server's clock."""


def look(endpoint: Endpoint, *, watch: Watch) -> tuple[Entry, ...]:
    """The regular files of the endpoint's folder with plain names, by name.

    Raises errors.InputError, errors.TemporaryError.
    """
    with sessions.signed_in(endpoint, watch) as (session, _):
        return entries(session, endpoint)


def entries(session: paramiko.SFTPClient, endpoint: Endpoint) -> tuple[Entry, ...]:
    """The same in a session that is open; the folder is then the current one."""
    _enter(session, endpoint)
    return _listed(session, endpoint)


def fetch(
    endpoint: Endpoint, wanted: Sequence[Entry], into: Path, *, limit: int, watch: Watch
) -> None:
    """Copy files into the folder `into`; `limit` is in bytes, over all of them.

    Raises errors.InputError for more bytes, errors.TemporaryError when they are not as they were
    `wanted`.
    """
    if sum(each.size for each in wanted) > limit:
        raise errors.InputError(f"cannot fetch from {endpoint.host}: more than {limit} bytes")
    with sessions.signed_in(endpoint, watch) as (session, _):
        _enter(session, endpoint)
        for entry in wanted:
            try:
                _copy(session, entry, into / entry.name, watch)
            except _MovedError as error:
                raise errors.TemporaryError(
                    f"cannot fetch from {endpoint.host} yet: {error}"
                ) from error
        if not set(wanted) <= set(_listed(session, endpoint)):
            raise errors.TemporaryError(
                f"cannot fetch from {endpoint.host} yet: it changed while it was copied"
            )


def _enter(session: paramiko.SFTPClient, endpoint: Endpoint) -> None:
    try:
        session.chdir(endpoint.directory)
    except FileNotFoundError as error:
        raise errors.InputError(
            f"cannot fetch from {endpoint.host}: it has no folder {endpoint.directory}"
        ) from error


def _listed(session: paramiko.SFTPClient, endpoint: Endpoint) -> tuple[Entry, ...]:
    found = tuple(sorted(_entries(session, endpoint)))
    if len({each.name for each in found}) < len(found):
        raise errors.InputError(f"cannot fetch from {endpoint.host}: it lists a file twice")
    return found


def _entries(session: paramiko.SFTPClient, endpoint: Endpoint) -> Iterator[Entry]:
    for count, each in enumerate(session.listdir_iter(".", read_aheads=4), 1):
        if count > MOST:
            raise errors.InputError(
                f"cannot fetch from {endpoint.host}: too many files in {endpoint.directory}"
            )
        # what a server lists are the links themselves, so that one is no regular file
        if stat.S_ISREG(each.st_mode or 0) and _is_plain(each.filename):
            yield Entry(each.filename, each.st_size or 0, each.st_mtime or 0)


def _is_plain(name: str) -> bool:
    return (
        bool(name)
        and len(name) <= 200
        and name.isprintable()
        and not name.startswith(".")
        and not set(name) & set("/\\:")
    )


class _MovedError(Exception):
    """A file is not what it was."""


def _copy(session: paramiko.SFTPClient, entry: Entry, to: Path, watch: Watch) -> None:
    """Copy one file, of which the bytes that it was listed with are the most that is taken."""
    if not stat.S_ISREG(session.lstat(entry.name).st_mode or 0):
        raise _MovedError("a file there became something else")
    size = 0
    with session.open(entry.name, "rb") as source, _private(to) as file:
        source.prefetch(entry.size, max_concurrent_requests=_AHEAD)
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > entry.size:
                raise _MovedError("a file there is longer than it was")
            if watch.reason:
                raise TimeoutError(watch.reason)
            file.write(piece)
    if size != entry.size:
        raise _MovedError("a file there is shorter than the server says")


def _private(path: Path) -> BinaryIO:
    """A new file for its owner alone."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")

"""How a SQLite file is opened, brought to this program's level, and written in transactions.

The engine is the one that apsw carries, never the system's: versions before 3.51.3 can corrupt a
WAL file. There is one writing connection, so `synchronous=FULL` costs little and a commit that
returned survives a power cut. No mmap: it made that same fault likelier and gains nothing here.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import apsw

from rosterd import errors

BUSY_SECONDS = 10.0
"""How long a write waits for a reader in another process, such as a command of the CLI."""

_LASTING = (apsw.CorruptError, apsw.NotADBError, apsw.PermissionsError, apsw.ReadOnlyError)


def connect(
    path: Path, *, readonly: bool = False, least: int | None = None
) -> tuple[apsw.Connection, int | None]:
    """An open connection, and the descriptor of the lock that keeps a second daemon out.

    Close the connection, then the descriptor. `least` is the level that will do for reading;
    without it that of this program. Raises errors.InputError when the file cannot be used
    as it is, errors.TemporaryError when it may work later.
    """
    lock = None if readonly else _lock(path)
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
    flags |= apsw.SQLITE_OPEN_URI
    try:
        with translated(path):
            if not readonly:
                _make(path)
            connection = apsw.Connection(_name(path, readonly=readonly), flags=flags)
            connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
            connection.create_scalar_function("sha256", _sha256, 1, deterministic=True)
            _prepare(connection, path, least if readonly else None, readonly=readonly)
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise
    return connection, lock


def migrations() -> list[str]:
    """The scripts of this dialect; the one at index n leads from level n to n + 1."""
    folder = resources.files("rosterd.storage") / "migrations" / "sqlite"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


@contextmanager
def transaction(connection: apsw.Connection, path: Path) -> Iterator[None]:
    """All writes of the block, or none; begun at once, so that no write is refused half-way."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def snapshot(connection: apsw.Connection, path: Path) -> Iterator[None]:
    """Several reads that belong together, for a connection that may be read-only."""
    with translated(path):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns the engine's errors into ours, by who has to act."""
    try:
        yield
    except _LASTING as error:
        raise errors.InputError(f"cannot use {path}: {error}") from error
    except apsw.ConstraintError:
        raise
    except apsw.Error as error:
        raise errors.TemporaryError(f"cannot read or write {path}: {error}") from error


def _sha256(*values: Any) -> str:
    """For migrations that put records into the chain: the digest of a text."""
    return sha256(str(values[0]).encode()).hexdigest()


def _lock(path: Path) -> int:
    """Held until the process ends, however it ends. A file of its own, since SQLite's locks are
    lost when any other descriptor of the database file is closed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise errors.InputError(f"cannot open {path}: another daemon is using it") from error
    return descriptor


def _name(path: Path, *, readonly: bool) -> str:
    """The file as SQLite is told it. Without a log beside it nobody has it open: then it is read as
    a file that never changes, which leaves nothing beside an auditor's copy and works on a disk that
    cannot be written to.
    """
    alone = readonly and not Path(f"{path}-wal").exists()
    return f"{path.resolve().as_uri()}{'?immutable=1' if alone else ''}"


def _make(path: Path) -> None:
    """The file, readable by its owner only: it holds sealed secrets and who got what."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare(connection: apsw.Connection, path: Path, least: int | None, *, readonly: bool) -> None:
    scripts = migrations()
    level = _level(connection)
    if level > len(scripts):
        raise errors.InputError(
            f"cannot open {path}: a newer rosterd wrote it (level {level}, this one knows"
            f" {len(scripts)}); run that version or restore a backup"
        )
    if readonly:
        if level < (len(scripts) if least is None else least):
            raise errors.TemporaryError(f"cannot read {path}: the daemon has not brought it up yet")
        return
    # each pragma alone and drained: a statement of apsw runs only as far as its rows are read
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    for number, script in enumerate(scripts[level:], start=level + 1):
        with transaction(connection, path):
            connection.execute(script).fetchall()
            connection.execute(f"PRAGMA user_version={number}").fetchall()


def _level(connection: apsw.Connection) -> int:
    return int(str(connection.execute("PRAGMA user_version").get))

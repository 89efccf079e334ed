"""The log of what leaves, between the moment it leaves and the moment it is in the store.

A transaction of the store for each page would cost more than the page. So what is new is appended
to a file, in one write, before the answer goes out: the kernel has it then, and a killed daemon
loses nothing. A power cut can lose what was not yet on the disk, so that is asked for every second.

The files of a folder are read in the order of their names. Each begins with nothing known, so any
of them may be put together with those before it, into one that says the same in fewer bytes.
"""

import dataclasses
import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyroaring import BitMap

from rosterd import errors

_FRAME: Final = struct.Struct("<II")  # length and crc32 of what follows
_ROWS: Final = struct.Struct("<cId")
_TIMES: Final = struct.Struct("<cIdd")
_SUFFIX: Final = ".log"
_DRAFT: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """By which way records of one collection leave, out of which config and generation.

    `form` is "rest", or "csv" and the name of a target; `fields` is a JSON text.
    """

    commit: str
    generation: int
    line: int
    application: str
    form: str
    version: str
    collection: str
    fields: str


@dataclass(slots=True, eq=False)
class Outflow:
    """What left by one way so far. Times are seconds since the epoch."""

    key: Key
    first: float
    last: float
    rows: BitMap = field(default_factory=BitMap)
    number: int = -1
    """Of its definition in the file that is written now, -1 before it has one."""
    told: float = 0.0
    """The last time that the files know."""


Outflows = dict[Key, Outflow]


def read(folder: Path) -> Outflows:
    """All that the files say. A file may end in the middle of a frame; what follows is not there."""
    found: Outflows = {}
    for path in files(folder):
        read_file(path, found)
    return found


def files(folder: Path) -> list[Path]:
    """The files in their order; none when there is no folder."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def read_file(path: Path, found: Outflows) -> None:
    """Add what one file says."""
    content = path.read_bytes()
    numbered: dict[int, Outflow] = {}
    place = 0
    for payload in _payloads(content):
        place += _FRAME.size + len(payload)
        kind = payload[:1]
        if kind == b"K":
            (number,) = struct.unpack_from("<I", payload, 1)
            key = Key(**json.loads(payload[5:]))
            numbered[number] = found.setdefault(key, Outflow(key, 0.0, 0.0))
        elif kind == b"R":
            _, number, moment = _ROWS.unpack_from(payload)
            outflow = numbered[number]
            outflow.rows |= BitMap.deserialize(payload[_ROWS.size :])
            _span(outflow, moment, moment)
        else:
            _, number, first, last = _TIMES.unpack(payload)
            _span(numbered[number], first, last)
    if place < len(content):
        _log.warning(
            "disclosures: %s ends in the middle of a record: %d bytes are left out",
            path.name,
            len(content) - place,
        )


def _payloads(content: bytes) -> Iterator[bytes]:
    place = 0
    while place + _FRAME.size <= len(content):
        size, digest = _FRAME.unpack_from(content, place)
        place += _FRAME.size
        payload = content[place : place + size]
        if not size or len(payload) < size or zlib.crc32(payload) != digest:
            return
        place += size
        yield payload


def _span(outflow: Outflow, first: float, last: float) -> None:
    outflow.first = min(outflow.first or first, first)
    outflow.last = outflow.told = max(outflow.last, last)


class Journal:
    """Appends to the newest file of a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is not there. Raises errors.InputError when it cannot be used."""
        self._folder = folder
        self._file = -1
        self._numbers = 0
        self.size = 0
        """Bytes in the newest file."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.turn({})
        except OSError as error:
            raise errors.InputError(
                f"cannot keep what leaves in {folder}: {error.strerror}"
            ) from error

    def append(self, outflow: Outflow, rows: BitMap, moment: float) -> None:
        """Have it said before this returns that `rows` leave. Raises errors.TemporaryError when
        that cannot be written: then nothing may leave.
        """
        frames = self._defined(outflow)
        body = _ROWS.pack(b"R", outflow.number, moment) + rows.serialize()
        self._write(outflow, frames + _framed(body))

    def touch(self, outflow: Outflow) -> None:
        """Say that all of it left again, until its `last`."""
        frames = self._defined(outflow)
        body = _TIMES.pack(b"T", outflow.number, outflow.first, outflow.last)
        self._write(outflow, frames + _framed(body))
        outflow.told = outflow.last

    def syncing(self) -> Callable[[], None]:
        """What waits, on whichever thread, until all that was appended by now is on the disk."""
        file = os.dup(self._file)  # another file may be written to by then

        def sync() -> None:
            try:
                os.fsync(file)
            finally:
                os.close(file)

        return sync

    def turn(self, outflows: Mapping[Key, Outflow]) -> list[Path]:
        """Begin a new file, to which `outflows` are unknown; gives those before it."""
        before = files(self._folder)
        number = int(before[-1].stem) + 1 if before else 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self._folder / f"{number:08d}{_SUFFIX}", flags, 0o600)
        _sync_folder(self._folder)
        self.close()
        self._file, self._numbers, self.size = file, 0, 0
        for outflow in outflows.values():
            outflow.number = -1
        return before

    def close(self) -> None:
        """Let go of the file, with all of it on the disk."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _defined(self, outflow: Outflow) -> bytes:
        if outflow.number >= 0:
            return b""
        outflow.number, self._numbers = self._numbers, self._numbers + 1
        return _definition(outflow)

    def _write(self, outflow: Outflow, frames: bytes) -> None:
        try:
            written = os.write(self._file, frames)
        except OSError as error:
            outflow.number = -1
            raise errors.TemporaryError(
                f"cannot record what leaves: {error.strerror or error}"
            ) from error
        if written < len(frames):  # the disk is full: nobody could read behind half a frame
            outflow.number = -1
            os.ftruncate(self._file, self.size)
            raise errors.TemporaryError("cannot record what leaves: the disk is full")
        self.size += written


def put_together(paths: Iterable[Path], gone: Iterable[Key] = ()) -> None:
    """Make one file of several that nobody writes to any more, without the outflows of `gone`.

    A crash on the way leaves some things said twice, which changes nothing.
    """
    paths = list(paths)
    if not paths:
        return
    found: Outflows = {}
    for path in paths:
        read_file(path, found)
    for key in gone:
        found.pop(key, None)
    last = paths[-1]
    if found:
        draft = last.with_suffix(".draft")
        with os.fdopen(os.open(draft, _DRAFT, 0o600), "wb") as file:
            for number, outflow in enumerate(found.values()):
                outflow.number = number
                file.write(_definition(outflow))
                rows = _ROWS.pack(b"R", number, outflow.last) + outflow.rows.serialize()
                file.write(_framed(rows))
                times = _TIMES.pack(b"T", number, outflow.first, outflow.last)
                file.write(_framed(times))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(last)
    for path in paths if not found else paths[:-1]:
        path.unlink(missing_ok=True)
    _sync_folder(last.parent)


def _definition(outflow: Outflow) -> bytes:
    text = json.dumps(dataclasses.asdict(outflow.key), sort_keys=True).encode()
    return _framed(struct.pack("<cI", b"K", outflow.number) + text)


def _framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)

"""A zip whose bytes follow from its content alone.

Members are deflated while they are made, before the first is placed: the manifest stands first and
says which files are there, which is known last. So all sizes are known when a header is written,
and no time, owner or streaming marker gets in.
"""

import contextlib
import io
import struct
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import BinaryIO, Self, cast

from isal import isal_zlib

from rosterd import errors

Scratch = Callable[[], BinaryIO]

_LIMIT = 0xFFFF_FFFF  # beyond it readers would have to know zip64
_LEVEL = 2  # a third of the time of zlib's default for a few per cent more bytes
_DEFLATE = 8
_NEEDED = 20  # version of the format
_DAY = 0x0021  # 1 January 1980, the first day there is
_UNIX_FILE = 0o100644 << 16
_PIECE = 1 << 20


class Member(io.RawIOBase):
    """One file being deflated into `scratch`; placed by `Packing.write` when it is closed."""

    def __init__(self, name: str, scratch: Scratch) -> None:
        self.name = name
        self.size = 0
        self.packed = 0
        self.crc = 0
        self._spool = scratch()
        self._deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        self._done = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # only whole bytes come here
        self.crc = isal_zlib.crc32(data, self.crc)
        self.size += len(data)
        self.packed += self._spool.write(self._deflate.compress(data))
        return len(data)

    def close(self) -> None:
        if not self._done:
            self._done = True
            self.packed += self._spool.write(self._deflate.flush())
        super().close()

    def place(self, out: BinaryIO) -> None:
        """Copy the deflated bytes."""
        self._spool.seek(0)
        while piece := self._spool.read(_PIECE):
            out.write(piece)

    def drop(self) -> None:
        """Let go of what was deflated, finished or not."""
        self._done = True
        self._spool.close()
        self.close()


class Packing:
    """The members of one zip on their way; leaving it lets go of them, also when the work was cut.

    `scratch` opens what a member is deflated into: a file, or memory.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._members: dict[str, Member] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def open(self, name: str) -> BinaryIO:
        """A new member; close it before `write`."""
        member = self._members[name] = Member(name, self._scratch)
        self._open.callback(member.drop)
        return cast("BinaryIO", member)

    def write(self, out: BinaryIO, order: Iterable[str] | None = None) -> None:
        """Put members together as they were opened, or in `order`, which may name absent ones.

        InputError when they are too big.
        """
        names = self._members if order is None else order
        _write((self._members[name] for name in names if name in self._members), out)


def _write(members: Iterable[Member], out: BinaryIO) -> None:
    offset = 0
    directory = []
    for member in members:
        if max(offset + member.packed, member.size) > _LIMIT - _PIECE:
            raise errors.InputError("cannot write a zip of more than 4 GiB")
        name = member.name.encode("ascii")
        sizes = (member.crc, member.packed, member.size, len(name), 0)
        head = struct.pack("<5H3I2H", _NEEDED, 0, _DEFLATE, 0, _DAY, *sizes)
        out.write(b"PK\x03\x04" + head + name)
        member.place(out)
        made_by = struct.pack("<H", 3 << 8 | _NEEDED)
        tail = struct.pack("<3H2I", 0, 0, 0, _UNIX_FILE, offset)
        directory.append(b"PK\x01\x02" + made_by + head + tail + name)
        offset += 4 + len(head) + len(name) + member.packed
    whole = b"".join(directory)
    out.write(whole)
    counts = (0, 0, len(directory), len(directory), len(whole), offset, 0)
    out.write(b"PK\x05\x06" + struct.pack("<4H2IH", *counts))

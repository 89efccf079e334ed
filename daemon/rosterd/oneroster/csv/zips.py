"""A zip whose bytes follow from its content alone.

Members are deflated while they are made, before the first is placed: the manifest stands first and
says which files are there, which is known last. So all sizes are known when a header is written,
and no time, owner or streaming marker gets in.
"""

import io
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO

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
    """One file being deflated into `scratch`; placed by `write` when it is closed."""

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
        """Copy the deflated bytes and let go of them."""
        self._spool.seek(0)
        while piece := self._spool.read(_PIECE):
            out.write(piece)
        self._spool.close()


def write(members: Iterable[Member], out: BinaryIO) -> None:
    """Put closed members together, in the order given. InputError when they are too big."""
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

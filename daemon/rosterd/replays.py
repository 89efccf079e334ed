"""Which signed requests were answered already, so that none of them is answered twice.

A signature of OAuth 1 stays right for as long as its timestamp does; whoever reads one in a proxy's
log could send it again. So each (key, timestamp, nonce) is remembered for that window, as a number
of 64 bits, in one set for each stretch of time: forgetting is dropping a set. A restart must not
forget either, so the numbers are appended to a file for each stretch as well; the kernel has them
before the answer goes out, which survives a killed daemon, and a store's transaction for each
request would cost more than the request. Every daemon remembers its own.
"""

import contextlib
import logging
import os
import sys
import time
from array import array
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final

BEHIND: Final = 600
"""Seconds that a timestamp may lie in the past."""
AHEAD: Final = 300
"""Seconds that a timestamp may lie in the future."""
_STRETCH: Final = 300  # seconds of one set
_SIZE: Final = 8  # bytes of a number

_log = logging.getLogger(__name__)


class Replays:
    """Remembers for one window; only requests whose signature is right may get here."""

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """`folder` is made when it is not there, None keeps nothing over a restart; `clock` gives
        seconds since the epoch. Raises OSError when the folder cannot be used.
        """
        self._folder = folder
        self._clock = clock
        self._seen: dict[int, set[int]] = {}
        self._files: dict[int, int] = {}
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._load(folder)

    def timely(self, timestamp: int) -> bool:
        """Whether a timestamp lies in the window."""
        now = self._clock()
        return now - BEHIND <= timestamp <= now + AHEAD

    def first(self, key: str, timestamp: int, nonce: str) -> bool:
        """Whether this request was not there before; it is from now on.

        Only to be asked about a timely timestamp.
        """
        number = _number(key, timestamp, nonce)
        stretch = timestamp // _STRETCH
        seen = self._seen.get(stretch)
        if seen is None:
            self._tidy()
            seen = self._seen[stretch] = set()
            self._open(stretch)
        if number in seen:
            return False
        seen.add(number)
        file = self._files.get(stretch)
        if file is not None:
            self._write(stretch, file, number)
        return True

    def forget(self, key: str, timestamp: int, nonce: str) -> None:
        """Take back one that was not answered after all."""
        seen = self._seen.get(timestamp // _STRETCH, set())
        seen.discard(_number(key, timestamp, nonce))

    def close(self) -> None:
        """Let go of the files; what was remembered stays there."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    # ------------------------------------------------------------ inside

    def _tidy(self) -> None:
        """Drop what is out of the window, with one stretch more for a clock that is set back."""
        oldest = int(self._clock() - BEHIND) // _STRETCH - 1
        for stretch in [each for each in self._seen if each < oldest]:
            del self._seen[stretch]
            file = self._files.pop(stretch, None)
            if file is not None:
                os.close(file)
            if self._folder is not None:
                with contextlib.suppress(OSError):
                    (self._folder / str(stretch)).unlink(missing_ok=True)

    def _load(self, folder: Path) -> None:
        for path in folder.iterdir():
            if path.name.isdecimal():
                content = path.read_bytes()
                whole = len(content) // _SIZE * _SIZE
                os.truncate(path, whole)  # or half a number would shift all that follow
                numbers = array("Q", content[:whole])
                self._seen[int(path.name)] = set(numbers)
        self._tidy()
        for stretch in self._seen:
            self._open(stretch)

    def _open(self, stretch: int) -> None:
        if self._folder is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._files[stretch] = os.open(self._folder / str(stretch), flags, 0o600)
        except OSError as error:
            self._alone(error)

    def _write(self, stretch: int, file: int, number: int) -> None:
        try:
            os.write(file, number.to_bytes(_SIZE, sys.byteorder))
        except OSError as error:
            os.close(self._files.pop(stretch))
            self._alone(error)

    def _alone(self, error: OSError) -> None:
        """A full disk stops no vendor: memory goes on refusing, only a restart would forget."""
        _log.error("replays are remembered in memory only: %s", error.strerror)


def _number(key: str, timestamp: int, nonce: str) -> int:
    text = f"{key}\0{timestamp}\0{nonce}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=_SIZE).digest(), sys.byteorder)

"""Records that had to be rendered again, kept for whoever asks next.

Bounded in bytes, since one application may walk through everything and never come back.
"""

import collections
from typing import Final

LIMIT: Final = 48 * 2**20
"""Bytes of fragments; what is kept beside each of them is about as much again."""


class Rendered:
    """Records rendered again, bounded in bytes; the oldest go first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: collections.OrderedDict[tuple[str, str, str, int], bytes] = (
            collections.OrderedDict()
        )

    def get(self, key: tuple[str, str, str, int]) -> bytes | None:
        """The fragment kept under (application, version, collection, row), if it still is."""
        return self._kept.get(key)

    def put(self, key: tuple[str, str, str, int], fragment: bytes) -> None:
        """Keep a fragment, letting go of the oldest ones beyond the limit."""
        self._kept[key] = fragment
        self._bytes += len(fragment)
        while self._bytes > self._limit:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone)

"""How much each caller may ask for: a token bucket, kept as one number for each of them.

A bucket holds a minute's worth and fills steadily. What is kept is the moment at which it will be
full again: asking moves it on by one request's share, and when it lies more than a minute ahead
there is nothing left. So an asker costs one dictionary entry, and one that has been quiet costs
none.
"""

import math
import time
from collections.abc import Callable
from typing import Final

MINUTE: Final = 60.0
_DUST: Final = 1e-6  # seconds that sums of shares are off by


class Rates:
    """Buckets of one size, by name."""

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        most: int = 20_000,
    ) -> None:
        """`clock` gives seconds; `most` names are kept at once, as strangers may choose some."""
        self._share = MINUTE / per_minute
        self._clock = clock
        self._most = most
        self._full: dict[str, float] = {}

    def wait(self, name: str) -> int:
        """Take one from the bucket of `name`; 0 when there was one, else whole seconds to wait.

        What is refused takes nothing: who goes on asking is not shut out for longer.
        """
        now = self._clock()
        full = self._full.get(name, now)
        full = max(full, now) + self._share
        over = full - now - MINUTE
        if over > _DUST:
            return max(1, math.ceil(over))
        if len(self._full) >= self._most and name not in self._full:
            self._tidy(now)
        self._full[name] = full
        return 0

    def _tidy(self, now: float) -> None:
        """Forget the full buckets; when there are none, those that were begun first."""
        self._full = {name: full for name, full in self._full.items() if full > now}
        for name in list(self._full)[: max(0, len(self._full) - self._most // 2)]:
            del self._full[name]

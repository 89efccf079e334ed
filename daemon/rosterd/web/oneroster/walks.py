"""Walks over all pages of a listing, which must not lose or repeat a record on their way.

Pages are asked for by offset, so a roster that changes in between would shift them. Therefore the
listing made at offset 0 goes on answering the pages behind it, out of its own World, however many
imports land meanwhile. It ends with a pause, or at once when the application's permission changes:
nobody walks on through what is not theirs any more.
"""

import collections
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from rosterd import listings, worlds

PAUSE: Final = 15 * 60.0
"""Seconds after its last page until a walk is over."""
LONGEST: Final = 24 * 3600.0
"""Seconds after its first page until a walk is over: a client that comes back every ten minutes
must not be served one day's roster for ever."""
EACH: Final = 64  # walks of one application: those touched longest ago go first
ALL: Final = 1_024
WORLDS: Final = 4
"""Most worlds that are held for walks. Each holds a whole generation, so when imports land faster
than walks end, those in the oldest world end early."""


@dataclass(slots=True, eq=False)
class Walk:
    """A listing on its way, with the World that it is made of."""

    world: worlds.World
    listing: listings.Listing
    begun: float
    touched: float


class Walks:
    """The walks of all applications; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._walks: collections.OrderedDict[tuple[str, Hashable], Walk] = collections.OrderedDict()
        self._counts: collections.Counter[str] = collections.Counter()

    def __len__(self) -> int:
        return len(self._walks)

    def begin(
        self, application: str, key: Hashable, world: worlds.World, listing: listings.Listing
    ) -> None:
        """Let the next pages of `key` come from this listing, in place of any former one."""
        now = self._clock()
        self.end(application, key)
        self._walks[application, key] = Walk(world, listing, now, now)
        self._counts[application] += 1
        if self._counts[application] > EACH:
            self._drop(next(name for name in self._walks if name[0] == application))
        if len(self._walks) > ALL:
            self._drop(next(iter(self._walks)))

    def following(self, application: str, key: Hashable) -> Walk | None:
        """The walk that a page behind the first belongs to; None when it is over or never was."""
        name = (application, key)
        walk = self._walks.get(name)
        if walk is None:
            return None
        now = self._clock()
        if self._over(walk, now):
            self._drop(name)
            return None
        walk.touched = now
        self._walks.move_to_end(name)
        return walk

    def end(self, application: str, key: Hashable) -> None:
        """Forget the walk of `key`, if there is one."""
        if (application, key) in self._walks:
            self._drop((application, key))

    def turn(self, current: worlds.World) -> None:
        """Another World is served: end the walks of applications that may see something else now,
        and those in the oldest worlds beyond the bound.
        """
        held: dict[int, worlds.World] = {}
        same: dict[tuple[int, str], bool] = {}
        for name, walk in reversed(list(self._walks.items())):
            application, world = name[0], walk.world
            mark = (id(world), application)
            if mark not in same:
                same[mark] = world.grant(application) == current.grant(application)
            if not same[mark] or (id(world) not in held and len(held) == WORLDS):
                self._drop(name)
            else:
                held[id(world)] = world

    def tidy(self) -> None:
        """Forget walks that are over, and with them the rosters that they hold."""
        now = self._clock()
        for name in [name for name, walk in self._walks.items() if self._over(walk, now)]:
            self._drop(name)

    def _over(self, walk: Walk, now: float) -> bool:
        return now - walk.touched > PAUSE or now - walk.begun > LONGEST

    def _drop(self, name: tuple[str, Hashable]) -> None:
        del self._walks[name]
        self._counts[name[0]] -= 1
        if not self._counts[name[0]]:
            del self._counts[name[0]]

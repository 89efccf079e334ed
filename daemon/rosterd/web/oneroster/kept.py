"""Listings that were made, kept for the next page of the same walk.

Filtering and sorting cost in proportion to the roster, a page of the result does not; so the result
stays for a while. It is kept for one World only, and goes with it: a listing holds its picture, and
that a whole generation.
"""

import collections
from collections.abc import Callable, Hashable
from typing import Final

from rosterd import listings

ROWS: Final = 8_000_000
"""Most rows of all kept listings together; 4 bytes each at worst."""
LISTINGS: Final = 2_000


class Kept:
    """Listings by key; those that were asked for longest ago go first."""

    def __init__(self, rows: int = ROWS, most: int = LISTINGS) -> None:
        self._rows = rows
        self._most = most
        self._held = 0
        self._listings: collections.OrderedDict[Hashable, listings.Listing] = (
            collections.OrderedDict()
        )

    def get(self, key: Hashable, make: Callable[[], listings.Listing]) -> listings.Listing:
        """The listing kept under `key`, or the one that `make` makes, kept from now on."""
        listing = self._listings.get(key)
        if listing is not None:
            self._listings.move_to_end(key)
            return listing
        listing = make()
        self._listings[key] = listing
        self._held += listing.total
        while len(self._listings) > 1 and (
            self._held > self._rows or len(self._listings) > self._most
        ):
            _, gone = self._listings.popitem(last=False)
            self._held -= gone.total
        return listing

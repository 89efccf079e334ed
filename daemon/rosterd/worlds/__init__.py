"""What is served now, and the one place where it is replaced.

A World is the frozen pair of an accepted config and a generation of the roster. A request, an
export or a plan takes the current one once and keeps it to its end, so nobody ever sees half a
change.

    world      the values: a World, and who is kept back from it
    paging     the records of a page, out of what is stored
    deciding   which applications go on with a proposal, and which are held
    swapping   Worlds: proposals one at a time, each recorded before one reference moves
"""

from rosterd.worlds.deciding import Event, Waiting, events, waiting
from rosterd.worlds.paging import Pages
from rosterd.worlds.swapping import Record, Worlds
from rosterd.worlds.world import BLOCKED, Block, Hold, World

__all__ = [
    "BLOCKED",
    "Block",
    "Event",
    "Hold",
    "Pages",
    "Record",
    "Waiting",
    "World",
    "Worlds",
    "events",
    "waiting",
]

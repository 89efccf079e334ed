"""What each application holds: since when, and what it held before.

A vendor that keeps up by asking for what changed since it last asked has to be told of everything:
what it gained, what looks otherwise to it, and what it lost, whatever the cause. The roster cannot
say that, since a commit takes a school away without touching a record. So for each application it
is remembered which rows are served, when they came, and what left, and each swap is one step.

    held        the values: a Holding, its late rows, its departures
    advancing   the steps of all applications at one swap
    stepping    from one holding to the next
    tombstones  what is left of a record that left
    keeping     holdings as parts of the store, and back
    dated       a holding over a roster, as pictures ask it
"""

from rosterd.holdings.advancing import Next, ended, newest, settled, steps
from rosterd.holdings.dated import Dated
from rosterd.holdings.held import Departure, Holding, Late, timestamp
from rosterd.holdings.keeping import Parts, Writes, restored, writes

__all__ = [
    "Dated",
    "Departure",
    "Holding",
    "Late",
    "Next",
    "Parts",
    "Writes",
    "ended",
    "newest",
    "restored",
    "settled",
    "steps",
    "timestamp",
    "writes",
]

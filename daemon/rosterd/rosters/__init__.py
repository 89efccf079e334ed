"""A roster as sets of rows, and the relations between them.

Who sees what is decided on bitmaps and arrays alone: the records stay where they are until one has
to be shown. So a view over a million enrollments costs milliseconds, and the same code decides over
a generation on disk, over a handful of records in a test, and over a plan in CI. What differs
between those is a `Backing`; what is asked of it is as little as possible.

A row is the dense number that a record keeps for life inside its collection. Only active records
take part: `active` names them, and every edge of a relation leads from an active to an active row.
"""

from rosterd.rosters.memory import from_records
from rosterd.rosters.reading import Backing, Roster
from rosterd.rosters.relations import RELATIONS, Edge, Record, Relation, bare, references

__all__ = [
    "RELATIONS",
    "Backing",
    "Edge",
    "Record",
    "Relation",
    "Roster",
    "bare",
    "from_records",
    "references",
]

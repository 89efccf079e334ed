"""Who could see which rows, and who received them, as it changed over the years.

An auditor asks of one pupil, a year later, who could see and who did receive what. A row for each
(application, record, night) would be some billions; the views themselves, one bitmap for each
application and night, are gigabytes. But most rows are seen by the same applications as yesterday,
and rows that changed hands changed them together. So what is kept of each night is the other way
round: the rows whose audience changed, each with its new audience, for all applications at once.

    partitions  rows, each with one number: what is kept of one night
    audiences   from views to partitions of the rows that changed, and from bitmaps to those of a
                period's receipts, and back
    fields      which members leave under which rules, by name
    spans       from the nights of one row to the spans of time in which somebody could see it
"""

from rosterd.sightings.audiences import Views, differences, followed, grouped, smallest, unfolded
from rosterd.sightings.fields import Fields, departed, served
from rosterd.sightings.partitions import Partition, mentions
from rosterd.sightings.spans import Span, spans

__all__ = [
    "Fields",
    "Partition",
    "Span",
    "Views",
    "departed",
    "differences",
    "followed",
    "grouped",
    "mentions",
    "served",
    "smallest",
    "spans",
    "unfolded",
]

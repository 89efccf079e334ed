"""Who could see which pupil's record, who received it, and under which commit.

    journal    what leaves, in a file that survives a killed daemon
    receiving  the same in memory, asked and added to before each answer goes out
    watching   what each swap of the world changes of who could see what
    pseudonyms the keyed digests that lead from a person to rows
    tracing    one person through all of that
    answering  what an auditor is told about an application, or about one person
    inquiries  asking for that, on record

None of it holds a value of a record: rows are numbers, and a person is a digest. So a roster can
forget a pupil, and it can still be told who had received that pupil's record.
"""

from rosterd.disclosures.answering import Answer, student, view
from rosterd.disclosures.inquiries import Inquiries
from rosterd.disclosures.pseudonyms import Pseudonyms, load, prepare
from rosterd.disclosures.receiving import Disclosures
from rosterd.disclosures.watching import Watch, noticed

__all__ = [
    "Answer",
    "Disclosures",
    "Inquiries",
    "Pseudonyms",
    "Watch",
    "load",
    "noticed",
    "prepare",
    "student",
    "view",
]

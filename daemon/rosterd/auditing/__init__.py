"""What is on record, told to auditors: one line, one record, or a period as a report.

The chain proves that records are unchanged; this package only reads them. It works on entries as
they are, not on the values that once made them: a record of years ago has to be told by today's
program, and one that somebody tampered with has to be told too.

    events     a record as something that happened: when, who, what, about whom
    planned    the plan inside a record: documents that changed, what vendors gained and lost
    reports    everything of a period, in sections
    sheets     reports as text and CSV
    pages      a report as one HTML file that needs nothing else
"""

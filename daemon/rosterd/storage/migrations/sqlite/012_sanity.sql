-- What sanity checks found: numbers alone, as whom they mean is asked anew.
CREATE TABLE sanity_runs (
    number      INTEGER PRIMARY KEY,
    application TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    "commit"    TEXT NOT NULL,
    revision    TEXT NOT NULL,
    time        TEXT NOT NULL,
    counts      TEXT NOT NULL CHECK (json_valid(counts))
) STRICT;
CREATE INDEX sanity_of_application ON sanity_runs (application, number);

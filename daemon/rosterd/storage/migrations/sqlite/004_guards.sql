-- Who is kept back from what is applied: served from a former commit and generation, or stopped.

-- The day that is served, in the repository's timezone: what a new day does is judged against it.
CREATE TABLE served_day (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    day  TEXT NOT NULL
) STRICT;

CREATE TABLE holds (
    application TEXT PRIMARY KEY,
    former      TEXT NOT NULL,     -- its name in the documents of that commit
    "commit"    TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    day         TEXT NOT NULL,
    since       TEXT NOT NULL,
    stopped     TEXT NOT NULL      -- why it is not even served from there; empty while it is
) STRICT, WITHOUT ROWID;

-- Documents of former commits that a hold is served from; those of the applied one are `documents`.
CREATE TABLE kept_documents (
    "commit" TEXT NOT NULL,
    path     TEXT NOT NULL,
    content  BLOB NOT NULL,
    PRIMARY KEY ("commit", path)
) STRICT;

CREATE TABLE blocks (
    application TEXT PRIMARY KEY,
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    time        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Imports that are held, what was received and is kept for a while, and how far pulls came.

CREATE TABLE imports_now (
    number     INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    delivery   TEXT NOT NULL,
    state      TEXT NOT NULL
        CHECK (state IN ('imported', 'unchanged', 'held', 'refused', 'failed')),
    started    TEXT NOT NULL,
    ended      TEXT NOT NULL,
    generation INTEGER REFERENCES generations (number),
    report     TEXT CHECK (report IS NULL OR json_valid(report)),
    problem    TEXT NOT NULL
) STRICT;
INSERT INTO imports_now SELECT * FROM imports;
DROP TABLE imports;
ALTER TABLE imports_now RENAME TO imports;
CREATE INDEX imports_of_source ON imports (source, number);

-- A generation that was built and is not served. The newest of each source is all that counts.
CREATE TABLE held_imports (
    source   TEXT PRIMARY KEY,
    revision TEXT NOT NULL,
    delivery TEXT NOT NULL,
    name     TEXT NOT NULL,
    number   INTEGER NOT NULL,
    former   TEXT NOT NULL,
    since    TEXT NOT NULL,
    report   TEXT NOT NULL CHECK (json_valid(report)),
    excesses TEXT NOT NULL CHECK (json_valid(excesses)),
    released TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Files in which deliveries are kept as they were received.
CREATE TABLE kept_deliveries (
    source   TEXT NOT NULL,
    delivery TEXT NOT NULL,
    file     TEXT NOT NULL UNIQUE,
    time     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (source, delivery)
) STRICT, WITHOUT ROWID;

-- How far a source that is asked came. Times are those at which a pull began.
CREATE TABLE pulls (
    source TEXT PRIMARY KEY,
    place  TEXT NOT NULL,
    tried  TEXT,
    began  TEXT,
    whole  TEXT,
    taken  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

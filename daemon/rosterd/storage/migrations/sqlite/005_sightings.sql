-- Who could see what, and who received it. Rows are numbers of a line of generations and say nothing
-- without the roster; `people` alone leads from a person to rows, by a keyed digest.

-- One (config, generation) that was served; 0 for no generation. A line is a stretch of generations
-- in which rows keep their meaning.
CREATE TABLE periods (
    number     INTEGER PRIMARY KEY,
    "commit"   TEXT NOT NULL,
    generation INTEGER NOT NULL,
    line       INTEGER NOT NULL,
    UNIQUE ("commit", generation, line)
) STRICT;

CREATE TABLE sights (
    number INTEGER PRIMARY KEY,
    time   TEXT NOT NULL,
    cause  TEXT NOT NULL CHECK (cause IN ('commit', 'import', 'day', 'start')),
    period INTEGER NOT NULL REFERENCES periods (number)
) STRICT;
CREATE INDEX sights_by_time ON sights (time);

-- Names of applications, or numbers of channels.
CREATE TABLE audiences (
    number  INTEGER PRIMARY KEY,
    readers TEXT NOT NULL UNIQUE CHECK (json_valid(readers))
) STRICT;

-- Rows whose audience became another one: a bitmap, and one audience for each row.
CREATE TABLE sightings (
    collection TEXT NOT NULL,
    sight      INTEGER NOT NULL REFERENCES sights (number),
    rows       BLOB NOT NULL,
    marks      BLOB NOT NULL,
    PRIMARY KEY (collection, sight)
) STRICT;

CREATE TABLE field_rules (
    number  INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE CHECK (json_valid(content))
) STRICT;

-- How an application stood from a sight on; commit and generation only where they are others than
-- those of the sight's period.
CREATE TABLE standings (
    application TEXT NOT NULL,
    sight       INTEGER NOT NULL REFERENCES sights (number),
    refusal     TEXT NOT NULL,
    rules       INTEGER NOT NULL REFERENCES field_rules (number),
    levels      TEXT NOT NULL CHECK (json_valid(levels)),
    "commit"    TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    PRIMARY KEY (application, sight)
) STRICT, WITHOUT ROWID;

-- A way by which records leave: "rest", or "csv" and the name of the target.
CREATE TABLE channels (
    number      INTEGER PRIMARY KEY,
    application TEXT NOT NULL,
    form        TEXT NOT NULL,
    version     TEXT NOT NULL,
    fields      INTEGER NOT NULL REFERENCES field_rules (number),
    UNIQUE (application, form, version, fields)
) STRICT;

CREATE TABLE receipts (
    period     INTEGER NOT NULL REFERENCES periods (number),
    channel    INTEGER NOT NULL REFERENCES channels (number),
    collection TEXT NOT NULL,
    first      TEXT NOT NULL,
    last       TEXT NOT NULL,
    PRIMARY KEY (period, channel, collection)
) STRICT, WITHOUT ROWID;

-- Rows that left in a period, each with its channels; with a base, those whose channels are others
-- than in that period.
CREATE TABLE received (
    collection TEXT NOT NULL,
    period     INTEGER NOT NULL REFERENCES periods (number),
    base       INTEGER REFERENCES periods (number),
    depth      INTEGER NOT NULL,
    rows       BLOB NOT NULL,
    marks      BLOB NOT NULL,
    PRIMARY KEY (collection, period)
) STRICT;

-- What left after its period had been put together: the last pages of a slow walk.
CREATE TABLE late_receipts (
    collection TEXT NOT NULL,
    period     INTEGER NOT NULL REFERENCES periods (number),
    channel    INTEGER NOT NULL REFERENCES channels (number),
    rows       BLOB NOT NULL
) STRICT;
CREATE INDEX late_receipts_of ON late_receipts (collection, period);

CREATE TABLE people (
    digest     BLOB NOT NULL CHECK (length(digest) = 16),
    line       INTEGER NOT NULL,
    collection TEXT NOT NULL,
    row        INTEGER NOT NULL,
    PRIMARY KEY (digest, line, collection, row)
) STRICT, WITHOUT ROWID;

-- Rows that `people` has.
CREATE TABLE known_people (
    line       INTEGER NOT NULL,
    collection TEXT NOT NULL,
    rows       BLOB NOT NULL,
    PRIMARY KEY (line, collection)
) STRICT;

-- Whose enrollments these are: rows, and the row of a user for each.
CREATE TABLE belongings (
    sight  INTEGER PRIMARY KEY REFERENCES sights (number),
    rows   BLOB NOT NULL,
    people BLOB NOT NULL
) STRICT;

-- The sealed key of the digests in `people`.
CREATE TABLE pseudonyms (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    sealed BLOB NOT NULL
) STRICT;

-- It is evidence: not even a slip of ours may rewrite it.
CREATE TRIGGER sights_stay BEFORE UPDATE ON sights
BEGIN SELECT RAISE(ABORT, 'what was seen is append-only'); END;
CREATE TRIGGER sights_remain BEFORE DELETE ON sights
BEGIN SELECT RAISE(ABORT, 'what was seen is append-only'); END;
CREATE TRIGGER sightings_stay BEFORE UPDATE ON sightings
BEGIN SELECT RAISE(ABORT, 'what was seen is append-only'); END;
CREATE TRIGGER sightings_remain BEFORE DELETE ON sightings
BEGIN SELECT RAISE(ABORT, 'what was seen is append-only'); END;
CREATE TRIGGER received_stays BEFORE UPDATE ON received
BEGIN SELECT RAISE(ABORT, 'what was received is append-only'); END;
CREATE TRIGGER received_remains BEFORE DELETE ON received
BEGIN SELECT RAISE(ABORT, 'what was received is append-only'); END;
CREATE TRIGGER late_receipts_stay BEFORE UPDATE ON late_receipts
BEGIN SELECT RAISE(ABORT, 'what was received is append-only'); END;
CREATE TRIGGER late_receipts_remain BEFORE DELETE ON late_receipts
BEGIN SELECT RAISE(ABORT, 'what was received is append-only'); END;

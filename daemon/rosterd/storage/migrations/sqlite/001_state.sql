-- The state of the first release. Times are UTC text of one width, so that they sort as text.

CREATE TABLE changes (
    number   INTEGER PRIMARY KEY,
    "commit" TEXT NOT NULL,
    plan     TEXT NOT NULL,
    people   TEXT NOT NULL CHECK (json_valid(people)),
    time     TEXT NOT NULL,
    previous TEXT NOT NULL,
    head     TEXT NOT NULL UNIQUE,
    entry    BLOB NOT NULL
) STRICT;

-- The chain is evidence: not even a slip of ours may rewrite it.
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
BEGIN SELECT RAISE(ABORT, 'applied changes are append-only'); END;
CREATE TRIGGER changes_remain BEFORE DELETE ON changes
BEGIN SELECT RAISE(ABORT, 'applied changes are append-only'); END;

-- Of the last change only; the earlier ones are in git.
CREATE TABLE documents (
    path    TEXT PRIMARY KEY,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    application TEXT PRIMARY KEY,
    revision    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE used_statements (
    digest TEXT PRIMARY KEY,
    change INTEGER NOT NULL REFERENCES changes (number)
) STRICT, WITHOUT ROWID;

CREATE TABLE generations (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    time   TEXT NOT NULL,
    report TEXT NOT NULL CHECK (json_valid(report))
) STRICT;

CREATE TABLE imports (
    number     INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    delivery   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('imported', 'unchanged', 'refused', 'failed')),
    started    TEXT NOT NULL,
    ended      TEXT NOT NULL,
    generation INTEGER REFERENCES generations (number),
    report     TEXT CHECK (report IS NULL OR json_valid(report)),
    problem    TEXT NOT NULL
) STRICT;
CREATE INDEX imports_of_source ON imports (source, number);

CREATE TABLE credentials (
    application TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    key         TEXT NOT NULL UNIQUE,
    secret      BLOB NOT NULL,
    created     TEXT NOT NULL,
    retires     TEXT,
    PRIMARY KEY (application, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),
    application TEXT NOT NULL,
    scopes      TEXT NOT NULL CHECK (json_valid(scopes)),
    expires     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_of_application ON tokens (application);

CREATE TABLE secrets (
    name     TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    value    BLOB NOT NULL,
    time     TEXT NOT NULL,
    actor    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE export_runs (
    target      TEXT NOT NULL,
    slot        TEXT NOT NULL,
    state       TEXT NOT NULL
        CHECK (state IN ('running', 'delivered', 'failed', 'refused', 'superseded', 'unchanged')),
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    started     TEXT NOT NULL,
    generation  INTEGER,
    "commit"    TEXT NOT NULL,
    application TEXT NOT NULL,
    name        TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    rows        TEXT CHECK (rows IS NULL OR json_valid(rows)),
    ended       TEXT,
    problem     TEXT NOT NULL,
    PRIMARY KEY (target, slot)
) STRICT;
CREATE INDEX export_runs_by_start ON export_runs (started);

CREATE TRIGGER delivered_runs_stay BEFORE UPDATE ON export_runs
WHEN old.state IN ('delivered', 'superseded', 'unchanged')
BEGIN SELECT RAISE(ABORT, 'this export run is final'); END;

-- What a target is owed: its slots after `since`.
CREATE TABLE schedules (
    target   TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    since    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accesses (
    application TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('rest', 'token', 'sftp')),
    status      TEXT NOT NULL,
    hour        TEXT NOT NULL,
    time        TEXT NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (application, kind, status, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX accesses_by_time ON accesses (time);

CREATE TABLE actions (
    number  INTEGER PRIMARY KEY,
    time    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE TRIGGER actions_stay BEFORE UPDATE ON actions
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER actions_remain BEFORE DELETE ON actions
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

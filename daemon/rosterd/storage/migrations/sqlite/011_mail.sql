-- Links by which a developer takes key and secret once; of the token only its sha256.
CREATE TABLE reveal_links (
    application TEXT PRIMARY KEY,
    digest      BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    key         TEXT NOT NULL,
    made        TEXT NOT NULL,
    expires     TEXT NOT NULL,
    actor       TEXT NOT NULL
) STRICT;

-- What each receiver is told of, and what it was told last.
CREATE TABLE notices (
    receiver TEXT NOT NULL,
    key      TEXT NOT NULL,
    incident TEXT NOT NULL,
    begun    TEXT NOT NULL,
    tried    INTEGER NOT NULL CHECK (tried IN (0, 1)),
    told     TEXT,
    level    TEXT NOT NULL,
    ended    TEXT,
    PRIMARY KEY (receiver, key)
) STRICT;

-- How sending to each receiver goes.
CREATE TABLE receivers (
    receiver TEXT PRIMARY KEY,
    sent     TEXT,
    failures INTEGER NOT NULL,
    retry    TEXT,
    problem  TEXT NOT NULL
) STRICT;

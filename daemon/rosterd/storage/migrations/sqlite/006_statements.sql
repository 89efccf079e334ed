-- When accepted changes last led a path away from a content, and when they last led to it: an
-- approval that was kept from us until its change was undone is older than that. No content (the
-- file was not there) is the empty text; the empty path is the history itself, its contents commits.
CREATE TABLE turns (
    path TEXT NOT NULL,
    content TEXT NOT NULL,
    left_at TEXT,
    reached_at TEXT,
    PRIMARY KEY (path, content)
) STRICT, WITHOUT ROWID;

-- Accepted rewrites of the history: no commit from before the last one vouches for anything.
CREATE TABLE rewrites (
    change INTEGER PRIMARY KEY REFERENCES changes (number),
    former TEXT NOT NULL,
    newest TEXT NOT NULL
) STRICT;

-- What each application holds: bitmaps of rows, the moments at which they came, and what is left of
-- records that left. The parts are the daemon's own and are only ever read whole.

CREATE TABLE holdings (
    application TEXT NOT NULL,
    part        TEXT NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (application, part)
) STRICT;

-- Whether a delivery held everything, or what was new since the one before.
ALTER TABLE export_runs ADD COLUMN mode TEXT NOT NULL DEFAULT 'bulk'
    CHECK (mode IN ('bulk', 'delta'));

-- What a target holds once a slot is delivered: what its next delta is told against.
CREATE TABLE export_bases (
    target TEXT NOT NULL,
    slot   TEXT NOT NULL,
    form   TEXT NOT NULL,
    told   TEXT NOT NULL,
    rows   BLOB NOT NULL,
    links  BLOB NOT NULL,
    maybe  BLOB NOT NULL,
    PRIMARY KEY (target, slot)
) STRICT;

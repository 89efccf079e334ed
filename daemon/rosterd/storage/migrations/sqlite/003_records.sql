-- One chain for everything that is on record. Until now only applied changes were chained; what
-- people did with the daemon stood beside them and could be taken out unseen.

CREATE TABLE records (
    number   INTEGER PRIMARY KEY CHECK (number >= 1),
    kind     TEXT NOT NULL,
    time     TEXT NOT NULL,
    previous TEXT NOT NULL UNIQUE,
    head     TEXT NOT NULL UNIQUE,
    entry    BLOB NOT NULL
) STRICT;

-- Changes keep their entries and digests: whoever noted a head can still prove it.
INSERT INTO records SELECT number, 'applied', time, previous, head, entry FROM changes ORDER BY number;

-- What was not chained becomes one record, as it is found now: from here on nobody can change it.
INSERT INTO records
SELECT number, 'carried-over', time, previous, sha256(entry), CAST(entry AS BLOB)
FROM (
    SELECT
        last.number + 1 AS number,
        now.time,
        last.head AS previous,
        json_object(
            'actions', json((
                SELECT json_group_array(
                    json_object('action', action, 'actor', actor, 'subject', subject, 'time', time)
                    ORDER BY number
                ) FROM actions
            )),
            'actor', 'rosterd', 'kind', 'carried-over', 'number', last.number + 1,
            'previous', last.head, 'subject', 'actions', 'time', now.time, 'v', 2
        ) AS entry
    FROM
        (SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') AS time) AS now,
        (SELECT coalesce(max(number), 0) AS number,
                coalesce((SELECT head FROM records ORDER BY number DESC LIMIT 1), '') AS head
         FROM records) AS last
    WHERE EXISTS (SELECT 1 FROM actions)
);

CREATE TRIGGER records_stay BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
CREATE TRIGGER records_remain BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER records_follow BEFORE INSERT ON records
WHEN new.number <> (SELECT coalesce(max(number), 0) + 1 FROM records)
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;

DROP TABLE actions;

-- Changes and the statements they used, now with a reference where the entry was. Renaming takes
-- the references along, so nothing ever points nowhere.
ALTER TABLE changes RENAME TO changes_2;
ALTER TABLE used_statements RENAME TO used_statements_2;

CREATE TABLE changes (
    number   INTEGER PRIMARY KEY,
    record   INTEGER NOT NULL UNIQUE REFERENCES records (number),
    "commit" TEXT NOT NULL,
    plan     TEXT NOT NULL,
    people   TEXT NOT NULL CHECK (json_valid(people)),
    time     TEXT NOT NULL
) STRICT;
INSERT INTO changes SELECT number, number, "commit", plan, people, time FROM changes_2;

CREATE TABLE used_statements (
    digest TEXT PRIMARY KEY,
    change INTEGER NOT NULL REFERENCES changes (number)
) STRICT, WITHOUT ROWID;
INSERT INTO used_statements SELECT digest, change FROM used_statements_2;

DROP TABLE used_statements_2;
DROP TRIGGER changes_stay;
DROP TRIGGER changes_remain;
DROP TABLE changes_2;

CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
BEGIN SELECT RAISE(ABORT, 'applied changes are append-only'); END;
CREATE TRIGGER changes_remain BEFORE DELETE ON changes
BEGIN SELECT RAISE(ABORT, 'applied changes are append-only'); END;

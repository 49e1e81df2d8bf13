-- Requests that wait for a second person.
CREATE TABLE pending (
    number       INTEGER PRIMARY KEY,     -- the order in which they came
    id           TEXT    NOT NULL UNIQUE,
    state        TEXT    NOT NULL CHECK (state IN ('open', 'confirmed', 'done', 'failed', 'refused', 'lapsed')),
    action       TEXT    NOT NULL,
    serial       TEXT    NOT NULL,        -- hexadecimal; empty for none
    request      TEXT    NOT NULL,        -- JSON
    hash         BLOB    NOT NULL,        -- SHA-256
    requested_by TEXT    NOT NULL,
    requester    TEXT    NOT NULL CHECK (requester <> ''),
    requested_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    decided_by   TEXT    NOT NULL DEFAULT '',
    decider      TEXT    NOT NULL DEFAULT '',
    decided_at   INTEGER,
    outcome      TEXT    NOT NULL DEFAULT '',
    -- Whatever a program does wrong, nobody confirms what he asked for himself.
    CHECK (state NOT IN ('confirmed', 'done', 'failed') OR
        (decider <> '' AND decided_by <> '' AND decider <> requester AND decided_by <> requested_by))
) STRICT;

CREATE INDEX pending_undecided ON pending (number) WHERE state IN ('open', 'confirmed');

CREATE TRIGGER pending_is_never_removed BEFORE DELETE ON pending
BEGIN SELECT RAISE(ABORT, 'the register forgets no request'); END;

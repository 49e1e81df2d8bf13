-- One row for each serial number that was ever reserved. Rows are appended;
-- random serials are an index beside them, so that a new certificate touches
-- the last page of the table and not an arbitrary one.
CREATE TABLE certificate (
    id              INTEGER PRIMARY KEY,
    serial          BLOB    NOT NULL UNIQUE, -- big-endian, no leading zero
    issuer          TEXT    NOT NULL,
    profile         TEXT    NOT NULL,
    set_name        TEXT    NOT NULL,
    key_hash        BLOB    NOT NULL,        -- SHA-256 of SubjectPublicKeyInfo
    actor           TEXT    NOT NULL,
    not_after       INTEGER NOT NULL,        -- all times: microseconds since 1970 UTC
    reserved_at     INTEGER NOT NULL,
    -- The fold of the certificate's entries.
    state           TEXT    NOT NULL DEFAULT '',
    holds           TEXT,                    -- JSON, oldest first
    reason          INTEGER NOT NULL DEFAULT 0,
    since           INTEGER,
    invalidity_date INTEGER,
    expired         INTEGER NOT NULL DEFAULT 0,
    version         INTEGER NOT NULL DEFAULT 0,
    -- What is to be signed gives way to the certificate that contains it.
    to_be_signed    BLOB,
    certificate     BLOB,
    CHECK ((to_be_signed IS NULL) <> (certificate IS NULL)),
    -- Only a serial that is reserved or abandoned has no certificate.
    CHECK (certificate IS NOT NULL OR state IN ('', 'revoked')),
    CHECK (certificate IS NULL OR state <> '')
) STRICT;

CREATE INDEX certificate_key ON certificate (key_hash);
CREATE INDEX certificate_unfinished ON certificate (id) WHERE state = '';
CREATE INDEX certificate_unexpired ON certificate (not_after) WHERE expired = 0 AND state <> '';
CREATE INDEX certificate_listed ON certificate (issuer) WHERE state IN ('held', 'revoked');

-- The journal.
CREATE TABLE entry (
    position        INTEGER PRIMARY KEY,
    kind            TEXT    NOT NULL,
    issuer          TEXT    NOT NULL,
    certificate     INTEGER REFERENCES certificate (id),
    reason          INTEGER NOT NULL,
    owner           TEXT    NOT NULL,
    received_at     INTEGER,
    effective_at    INTEGER NOT NULL,
    invalidity_date INTEGER,
    actor           TEXT    NOT NULL,
    CHECK ((certificate IS NULL) = (kind = 'listed'))
) STRICT;

CREATE INDEX entry_certificate ON entry (certificate) WHERE certificate IS NOT NULL;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER certificate_is_never_removed BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'the register forgets no serial'); END;

-- Which entry a repeatable request led to. The ticket is written first, and
-- its key is the entry's position: SQLite looks for it there when the entry follows.
CREATE TABLE ticket (
    position INTEGER PRIMARY KEY REFERENCES entry (position) DEFERRABLE INITIALLY DEFERRED,
    actor    TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    request  BLOB    NOT NULL,           -- SHA-256
    UNIQUE (actor, key)
) STRICT;

-- How far each follower has come.
CREATE TABLE follower (
    name     TEXT    PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The schema of migrations/sqlite in PostgreSQL's words: the same tables and
-- columns with the same values, so that a register can be copied from one to
-- the other.

-- One row for each serial number that was ever reserved. id counts from 1 in
-- the order of the reservations.
CREATE TABLE certificate (
    id              BIGINT PRIMARY KEY,
    serial          BYTEA  NOT NULL UNIQUE, -- big-endian, no leading zero
    issuer          TEXT   NOT NULL,
    profile         TEXT   NOT NULL,
    set_name        TEXT   NOT NULL,
    key_hash        BYTEA  NOT NULL,        -- SHA-256 of SubjectPublicKeyInfo
    actor           TEXT   NOT NULL,
    not_after       BIGINT NOT NULL,        -- all times: microseconds since 1970 UTC
    reserved_at     BIGINT NOT NULL,
    -- The fold of the certificate's entries.
    state           TEXT   NOT NULL DEFAULT '',
    holds           TEXT,                   -- JSON, oldest first
    reason          BIGINT NOT NULL DEFAULT 0,
    since           BIGINT,
    invalidity_date BIGINT,
    expired         BIGINT NOT NULL DEFAULT 0,
    version         BIGINT NOT NULL DEFAULT 0,
    -- What is to be signed gives way to the certificate that contains it.
    to_be_signed    BYTEA,
    certificate     BYTEA,
    CHECK ((to_be_signed IS NULL) <> (certificate IS NULL)),
    -- Only a serial that is reserved or abandoned has no certificate.
    CHECK (certificate IS NOT NULL OR state IN ('', 'revoked')),
    CHECK (certificate IS NULL OR state <> '')
);

CREATE INDEX certificate_key ON certificate (key_hash, id);
CREATE INDEX certificate_unfinished ON certificate (id) WHERE state = '';
CREATE INDEX certificate_unexpired ON certificate (not_after) WHERE expired = 0 AND state <> '';
CREATE INDEX certificate_listed ON certificate (issuer, id) WHERE state IN ('held', 'revoked');

-- The journal.
CREATE TABLE entry (
    position        BIGINT PRIMARY KEY,
    kind            TEXT   NOT NULL,
    issuer          TEXT   NOT NULL,
    certificate     BIGINT REFERENCES certificate (id),
    reason          BIGINT NOT NULL,
    owner           TEXT   NOT NULL,
    received_at     BIGINT,
    effective_at    BIGINT NOT NULL,
    invalidity_date BIGINT,
    actor           TEXT   NOT NULL,
    CHECK ((certificate IS NULL) = (kind = 'listed'))
);

CREATE INDEX entry_certificate ON entry (certificate, position) WHERE certificate IS NOT NULL;

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$;

CREATE FUNCTION register_forgets_nothing() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the register forgets no serial'; END $$;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();

CREATE TRIGGER certificate_is_never_removed BEFORE DELETE OR TRUNCATE ON certificate
    FOR EACH STATEMENT EXECUTE FUNCTION register_forgets_nothing();

-- Which entry a repeatable request led to.
CREATE TABLE ticket (
    position BIGINT PRIMARY KEY REFERENCES entry (position) DEFERRABLE INITIALLY DEFERRED,
    actor    TEXT   NOT NULL,
    key      TEXT   NOT NULL,
    request  BYTEA  NOT NULL,               -- SHA-256
    UNIQUE (actor, key)
);

-- How far each follower has come.
CREATE TABLE follower (
    name     TEXT   PRIMARY KEY,
    position BIGINT NOT NULL
);

-- Whoever writes locks this row first and keeps it until the commit: positions
-- are given out by one process at a time, and none is visible before the one
-- below it.
CREATE TABLE turn (
    one BIGINT PRIMARY KEY CHECK (one = 1)
);
INSERT INTO turn VALUES (1);

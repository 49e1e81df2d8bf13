-- Requests that wait for a second person.
CREATE TABLE pending (
    number       BIGINT PRIMARY KEY,      -- the order in which they came
    id           TEXT   NOT NULL UNIQUE,
    state        TEXT   NOT NULL CHECK (state IN ('open', 'confirmed', 'done', 'failed', 'refused', 'lapsed')),
    action       TEXT   NOT NULL,
    serial       TEXT   NOT NULL,         -- hexadecimal; empty for none
    request      TEXT   NOT NULL,         -- JSON
    hash         BYTEA  NOT NULL,         -- SHA-256
    requested_by TEXT   NOT NULL,
    requester    TEXT   NOT NULL CHECK (requester <> ''),
    requested_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    decided_by   TEXT   NOT NULL DEFAULT '',
    decider      TEXT   NOT NULL DEFAULT '',
    decided_at   BIGINT,
    outcome      TEXT   NOT NULL DEFAULT '',
    -- Whatever a program does wrong, nobody confirms what he asked for himself.
    CHECK (state NOT IN ('confirmed', 'done', 'failed') OR
        (decider <> '' AND decided_by <> '' AND decider <> requester AND decided_by <> requested_by))
);

CREATE INDEX pending_undecided ON pending (number) WHERE state IN ('open', 'confirmed');

CREATE FUNCTION register_forgets_no_request() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the register forgets no request'; END $$;

CREATE TRIGGER pending_is_never_removed BEFORE DELETE OR TRUNCATE ON pending
    FOR EACH STATEMENT EXECUTE FUNCTION register_forgets_no_request();

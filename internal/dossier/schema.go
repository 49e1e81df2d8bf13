package dossier

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations bring an empty database to the present schema, one step to each
// version. A step that was released is never edited.
//
// Rows are numbered in the order they come, and the random ids and index
// values are in indexes beside them: an append is what the disk likes.
var migrations = []string{`
CREATE TABLE seal (
	only   INTEGER PRIMARY KEY CHECK (only = 1),
	sealed BLOB NOT NULL
) STRICT;
CREATE TABLE cases (
	number  INTEGER PRIMARY KEY,
	id      TEXT    NOT NULL UNIQUE,
	version INTEGER NOT NULL CHECK (version > 0),
	sealed  BLOB    NOT NULL
) STRICT;
CREATE TABLE blinds (
	number INTEGER PRIMARY KEY,
	owner  INTEGER NOT NULL REFERENCES cases (number),
	blind  BLOB    NOT NULL CHECK (length(blind) = 32),
	sole   INTEGER NOT NULL CHECK (sole IN (0, 1))
) STRICT;
CREATE INDEX blinds_by_owner ON blinds (owner);
CREATE INDEX blinds_by_value ON blinds (blind);
CREATE UNIQUE INDEX blinds_sole ON blinds (blind) WHERE sole = 1;
CREATE TABLE events (
	number  INTEGER PRIMARY KEY AUTOINCREMENT,
	owner   INTEGER NOT NULL REFERENCES cases (number),
	version INTEGER NOT NULL,
	sealed  BLOB    NOT NULL,
	UNIQUE (owner, version)
) STRICT;
CREATE TRIGGER events_are_not_altered BEFORE UPDATE ON events
	BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
	BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
`}

// migrate brings the database to the present schema, all steps in one
// transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("starting migration: %w", err)
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("reading schema version: %w", err)
	}
	if version > len(migrations) {
		return fmt.Errorf("the database has schema version %d and this program knows %d: start the newer program that wrote it", version, len(migrations))
	}
	for i, step := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrating to schema version %d: %w", version+i+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return fmt.Errorf("writing schema version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing migration: %w", err)
	}
	return nil
}

package dossier

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite is a store of case files in one database file. It is safe for
// concurrent use, and several processes may open one file.
type SQLite struct {
	db   *sql.DB
	seal *sealer
}

// Open opens the store at path and creates it when there is none, readable by
// its owner alone. The data key has [KeySize] octets; a store that was written
// with another one is refused.
func Open(ctx context.Context, path string, key []byte) (*SQLite, error) {
	seal, err := newSealer(key)
	if err != nil {
		return nil, fmt.Errorf("opening case files: %w", err)
	}
	// SQLite would create the file with the process's umask, and gives its log
	// the mode of the file.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening case files: %w", err)
	}
	f.Close()
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("opening case files: %w", err)
	}
	db.SetMaxOpenConns(8)
	s := &SQLite{db: db, seal: seal}
	if err := s.prepare(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening case files: %w", err)
	}
	return s, nil
}

// Close closes the store.
func (s *SQLite) Close() error { return s.db.Close() }

// prepare brings the schema up to date and proves that the data key is the
// store's, now rather than when the first case is read.
func (s *SQLite) prepare(ctx context.Context) error {
	if err := migrate(ctx, s.db); err != nil {
		return err
	}
	const what, text = "seal", "the data key of this store"
	if _, err := s.db.ExecContext(ctx, "INSERT INTO seal (only, sealed) VALUES (1, ?) ON CONFLICT DO NOTHING", s.seal.seal(what, "", 0, []byte(text))); err != nil {
		return fmt.Errorf("writing key check: %w", err)
	}
	var sealed []byte
	if err := s.db.QueryRowContext(ctx, "SELECT sealed FROM seal").Scan(&sealed); err != nil {
		return fmt.Errorf("reading key check: %w", err)
	}
	if _, err := s.seal.open(what, "", 0, sealed); err != nil {
		return errors.New("the data key is not the one that this store was written with")
	}
	return nil
}

// Put stores document as the next version of case id, with the event that led
// to it, in one transaction that is durable when Put returns. version is the
// one that the document replaces, 0 for a new case.
//
// The case is found by the strings of index and sole, which replace those of
// the version before; a string of sole may belong to no other case. An empty
// event says that the version tells nothing: [SQLite.Events] passes it over.
//
// The error is [fs.ErrExist] when the case has another version than named, or
// another case holds a string of sole; [fs.ErrNotExist] when version is not 0
// and there is no such case. Nothing is stored then.
func (s *SQLite) Put(ctx context.Context, id string, version uint64, document, event []byte, index, sole []string) error {
	if err := s.put(ctx, id, version, document, event, index, sole); err != nil {
		return fmt.Errorf("storing case %s: %w", id, err)
	}
	return nil
}

func (s *SQLite) put(ctx context.Context, id string, version uint64, document, event []byte, index, sole []string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	next := version + 1
	number, err := putDocument(ctx, tx, id, version, s.seal.seal("document", id, next, document))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM blinds WHERE owner = ?", number); err != nil {
		return err
	}
	for i, text := range append(append([]string(nil), index...), sole...) {
		if _, err := tx.ExecContext(ctx, "INSERT INTO blinds (owner, blind, sole) VALUES (?, ?, ?)", number, s.seal.blind(text), i >= len(index)); err != nil {
			return taken(err)
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO events (owner, version, sealed) VALUES (?, ?, ?)", number, next, s.seal.seal("event", id, next, event)); err != nil {
		return err
	}
	return tx.Commit()
}

// putDocument writes the case's row and returns its number.
func putDocument(ctx context.Context, tx *sql.Tx, id string, version uint64, sealed []byte) (number int64, err error) {
	if version == 0 {
		err := tx.QueryRowContext(ctx, "INSERT INTO cases (id, version, sealed) VALUES (?, 1, ?) RETURNING number", id, sealed).Scan(&number)
		return number, taken(err)
	}
	var present uint64
	switch err := tx.QueryRowContext(ctx, "SELECT number, version FROM cases WHERE id = ?", id).Scan(&number, &present); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fs.ErrNotExist
	case err != nil:
		return 0, err
	case present != version:
		return 0, fs.ErrExist
	}
	_, err = tx.ExecContext(ctx, "UPDATE cases SET version = ?, sealed = ? WHERE number = ?", version+1, sealed, number)
	return number, err
}

// taken turns SQLite's word for a broken uniqueness into the standard library's.
func taken(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return fs.ErrExist
	}
	return err
}

// Read returns the present version of case id, or [fs.ErrNotExist].
func (s *SQLite) Read(ctx context.Context, id string) (document []byte, version uint64, err error) {
	var sealed []byte
	err = s.db.QueryRowContext(ctx, "SELECT version, sealed FROM cases WHERE id = ?", id).Scan(&version, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err == nil {
		document, err = s.seal.open("document", id, version, sealed)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading case %s: %w", id, err)
	}
	return document, version, nil
}

// Find returns the ids of the cases that have the string index, oldest first;
// none is not an error.
func (s *SQLite) Find(ctx context.Context, index string) ([]string, error) {
	ids, err := column[string](ctx, s.db, `SELECT DISTINCT cases.id FROM blinds JOIN cases ON cases.number = blinds.owner
		WHERE blinds.blind = ? ORDER BY cases.number`, s.seal.blind(index))
	if err != nil {
		return nil, fmt.Errorf("finding cases: %w", err)
	}
	return ids, nil
}

// Events returns the events of case id, oldest first, one to each version that
// has one, or [fs.ErrNotExist].
func (s *SQLite) Events(ctx context.Context, id string) ([][]byte, error) {
	events, err := column[[]byte](ctx, s.db, `SELECT events.sealed FROM events JOIN cases ON cases.number = events.owner
		WHERE cases.id = ? ORDER BY events.version`, id)
	if err == nil && len(events) == 0 {
		err = fs.ErrNotExist
	}
	for i := range events {
		if err == nil {
			// Versions count from 1, so an event that is missing in between
			// makes every later one fail to open.
			events[i], err = s.seal.open("event", id, uint64(i+1), events[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading events of case %s: %w", id, err)
	}
	return slices.DeleteFunc(events, func(e []byte) bool { return len(e) == 0 }), nil
}

// column returns the only column of the rows that query selects.
func column[T any](ctx context.Context, db *sql.DB, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}

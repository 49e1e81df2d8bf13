package replica

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/altamga/altamga/internal/durable"
)

// schema is that of version 2, the one below.
const (
	schemaVersion = 2
	schema        = `
-- One row once the replica has begun: how far the journal was folded.
CREATE TABLE replica (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL,
    anchor   BLOB    NOT NULL, -- SHA-256 of the entry at the position; empty at 0
    as_of    INTEGER NOT NULL  -- microseconds since 1970 UTC; 0 for never
) STRICT;

CREATE TABLE issuer (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE status (
    id              INTEGER PRIMARY KEY,
    serial          BLOB    NOT NULL UNIQUE, -- big-endian, no leading zero
    issuer          INTEGER NOT NULL REFERENCES issuer (id),
    profile         TEXT    NOT NULL,        -- what kind of certificate it is
    state           TEXT    NOT NULL,
    holds           TEXT,                    -- JSON, oldest first
    reason          INTEGER NOT NULL,
    since           INTEGER,                 -- microseconds since 1970 UTC
    invalidity_date INTEGER,
    expired         INTEGER NOT NULL,
    version         INTEGER NOT NULL
) STRICT;

CREATE INDEX status_version ON status (version);

PRAGMA user_version = 2;`
)

// readers bounds the read connections.
const readers = 8

// Replica is a store in one SQLite file. Its methods may be called
// concurrently; one process at a time writes it.
type Replica struct {
	db  *sql.DB
	log *slog.Logger
	// read reads a status; nil until the first time.
	read atomic.Pointer[sql.Stmt]

	mu      sync.Mutex
	changed chan struct{} // closed and made anew by every commit with news
	failing error         // why the journal is not followed; nil while it is
	since   time.Time     // when failing began
}

// ErrNotBegun says that a store was made and never filled: see [Replica.Begin]
// and [Replica.Load].
var ErrNotBegun = errors.New("the replica was not begun")

// Create makes an empty store that only the calling user can read, or takes one
// that was made and never begun. The error wraps [fs.ErrExist] when there is
// anything else of that name.
func Create(ctx context.Context, path string, log *slog.Logger) (*Replica, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), durable.SyncDir(filepath.Dir(path)))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("creating replica: %w", err)
	}
	r, err := open(path, log)
	if err != nil {
		return nil, fmt.Errorf("creating replica: %w", err)
	}
	if err := r.setUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("creating replica %s: %w", path, err), r.Close())
	}
	return r, nil
}

// setUp makes the tables, unless they are there and empty.
func (r *Replica) setUp(ctx context.Context) error {
	return r.inTransaction(ctx, func(tx *sql.Tx) error {
		var version, tables int
		err := tx.QueryRowContext(ctx, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version").Scan(&version, &tables)
		switch {
		case err != nil:
			return err
		case version == 0 && tables == 0:
			_, err := tx.ExecContext(ctx, schema)
			return err
		case version != schemaVersion:
			return fs.ErrExist
		}
		if _, err := r.state(ctx, tx); !errors.Is(err, ErrNotBegun) {
			return errors.Join(fs.ErrExist, err)
		}
		return nil
	})
}

// Open opens the store at path. The error wraps [fs.ErrNotExist] when there is
// none, and [ErrNotBegun] when nothing was ever put into it.
func Open(ctx context.Context, path string, log *slog.Logger) (*Replica, error) {
	r, err := openBegun(ctx, path, log)
	if err != nil {
		return nil, fmt.Errorf("opening replica %s: %w", path, err)
	}
	return r, nil
}

func openBegun(ctx context.Context, path string, log *slog.Logger) (*Replica, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fs.ErrNotExist
	}
	r, err := open(path, log)
	if err != nil {
		return nil, err
	}
	var version int
	if err = r.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err == nil && version != schemaVersion {
		err = fmt.Errorf("its schema is of version %d, and this program knows %d", version, schemaVersion)
	}
	if err == nil {
		_, err = r.state(ctx, r.db)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func open(path string, log *slog.Logger) (*Replica, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	// FULL flushes each commit: after a loss of power, too, the responder knows
	// all that it has ever told (guarantee G2).
	query := url.Values{
		"mode":    {"rw"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &Replica{db: db, log: log, changed: make(chan struct{})}, nil
}

// Close ends the use of the store.
func (r *Replica) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("closing replica: %w", err)
	}
	return nil
}

// Begin lets an empty store follow the journal from its first entry on.
func (r *Replica) Begin(ctx context.Context) error {
	err := r.inTransaction(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "INSERT INTO replica (only, position, anchor, as_of) VALUES (1, 0, x'', 0) ON CONFLICT DO NOTHING")
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fs.ErrExist)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("beginning replica: %w", err)
	}
	return nil
}

// state is how far the journal was folded.
type state struct {
	position uint64
	// anchor is the hash of the entry at the position; empty at 0.
	anchor []byte
	// asOf is the moment at which the journal was last read to its end, for as
	// far as is known; zero for never.
	asOf time.Time
}

// asker is a database or a transaction of it.
type asker interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (r *Replica) state(ctx context.Context, db asker) (s state, err error) {
	var asOf int64
	err = db.QueryRowContext(ctx, "SELECT position, anchor, as_of FROM replica").Scan(&s.position, &s.anchor, &asOf)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrNotBegun
	}
	s.asOf = fromMicro(asOf)
	return s, err
}

// inTransaction runs do in a transaction that is durable when it returns nil.
func (r *Replica) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Position returns the position of the last entry that was folded.
func (r *Replica) Position(ctx context.Context) (uint64, error) {
	s, err := r.state(ctx, r.db)
	if err != nil {
		return 0, fmt.Errorf("reading replica: %w", err)
	}
	return s.position, nil
}

// fromMicro reads a time that is 0 when there is none.
func fromMicro(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

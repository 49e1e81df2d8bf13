package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/altamga/altamga/internal/durable"
)

const (
	// busyTimeout is how long a write waits for the lock of another process.
	busyTimeout = 10 * time.Second
	// readers bounds the read connections; reads beyond it wait their turn.
	readers = 8
)

// sqlite is a register in one SQLite file. Several processes of one host may
// have the file open.
type sqlite struct {
	reads, writes *sql.DB
	reader        *statements
	writer        *statements
}

func openSQLite(ctx context.Context, path string, make bool) (*sqlite, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if make {
		err = create(abs)
	} else {
		_, err = os.Stat(abs)
	}
	if err != nil {
		return nil, err
	}
	s := &sqlite{}
	// FULL flushes the write-ahead log at each commit. Without it a commit that
	// was answered could be gone after a loss of power.
	s.writes, err = sql.Open("sqlite", dsn(abs, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_foreign_keys": {"1"},
	}))
	if err != nil {
		return nil, err
	}
	s.writes.SetMaxOpenConns(1)
	s.reads, err = sql.Open("sqlite", dsn(abs, url.Values{"_query_only": {"1"}}))
	if err != nil {
		return nil, errors.Join(err, s.writes.Close())
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	s.reader = newStatements(s.reads)

	conn, err := connect(ctx, s.writes)
	if err == nil {
		s.writer = newStatements(conn)
		err = migrate(ctx, sqliteSession{conn}, sqliteDialect, make)
	}
	if err != nil {
		return nil, errors.Join(err, s.reads.Close(), s.writes.Close())
	}
	return s, nil
}

// create makes an empty file that only the calling user can read, which SQLite
// would not do by itself; it gives its two side files the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func dsn(path string, params url.Values) string {
	params.Set("mode", "rw")
	params.Set("_busy_timeout", fmt.Sprint(busyTimeout.Milliseconds()))
	// A misspelled column in double quotes is an error and not a string.
	params.Set("_dqs", "0")
	params.Set("_defensive", "1")
	return (&url.URL{Scheme: "file", Path: path, RawQuery: params.Encode()}).String()
}

// connect returns the writer's one connection, in WAL mode.
func connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	var conn *sql.Conn
	var err error
	// The change to WAL mode does not wait for another process that is about the
	// same, whatever the busy timeout says.
	for try := 0; try < 50; try++ {
		if conn, err = db.Conn(ctx); err == nil || sqliteCode(err) != sqliteBusy {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err != nil {
		return nil, err
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("the file system allows journal mode %q only; the register needs wal", mode)
	}
	return conn, nil
}

// SQLite's result codes that say nothing about the statement itself.
const (
	sqliteBusy     = 5
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteFull     = 13
	sqliteCantOpen = 14
)

// sqliteCode returns an error's primary result code; 0 when it has none.
func sqliteCode(err error) int {
	var code interface{ Code() int }
	if errors.As(err, &code) {
		return code.Code() & 0xff
	}
	return 0
}

// explainSQLite makes ErrUnavailable of what is wrong with the file, its disk
// or another process, and not with the statement.
func explainSQLite(err error) error {
	switch sqliteCode(err) {
	case sqliteBusy, sqliteReadOnly, sqliteIOErr, sqliteFull, sqliteCantOpen:
		return fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	return err
}

// each looks at ctx before each row, and hands none to the driver: that would
// start two goroutines for each query to interrupt it, which cost more than most
// queries do. None here computes for long between two rows.
func (s *sqlite) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.reader.each(context.WithoutCancel(ctx), query, args, func(row scanner) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return scan(row)
	})
}

// snapshot has a connection and no [sql.Tx], which starts a goroutine for each
// query to watch over it: that costs more than most queries do.
func (s *sqlite) snapshot(ctx context.Context) (*snapshot, error) {
	conn, err := s.reads.Conn(ctx)
	if err != nil {
		return nil, explainSQLite(err)
	}
	prepared := newStatements(conn)
	snapshot := &snapshot{explain: explainSQLite}
	snapshot.query = func(query string, args ...any) (*sql.Rows, error) { return conn.QueryContext(ctx, query, args...) }
	snapshot.brief = func(query string, args ...any) (*sql.Rows, error) {
		stmt, err := prepared.prepare(ctx, query)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		return stmt.QueryContext(context.WithoutCancel(ctx), args...)
	}
	snapshot.end = func() {
		// Without effect when the engine has rolled back by itself.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		_ = prepared.close() // and conn
	}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		snapshot.end()
		return nil, explainSQLite(err)
	}
	return snapshot, nil
}

func (s *sqlite) listings(issuer string, last listing, limit int) (string, []any) {
	return `SELECT CAST(group_concat(listing, '') AS BLOB) FROM (SELECT listing FROM listed
		WHERE issuer = ? AND listing > ? ORDER BY listing LIMIT ?)`, []any{issuer, []byte(last), limit}
}

func (s *sqlite) open(statements []statement) error {
	// IMMEDIATE takes the write lock at once. Were it taken at the first write,
	// another process could have written after this one had read the head.
	if err := s.run([]statement{{query: "BEGIN IMMEDIATE"}}); err != nil {
		return err
	}
	return s.run(statements)
}

// The writer is not interrupted: a context that ended in the middle of a batch
// would take the other writes with it.

func (s *sqlite) run(statements []statement) error {
	for _, one := range statements {
		if err := s.writer.each(context.Background(), one.query, one.args, one.scan); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) commit(statements []statement, _ bool) error {
	if err := s.run(statements); err != nil {
		return err
	}
	return s.run([]statement{{query: "COMMIT"}})
}

func (s *sqlite) rollback() {
	// Without effect when the engine has rolled back by itself, as it does when
	// the disk is full.
	_ = s.run([]statement{{query: "ROLLBACK"}})
}

// poll is short, since SQLite tells no process of another's commits.
func (s *sqlite) poll() time.Duration { return 100 * time.Millisecond }

// inspect checks pages, indexes (uniqueness among them) and references, and
// that lists are read from what stands in the certificates' rows.
func (s *sqlite) inspect(tx *snapshot, fault func(format string, args ...any) error) error {
	err := tx.each("PRAGMA integrity_check", nil, func(row scanner) error {
		var line string
		if err := row.Scan(&line); err != nil || line == "ok" {
			return err
		}
		return fault("file: %s", line)
	})
	if err != nil {
		return err
	}
	err = tx.each("PRAGMA foreign_key_check", nil, func(row scanner) error {
		var table, parent string
		var id sql.NullInt64
		var key int
		if err := row.Scan(&table, &id, &parent, &key); err != nil {
			return err
		}
		return fault("row %d of %s refers to a row of %s that is not there", id.Int64, table, parent)
	})
	if err != nil {
		return err
	}
	return tx.each(`SELECT (SELECT count(*) FROM listed), count(*), count(l.listing)
		FROM certificate c LEFT JOIN listed l ON l.issuer = c.issuer AND l.listing = c.listing WHERE c.state IN ('held', 'revoked')`, nil, func(row scanner) error {
		var listed, all, right int64
		if err := row.Scan(&listed, &all, &right); err != nil || listed == all && right == all {
			return err
		}
		return fault("of %d held or revoked certificates %d are listed, %d of them as their rows say", all, listed, right)
	})
}

func (s *sqlite) close() error {
	return errors.Join(s.reader.close(), s.writer.close(), s.writes.Close())
}

// sqliteDialect is how a schema is brought forward in SQLite.
var sqliteDialect = dialect{
	files:  migrations,
	folder: "migrations/sqlite",
	begin:  []string{"BEGIN IMMEDIATE"},
	tables: "SELECT count(*) FROM sqlite_schema",
	known:  "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'",
}

type sqliteSession struct{ conn *sql.Conn }

func (s sqliteSession) exec(ctx context.Context, script string) error {
	_, err := s.conn.ExecContext(ctx, script)
	return err
}

func (s sqliteSession) number(ctx context.Context, query string) (n int, err error) {
	err = s.conn.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

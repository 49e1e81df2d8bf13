package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	// busyTimeout is how long a write waits for the lock of another process.
	busyTimeout = 10 * time.Second
	// readers bounds the read connections; reads beyond it wait their turn.
	readers = 8
)

// SQLite is a register in one SQLite file. Its methods may be called
// concurrently, and several processes of one host may have the file open.
type SQLite struct {
	reads   *sql.DB
	writes  *sql.DB
	reader  *statements
	queue   chan *write   // unbuffered: what the writer has not taken can still be given up
	closing chan struct{} // closed by Close: no more writes are taken
	closed  chan struct{} // closed by the writer when it has ended
	close   sync.Once
	wake    *wake

	// Owned by the writer.
	writer  *statements
	commits atomic.Uint64 // tried so far, for tests
}

// Open opens the register in the file at path and makes it when there is none,
// readable for the calling user only. The folder must exist and be on a local
// disk, since processes share the file through memory. The caller ends its
// use with [SQLite.Close].
func Open(ctx context.Context, path string) (*SQLite, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("opening register %s: %w", path, err)
	}
	go s.run()
	return s, nil
}

func open(ctx context.Context, path string) (*SQLite, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(abs); err != nil {
		return nil, err
	}
	s := &SQLite{
		queue:   make(chan *write),
		closing: make(chan struct{}),
		closed:  make(chan struct{}),
		wake:    newWake(),
	}
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
		err = migrate(ctx, conn)
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
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	// The file's name must outlive a loss of power like its contents.
	return dir.Sync()
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
		if conn, err = db.Conn(ctx); err == nil || !isBusy(err) {
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

func isBusy(err error) bool {
	const sqliteBusy = 5
	var code interface{ Code() int }
	return errors.As(err, &code) && code.Code()&0xff == sqliteBusy
}

// Close waits for the writes that were taken, then closes the file. Whatever
// is asked after it ends with [fs.ErrClosed].
func (s *SQLite) Close() error {
	var err error
	s.close.Do(func() {
		close(s.closing)
		<-s.closed
		err = errors.Join(s.reader.close(), s.writer.close(), s.writes.Close())
	})
	if err != nil {
		return fmt.Errorf("closing register: %w", err)
	}
	return nil
}

// row reads one row on a read connection.
func (s *SQLite) row(ctx context.Context, query string, args []any, dest ...any) error {
	return s.unlessClosed(s.reader.row(ctx, query, args, dest...))
}

// each reads rows on a read connection.
func (s *SQLite) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	return s.unlessClosed(s.reader.each(ctx, query, args, scan))
}

// unlessClosed names the reason of an error that Close has caused.
func (s *SQLite) unlessClosed(err error) error {
	if err != nil {
		select {
		case <-s.closing:
			return fs.ErrClosed
		default:
		}
	}
	return err
}

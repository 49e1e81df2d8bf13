package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// Register is a register in a SQLite file or a PostgreSQL database. Its
// methods may be called concurrently, and several processes may have the same
// one open.
type Register struct {
	engine  engine
	queue   chan *write   // unbuffered: what the writer has not taken can still be given up
	closing chan struct{} // closed by Close: no more writes are taken
	closed  chan struct{} // closed by the writer when it has ended
	close   sync.Once
	wake    *wake

	commits atomic.Uint64 // tried so far, for tests
	failed  atomic.Bool   // the last of them did not succeed, see ready.go
}

// Open opens the register at an address and makes it when there is none. The
// caller ends its use with [Register.Close].
//
// postgres://user:password@host/database?sslmode=verify-full is a PostgreSQL
// database; further parameters are those of libpq. Several hosts, of which the
// one that takes writes is used, are written
// postgres:///database?host=a,b&target_session_attrs=read-write. The tables
// are made in the first schema of the search path, in a database that exists.
//
// Anything else is the path of a SQLite file, which is readable for the
// calling user only. The folder must exist and be on a local disk, since
// processes share the file through memory.
func Open(ctx context.Context, address string) (*Register, error) {
	return openAt(ctx, address, true)
}

// OpenExisting is Open for whoever expects a register there: it makes nothing
// and returns [fs.ErrNotExist] when the file is missing or the database empty.
func OpenExisting(ctx context.Context, address string) (*Register, error) {
	return openAt(ctx, address, false)
}

func openAt(ctx context.Context, address string, create bool) (*Register, error) {
	r := &Register{
		queue:   make(chan *write),
		closing: make(chan struct{}),
		closed:  make(chan struct{}),
		wake:    newWake(),
	}
	var err error
	if IsPostgres(address) {
		r.engine, err = openPostgres(ctx, address, create, r.wake.all)
	} else {
		r.engine, err = openSQLite(ctx, address, create)
	}
	if err != nil {
		return nil, fmt.Errorf("opening register %s: %w", Redacted(address), err)
	}
	go r.run()
	return r, nil
}

// IsPostgres reports whether an address is that of a PostgreSQL database and
// not a path.
func IsPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// Redacted returns an address as it may be shown: without a password.
func Redacted(address string) string {
	if !IsPostgres(address) {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://(malformed)"
	}
	query := u.Query()
	for _, secret := range []string{"password", "sslpassword"} {
		if query.Has(secret) {
			query.Set(secret, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}

// Close waits for the writes that were taken, then closes the database.
// Whatever is asked after it ends with [fs.ErrClosed].
func (r *Register) Close() error {
	var err error
	r.close.Do(func() {
		close(r.closing)
		<-r.closed
		err = r.engine.close()
	})
	if err != nil {
		return fmt.Errorf("closing register: %w", err)
	}
	return nil
}

// row reads one row. It returns sql.ErrNoRows when there is none.
func (r *Register) row(ctx context.Context, query string, args []any, dest ...any) error {
	found := false
	err := r.each(ctx, query, args, func(row scanner) error {
		found = true
		return row.Scan(dest...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// each reads rows.
func (r *Register) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	return r.unlessClosed(r.engine.each(ctx, query, args, scan))
}

// snapshot begins a transaction that only reads.
func (r *Register) snapshot(ctx context.Context) (*snapshot, error) {
	s, err := r.engine.snapshot(ctx)
	return s, r.unlessClosed(err)
}

// unlessClosed names the reason of an error that Close has caused.
func (r *Register) unlessClosed(err error) error {
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		select {
		case <-r.closing:
			return fs.ErrClosed
		default:
		}
	}
	return err
}

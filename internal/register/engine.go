package register

import (
	"context"
	"database/sql"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// ErrUnavailable says that the database does not answer, or not in time, or
// cannot write at the moment. Asking again later may help; the register finds its
// way back to the database by itself.
//
// After a read nothing has happened. After a write, see the package's comment.
var ErrUnavailable = journal.ErrUnavailable

// engine is a database: what differs between SQLite and PostgreSQL. Queries
// are written once, in the SQL that both understand, with ? for parameters.
type engine interface {
	// each reads rows outside of the writer's transaction. Whatever was committed
	// before the call is seen.
	each(ctx context.Context, query string, args []any, scan func(scanner) error) error
	// snapshot begins a transaction that only reads. All that it reads is of one
	// moment, which is not before the call.
	snapshot(ctx context.Context) (*snapshot, error)
	// listings is the query for the listings of the issuer's held and revoked
	// certificates behind that of last, at most limit of them, as one value.
	listings(issuer string, last listing, limit int) (query string, args []any)

	// The following are called by the writer only, which has one transaction at
	// a time.

	// open begins a transaction, waits until no other process writes, and runs the
	// statements. It may run them twice.
	open(statements []statement) error
	// run runs statements in the transaction.
	run(statements []statement) error
	// commit runs statements and ends the transaction. With news, the journal
	// has grown, and other processes' followers are told.
	commit(statements []statement, news bool) error
	// rollback ends a transaction that cannot go on.
	rollback()

	// poll is how often a waiting follower looks by itself for entries that
	// another process wrote.
	poll() time.Duration
	// inspect reports to fault what is wrong with the database below its tables'
	// contents.
	inspect(tx *snapshot, fault func(format string, args ...any) error) error
	close() error
}

// scanner is a row of a result.
type scanner interface {
	Scan(dest ...any) error
}

// statement is one SQL statement of a transaction. scan receives its rows; nil
// when it has none.
type statement struct {
	query string
	args  []any
	scan  func(scanner) error
}

// snapshot is a transaction that only reads. Only one query can be under way.
type snapshot struct {
	query func(query string, args ...any) (*sql.Rows, error)
	// brief runs a query that is soon over and need not be interrupted, which in
	// SQLite costs more than such a query does.
	brief   func(query string, args ...any) (*sql.Rows, error)
	explain func(error) error
	// end gives the snapshot up.
	end func()
}

// each runs a query and calls scan for each of its rows.
func (s *snapshot) each(query string, args []any, scan func(scanner) error) error {
	rows, err := s.query(query, args...)
	if err != nil {
		return s.explain(err)
	}
	return drain(rows, scan, s.explain)
}

// eachBrief is each for a brief query.
func (s *snapshot) eachBrief(query string, args []any, scan func(scanner) error) error {
	rows, err := s.brief(query, args...)
	if err != nil {
		return s.explain(err)
	}
	return drain(rows, scan, s.explain)
}

// drain calls scan for each row and closes rows. Errors of the database, and
// not those of scan, go through explain.
func drain(rows *sql.Rows, scan func(scanner) error, explain func(error) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return explain(rows.Err())
}

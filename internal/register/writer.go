package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// maxBatch bounds how many writes share a commit, and with it how long other
// processes are kept out.
const maxBatch = 256

// write is one caller's change, on its way through the writer.
type write struct {
	ctx  context.Context
	run  func(*batch) error
	done chan error // buffered: the writer never waits for a caller
}

// write runs the change in the next transaction and returns when that is
// durable, or the error with which the change was refused. The change is not
// made when ctx ends before its turn; once it is its turn, its outcome is
// awaited, so that a caller never leaves without knowing.
func (s *SQLite) write(ctx context.Context, run func(*batch) error) error {
	w := &write{ctx: ctx, run: run, done: make(chan error, 1)}
	select {
	case <-s.closing:
		return fs.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case s.queue <- w:
		return <-w.done
	}
}

// run is the writer.
func (s *SQLite) run() {
	defer close(s.closed)
	batch := make([]*write, 0, maxBatch)
	for {
		select {
		case <-s.closing:
			return
		case w := <-s.queue:
			batch = s.gather(append(batch[:0], w))
		}
		errs, advanced := s.commit(batch)
		if advanced {
			s.wake.all()
		}
		for i, w := range batch {
			w.done <- errs[i]
		}
		clear(batch)
	}
}

// gather adds what waits now. Nobody is kept waiting for a fuller batch: while
// one commit is being flushed, the next batch gathers by itself. Only the
// processor is given up once, so that those who were answered a moment ago and
// write again come along; without it, writers fall into two groups that take
// turns, and there are twice the commits.
func (s *SQLite) gather(batch []*write) []*write {
	for yielded := false; len(batch) < maxBatch; {
		select {
		case w := <-s.queue:
			batch = append(batch, w)
		default:
			if yielded {
				return batch
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return batch
}

// commit carries out the writes in one transaction. It returns each one's
// outcome and whether the journal grew.
func (s *SQLite) commit(writes []*write) (errs []error, advanced bool) {
	errs = make([]error, len(writes))
	b := &batch{statements: s.writer}
	err := b.begin()
	start := b.head
	for i := 0; i < len(writes) && err == nil; i++ {
		if errs[i] = writes[i].ctx.Err(); errs[i] == nil {
			errs[i], err = b.try(writes[i].run)
		}
	}
	if err == nil {
		_, err = b.exec("COMMIT")
		s.commits.Add(1)
	}
	if err != nil {
		// Without effect when the engine has rolled back by itself, as it does
		// when the disk is full.
		b.exec("ROLLBACK")
		// A refusal may rest on an earlier write of the batch, which is gone now.
		for i := range errs {
			errs[i] = fmt.Errorf("writing register: %w", err)
		}
		return errs, false
	}
	return errs, b.head > start
}

// batch is a transaction of the writer.
type batch struct {
	*statements
	head uint64 // position of the last entry, this transaction's included
}

func (b *batch) begin() error {
	// IMMEDIATE takes the write lock at once. Were it taken at the first write,
	// another process could have written after this one had read the head.
	if _, err := b.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	return b.row("SELECT ifnull(max(position), 0) FROM entry", nil, &b.head)
}

// try runs a write in a savepoint. refused is the write's own error; broken
// means that the whole transaction cannot go on.
func (b *batch) try(run func(*batch) error) (refused, broken error) {
	if _, err := b.exec("SAVEPOINT one"); err != nil {
		return nil, err
	}
	head := b.head
	if refused = run(b); refused != nil {
		b.head = head
		if _, err := b.exec("ROLLBACK TO one"); err != nil {
			return refused, errors.Join(refused, err)
		}
	}
	_, broken = b.exec("RELEASE one")
	return refused, broken
}

// append writes the entry at the next position, as of now. id is the
// certificate's row; 0 for none.
func (b *batch) append(e *journal.Entry, id int64) error {
	e.Position = b.head + 1
	e.EffectiveAt = stored(time.Now())
	e.ReceivedAt, e.InvalidityDate = stored(e.ReceivedAt), stored(e.InvalidityDate)
	if _, err := b.exec(`INSERT INTO entry
		(position, kind, issuer, certificate, reason, owner, received_at, effective_at, invalidity_date, actor)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(e.Position), string(e.Kind), e.Issuer, sql.NullInt64{Int64: id, Valid: id != 0}, int(e.Reason), string(e.Owner),
		column(e.ReceivedAt), column(e.EffectiveAt), column(e.InvalidityDate), e.Actor); err != nil {
		return err
	}
	b.head = e.Position
	return nil
}

// The writer is not interrupted: a context that ended in the middle of a batch
// would take the other writes with it.

func (b *batch) exec(query string, args ...any) (sql.Result, error) {
	return b.statements.exec(context.Background(), query, args...)
}

func (b *batch) row(query string, args []any, dest ...any) error {
	return b.statements.row(context.Background(), query, args, dest...)
}

func (b *batch) each(query string, args []any, scan func(*sql.Rows) error) error {
	return b.statements.each(context.Background(), query, args, scan)
}

// inserted reports whether an INSERT … ON CONFLICT DO NOTHING did something.
func inserted(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

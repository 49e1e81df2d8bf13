package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

const (
	entryTables  = "entry e LEFT JOIN certificate c ON c.id = e.certificate"
	entryColumns = "e.position, e.kind, e.issuer, c.serial, c.profile, e.reason, e.owner, e.received_at, e.effective_at, e.invalidity_date, e.actor"
)

// entryRow receives entryColumns.
type entryRow struct {
	e                               journal.Entry
	serial                          []byte
	profile                         sql.NullString
	received, effective, invalidity sql.NullInt64
}

func (r *entryRow) dest() []any {
	return []any{&r.e.Position, &r.e.Kind, &r.e.Issuer, &r.serial, &r.profile, &r.e.Reason, &r.e.Owner, &r.received, &r.effective, &r.invalidity, &r.e.Actor}
}

func (r *entryRow) entry() journal.Entry {
	r.e.Serial = column.SerialOf(r.serial)
	if r.e.Kind == journal.Issued || r.e.Kind == journal.Abandoned {
		r.e.Profile = r.profile.String
	}
	r.e.ReceivedAt, r.e.EffectiveAt, r.e.InvalidityDate = column.TimeOf(r.received), column.TimeOf(r.effective), column.TimeOf(r.invalidity)
	return r.e
}

// maxEntries bounds one answer of Entries.
const maxEntries = 10000

// Entries returns the entries after a position, oldest first: at most limit,
// and at most 10,000. A limit of zero or less means that bound.
func (r *Register) Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error) {
	if limit <= 0 || limit > maxEntries {
		limit = maxEntries
	}
	return r.entries(ctx, "e.position > ? ORDER BY e.position LIMIT ?", int64(min(after, math.MaxInt64)), limit)
}

// History returns a certificate's entries, oldest first; none when the serial
// is only reserved. [fs.ErrNotExist] means that it was never reserved.
func (r *Register) History(ctx context.Context, serial journal.Serial) ([]journal.Entry, error) {
	key, err := column.Serial(serial)
	if err != nil {
		return nil, fmt.Errorf("reading history: %w", err)
	}
	var id int64
	err = r.row(ctx, "SELECT id FROM certificate WHERE serial = ?", []any{key}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("reading history of serial %s: %w", serial, err)
	}
	return r.entries(ctx, "e.certificate = ? ORDER BY e.position", id)
}

func (r *Register) entries(ctx context.Context, where string, args ...any) ([]journal.Entry, error) {
	var entries []journal.Entry
	err := r.each(ctx, "SELECT "+entryColumns+" FROM "+entryTables+" WHERE "+where, args, func(scan scanner) error {
		var row entryRow
		if err := scan.Scan(row.dest()...); err != nil {
			return err
		}
		entries = append(entries, row.entry())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	return entries, nil
}

// Head returns the position of the last entry; 0 when there is none.
func (r *Register) Head(ctx context.Context) (uint64, error) {
	var head uint64
	if err := r.row(ctx, "SELECT coalesce(max(position), 0) FROM entry", nil, &head); err != nil {
		return 0, fmt.Errorf("reading journal: %w", err)
	}
	return head, nil
}

// Wait returns when the journal has an entry after the given position. It wakes at
// once for an entry of this process, and within 200 ms for one of another; on
// PostgreSQL at once as well, and within a second when the server's
// notifications do not come through. It returns the context's error when that ends
// first, and [ErrUnavailable] when the database is lost meanwhile.
func (r *Register) Wait(ctx context.Context, after uint64) error {
	for {
		// Taken before the look, so that no entry falls between the two.
		woken := r.wake.next()
		head, err := r.Head(ctx)
		if err != nil || head > after {
			return err
		}
		poll := time.NewTimer(r.engine.poll())
		select {
		case <-woken:
		case <-poll.C:
		case <-ctx.Done():
			err = ctx.Err()
		case <-r.closing:
			err = fs.ErrClosed
		}
		poll.Stop()
		if err != nil {
			return err
		}
	}
}

// wake wakes whoever waits, all at once.
type wake struct {
	mu sync.Mutex
	c  chan struct{}
}

func newWake() *wake { return &wake{c: make(chan struct{})} }

func (w *wake) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.c
}

func (w *wake) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.c)
	w.c = make(chan struct{})
}

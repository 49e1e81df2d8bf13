package register

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Point is what a list was made of: the journal up to Number, less the
// certificates that had expired by Dropped.
type Point struct {
	Number uint64
	// Dropped is the number of a published list. A certificate whose Expired entry
	// is not after it was on a list issued after its end of validity and need not
	// be on this one (RFC 5280, Section 3.3). 0 keeps all that ever expired.
	Dropped uint64
	// At is the time of the list. No entry is later.
	At time.Time
}

// Listed is what a list says of one certificate.
type Listed struct {
	// Serial is the big-endian number without zeros in front. It is good until
	// the function it was given to returns.
	Serial []byte
	// Since is when the certificate was revoked, or its oldest standing hold
	// began, or, with Removed, when that ended.
	Since time.Time
	// Reason is the CRLReason; Removed for a certificate that is not on the list.
	Reason int
	// InvalidityDate of a revocation; zero when not known.
	InvalidityDate time.Time
}

// Removed is the reason of a certificate that has left the list
// (removeFromCRL).
const Removed = 8

// ErrTooMany says that there are more changes than the caller wants at once.
var ErrTooMany = errors.New("too many changes")

// EachListed calls do for each certificate of the issuer that a list made at
// the point has, in the order of the serials' octets. Memory does not grow with
// their number, and nobody is held up meanwhile: the certificates are read from
// a snapshot, and what has happened since the point is undone by the journal.
func (r *Register) EachListed(ctx context.Context, issuer string, at Point, do func(Listed) error) error {
	err := r.eachListed(ctx, issuer, at, do)
	if err != nil {
		return fmt.Errorf("listing revocations of %s: %w", issuer, err)
	}
	return nil
}

func (r *Register) eachListed(ctx context.Context, issuer string, at Point, do func(Listed) error) error {
	tx, err := r.snapshot(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
	later, err := changedSince(tx, issuer, at.Number)
	if err != nil {
		return err
	}
	// Those that have changed since are merged into the others.
	var undone []changed
	for _, c := range later {
		if c.listed(at) {
			undone = append(undone, c)
		}
	}
	slices.SortFunc(undone, func(a, b changed) int { return bytes.Compare(a.serial, b.serial) })
	before := func(serial []byte) error {
		for len(undone) > 0 && (serial == nil || bytes.Compare(undone[0].serial, serial) < 0) {
			if err := do(undone[0].entry(at)); err != nil {
				return err
			}
			undone = undone[1:]
		}
		return nil
	}
	err = eachListing(r.engine, tx, issuer, func(l listing) error {
		if !l.on(at) {
			return nil
		}
		if err := before(l.serial()); err != nil {
			return err
		}
		return do(l.entry().notAfter(at))
	})
	if err != nil {
		return err
	}
	return before(nil)
}

// notAfter returns e as a list made at the point may say it: when the clock was
// set back, the point is before the change. No list names a time after its own.
func (e Listed) notAfter(at Point) Listed {
	if e.Since.After(at.At) {
		e.Since = at.At
	}
	return e
}

// Changes returns, in the order of the serials' octets, the certificates of the
// issuer of which a list made at the second point says something else than one
// made at the first, and what it says; Reason is Removed for those that it does
// not have, or has no more. A certificate that has left and come back in between
// is among them, and so is one that came and went. It returns [ErrTooMany] when
// there are more than limit.
func (r *Register) Changes(ctx context.Context, issuer string, from, to Point, limit int) ([]Listed, error) {
	entries, err := r.changes(ctx, issuer, from, to, limit)
	if err != nil {
		return nil, fmt.Errorf("reading changes of lists of %s: %w", issuer, err)
	}
	return entries, nil
}

func (r *Register) changes(ctx context.Context, issuer string, from, to Point, limit int) ([]Listed, error) {
	tx, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.end()
	later, err := changedSince(tx, issuer, to.Number)
	if err != nil {
		return nil, err
	}
	folded := make(map[int64]changed, len(later))
	for _, c := range later {
		folded[c.id] = c
	}
	var entries []Listed
	err = tx.each(`SELECT c.id, c.serial, `+qualified("c", column.Status)+`, v.effective_at FROM certificate c JOIN entry v ON v.position = c.version
		WHERE c.id IN (SELECT certificate FROM entry WHERE issuer = ? AND (
			position > ? AND position <= ? AND kind IN ('held', 'released', 'revoked', 'abandoned') OR
			position > ? AND position <= ? AND kind = 'expired'))
		ORDER BY c.serial LIMIT ?`,
		[]any{issuer, position(from.Number), position(to.Number), position(from.Dropped), position(to.Dropped), limit + 1},
		func(row scanner) error {
			var c changed
			var columns column.StatusRow
			var last sql.NullInt64
			if err := row.Scan(append(append([]any{&c.id, &c.serial}, columns.Dest()...), &last)...); err != nil {
				return err
			}
			var err error
			if c.status, err = columns.Status(); err != nil {
				return err
			}
			c.last = column.TimeOf(last)
			if c.status.Version > to.Number {
				c = folded[c.id]
			}
			entries = append(entries, c.entry(to))
			return nil
		})
	if err == nil && len(entries) > limit {
		err = ErrTooMany
	}
	return entries, err
}

// changed is a certificate as it was at a position.
type changed struct {
	id     int64
	serial []byte
	status journal.Status
	last   time.Time // of its last entry
}

// listed reports whether a list made at the point has the certificate.
func (c *changed) listed(at Point) bool {
	return (c.status.State == journal.OnHold || c.status.State == journal.Gone) && !(c.status.Expired && c.status.Version <= at.Dropped)
}

// entry returns what a list made at the point says of the certificate.
func (c *changed) entry(at Point) Listed {
	e := Listed{Serial: c.serial, Since: c.last, Reason: Removed}
	if c.listed(at) {
		e.Since, e.Reason, e.InvalidityDate = c.status.Since, int(c.status.Reason), c.status.InvalidityDate
	}
	return e.notAfter(at)
}

// changedSince returns the issuer's certificates that have entries both up to
// the position and after it, as they were at it.
func changedSince(tx *snapshot, issuer string, at uint64) ([]changed, error) {
	var certificates []changed
	err := tx.each("SELECT e.certificate, "+entryColumns+" FROM "+entryTables+` WHERE e.position <= ?
		AND e.certificate IN (SELECT certificate FROM entry WHERE position > ? AND issuer = ? AND certificate IS NOT NULL)
		ORDER BY e.certificate, e.position`, []any{position(at), position(at), issuer},
		func(row scanner) error {
			var c changed
			var columns entryRow
			if err := row.Scan(append([]any{&c.id}, columns.dest()...)...); err != nil {
				return err
			}
			e := columns.entry()
			if n := len(certificates); n == 0 || certificates[n-1].id != c.id {
				c.serial = columns.serial
				certificates = append(certificates, c)
			}
			last := &certificates[len(certificates)-1]
			status, err := last.status.Apply(e)
			last.status, last.last = status, e.EffectiveAt
			return err
		})
	return certificates, err
}

// position returns a journal position as a column.
func position(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

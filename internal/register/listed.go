package register

import (
	"bytes"
	"context"
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

// ErrContradiction says that the journal is no possible history, or that the
// table of certificates says something else than it.
var ErrContradiction = errors.New("the table and the journal differ")

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
		e := l.entry()
		e.cap(at)
		return do(e)
	})
	if err != nil {
		return err
	}
	return before(nil)
}

// cap makes e what a list made at the point may say: when the clock was set
// back, the point is before the change. No list names a time after its own.
func (e *Listed) cap(at Point) {
	if e.Since.After(at.At) {
		e.Since = at.At
	}
}

// Changes returns, in the order of the serials' octets, the certificates of the
// issuer of which a list made at the second point says something else than one
// made at the first, and what it says; Reason is Removed for those that it does
// not have, or has no more. A certificate that has left and come back in between
// is among them, and so is one that came and went. It returns [ErrTooMany] when
// there are more than limit, and [ErrContradiction] when the table of
// certificates has another account of one of them.
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
	touched := `SELECT certificate FROM entry WHERE issuer = ? AND (
		position > ? AND position <= ? AND kind IN ('held', 'released', 'revoked', 'abandoned') OR
		position > ? AND position <= ? AND kind = 'expired')`
	args := []any{issuer, position(from.Number), position(to.Number), position(from.Dropped), position(to.Dropped)}
	table := make(map[int64]journal.Status)
	err = tx.each("SELECT id, "+column.Status+" FROM certificate WHERE id IN ("+touched+") LIMIT ?", append(slices.Clone(args), limit+1), func(row scanner) error {
		var id int64
		var columns column.StatusRow
		err := row.Scan(append([]any{&id}, columns.Dest()...)...)
		if err == nil {
			table[id], err = columns.Status()
		}
		return err
	})
	if err == nil && len(table) > limit {
		err = ErrTooMany
	}
	if err != nil {
		return nil, err
	}
	// What a list says is told by the journal alone; the table must bear it out.
	told, err := fold(tx, "e.position <= ? AND e.certificate IN ("+touched+")", append([]any{position(to.Number)}, args...)...)
	if err != nil {
		return nil, err
	}
	entries := make([]Listed, len(told))
	for i, c := range told {
		if s := table[c.id]; s.Version <= to.Number && !sameStatus(s, c.status) {
			return nil, fmt.Errorf("%w about serial %x: %v since %s in entry %d, %v since %s in the table", ErrContradiction, c.serial,
				c.status.State, c.status.Since.Format(time.RFC3339), c.status.Version, s.State, s.Since.Format(time.RFC3339))
		}
		entries[i] = c.entry(to)
	}
	slices.SortFunc(entries, func(a, b Listed) int { return bytes.Compare(a.Serial, b.Serial) })
	return entries, nil
}

// sameStatus reports whether lists say the same of both.
func sameStatus(a, b journal.Status) bool {
	return a.State == b.State && a.Reason == b.Reason && a.Since.Equal(b.Since) && a.InvalidityDate.Equal(b.InvalidityDate) &&
		a.Expired == b.Expired && a.Version == b.Version
}

// Told returns what the journal alone, without the table, makes a list at the
// point say of one certificate; Reason is Removed where the list does not have
// it.
func (r *Register) Told(ctx context.Context, issuer string, serial []byte, at Point) (Listed, error) {
	tx, err := r.snapshot(ctx)
	if err != nil {
		return Listed{}, fmt.Errorf("reading journal about serial %x: %w", serial, err)
	}
	defer tx.end()
	told, err := fold(tx, "e.position <= ? AND e.issuer = ? AND e.certificate = (SELECT id FROM certificate WHERE serial = ?)", position(at.Number), issuer, serial)
	switch {
	case err != nil:
		return Listed{}, fmt.Errorf("reading journal about serial %x: %w", serial, err)
	case len(told) == 0:
		return Listed{Serial: serial, Reason: Removed}, nil
	}
	return told[0].entry(at), nil
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
	e.cap(at)
	return e
}

// changedSince returns the issuer's certificates that have entries both up to
// the position and after it, as they were at it.
func changedSince(tx *snapshot, issuer string, at uint64) ([]changed, error) {
	return fold(tx, "e.position <= ? AND e.certificate IN (SELECT certificate FROM entry WHERE position > ? AND issuer = ? AND certificate IS NOT NULL)",
		position(at), position(at), issuer)
}

// fold makes of the journal's entries the certificates that they are about.
func fold(tx *snapshot, where string, args ...any) ([]changed, error) {
	var certificates []changed
	err := tx.each("SELECT e.certificate, "+entryColumns+" FROM "+entryTables+" WHERE "+where+" ORDER BY e.certificate, e.position", args,
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
			switch {
			case len(columns.serial) == 0:
				return fmt.Errorf("%w: entry %d is about a certificate that is not there", ErrContradiction, e.Position)
			case err != nil:
				return fmt.Errorf("%w: entry %d: %w", ErrContradiction, e.Position, err)
			}
			return nil
		})
	return certificates, err
}

// position returns a journal position as a column.
func position(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

package crl

import (
	"context"
	"errors"
	"time"
)

// Source is where the entries of lists come from.
type Source interface {
	// Number takes the next number for the issuer's lists and makes it durable, so
	// that it is never given out again.
	Number(ctx context.Context, issuer string) (Numbered, error)
	// Each calls do for each certificate that a list made at the point has, in the
	// order of the serials' octets without zeros in front. The serial is good
	// until do returns.
	Each(ctx context.Context, issuer string, at Point, do func(Entry) error) error
	// Changes returns, in the same order, the certificates of which a list made at
	// the second point says something else than one made at the first, and what
	// it says: [Removed] for one that it does not have, or has no more. It returns
	// [ErrTooMany] when there are more than limit.
	Changes(ctx context.Context, issuer string, from, to Point, limit int) ([]Entry, error)
	// Told returns what the journal alone, without the table that Each reads, makes
	// a list at the point say of one certificate; Reason is [Removed] where the
	// list does not have it.
	Told(ctx context.Context, issuer string, serial []byte, at Point) (Entry, error)
	// Published tells the source that the public can read the issuer's complete
	// lists of that number. It may be told twice.
	Published(ctx context.Context, issuer string, number uint64) error
}

// ErrTooMany says that there are more changes than were asked for, and
// ErrContradiction that the source has two accounts of one truth.
var (
	ErrTooMany       = errors.New("too many changes")
	ErrContradiction = errors.New("the register contradicts itself")
)

// Numbered is a number that was taken for an issuer's lists.
type Numbered struct {
	// Number is a journal position: every change up to it is in the lists, and
	// none after it.
	Number uint64
	// At is when it was taken; the lists' thisUpdate.
	At time.Time
	// Published is the last number that the source was told of, and Before the one
	// before it; 0 when there is none.
	Published, Before uint64
}

// Point is what a list was made of: the journal up to Number, less the
// certificates whose expiry is not after Dropped.
//
// RFC 5280, Section 3.3: an entry stays until it was on one list issued after
// the certificate expired. Dropped is the number of such a list; 0 keeps all
// entries for ever.
type Point struct {
	Number, Dropped uint64
	// At is the time of the list; no entry is later.
	At time.Time
}

// Journal tells which lists a change makes old.
type Journal interface {
	// Entries returns at most limit entries after a position, in order.
	Entries(ctx context.Context, after uint64, limit int) ([]Change, error)
	// Wait returns when there is an entry after the position.
	Wait(ctx context.Context, after uint64) error
}

// Change is an entry of the journal, as far as a list is concerned.
type Change struct {
	Position uint64
	Issuer   string
	// Status is set when the entry held, released or revoked a certificate:
	// the issuer's next list differs from the last. An entry that says that a
	// certificate was issued or has expired or that a list was numbered does not
	// have it.
	Status bool
}

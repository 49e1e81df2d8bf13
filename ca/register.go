package ca

import (
	"context"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Register is the certificate register with its journal. Every write is
// durable when it returns nil. [journal.ErrUnavailable] says that the database
// is away: a write may or may not have been made then, and can be tried again.
type Register interface {
	Writer
	SetWriter
	Reader
	Follower
	Lister
}

// Writer changes the register.
type Writer interface {
	// ReserveSet makes intents durable, all or none in one commit. Before, it asks
	// admit about each, with the records of all serials that were ever reserved for
	// the same key, in the order of reservation; none comes in between. An error of
	// admit ends the whole and is returned. fs.ErrExist when a serial was ever
	// reserved.
	ReserveSet(ctx context.Context, set []journal.Intent, admit func(i int, sameKey []journal.Record) error) error
	// Complete stores the signed certificate of an intent with its Issued
	// entry, and the ticket if one is given. fs.ErrNotExist for an unknown
	// serial; fs.ErrExist when it is complete or the ticket was used.
	Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error)
	// Change appends a Held, Released or Revoked entry and sets its Position,
	// EffectiveAt and Issuer. *journal.TransitionError when the status does not
	// allow it, fs.ErrNotExist for an unknown serial, fs.ErrExist for a used
	// ticket.
	Change(ctx context.Context, entry journal.Entry, ticket *journal.Ticket) (journal.Entry, journal.Status, error)
	// Expire appends Expired entries for certificates past notAfter, a bounded
	// number at a time, and says how many.
	Expire(ctx context.Context, now time.Time) (int, error)
}

// SetWriter completes certificates that belong together.
type SetWriter interface {
	// CompleteSet is Complete for several certificates, all or none in one
	// commit. Their entries stand one behind the other in the journal; the
	// ticket leads to the first.
	CompleteSet(ctx context.Context, set []journal.Signed, ticket *journal.Ticket) ([]journal.Entry, error)
}

// Reader reads the register. Unknown things are fs.ErrNotExist, except that
// RecordsByKey of an unknown key is empty; otherwise it is in the order of
// reservation.
type Reader interface {
	Record(ctx context.Context, serial journal.Serial) (journal.Record, error)
	RecordsByKey(ctx context.Context, keyHash [32]byte) ([]journal.Record, error)
	History(ctx context.Context, serial journal.Serial) ([]journal.Entry, error)
	// Redeemed returns the ticket that actor used under key, and the entry that
	// it led to.
	Redeemed(ctx context.Context, actor, key string) (journal.Ticket, journal.Entry, error)
}

// Follower reads the journal in order.
type Follower interface {
	// Entries returns at most limit entries with positions greater than after.
	Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error)
	// Wait returns when there is an entry with a position greater than after.
	Wait(ctx context.Context, after uint64) error
}

// Lister pages through what was issued.
type Lister interface {
	// Certificates returns one page of the issued certificates of a selection
	// in the order of their reservation, at least one unless there are no more.
	// fs.ErrNotExist when the serial that the page follows is unknown.
	Certificates(ctx context.Context, selection journal.Selection) ([]journal.Record, error)
}

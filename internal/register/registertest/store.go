// Package registertest holds the contract of a register: what every store must
// do that the suite is run on. Each store's own tests call [Contract] and
// [Shared] on it.
//
// It refuses nothing by itself and holds no fake; [Issuer]
// makes real certificates to feed a store with.
package registertest

import (
	"context"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
)

// Store is what a register offers. The methods are documented at
// [register.Register].
type Store interface {
	Reserve(context.Context, journal.Intent) error
	ReserveSet(ctx context.Context, set []journal.Intent, admit func(i int, sameKey []journal.Record) error) error
	Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error)
	CompleteSet(ctx context.Context, set []journal.Signed, ticket *journal.Ticket) ([]journal.Entry, error)
	Unfinished(context.Context) ([]journal.Intent, error)
	Record(context.Context, journal.Serial) (journal.Record, error)
	RecordsByKey(ctx context.Context, keyHash [32]byte) ([]journal.Record, error)
	RecordsBetween(ctx context.Context, after, last uint64) ([]journal.Record, error)
	Certificates(context.Context, journal.Selection) ([]journal.Record, error)

	Change(context.Context, journal.Entry, *journal.Ticket) (journal.Entry, journal.Status, error)
	Expire(ctx context.Context, now time.Time) (int, error)
	Redeemed(ctx context.Context, actor, key string) (journal.Ticket, journal.Entry, error)
	Status(ctx context.Context, issuer string, serial journal.Serial) (status journal.Status, head uint64, err error)
	History(context.Context, journal.Serial) ([]journal.Entry, error)
	Standings(ctx context.Context, issuer string, after journal.Serial, limit int) ([]journal.Standing, error)
	Statuses(ctx context.Context, begin func(last journal.Entry, statuses int64) error, each func(journal.Standing) error) error

	Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error)
	Head(context.Context) (uint64, error)
	Wait(ctx context.Context, after uint64) error

	List(ctx context.Context, issuer string) (register.Snapshot, error)
	Number(ctx context.Context, issuer string) (register.Numbered, error)
	EachListed(ctx context.Context, issuer string, at register.Point, do func(register.Listed) error) error
	Changes(ctx context.Context, issuer string, from, to register.Point, limit int) ([]register.Listed, error)
	Published(ctx context.Context, issuer string, number uint64) error

	Abandon(ctx context.Context, serial journal.Serial, actor string) (journal.Entry, error)
	Tally(context.Context) (journal.Tally, error)

	Propose(context.Context, journal.Pending) error
	Pending(ctx context.Context, id string) (journal.Pending, error)
	Undecided(context.Context) ([]journal.Pending, error)
	Decide(ctx context.Context, from journal.PendingState, next journal.Pending) error

	SetPosition(ctx context.Context, follower string, position uint64) error
	Position(ctx context.Context, follower string) (uint64, error)

	Check(context.Context) error
	Close() error
}

var _ Store = (*register.Register)(nil)

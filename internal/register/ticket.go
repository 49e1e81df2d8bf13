package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/altamga/altamga/internal/journal"
)

// Tickets returns, by position, the tickets of the entries from after + 1 to
// last that have one.
func (r *Register) Tickets(ctx context.Context, after, last uint64) (map[uint64]journal.Ticket, error) {
	tickets := make(map[uint64]journal.Ticket)
	err := r.each(ctx, "SELECT position, actor, key, request FROM ticket WHERE position > ? AND position <= ?",
		[]any{int64(min(after, math.MaxInt64)), int64(min(last, math.MaxInt64))}, func(row scanner) error {
			var position uint64
			var t journal.Ticket
			var request []byte
			if err := row.Scan(&position, &t.Actor, &t.Key, &request); err != nil {
				return err
			}
			if len(request) != len(t.Request) {
				return fmt.Errorf("the request hash of entry %d has %d octets", position, len(request))
			}
			copy(t.Request[:], request)
			tickets[position] = t
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading tickets: %w", err)
	}
	return tickets, nil
}

// Redeemed returns the ticket that the actor used under the key and the entry
// that it led to. [fs.ErrNotExist] means that it was not used.
func (r *Register) Redeemed(ctx context.Context, actor, key string) (journal.Ticket, journal.Entry, error) {
	t := journal.Ticket{Actor: actor, Key: key}
	var request []byte
	var row entryRow
	err := r.row(ctx, "SELECT t.request, "+entryColumns+" FROM "+entryTables+" JOIN ticket t ON t.position = e.position WHERE t.actor = ? AND t.key = ?",
		[]any{actor, key}, append([]any{&request}, row.dest()...)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = fs.ErrNotExist
	case err == nil && len(request) != len(t.Request):
		err = fmt.Errorf("its request hash has %d octets", len(request))
	}
	if err != nil {
		return journal.Ticket{}, journal.Entry{}, fmt.Errorf("reading ticket: %w", err)
	}
	copy(t.Request[:], request)
	return t, row.entry(), nil
}

package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/altamga/altamga/internal/journal"
)

// redeem uses the ticket up for the entry that the write is about to append.
// It comes before all other checks: a request that is repeated must learn that
// it is a repetition and not that its own first run made it illegal.
func (b *batch) redeem(t *journal.Ticket) error {
	if t == nil {
		return nil
	}
	if t.Key == "" {
		return errors.New("the ticket has no key")
	}
	isNew, err := inserted(b.exec("INSERT INTO ticket (position, actor, key, request) VALUES (?, ?, ?, ?) ON CONFLICT (actor, key) DO NOTHING",
		int64(b.head+1), t.Actor, t.Key, t.Request[:]))
	if err == nil && !isNew {
		err = fmt.Errorf("the ticket was used: %w", fs.ErrExist)
	}
	return err
}

// Redeemed returns the ticket that the actor used under the key and the entry
// that it led to. [fs.ErrNotExist] means that it was not used.
func (s *SQLite) Redeemed(ctx context.Context, actor, key string) (journal.Ticket, journal.Entry, error) {
	t := journal.Ticket{Actor: actor, Key: key}
	var request []byte
	var row entryRow
	err := s.row(ctx, "SELECT t.request, "+entryColumns+" FROM "+entryTables+" JOIN ticket t ON t.position = e.position WHERE t.actor = ? AND t.key = ?",
		[]any{actor, key}, append([]any{&request}, row.dest()...)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = fs.ErrNotExist
	case err == nil && copy(t.Request[:], request) != len(t.Request):
		err = fmt.Errorf("its request hash has %d octets", len(request))
	}
	if err != nil {
		return journal.Ticket{}, journal.Entry{}, fmt.Errorf("reading ticket: %w", err)
	}
	return t, row.entry(), nil
}

package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/altamga/altamga/internal/journal"
)

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
	case err == nil && copy(t.Request[:], request) != len(t.Request):
		err = fmt.Errorf("its request hash has %d octets", len(request))
	}
	if err != nil {
		return journal.Ticket{}, journal.Entry{}, fmt.Errorf("reading ticket: %w", err)
	}
	return t, row.entry(), nil
}

package replica

import (
	"context"
	"fmt"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Standings returns an issuer's certificates behind a serial, in the order of
// their numbers; at most limit, and fewer only when there are no more.
func (r *Replica) Standings(ctx context.Context, issuer string, after journal.Serial, limit int) ([]journal.Standing, error) {
	key := []byte{}
	if after != "" {
		var err error
		if key, err = column.Serial(after); err != nil {
			return nil, fmt.Errorf("reading replica: %w", err)
		}
	}
	rows, err := r.db.QueryContext(ctx, "SELECT s.serial, s.profile, "+column.Status+
		" FROM issuer i JOIN status s ON s.issuer = i.id WHERE i.name = ? AND s.serial > ? ORDER BY s.serial LIMIT ?", issuer, key, limit)
	if err != nil {
		return nil, fmt.Errorf("reading replica: %w", err)
	}
	defer rows.Close()
	var standings []journal.Standing
	for rows.Next() {
		var serial []byte
		var row column.StatusRow
		s := journal.Standing{Issuer: issuer}
		err := rows.Scan(append([]any{&serial, &s.Profile}, row.Dest()...)...)
		if err == nil {
			s.Status, err = row.Status()
		}
		if err != nil {
			return nil, fmt.Errorf("reading replica: %w", err)
		}
		s.Serial = column.SerialOf(serial)
		standings = append(standings, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading replica: %w", err)
	}
	return standings, nil
}

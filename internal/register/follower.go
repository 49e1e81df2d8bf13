package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// SetPosition remembers how far a follower has come. A position before the
// remembered one changes nothing. One after the journal's last entry is an
// error: the follower has seen a journal that is not this one.
func (r *Register) SetPosition(ctx context.Context, follower string, position uint64) error {
	if err := checkTexts("follower's name", follower); err != nil {
		return fmt.Errorf("remembering position: %w", err)
	}
	return r.write(ctx, &write{run: func(b *batch) error {
		if position > b.head {
			return fmt.Errorf("remembering position of %s: %d is after the journal's last entry, %d", follower, position, b.head)
		}
		b.setPosition(follower, position)
		return nil
	}})
}

// Position returns the position that was remembered for a follower; 0 for one
// that is not known.
func (r *Register) Position(ctx context.Context, follower string) (uint64, error) {
	var position uint64
	err := r.row(ctx, "SELECT position FROM follower WHERE name = ?", []any{follower}, &position)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading position of %s: %w", follower, err)
	}
	return position, nil
}

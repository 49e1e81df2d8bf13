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
func (s *SQLite) SetPosition(ctx context.Context, follower string, position uint64) error {
	return s.write(ctx, func(b *batch) error {
		if position > b.head {
			return fmt.Errorf("remembering position of %s: %d is after the journal's last entry, %d", follower, position, b.head)
		}
		return b.setPosition(follower, position)
	})
}

func (b *batch) setPosition(follower string, position uint64) error {
	_, err := b.exec(`INSERT INTO follower (name, position) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)`, follower, int64(position))
	return err
}

// Position returns the position that was remembered for a follower; 0 for one
// that is not known.
func (s *SQLite) Position(ctx context.Context, follower string) (uint64, error) {
	var position uint64
	err := s.row(ctx, "SELECT position FROM follower WHERE name = ?", []any{follower}, &position)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading position of %s: %w", follower, err)
	}
	return position, nil
}

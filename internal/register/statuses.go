package register

import (
	"context"
	"fmt"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// standingColumns are those of scanStanding.
const standingColumns = "issuer, serial, profile, " + column.Status

func scanStanding(row scanner) (s journal.Standing, err error) {
	var serial []byte
	var columns column.StatusRow
	if err = row.Scan(append([]any{&s.Issuer, &serial, &s.Profile}, columns.Dest()...)...); err != nil {
		return s, err
	}
	s.Serial = column.SerialOf(serial)
	if s.Status, err = columns.Status(); err != nil {
		err = fmt.Errorf("serial %s: %w", s.Serial, err)
	}
	return s, err
}

// Standings returns one page of an issuer's serials that have a status, in the
// order of their reservation: at most limit, and fewer only when there are no
// more. The page after it follows its last serial. Unlike Certificates it reads
// no certificate.
func (r *Register) Standings(ctx context.Context, issuer string, after journal.Serial, limit int) ([]journal.Standing, error) {
	key := []byte{}
	if after != "" {
		var err error
		if key, err = column.Serial(after); err != nil {
			return nil, fmt.Errorf("reading standings: %w", err)
		}
	}
	var standings []journal.Standing
	err := r.each(ctx, "SELECT "+standingColumns+` FROM certificate WHERE state <> '' AND issuer = ?
		AND id > coalesce((SELECT id FROM certificate WHERE serial = ?), 0) ORDER BY id LIMIT ?`, []any{issuer, key, limit}, func(row scanner) error {
		s, err := scanStanding(row)
		standings = append(standings, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading standings: %w", err)
	}
	return standings, nil
}

// Statuses reads the status of every serial that has one, as of one moment: it
// calls begin with the journal's last entry, zero when there is none, and how
// many statuses there are, and then each for every one of them, in the order of
// their reservation. It holds up nobody. An error of either ends it.
func (r *Register) Statuses(ctx context.Context, begin func(last journal.Entry, statuses int64) error, each func(journal.Standing) error) error {
	tx, err := r.snapshot(ctx)
	if err != nil {
		return fmt.Errorf("reading statuses: %w", err)
	}
	defer tx.end()
	var last journal.Entry
	err = tx.each("SELECT "+entryColumns+" FROM "+entryTables+" ORDER BY e.position DESC LIMIT 1", nil, func(scan scanner) error {
		var row entryRow
		err := scan.Scan(row.dest()...)
		last = row.entry()
		return err
	})
	if err != nil {
		return fmt.Errorf("reading statuses: %w", err)
	}
	var statuses int64
	err = tx.each("SELECT count(*) FROM certificate WHERE state <> ''", nil, func(scan scanner) error { return scan.Scan(&statuses) })
	if err != nil {
		return fmt.Errorf("reading statuses: %w", err)
	}
	if err := begin(last, statuses); err != nil {
		return err
	}
	var told error
	err = tx.each("SELECT "+standingColumns+" FROM certificate WHERE state <> '' ORDER BY id", nil, func(row scanner) error {
		s, err := scanStanding(row)
		if err != nil {
			return err
		}
		told = each(s)
		return told
	})
	if told != nil {
		return told
	}
	if err != nil {
		return fmt.Errorf("reading statuses: %w", err)
	}
	return nil
}

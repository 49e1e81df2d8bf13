package register

import (
	"context"
	"fmt"

	"github.com/altamga/altamga/internal/journal"
)

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
	err = tx.each("SELECT issuer, serial, profile, "+statusColumns+" FROM certificate WHERE state <> '' ORDER BY id", nil, func(scan scanner) error {
		var s journal.Standing
		var serial []byte
		var row statusRow
		err := scan.Scan(append([]any{&s.Issuer, &serial, &s.Profile}, row.dest()...)...)
		if err != nil {
			return err
		}
		s.Serial = serialOf(serial)
		if s.Status, err = row.status(); err != nil {
			return fmt.Errorf("serial %s: %w", s.Serial, err)
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

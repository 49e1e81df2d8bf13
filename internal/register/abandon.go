package register

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Abandon closes a serial that was reserved and has no certificate: from then
// on it is revoked and cannot be completed. It is for serials that a crash left
// behind, of which nobody can say whether the key signed.
//
// It returns [fs.ErrNotExist] when the serial was never reserved, and
// [fs.ErrExist] when its certificate is there or it is abandoned already.
func (r *Register) Abandon(ctx context.Context, serial journal.Serial, actor string) (journal.Entry, error) {
	key, err := column.Serial(serial)
	if err = errors.Join(err, checkTexts("actor", actor)); err != nil {
		return journal.Entry{}, fmt.Errorf("abandoning serial %s: %w", serial, err)
	}
	var entry journal.Entry
	err = r.write(ctx, &write{serials: [][]byte{key}, run: func(b *batch) error {
		row := b.certificate(key)
		switch {
		case row == nil:
			return fs.ErrNotExist
		case row.status.State != journal.NonIssued:
			return fmt.Errorf("it is %s: %w", row.status.State, fs.ErrExist)
		}
		e := journal.Entry{Kind: journal.Abandoned, Issuer: row.issuer, Serial: serial, Profile: row.profile, Actor: actor}
		b.append(&e, row.id)
		status, err := row.status.Apply(e)
		if err != nil {
			return err
		}
		entry = e
		return b.setStatus(key, row, status, nil)
	}})
	if err != nil {
		return journal.Entry{}, fmt.Errorf("abandoning serial %s: %w", serial, err)
	}
	return entry, nil
}

// Tally counts all serials that were ever reserved, as of one moment.
func (r *Register) Tally(ctx context.Context) (journal.Tally, error) {
	var t journal.Tally
	err := r.row(ctx, `SELECT count(*) FILTER (WHERE certificate IS NOT NULL), count(*) FILTER (WHERE certificate IS NULL AND state <> ''),
		count(*) FILTER (WHERE state = '') FROM certificate`, nil, &t.Issued, &t.Abandoned, &t.Unfinished)
	if err != nil {
		return journal.Tally{}, fmt.Errorf("counting serials: %w", err)
	}
	return t, nil
}

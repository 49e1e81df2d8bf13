package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Change appends a Held, Released or Revoked entry and returns it, with its
// position, issuer and effective time set, and the status that it led to. The
// ticket may be nil.
//
// It returns [fs.ErrNotExist] when there is no certificate of that serial,
// [fs.ErrExist] when the ticket was used, and a [*journal.TransitionError] when the
// certificate's status does not allow the change. A certificate past its end
// of validity counts as expired even before its Expired entry is written.
func (r *Register) Change(ctx context.Context, entry journal.Entry, ticket *journal.Ticket) (journal.Entry, journal.Status, error) {
	if entry.Kind != journal.Revoked && entry.Reason == journal.CertificateHold {
		entry.Reason = journal.Unspecified // the kind says it already
	}
	key, err := column.Serial(entry.Serial)
	if err = errors.Join(err, checkChange(entry), checkTexts("actor", entry.Actor), checkTicket(ticket)); err != nil {
		return journal.Entry{}, journal.Status{}, fmt.Errorf("changing serial %s: %w", entry.Serial, err)
	}
	var changed journal.Entry
	var status journal.Status
	err = r.write(ctx, &write{serials: [][]byte{key}, ticket: ticket, run: func(b *batch) error {
		if err := b.redeem(ticket); err != nil {
			return err
		}
		row := b.certificate(key)
		switch {
		case row == nil:
			return fs.ErrNotExist
		case row.status.State == journal.NonIssued:
			return fmt.Errorf("it is only reserved: %w", fs.ErrNotExist)
		}
		before := row.status
		if time.Now().After(row.notAfter) {
			before.Expired = true
		}
		e := entry
		e.Issuer = row.issuer
		b.append(&e, row.id)
		next, err := before.Apply(e)
		if err != nil {
			return err
		}
		changed, status = e, next
		return b.setStatus(key, row, next, nil)
	}})
	if err != nil {
		return journal.Entry{}, journal.Status{}, fmt.Errorf("changing serial %s: %w", entry.Serial, err)
	}
	return changed, status, nil
}

// checkChange refuses an entry that says what its kind cannot say.
func checkChange(e journal.Entry) error {
	if !journal.Tellable(e.InvalidityDate) || !journal.Tellable(e.ReceivedAt) {
		return errors.New("an entry has no time outside of the years 1950 to 9999")
	}
	switch e.Kind {
	case journal.Held, journal.Released:
		if e.Reason != journal.Unspecified || !e.InvalidityDate.IsZero() {
			return fmt.Errorf("an entry of kind %s has neither reason nor invalidity date", e.Kind)
		}
		_, err := journal.ParseOwner(string(e.Owner))
		return err
	case journal.Revoked:
		if e.Owner != "" {
			if _, err := journal.ParseOwner(string(e.Owner)); err != nil {
				return err
			}
		}
		_, err := journal.ParseRevocationReason(e.Reason.String())
		return err
	}
	return fmt.Errorf("an entry of kind %q is not a change that can be asked for", e.Kind)
}

// expireBatch bounds the Expired entries of one write, so that no other write
// waits long behind them.
const expireBatch = 500

// Expire appends an Expired entry for each certificate whose validity has
// ended before now, and returns how many it wrote. When it stops with an
// error, those that it counted are written.
func (r *Register) Expire(ctx context.Context, now time.Time) (int, error) {
	for total := 0; ; {
		n := 0
		err := r.write(ctx, &write{run: func(b *batch) (err error) {
			n, err = b.expire(now)
			return err
		}})
		if err != nil {
			return total, fmt.Errorf("recording expiry: %w", err)
		}
		if total += n; n < expireBatch {
			return total, nil
		}
	}
}

func (b *batch) expire(now time.Time) (int, error) {
	type due struct {
		row    certificateRow
		serial []byte
	}
	var dues []due
	err := b.read("SELECT id, serial, issuer, not_after, to_be_signed, "+column.Status+` FROM certificate
		WHERE expired = 0 AND state <> '' AND not_after < ? ORDER BY not_after LIMIT ?`, []any{column.Time(now), expireBatch},
		func(row scanner) error {
			var d due
			var status column.StatusRow
			var notAfter sql.NullInt64
			err := row.Scan(append([]any{&d.row.id, &d.serial, &d.row.issuer, &notAfter, &d.row.toBeSigned}, status.Dest()...)...)
			if err != nil {
				return err
			}
			d.row.notAfter = column.TimeOf(notAfter)
			d.row.status, err = status.Status()
			dues = append(dues, d)
			return err
		})
	for _, d := range dues {
		if err != nil {
			break
		}
		e := journal.Entry{Kind: journal.Expired, Issuer: d.row.issuer, Serial: column.SerialOf(d.serial)}
		b.append(&e, d.row.id)
		var status journal.Status
		if status, err = d.row.status.Apply(e); err == nil {
			err = b.setStatus(d.serial, &d.row, status, nil)
		}
	}
	return len(dues), err
}

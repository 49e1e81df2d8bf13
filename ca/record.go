package ca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// A signature that left the key is recorded even if the client has gone, and
// although the register is away for a while: a database that restarts is back
// within seconds, and a serial that is recorded late is better than one that
// reconcile has to close as revoked.
//
// What is recorded again is always the same octets. The signature is not made
// anew, so whatever an earlier try came to, there is one certificate.

const (
	// completeWithin bounds recording, with the last try.
	completeWithin = 30 * time.Second
	// recordFor is the default of Config.RecordFor.
	recordFor = 10 * time.Second
)

// record has the register take signed certificates, all or none.
func (a *Authority) record(ctx context.Context, ticket *journal.Ticket, signed ...journal.Signed) ([]journal.Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeWithin)
	defer cancel()
	began := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		entries, err := a.complete(ctx, ticket, signed)
		if errors.Is(err, fs.ErrExist) {
			// A try whose answer was lost may have got through.
			if entries, ok := a.recorded(ctx, signed); ok {
				return entries, nil
			}
		}
		if !errors.Is(err, journal.ErrUnavailable) || time.Since(began)+pause > a.config.RecordFor {
			return entries, recordingError(err)
		}
		a.config.Observe("recorded_again", time.Since(began))
		time.Sleep(pause)
	}
}

func (a *Authority) complete(ctx context.Context, ticket *journal.Ticket, signed []journal.Signed) ([]journal.Entry, error) {
	if len(signed) > 1 {
		return a.config.Register.CompleteSet(ctx, signed, ticket)
	}
	entry, err := a.config.Register.Complete(ctx, signed[0].Serial, signed[0].Certificate, ticket)
	return []journal.Entry{entry}, err
}

// recorded returns the Issued entries of certificates when the register has
// each of them as it was signed.
func (a *Authority) recorded(ctx context.Context, signed []journal.Signed) ([]journal.Entry, bool) {
	var entries []journal.Entry
	for _, s := range signed {
		record, err := a.config.Register.Record(ctx, s.Serial)
		if err != nil || !bytes.Equal(record.Certificate, s.Certificate) {
			return nil, false
		}
		history, err := a.config.Register.History(ctx, s.Serial)
		if err != nil || len(history) == 0 {
			return nil, false
		}
		entries = append(entries, history[0])
	}
	return entries, true
}

// recordingError is the error of a register that did not take a signed
// certificate.
func recordingError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		// The intent is gone: a fault of the register, not the client's
		// unknown certificate, so the sentinel ends here.
		return fmt.Errorf("recording certificate: %v", err)
	}
	return fmt.Errorf("recording certificate: %w", err)
}

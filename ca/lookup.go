package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Record returns what the register has on a certificate that was issued.
// fs.ErrNotExist for a serial that was not, or was only reserved.
func (a *Authority) Record(ctx context.Context, serial journal.Serial) (journal.Record, error) {
	record, err := a.config.Register.Record(ctx, serial)
	if err == nil && record.Certificate == nil {
		err = fs.ErrNotExist
	}
	return record, err
}

// Chain returns an issuer's certificate and those above it, up to and with the
// self-signed one as far as the configuration has them. It reports false for
// an unknown issuer, and for one that has no certificate yet.
func (a *Authority) Chain(issuer string) ([]*x509.Certificate, bool) {
	by, ok := a.issuers[issuer]
	if !ok || by.Certificate == nil {
		return nil, false
	}
	return append([]*x509.Certificate{by.Certificate}, by.Issuer.Chain...), true
}

// aboveOf says how the authorities stand over what an issuer has issued.
func (a *Authority) aboveOf(ctx context.Context, issuer string) ([]AboveAnswer, error) {
	chain, _ := a.Chain(issuer)
	above := []AboveAnswer{}
	for _, c := range chain {
		answer := AboveAnswer{Name: c.Subject.CommonName, NotAfter: c.NotAfter}
		record, err := a.config.Register.Record(ctx, journal.SerialOf(c.SerialNumber))
		switch {
		case err == nil && bytes.Equal(record.Certificate, c.Raw):
			answer.State = record.Status.State
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		above = append(above, answer)
	}
	return above, nil
}

// Profile returns a profile that the issuer may issue by for others: not one
// that makes authorities. It reports false for any other, and for an unknown
// issuer.
func (a *Authority) Profile(issuer, profile string) (*Profile, bool) {
	by, ok := a.issuers[issuer]
	if !ok || !slices.Contains(by.Profiles, profile) {
		return nil, false
	}
	found, ok := a.config.Profiles.Lookup(profile)
	return found, ok && !found.CA
}

// Duration is the validity of a certificate that begins at t.
func (v Validity) Duration(t time.Time) time.Duration { return v.end(t).Add(time.Second).Sub(t) }

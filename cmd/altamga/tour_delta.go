package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
)

// delta waits until the delta list says of a certificate what it should, and
// checks it: its base is no later than the complete list, and it is good now.
func (t *tour) delta(ctx context.Context, s *step, c *x509.Certificate, reason int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		list, err := t.party.load(ctx, t.at.DeltaCRL)
		if err != nil {
			return fmt.Errorf("reading delta CRL: %w", err)
		}
		complete, err := t.party.load(ctx, t.at.CRL)
		if err != nil {
			return fmt.Errorf("reading CRL: %w", err)
		}
		if list.Base == nil || list.Base.Cmp(complete.CRLNumber) > 0 || !time.Now().Before(list.NextUpdate) {
			return fmt.Errorf("the delta CRL %v, good until %s, does not continue CRL %v", list.CRLNumber, list.NextUpdate, complete.CRLNumber)
		}
		e, ok := list.Lookup(c.RawIssuer, c.SerialNumber)
		if ok && e.Reason == reason {
			says := "has it with reason " + journal.Reason(reason).String()
			if reason == crl.Removed {
				says = "has it with reason removeFromCRL"
			}
			s.check("delta CRL %v, which counts from CRL %v, %s", list.CRLNumber, list.Base, says)
			s.try("curl -s %s | openssl crl -inform der -noout -text", t.at.DeltaCRL)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the delta CRL %v does not have the certificate with reason %d", list.CRLNumber, reason)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// load fetches a list and verifies it.
func (p *party) load(ctx context.Context, url string) (*crl.Set, error) {
	answer, err := p.exchange(ctx, url, "", nil, "application/pkix-crl")
	if err != nil {
		return nil, err
	}
	return crl.Load(bytes.NewReader(answer), p.issuers[0])
}

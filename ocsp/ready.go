package ocsp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Ready returns why the responder cannot do its job: the Source does not
// answer, a signer's certificate has ended, is about to, or is revoked, or the
// journal is not followed. It asks the Source for the status of each signer's
// own certificate.
func (r *Responder) Ready(ctx context.Context) error {
	var problems []error
	now := time.Now()
	for _, taken := range r.issuers {
		issuer := taken.issuer.Load()
		c := issuer.Signer.Certificate
		switch {
		case now.After(c.NotAfter):
			problems = append(problems, fmt.Errorf("issuer %s: the OCSP signer's certificate ended at %s", issuer.ID, c.NotAfter.UTC().Format(time.RFC3339)))
			continue
		case now.Add(r.validity).After(c.NotAfter):
			problems = append(problems, fmt.Errorf("issuer %s: the OCSP signer's certificate ends at %s, before an answer of now would", issuer.ID, c.NotAfter.UTC().Format(time.RFC3339)))
		}
		if err := r.signerRevoked(ctx, issuer.ID, c); err != nil {
			problems = append(problems, fmt.Errorf("issuer %s: %w", issuer.ID, err))
		}
	}
	if err := r.follower.ready(now, r.maxAge); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (r *Responder) signerRevoked(ctx context.Context, issuer string, c *x509.Certificate) error {
	s, err := r.source.Status(ctx, issuer, c.SerialNumber)
	if err != nil {
		return fmt.Errorf("reading status of the OCSP signer: %w", err)
	}
	if s.State == Revoked {
		return errors.New("the OCSP signer's certificate is revoked")
	}
	return nil
}

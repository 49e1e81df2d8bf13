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
		for _, signer := range append([]*Signer{issuer.Signer}, issuer.Others...) {
			if err := r.signerReady(ctx, issuer.ID, signer.Certificate, now); err != nil {
				problems = append(problems, fmt.Errorf("issuer %s: %w", issuer.ID, err))
			}
		}
	}
	if err := r.follower.ready(now, r.maxAge); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (r *Responder) signerReady(ctx context.Context, issuer string, c *x509.Certificate, now time.Time) error {
	if now.After(c.NotAfter) {
		return fmt.Errorf("the OCSP signer's certificate ended at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	var ending error
	if now.Add(r.validity).After(c.NotAfter) {
		ending = fmt.Errorf("the OCSP signer's certificate ends at %s, before an answer of now would", c.NotAfter.UTC().Format(time.RFC3339))
	}
	s, err := r.source.Status(ctx, issuer, c.SerialNumber)
	if err != nil {
		return errors.Join(ending, fmt.Errorf("reading status of the OCSP signer: %w", err))
	}
	if s.State == Revoked {
		return errors.Join(ending, errors.New("the OCSP signer's certificate is revoked"))
	}
	return ending
}

package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
)

func (t *tour) fresh(ctx context.Context, s *step) error {
	if err := t.expect(ctx, s, t.citizen.signature, "good", -1); err != nil {
		return err
	}
	t.ask(s, t.at.Leaf)
	return nil
}

// expect asks both OCSP and CRL about a certificate. The reason is the one that
// the CRL must have, -1 for a certificate that it must not have.
func (t *tour) expect(ctx context.Context, s *step, c *x509.Certificate, status string, reason int) error {
	if err := t.party.answered(ctx, c, status); err != nil {
		return fmt.Errorf("asking OCSP: %w", err)
	}
	number, err := t.party.listed(ctx, c, reason)
	if err != nil {
		return fmt.Errorf("reading CRL: %w", err)
	}
	says := "does not list it"
	if reason >= 0 {
		says = "lists it with reason " + journal.Reason(reason).String()
	}
	s.check("OCSP says %s; CRL number %d %s", status, number, says)
	return nil
}

// ask prints the line that asks OCSP about the certificate in a file.
func (t *tour) ask(s *step, file string) {
	s.openssl("ocsp -sha256 -nonce -issuer %s -cert %s -url %s -CAfile %s", quote(t.at.Issuer), quote(file), t.at.OCSP, quote(t.at.Root))
}

func (t *tour) suspend(ctx context.Context, s *step) error {
	if err := t.change(ctx, t.operator, t.citizen, "suspend", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	for _, c := range []*x509.Certificate{t.citizen.signature, t.citizen.authentication} {
		if err := t.expect(ctx, s, c, "certificateHold", int(journal.CertificateHold)); err != nil {
			return err
		}
	}
	if err := t.delta(ctx, s, t.citizen.signature, int(journal.CertificateHold)); err != nil {
		return err
	}
	// Who does not own the hold does not lift it.
	err := t.change(ctx, t.operator, t.citizen, "restore", map[string]string{"owner": "organisation", "document": "DEMO-1"})
	refusal, err := refused(err, http.StatusConflict, "another owner lifting the hold")
	if err != nil {
		return err
	}
	s.check("another owner cannot lift the hold: %s", refusal.Code)
	return nil
}

func (t *tour) restore(ctx context.Context, s *step) error {
	if err := t.change(ctx, t.operator, t.citizen, "restore", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, t.citizen.signature, "good", -1); err != nil {
		return err
	}
	if err := t.delta(ctx, s, t.citizen.signature, crl.Removed); err != nil {
		return err
	}
	s.openssl("verify -x509_strict -crl_check -crl_download -CAfile %s -untrusted %s %s", quote(t.at.Root), quote(t.at.Chain), quote(t.at.Leaf))
	return nil
}

func (t *tour) revoke(ctx context.Context, s *step) error {
	person, err := t.enrol(ctx, t.citizens[1])
	if err != nil {
		return err
	}
	if err := t.change(ctx, t.revocation, person, "revoke", map[string]string{"owner": "holder", "reason": "keyCompromise", "channel": "visit", "note": "the key was lost"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, person.signature, "revoked, reason 1", int(journal.KeyCompromise)); err != nil {
		return err
	}
	err = t.change(ctx, t.operator, person, "restore", map[string]string{"owner": "holder"})
	refusal, err := refused(err, http.StatusConflict, "restoring a revoked certificate")
	if err != nil {
		return err
	}
	s.check("revocation is final: %s", refusal.Code)
	t.ask(s, t.at.Revoked)
	return durable.Write(t.at.Revoked, []byte(person.signaturePEM), 0o644)
}

func (t *tour) hold(ctx context.Context, s *step) error {
	person, err := t.enrol(ctx, t.citizens[2])
	if err != nil {
		return err
	}
	if err := t.change(ctx, t.operator, person, "suspend", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, person.signature, "certificateHold", int(journal.CertificateHold)); err != nil {
		return err
	}
	t.ask(s, t.at.Held)
	return durable.Write(t.at.Held, []byte(person.signaturePEM), 0o644)
}

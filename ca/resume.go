package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// Resume returns the token of an intent that is durable in the register and
// was not completed: the process ended between [Authority.Prepare] and the
// recording of the certificate. The same to-be-signed bytes are linted again,
// so that whatever the key may have signed already and what it signs now is one
// certificate with one serial number.
//
// The caller sees to it that the certificate was not completed meanwhile.
func (a *Authority) Resume(_ context.Context, intent journal.Intent) (*Prepared, error) {
	by, ok := a.issuers[intent.Issuer]
	if !ok {
		return nil, fmt.Errorf("resuming %s: %q is not an issuer of this authority", intent.Serial, intent.Issuer)
	}
	profile, ok := a.config.Profiles.Lookup(intent.Profile)
	if !ok || !by.issues(intent.Profile) || profile.SelfSigned != (by.Certificate == nil) {
		return nil, fmt.Errorf("resuming %s: the issuer does not issue by profile %q now", intent.Serial, intent.Profile)
	}
	meant, err := by.meant(&intent, profile)
	if err != nil {
		return nil, fmt.Errorf("resuming %s: %w", intent.Serial, err)
	}
	linted, read, err := a.judge(intent.ToBeSigned, meant, by, profile)
	if err != nil {
		return nil, fmt.Errorf("resuming %s: %w", intent.Serial, err)
	}
	if profile.SelfSigned && !by.began.CompareAndSwap(false, true) {
		return nil, errors.New("resuming: the self-signed certificate is being issued already")
	}
	return &Prepared{authority: a, issuer: by, profile: profile, intent: intent, linted: linted, read: read}, nil
}

// meant reads back what the to-be-signed bytes of an intent were made from: they
// have its serial number, and the subject key identifier of their key, or in a
// cross-certificate the one that they took over.
func (i *issuer) meant(intent *journal.Intent, profile *Profile) (*toBeSigned, error) {
	raw, err := i.unsigned(intent.ToBeSigned)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing own certificate: %w", err)
	}
	if journal.SerialOf(c.SerialNumber) != intent.Serial {
		return nil, errors.New("the bytes to be signed have another serial number")
	}
	t := &toBeSigned{
		serial: c.SerialNumber, issuer: c.RawIssuer, notBefore: c.NotBefore, notAfter: c.NotAfter,
		subject: c.RawSubject, spki: c.RawSubjectPublicKeyInfo, keyID: c.SubjectKeyId,
	}
	if !profile.Cross {
		t.keyID, err = pki.KeyIdentifier(t.spki)
	}
	return t, err
}

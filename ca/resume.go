package ca

import (
	"context"
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
	keyID, err := by.keyIDIn(intent.ToBeSigned, profile)
	if err != nil {
		return nil, fmt.Errorf("resuming %s: %w", intent.Serial, err)
	}
	linted, err := a.lint(intent.ToBeSigned, by, profile, keyID)
	if err != nil {
		return nil, fmt.Errorf("resuming %s: %w", intent.Serial, err)
	}
	if journal.SerialOf(linted.SerialNumber) != intent.Serial {
		return nil, fmt.Errorf("resuming %s: the bytes to be signed have another serial number", intent.Serial)
	}
	if profile.SelfSigned && !by.began.CompareAndSwap(false, true) {
		return nil, errors.New("resuming: the self-signed certificate is being issued already")
	}
	return &Prepared{authority: a, issuer: by, profile: profile, intent: intent, linted: linted}, nil
}

// keyIDIn returns the subject key identifier that to-be-signed bytes must have:
// that of their key, or in a cross-certificate the one that they took over.
func (i *issuer) keyIDIn(tbs []byte, profile *Profile) ([]byte, error) {
	certificate, err := i.unsigned(tbs)
	if err != nil {
		return nil, err
	}
	if profile.Cross {
		return certificate.SubjectKeyId, nil
	}
	return pki.KeyIdentifier(certificate.RawSubjectPublicKeyInfo)
}

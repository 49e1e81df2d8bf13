package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// keyUse is a key that is about to be certified.
type keyUse struct {
	hash    [32]byte
	profile *Profile
	by      *issuer
	// subject is the encoded Name that it is certified for.
	subject []byte
	// reserved is the serial once that is reserved, "" before.
	reserved journal.Serial
}

// reservationLife is for how long a reserved serial without a certificate is
// taken for one that is being issued. Signing takes far less; what is older was
// left behind.
const reservationLife = time.Minute

// checkKeyHistory refuses keys that must not be certified again: an issuer's,
// one of a revoked certificate, one that is kept for another purpose, and one
// that is another person's.
//
// It is asked before anything is made, and once more when the serial is
// reserved: of two requests for one key that run at the same time, each then
// sees the other's reservation, and the later one is refused.
func (a *Authority) checkKeyHistory(ctx context.Context, use keyUse, r *refusal) error {
	// Two authorities of one centre may certify each other, as when a root is
	// followed by the next.
	inUse := a.chainKeys[use.hash] && !use.profile.Cross
	for _, other := range a.issuers {
		if other.keyHash != use.hash || use.profile.Cross {
			continue
		}
		// An issuer without a certificate is waiting for exactly this one.
		inUse = inUse || other.Certificate != nil || !use.profile.CA || use.profile.SelfSigned && other != use.by
	}
	if inUse {
		r.add(CodeKeyInUse, "csr", "holds the key of an issuer", "")
		return nil
	}
	// In the order of their reservation.
	records, err := a.config.Register.RecordsByKey(ctx, use.hash)
	if err != nil {
		return fmt.Errorf("looking up key: %w", err)
	}
	later := false
	for _, record := range records {
		if record.Serial == use.reserved {
			later = true
			continue
		}
		if code, field, detail := use.conflict(a.config.Profiles, record, later); code != "" {
			r.add(code, field, detail, "")
			return nil
		}
	}
	return nil
}

// conflict says why a key cannot be certified when record is there, or nothing.
// later means that record was reserved after the use itself.
func (use *keyUse) conflict(profiles *Profiles, record journal.Record, later bool) (code, field, detail string) {
	abandoned := record.Certificate == nil && record.Status.State == journal.Gone
	if record.Status.State == journal.Gone && !abandoned {
		return CodeRevokedKey, "csr", "holds the key of a revoked certificate"
	}
	// An abandoned serial says nothing against the key: whoever lost his
	// certificate to a crash asks with it again.
	if later || abandoned || record.Certificate == nil && time.Since(record.At) > reservationLife {
		return "", "", ""
	}
	if use.profile.SelfSigned {
		return CodeKeyInUse, "issuer", "has its self-signed certificate already"
	}
	other, known := profiles.Lookup(record.Profile)
	if use.profile.Cross {
		return "", "", ""
	}
	if record.Profile != use.profile.Name && (use.profile.ExclusiveKey || known && other.ExclusiveKey) {
		return CodeKeyInUse, "csr", "holds a key that was certified for another purpose"
	}
	if record.Certificate == nil || record.Status.Expired || len(use.subject) == 0 {
		return "", "", ""
	}
	// A key that proves two persons proves neither.
	if certificate, err := x509.ParseCertificate(record.Certificate); err == nil && !bytes.Equal(certificate.RawSubject, use.subject) {
		return CodeKeyInUse, "csr", "holds a key that was certified for somebody else"
	}
	return "", "", ""
}

// checkStanding refuses to issue under a certificate that is itself held or
// revoked, the issuer's own or one above it. Certificates that this register
// does not know, such as those of a root kept elsewhere, are not its to judge.
func (a *Authority) checkStanding(ctx context.Context, by *issuer, r *refusal) error {
	for i, certificate := range by.path {
		fault, err := a.superiors.ask(by.pathHash[i], func() (string, error) { return a.superiorFault(ctx, certificate) })
		if err != nil {
			return err
		}
		if fault != "" {
			r.add(CodeIssuerExpired, "issuer", fault, "RFC 5280, Section 6.1.3")
			return nil
		}
	}
	return nil
}

// superiorFault returns what the register has against the certificate of an
// issuer or of one above it, "" for nothing.
func (a *Authority) superiorFault(ctx context.Context, certificate *x509.Certificate) (string, error) {
	record, err := a.config.Register.Record(ctx, journal.SerialOf(certificate.SerialNumber))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("looking up standing: %w", err)
	case record.Status.State == journal.Valid, !bytes.Equal(record.Certificate, certificate.Raw):
		return "", nil
	}
	return "is held or revoked, or an authority above it is", nil
}

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

// reservationLife is for how long a reserved serial without a certificate is
// taken for one that is being issued. Signing takes far less; what is older was
// left behind.
const reservationLife = time.Minute

// checkOwnKey refuses the keys of the issuers themselves.
func (a *Authority) checkOwnKey(hash [32]byte, profile *Profile, by *issuer, r *refusal) {
	// Two authorities of one centre may certify each other, as when a root is
	// followed by the next.
	inUse := a.chainKeys[hash] && !profile.Cross
	for _, other := range a.issuers {
		if other.keyHash != hash || profile.Cross {
			continue
		}
		// An issuer without a certificate is waiting for exactly this one.
		inUse = inUse || other.Certificate != nil || !profile.CA || profile.SelfSigned && other != by
	}
	if inUse {
		r.add(CodeKeyInUse, "csr", "holds the key of an issuer", "")
	}
}

// checkHistory refuses keys that must not be certified again, by the records of
// all serials that were ever reserved for the key: one of a revoked certificate,
// one that is kept for another purpose, and one that is another person's. prefix
// is of the fields' names.
//
// The register asks when it reserves the serial: of two requests for one key at
// the same time, the later one sees the earlier one's reservation.
func (p *Prepared) checkHistory(records []journal.Record, prefix string, r *refusal) {
	for _, record := range records {
		if code, field, detail := p.conflict(record); code != "" {
			r.add(code, prefix+field, detail, "")
			return
		}
	}
}

// conflict says why a key cannot be certified when record is there, or nothing.
func (p *Prepared) conflict(record journal.Record) (code, field, detail string) {
	abandoned := record.Certificate == nil && record.Status.State == journal.Gone
	if record.Status.State == journal.Gone && !abandoned {
		return CodeRevokedKey, "csr", "holds the key of a revoked certificate"
	}
	// An abandoned serial says nothing against the key: whoever lost his
	// certificate to a crash asks with it again.
	if abandoned || record.Certificate == nil && time.Since(record.At) > reservationLife {
		return "", "", ""
	}
	if p.profile.SelfSigned {
		return CodeKeyInUse, "issuer", "has its self-signed certificate already"
	}
	if p.profile.Cross {
		return "", "", ""
	}
	other, known := p.authority.config.Profiles.Lookup(record.Profile)
	if record.Profile != p.profile.Name && (p.profile.ExclusiveKey || known && other.ExclusiveKey) {
		return CodeKeyInUse, "csr", "holds a key that was certified for another purpose"
	}
	if record.Certificate == nil || record.Status.Expired || len(p.read.Subject) == 0 {
		return "", "", ""
	}
	// A key that proves two persons proves neither.
	if certificate, err := x509.ParseCertificate(record.Certificate); err == nil && !bytes.Equal(certificate.RawSubject, p.read.Subject) {
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

package crl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// rehearsed is a TBSCertList that was signed with a throw-away key and found
// good. Only rehearse makes one, and only sign takes one, so that no other
// octets reach the authority's key.
type rehearsed struct {
	toBeSigned []byte
	algorithm  pki.Algorithm
	// parsed is what a relying party reads.
	parsed *x509.RevocationList
}

// rehearse builds the list that says s, signs it with a throw-away key and
// lints the result.
func (p *Publisher) rehearse(l *list, s Snapshot) (*rehearsed, error) {
	algorithm, _, err := pki.SignatureAlgorithm(l.Key.Public())
	if err != nil {
		return nil, because("sign", err)
	}
	tbs, err := toBeSigned(l.Certificate, algorithm, s, p.config.Validity)
	if err != nil {
		return nil, because("entries", err)
	}
	if l.rehearsal == nil {
		if l.rehearsal, err = throwAway(l.Key.Public()); err != nil {
			return nil, because("sign", err)
		}
	}
	encoded, err := signed(tbs, algorithm, l.rehearsal)
	if err != nil {
		return nil, because("sign", err)
	}
	parsed, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return nil, because("lint", fmt.Errorf("reading it back: %w", err))
	}
	if err := checkAgainst(parsed, l.Certificate, s, p.config.Validity); err != nil {
		return nil, because("lint", err)
	}
	if err := p.config.Lint(parsed); err != nil {
		return nil, because("lint", fmt.Errorf("linting it: %w", err))
	}
	return &rehearsed{toBeSigned: tbs, algorithm: algorithm, parsed: parsed}, nil
}

// checkAgainst compares what the encoded list says with what it should: the
// encoder is not its own judge.
func checkAgainst(parsed *x509.RevocationList, issuer *x509.Certificate, s Snapshot, validity time.Duration) error {
	n, err := number(parsed.Number)
	if err != nil {
		return err
	}
	thisUpdate := s.At.UTC().Truncate(time.Second)
	switch {
	case n != s.Number:
		return errors.New("its number is not the given one")
	case !bytes.Equal(parsed.RawIssuer, issuer.RawSubject):
		return errors.New("its issuer is not the authority's subject")
	case !bytes.Equal(parsed.AuthorityKeyId, issuer.SubjectKeyId):
		return errors.New("its authorityKeyIdentifier is not the authority's")
	case !parsed.ThisUpdate.Equal(thisUpdate) || !parsed.NextUpdate.Equal(thisUpdate.Add(validity)):
		return errors.New("its dates are not the given ones")
	case len(parsed.RevokedCertificateEntries) != len(s.Entries):
		return errors.New("it does not have all entries")
	}
	for i, e := range parsed.RevokedCertificateEntries {
		want := s.Entries[i]
		if e.SerialNumber.Cmp(want.SerialNumber) != 0 || e.ReasonCode != want.ReasonCode ||
			!e.RevocationTime.Equal(want.RevocationTime.UTC().Truncate(time.Second)) {
			return fmt.Errorf("its entry of serial %x is not the given one", want.SerialNumber)
		}
	}
	return nil
}

// sign writes the audit line and signs with the authority's key.
func (p *Publisher) sign(ctx context.Context, l *list, r *rehearsed) ([]byte, error) {
	err := p.config.Audit(ctx, "crl.sign",
		slog.String("issuer", l.ID), slog.Uint64("number", r.parsed.Number.Uint64()),
		slog.Int("entries", len(r.parsed.RevokedCertificateEntries)),
		slog.Time("this_update", r.parsed.ThisUpdate), slog.Time("next_update", r.parsed.NextUpdate))
	if err != nil {
		return nil, because("audit", err)
	}
	// Deterministic: the same list has one signature.
	signature, err := pki.Sign(nil, l.Key, r.toBeSigned)
	if err != nil {
		return nil, because("sign", err)
	}
	// A faulty token or memory would otherwise put a list before the public that
	// nobody accepts.
	if err := l.Certificate.CheckSignature(r.parsed.SignatureAlgorithm, r.toBeSigned, signature); err != nil {
		return nil, because("sign", fmt.Errorf("verifying own signature: %w", err))
	}
	return assemble(r.toBeSigned, r.algorithm, signature)
}

func signed(tbs []byte, algorithm pki.Algorithm, key crypto.Signer) ([]byte, error) {
	signature, err := pki.Sign(nil, key, tbs)
	if err != nil {
		return nil, err
	}
	return assemble(tbs, algorithm, signature)
}

func assemble(tbs []byte, algorithm pki.Algorithm, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	pki.AddSigned(b, tbs, algorithm, signature)
	return b.Bytes()
}

// throwAway makes a key that signs with the same algorithm as the owner of
// public.
func throwAway(public crypto.PublicKey) (crypto.Signer, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(key.Curve, rand.Reader)
	case *rsa.PublicKey:
		// The length of the signature changes nothing that is linted, and a
		// longer key costs seconds.
		return rsa.GenerateKey(rand.Reader, 2048)
	case ed25519.PublicKey:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("no throw-away key for a %T", public)
}

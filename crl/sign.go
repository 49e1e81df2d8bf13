package crl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/altamga/altamga/internal/pki"
)

// sign brings a draft to its signature: it has a sample linted that a throw-away
// key signed, reads and hashes every octet that is to be signed, writes the
// audit line, and signs with the authority's key.
func (p *Publisher) sign(ctx context.Context, a *authority, d *drafted) (err error) {
	defer onFault(debug.SetPanicOnFault(true), &err)
	if err := d.complete(); err != nil {
		return err
	}
	if a.rehearsal == nil {
		if a.rehearsal, err = throwAway(a.Key.Public()); err != nil {
			return because("sign", err)
		}
	}
	err = d.lint.judge(&d.form, func(message []byte) ([]byte, error) { return pki.Sign(nil, a.rehearsal, message) }, p.config.Lint)
	if err != nil {
		return err
	}
	digest, algorithm, err := d.digest()
	if err != nil {
		return err
	}
	attrs := []slog.Attr{
		slog.String("issuer", a.ID), slog.Uint64("number", d.number), slog.Int("entries", d.entries), slog.String("list", d.slot.path),
		slog.Time("this_update", d.thisUpdate), slog.Time("next_update", d.nextUpdate),
	}
	if d.base != 0 {
		attrs = append(attrs, slog.Uint64("base", d.base))
	}
	if err := p.config.Audit(ctx, "crl.sign", attrs...); err != nil {
		return because("audit", err)
	}
	signature, err := signDigest(a.Key, digest)
	if err != nil {
		return because("sign", err)
	}
	// A faulty token or memory would otherwise put a list before the public that
	// nobody accepts.
	if err := checkDigest(algorithm, a.signer().PublicKey, digest, signature); err != nil {
		return because("sign", fmt.Errorf("verifying own signature: %w", err))
	}
	d.etag = etagOf(digest, signature)
	return d.finish(signature)
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

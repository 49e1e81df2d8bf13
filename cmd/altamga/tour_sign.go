package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"os"
	"time"

	"github.com/altamga/altamga/internal/audit/tokenlog"
	"github.com/altamga/altamga/internal/durable"
)

func (t *tour) sign(_ context.Context, s *step) error {
	document := []byte("Nümayiş sənədi\n")
	digest := sha256.Sum256(document)
	signature, err := t.citizen.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	if public, ok := t.citizen.signature.PublicKey.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(public, digest[:], signature) {
		return errors.New("the signature does not verify with the certificate's key")
	}
	if err := errors.Join(durable.Write(t.file("document.txt"), document, 0o644), durable.Write(t.file("document.sig"), signature, 0o644)); err != nil {
		return err
	}
	s.check("the signature of document.txt verifies with the certificate's key")
	s.openssl("x509 -in %s -noout -pubkey > %s && openssl dgst -sha256 -verify %[2]s -signature %s %s",
		quote(t.at.Leaf), quote(t.file("sample.pub")), quote(t.file("document.sig")), quote(t.file("document.txt")))
	return nil
}

func (t *tour) stamp(ctx context.Context, s *step) error {
	signature, err := os.ReadFile(t.file("document.sig"))
	if err != nil {
		return err
	}
	answer, at, err := t.party.stamp(ctx, t.at.TSA, signature)
	if err != nil {
		return err
	}
	if err := durable.Write(t.file("document.tsr"), answer, 0o644); err != nil {
		return err
	}
	s.check("a token over document.sig, of %s, by a unit that chains up to the root", at.UTC().Format(time.RFC3339))
	s.openssl("ts -verify -data %s -in %s -CAfile %s -untrusted %s", quote(t.file("document.sig")), quote(t.file("document.tsr")), quote(t.at.Root), quote(t.at.Chain))
	if err := t.proveStamp(ctx); err != nil {
		return err
	}
	s.check("it is in the authority's journal of tokens, whose signed root proves it: document.proof")
	s.try("altamga tsa verify %s --proof %s --key %s --roots %s --data %s", quote(t.file("document.tsr")),
		quote(t.file("document.proof")), quote(t.file("tokens.pub")), quote(t.at.Root), quote(t.file("document.sig")))
	return nil
}

// proveStamp writes the proof that the token is in the journal, as soon as a
// signed root covers it.
func (t *tour) proveStamp(ctx context.Context) error {
	token, err := readToken(t.file("document.tsr"))
	if err != nil {
		return err
	}
	record, err := recordOf(token)
	if err != nil {
		return err
	}
	dir, key, err := journalOf(t.tsaConfig)
	if err != nil {
		return err
	}
	for {
		proof, err := tokenlog.Prove(dir, key, record)
		if err == nil {
			return durable.Write(t.file("document.proof"), proof, 0o644)
		}
		if !errors.Is(err, tokenlog.ErrUnsigned) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

// Before the key signs, three judges see the certificate, none of which knows
// how it was encoded:
//
//   - our own lints, on every certificate. They parse it by themselves, and what
//     they have read is compared with what was meant: see [toBeSigned.check]
//   - the standard library's parser, whose reading is compared with the profile:
//     see [Profile.inspect]
//   - the linter of Config
//
// The last two cost more than the signature. Where Config says which certificates
// are of one shape they see the first of each, once for each profile of each
// issuer. Nothing is lost: what certificates of a shape differ in are the serial
// number, the time of the day, plain text in the subject, the key and its
// identifier. Those the comparison demands to the octet in every certificate, and
// what inspect asks of them [Profile.fits] asks, too. Whether a key is sound and its point
// on the curve was decided when the key was read and encoded ([checkKey],
// [pki.MarshalPublicKey]). All other octets are in the shape.

// shapes are those that the judges found good in certificates of one profile and
// issuer.
type shapes struct {
	mu   sync.RWMutex
	good map[[sha256.Size]byte]bool
}

// maxShapes bounds the memory for shapes. There are a few for each day; beyond
// the bound they are judged anew.
const maxShapes = 512

func (s *shapes) has(shape [sha256.Size]byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.good[shape]
}

func (s *shapes) add(shape [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.good == nil || len(s.good) >= maxShapes {
		s.good = make(map[[sha256.Size]byte]bool)
	}
	s.good[shape] = true
}

// judge has the certificate judged that the to-be-signed bytes make. It returns
// it as it was seen: with a signature that nobody has made.
func (a *Authority) judge(tbs []byte, meant *toBeSigned, by *issuer, profile *Profile) (raw []byte, read lint.Fields, err error) {
	if raw, err = by.unsigned(tbs); err != nil {
		return nil, read, err
	}
	var r refusal
	read, findings := lint.Read(raw, by.Certificate)
	for _, finding := range findings {
		r.add(CodeLint, "certificate", finding.ID+": "+finding.Detail, finding.Clause)
	}
	if err := r.error(); err != nil {
		return nil, read, err
	}
	if err := errors.Join(meant.check(&read), profile.fits(&read, by)); err != nil {
		return nil, read, fmt.Errorf("inspecting certificate: %w", err)
	}
	var shape [sha256.Size]byte
	shaped, seen := false, by.shapes[profile.Name]
	if a.config.Shape != nil {
		if shape, shaped = a.config.Shape(raw); shaped && seen.has(shape) {
			return raw, read, nil
		}
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, read, fmt.Errorf("parsing own certificate: %w", err)
	}
	if err := profile.inspect(certificate, by, meant.keyID); err != nil {
		return nil, read, fmt.Errorf("inspecting certificate: %w", err)
	}
	if err := a.config.Lint(certificate); err != nil {
		r.add(CodeLint, "certificate", err.Error(), "")
		return nil, read, r.error()
	}
	if shaped {
		seen.add(shape)
	}
	return raw, read, nil
}

// unsigned makes a certificate of the to-be-signed bytes that nobody has signed.
// Where the signature goes it has octets that look like the issuer's, so that
// parsers and lints, which judge form, take it: one throw-away key has made them
// over another text, so they verify with no key and for no certificate.
func (i *issuer) unsigned(tbs []byte) ([]byte, error) {
	signature, err := i.lintSignature()
	if err != nil {
		return nil, fmt.Errorf("making throw-away signature: %w", err)
	}
	return i.encode(tbs, signature)
}

// encode makes a certificate of its to-be-signed bytes and a signature.
func (i *issuer) encode(tbs, signature []byte) ([]byte, error) {
	raw, err := pki.MarshalSigned(tbs, i.algorithm, signature)
	if err != nil {
		return nil, fmt.Errorf("encoding certificate: %w", err)
	}
	return raw, nil
}

// check compares what our lints have read in the certificate with what was meant.
// An error is a fault of this module, not of the request.
func (t *toBeSigned) check(read *lint.Fields) error {
	switch {
	case !bytes.Equal(read.Serial, t.serial.Bytes()):
		return errors.New("the serial number is another one")
	case !bytes.Equal(read.Issuer, t.issuer):
		return errors.New("the issuer is another one")
	case !bytes.Equal(read.Subject, t.subject):
		return errors.New("the subject is another one")
	case !bytes.Equal(read.PublicKey, t.spki):
		return errors.New("the key is another one")
	case !bytes.Equal(read.KeyID, t.keyID):
		return errors.New("the key identifier is not that of the key")
	case !read.NotBefore.Equal(t.notBefore) || !read.NotAfter.Equal(t.notAfter):
		return errors.New("the validity is another one")
	}
	return nil
}

// fits holds what our lints have read to what differs from one certificate of a
// shape to the next and inspect judges.
func (p *Profile) fits(read *lint.Fields, by *issuer) error {
	switch {
	case !p.SelfSigned && !p.Cross && bytes.Equal(read.Subject, read.Issuer):
		return errors.New("the subject is the issuer")
	case by.Certificate != nil && read.NotAfter.After(by.Certificate.NotAfter), !read.NotAfter.After(read.NotBefore):
		return errors.New("the validity is empty or ends after the issuer's")
	}
	return nil
}

// inspect compares what another parser reads in the certificate with what the
// profile says. An error is a fault of this module, not of the request.
func (p *Profile) inspect(c *x509.Certificate, by *issuer, keyID []byte) error {
	var use x509.KeyUsage
	for _, name := range p.KeyUsage {
		_, bit, _ := keyUsage(name)
		use |= bit
	}
	switch {
	case c.Version != 3:
		return errors.New("the version is not 3")
	case c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 159:
		return errors.New("the serial number is not positive within 20 octets")
	case by.name != nil && !bytes.Equal(c.RawIssuer, by.name), p.SelfSigned && !selfIssued(c), !p.SelfSigned && !p.Cross && selfIssued(c):
		return errors.New("the issuer is not the subject of the issuer's certificate")
	case !bytes.Equal(c.AuthorityKeyId, by.keyID) || !bytes.Equal(c.SubjectKeyId, keyID):
		return errors.New("the key identifiers do not fit")
	case c.KeyUsage != use || c.IsCA != p.CA || c.BasicConstraintsValid != (p.CA || p.BasicConstraints):
		return errors.New("the key usage or basic constraints are not the profile's")
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) != len(p.ExtKeyUsage):
		return errors.New("the extended key usage is not the profile's")
	case by.Certificate != nil && c.NotAfter.After(by.Certificate.NotAfter), !c.NotAfter.After(c.NotBefore):
		return errors.New("the validity is empty or ends after the issuer's")
	}
	for _, id := range c.UnhandledCriticalExtensions {
		// The standard library handles no constraints on directory names.
		if !id.Equal(pki.OIDNameConstraints) || p.Names == nil {
			return fmt.Errorf("critical extension %s is not understood", id)
		}
	}
	return nil
}

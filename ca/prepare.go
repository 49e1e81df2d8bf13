package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// Prepared is a certificate that passed every check and whose intent is
// durable: a token that [Authority.Issue] redeems once.
type Prepared struct {
	authority *Authority
	issuer    *issuer
	profile   *Profile
	intent    journal.Intent
	linted    *x509.Certificate
	ticket    *journal.Ticket
	spent     atomic.Bool
}

// Serial is the serial number that the certificate will have.
func (p *Prepared) Serial() journal.Serial { return p.intent.Serial }

var setName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

// Prepare decides whether the request may be granted. It builds the
// to-be-signed certificate, signs it with a throw-away key, lints the result
// and makes the intent durable in the register. A request that is refused
// comes back as a [*RefusedError] and leaves nothing behind but an audit line.
func (a *Authority) Prepare(ctx context.Context, request Request) (*Prepared, error) {
	began := time.Now()
	prepared, err := a.prepare(ctx, &request)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		a.config.Observe("refused", time.Since(began))
		// Names and numbers of persons stay out: the code and the field names
		// say enough.
		fields := make([]string, 0, len(refused.Fields))
		for _, f := range refused.Fields {
			fields = append(fields, f.Field)
		}
		if err := a.config.Audit(ctx, "ca.refuse", slog.String("actor", request.Actor), slog.String("code", refused.Code), slog.Any("fields", fields)); err != nil {
			return nil, &AuditError{err}
		}
	}
	return prepared, err
}

func (a *Authority) prepare(ctx context.Context, request *Request) (*Prepared, error) {
	var r refusal
	by, ok := a.issuers[request.Issuer]
	if !ok {
		r.add(CodeUnknownIssuer, "issuer", "is not an issuer of this authority", "")
		return nil, r.error()
	}
	profile, ok := a.config.Profiles.Lookup(request.Profile)
	if !ok || !by.issues(request.Profile) {
		// There is no profile to fall back to.
		r.add(CodeUnknownProfile, "profile", "is not a profile of this issuer", "")
		return nil, r.error()
	}
	if profile.SelfSigned != (by.Certificate == nil) {
		if profile.SelfSigned {
			r.add(CodeKeyInUse, "issuer", "has its self-signed certificate already", "")
		} else {
			r.add(CodeIssuerExpired, "issuer", "has no certificate of its own yet", "")
		}
		return nil, r.error()
	}
	if !setName.MatchString(request.Set) {
		r.add(CodeInvalid, "set", "is not 0 to 64 letters, digits, dots, hyphens and underscores", "")
	}
	public, requested := a.subjectKey(request, profile, by, &r)
	attributes := profile.subject(request.Subject, &r)
	var spki, keyID []byte
	if public != nil {
		var err error
		if spki, err = x509.MarshalPKIXPublicKey(public); err != nil {
			return nil, fmt.Errorf("encoding subject key: %w", err)
		}
		if keyID, err = pki.KeyIdentifier(spki); err != nil {
			return nil, err
		}
		// An error of the name has been refused already.
		subject, _ := pki.MarshalName(attributes)
		if err := a.checkKeyHistory(ctx, keyUse{hash: sha256.Sum256(spki), profile: profile, by: by, subject: subject}, &r); err != nil {
			return nil, err
		}
	}
	var wanted []generalName
	if requested != nil {
		wanted = profile.allow(requested.extensions, keyID, &r)
	}
	names := profile.names(request, wanted, &r)
	// RFC 5280, Section 4.1.2.6: without a subject there is an alternative name.
	if len(attributes) == 0 && len(names) == 0 {
		r.add(CodeInvalid, "subject", "is empty and there is no alternative name", "RFC 5280, Section 4.1.2.6")
	}
	now := time.Now()
	notBefore := now.UTC().Truncate(time.Second)
	notAfter := profile.Validity.end(notBefore)
	if c := by.Certificate; c != nil {
		if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
			r.add(CodeIssuerExpired, "issuer", "is outside the validity of its own certificate", "")
		}
		if notAfter.After(c.NotAfter) {
			notAfter = c.NotAfter
		}
	}
	if err := a.checkStanding(ctx, by, &r); err != nil {
		return nil, err
	}
	if err := r.error(); err != nil {
		return nil, err
	}

	subject, err := pki.MarshalName(attributes)
	if err != nil {
		return nil, fmt.Errorf("encoding subject: %w", err)
	}
	// RFC 5280, Section 4.1.2.4: the issuer is byte for byte the subject of
	// the issuer's certificate.
	name := by.name
	if profile.SelfSigned {
		name = subject
	}
	serial := newSerial()
	tbs := toBeSigned{
		serial: serial, algorithm: by.algorithm, issuer: name, notBefore: notBefore, notAfter: notAfter, subject: subject, spki: spki,
		extensions: func(b *cryptobyte.Builder) { profile.addExtensions(b, by, keyID, names, len(attributes) == 0) },
	}
	raw, err := tbs.marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding certificate: %w", err)
	}
	linted, err := a.lint(raw, by, profile)
	if err != nil {
		return nil, err
	}
	if profile.SelfSigned && !by.began.CompareAndSwap(false, true) {
		r.add(CodeKeyInUse, "issuer", "has its self-signed certificate already", "")
		return nil, r.error()
	}
	intent := journal.Intent{
		Serial: journal.SerialOf(serial), Issuer: by.ID, Profile: profile.Name, Set: request.Set, KeyHash: sha256.Sum256(spki),
		NotAfter: notAfter, ToBeSigned: raw, Actor: request.Actor, At: now.UTC(),
	}
	if err := a.config.Register.Reserve(ctx, intent); err != nil {
		by.began.Store(false)
		return nil, fmt.Errorf("reserving serial: %w", err)
	}
	// Another request for the same key may have been under way: of the two, the
	// register has put one first.
	use := keyUse{hash: intent.KeyHash, profile: profile, by: by, subject: subject, reserved: intent.Serial}
	if err := a.checkKeyHistory(ctx, use, &r); err != nil {
		return nil, err
	}
	if err := r.error(); err != nil {
		return nil, err
	}
	return &Prepared{authority: a, issuer: by, profile: profile, intent: intent, linted: linted, ticket: request.Ticket}, nil
}

func (i *issuer) issues(profile string) bool {
	for _, name := range i.Profiles {
		if name == profile {
			return true
		}
	}
	return false
}

// subjectKey returns the key that the certificate is for, nil when it is
// refused, and the CSR if there is one.
func (a *Authority) subjectKey(request *Request, profile *Profile, by *issuer, r *refusal) (crypto.PublicKey, *certificationRequest) {
	public := request.PublicKey
	var requested *certificationRequest
	field := "public_key"
	switch {
	case profile.SelfSigned:
		if request.CSR != nil || request.PublicKey != nil {
			r.add(CodeInvalid, "csr", "does not belong to a self-signed certificate, whose key is the issuer's", "")
			return nil, nil
		}
		public = by.Key.Public()
	case request.CSR != nil && request.PublicKey != nil:
		r.add(CodeInvalid, "csr", "stands beside a public key", "")
		return nil, nil
	case request.PublicKey != nil:
	case request.CSR == nil:
		r.add(CodeBadCSR, "csr", "is missing", "")
		return nil, nil
	default:
		field = "csr"
		var err error
		if requested, err = readCSR(request.CSR); err != nil {
			r.add(CodeBadCSR, field, err.Error(), "RFC 2986, Section 4")
			return nil, nil
		}
		public = requested.public
	}
	if detail, clause := checkKey(public, profile.Keys); detail != "" {
		r.add(CodeWeakKey, field, detail, clause)
		return nil, nil
	}
	return public, requested
}

// lint puts the signature of a throw-away key of the issuer's kind to the
// to-be-signed bytes and judges what comes out. One such signature serves all
// certificates: lints look at its form, and that it fits no certificate is what
// makes it safe.
func (a *Authority) lint(tbs []byte, by *issuer, profile *Profile) (*x509.Certificate, error) {
	signature, err := by.lintSignature()
	if err != nil {
		return nil, fmt.Errorf("making throw-away signature: %w", err)
	}
	certificate, err := assemble(tbs, by.algorithm, signature)
	if err != nil {
		return nil, fmt.Errorf("assembling certificate to lint: %w", err)
	}
	if err := profile.inspect(certificate, by); err != nil {
		return nil, fmt.Errorf("inspecting certificate: %w", err)
	}
	if err := a.config.Lint(certificate); err != nil {
		var r refusal
		r.add(CodeLint, "certificate", err.Error(), "")
		return nil, r.error()
	}
	return certificate, nil
}

// sign makes a certificate of the to-be-signed bytes and parses it.
func sign(tbs []byte, key crypto.Signer, algorithm pki.Algorithm) (*x509.Certificate, error) {
	signature, err := pki.Sign(rand.Reader, key, tbs)
	if err != nil {
		return nil, err
	}
	return assemble(tbs, algorithm, signature)
}

// assemble makes a certificate of its three parts and parses it.
func assemble(tbs []byte, algorithm pki.Algorithm, signature []byte) (*x509.Certificate, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	pki.AddSigned(b, tbs, algorithm, signature)
	raw, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

// inspect compares what another parser reads in the certificate with what the
// profile says. An error is a fault of this package, not of the request.
func (p *Profile) inspect(c *x509.Certificate, by *issuer) error {
	var use x509.KeyUsage
	for _, name := range p.KeyUsage {
		_, bit, _ := keyUsage(name)
		use |= bit
	}
	keyID, err := pki.KeyIdentifier(c.RawSubjectPublicKeyInfo)
	switch {
	case err != nil:
		return err
	case c.Version != 3:
		return errors.New("the version is not 3")
	case c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 159:
		return errors.New("the serial number is not positive within 20 octets")
	case by.name != nil && !bytes.Equal(c.RawIssuer, by.name), p.SelfSigned && !selfIssued(c), !p.SelfSigned && selfIssued(c):
		return errors.New("the issuer is not the subject of the issuer's certificate")
	case !bytes.Equal(c.AuthorityKeyId, by.keyID) || !bytes.Equal(c.SubjectKeyId, keyID):
		return errors.New("the key identifiers do not fit")
	case c.KeyUsage != use || c.IsCA != p.CA || c.BasicConstraintsValid != p.CA:
		return errors.New("the key usage or basic constraints are not the profile's")
	case len(c.ExtKeyUsage) != len(p.ExtKeyUsage) || len(c.UnknownExtKeyUsage) > 0:
		return errors.New("the extended key usage is not the profile's")
	case by.Certificate != nil && c.NotAfter.After(by.Certificate.NotAfter), !c.NotAfter.After(c.NotBefore):
		return errors.New("the validity is empty or ends after the issuer's")
	}
	for _, id := range c.UnhandledCriticalExtensions {
		return fmt.Errorf("critical extension %s is not understood", id)
	}
	return nil
}

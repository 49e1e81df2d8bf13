package ca

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

// Prepared is a certificate that passed every check and whose intent is
// durable: a token that [Authority.Issue] redeems once.
type Prepared struct {
	authority *Authority
	issuer    *issuer
	profile   *Profile
	intent    journal.Intent
	linted    []byte      // the certificate that the lints saw
	read      lint.Fields // what they read in it
	ticket    *journal.Ticket
	spent     atomic.Bool
}

// Serial is the serial number that the certificate will have.
func (p *Prepared) Serial() journal.Serial { return p.intent.Serial }

// Linted is the certificate as the lints saw it: its to-be-signed bytes are
// those that will be signed, its signature is a throw-away one and proves nothing.
func (p *Prepared) Linted() (*x509.Certificate, error) { return x509.ParseCertificate(p.linted) }

var setName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

// Prepare decides whether the request may be granted. It builds the
// to-be-signed certificate, lints it with a throw-away signature and makes the
// intent durable in the register. A request that is refused
// comes back as a [*RefusedError] and leaves nothing behind but an audit line.
func (a *Authority) Prepare(ctx context.Context, request Request) (*Prepared, error) {
	if err := a.checkAdmitted(ctx, request.Actor); err != nil {
		return nil, err
	}
	began := time.Now()
	prepared, err := a.decide(ctx, &request)
	if err != nil {
		return nil, a.refused(ctx, request.Actor, began, err)
	}
	if err := a.reserve(ctx, func(int) string { return "" }, prepared); err != nil {
		return nil, a.refused(ctx, request.Actor, began, err)
	}
	return prepared, nil
}

// refused writes the audit line of a refusal and passes every error on.
func (a *Authority) refused(ctx context.Context, actor string, began time.Time, err error) error {
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return err
	}
	a.config.Observe("refused", time.Since(began))
	// Names and numbers of persons stay out: the code and the field names
	// say enough.
	fields := make([]string, 0, len(refused.Fields))
	for _, f := range refused.Fields {
		fields = append(fields, f.Field)
	}
	if err := a.config.Audit(ctx, "ca.refuse", slog.String("actor", actor), slog.String("code", refused.Code), slog.Any("fields", fields)); err != nil {
		return &AuditError{err}
	}
	return err
}

// reserve makes the intents of decided certificates durable, all or none, unless
// the past of a key speaks against it. prefix is that of the i-th certificate's
// fields in a refusal.
func (a *Authority) reserve(ctx context.Context, prefix func(i int) string, set ...*Prepared) error {
	var r refusal
	intents := make([]journal.Intent, len(set))
	for i, p := range set {
		intents[i] = p.intent
		if p.profile.SelfSigned && !p.issuer.began.CompareAndSwap(false, true) {
			r.add(CodeKeyInUse, prefix(i)+"issuer", "has its self-signed certificate already", "")
			return r.error()
		}
	}
	err := a.config.Register.ReserveSet(ctx, intents, func(i int, sameKey []journal.Record) error {
		if i == 0 {
			r = refusal{}
		}
		set[i].checkHistory(sameKey, prefix(i), &r)
		if i < len(set)-1 {
			return nil
		}
		return r.error()
	})
	if err == nil {
		return nil
	}
	for _, p := range set {
		if p.profile.SelfSigned {
			p.issuer.began.Store(false)
		}
	}
	if refused := r.error(); refused != nil {
		return refused
	}
	return fmt.Errorf("reserving serial: %w", err)
}

// decide does all of Prepare but the reservation: it writes nothing.
func (a *Authority) decide(ctx context.Context, request *Request) (*Prepared, error) {
	var r refusal
	by, profile := a.chosen(request, &r)
	if err := r.error(); err != nil {
		return nil, err
	}
	if !setName.MatchString(request.Set) {
		r.add(CodeInvalid, "set", "is not 0 to 64 letters, digits, dots, hyphens and underscores", "")
	}
	public, requested := a.subjectKey(request, profile, by, &r)
	var subject []byte
	if !profile.Cross {
		subject = profile.subject(request.Subject, &r)
	} else if len(request.Subject) > 0 {
		r.add(CodeInvalid, "subject", "does not belong here: the name is that of the authority's certificate", "RFC 5280, Section 4.1.2.6")
	}
	spki, keyID, err := encodeKey(public)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(spki)
	a.checkOwnKey(hash, profile, by, &r)
	var wanted []generalName
	if requested != nil {
		wanted = profile.allow(requested.extensions, keyID, &r)
		if request.OnlyNames {
			wanted = nil
		}
	}
	names := profile.names(request, wanted, &r)
	// RFC 5280, Section 4.1.2.6: without a subject there is an alternative name.
	if len(subject) == emptyName && len(names) == 0 {
		r.add(CodeInvalid, "subject", "is empty and there is no alternative name", "RFC 5280, Section 4.1.2.6")
	}
	now := time.Now()
	notBefore, notAfter := profile.period(now, by, request, &r)
	if err := a.checkStanding(ctx, by, &r); err != nil {
		return nil, err
	}
	if err := r.error(); err != nil {
		return nil, err
	}

	if profile.Cross {
		subject, keyID = request.Authority.RawSubject, request.Authority.SubjectKeyId
	}
	// RFC 5280, Section 4.1.2.4: the issuer is byte for byte the subject of
	// the issuer's certificate.
	name := by.name
	if profile.SelfSigned {
		name = subject
	}
	serial := newSerial()
	tbs := toBeSigned{
		serial: serial, algorithm: by.algorithm, issuer: name, notBefore: notBefore, notAfter: notAfter, subject: subject, spki: spki, keyID: keyID,
		extensions: func(b []byte) []byte {
			return profile.appendExtensions(b, extended{by: by, keyID: keyID, serial: serial, names: names, emptySubject: len(subject) == emptyName, notBefore: notBefore, notAfter: notAfter})
		},
	}
	raw := tbs.marshal()
	linted, read, err := a.judge(raw, &tbs, by, profile)
	if err != nil {
		return nil, err
	}
	intent := journal.Intent{
		Serial: journal.SerialOf(serial), Issuer: by.ID, Profile: profile.Name, Set: request.Set, KeyHash: hash,
		NotAfter: notAfter, ToBeSigned: raw, Actor: request.Actor, At: now.UTC(),
	}
	return &Prepared{authority: a, issuer: by, profile: profile, intent: intent, linted: linted, read: read, ticket: request.Ticket}, nil
}

// encodeKey encodes the key that a certificate is for and derives its identifier.
// Both are nil for a key that was refused before.
func encodeKey(public crypto.PublicKey) (spki, keyID []byte, err error) {
	if public == nil {
		return nil, nil, nil
	}
	if spki, err = pki.MarshalPublicKey(public); err != nil {
		return nil, nil, fmt.Errorf("encoding subject key: %w", err)
	}
	keyID, err = pki.KeyIdentifier(spki)
	return spki, keyID, err
}

// emptyName is the length of the encoding of a Name without attributes.
const emptyName = 2

// chosen finds the issuer and the profile of a request, which fit each other.
func (a *Authority) chosen(request *Request, r *refusal) (*issuer, *Profile) {
	by, ok := a.issuers[request.Issuer]
	if !ok {
		r.add(CodeUnknownIssuer, "issuer", "is not an issuer of this authority", "")
		return nil, nil
	}
	profile, ok := a.config.Profiles.Lookup(request.Profile)
	if !ok || !by.issues(request.Profile) {
		// There is no profile to fall back to.
		r.add(CodeUnknownProfile, "profile", "is not a profile of this issuer", "")
		return nil, nil
	}
	if profile.SelfSigned != (by.Certificate == nil) {
		if profile.SelfSigned {
			r.add(CodeKeyInUse, "issuer", "has its self-signed certificate already", "")
		} else {
			r.add(CodeIssuerExpired, "issuer", "has no certificate of its own yet", "")
		}
	}
	return by, profile
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
	if request.Authority != nil && !profile.Cross {
		r.add(CodeInvalid, "authority", "does not belong to a certificate of this profile", "RFC 5280, Section 3.2")
		return nil, nil
	}
	switch {
	case profile.Cross:
		field = "authority"
		if public = profile.otherAuthority(request, by, r); public == nil {
			return nil, nil
		}
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
			fault, ok := errors.AsType[*csrFault](err)
			if !ok {
				fault = &csrFault{field, err.Error(), "RFC 2986, Section 4"}
			}
			r.add(CodeBadCSR, fault.field, fault.detail, fault.clause)
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

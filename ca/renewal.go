package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// CodeNotRenewable is the code of a [RefusedError] for a certificate that may
// not be renewed: foreign, held, revoked, expired, or issued by what has
// changed since.
const CodeNotRenewable = "not_renewable"

// Renewal makes a request for a certificate that follows current: the same
// issuer, profile, subject and alternative names, for the key of csr (DER),
// which may be the same or a new one. The csr must ask for exactly these names.
// The holder has proven to the caller that it has the key of current.
func (a *Authority) Renewal(ctx context.Context, current *x509.Certificate, csr []byte, actor string) (*Request, error) {
	var r refusal
	record, err := a.Valid(ctx, current)
	if err != nil {
		return nil, err
	}
	profile, ok := a.Profile(record.Issuer, record.Profile)
	if !ok {
		r.add(CodeNotRenewable, "certificate", "was issued by a profile that is no longer issued by", "")
		return nil, r.error()
	}
	wish, err := ReadWish(csr)
	if err != nil {
		return nil, err
	}
	old, err := wishOf(current)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", record.Serial, err)
	}
	if wish.ChangeName {
		r.add(CodeNotRenewable, "csr.changeSubjectName", "asks for another name, which a renewal does not give", "RFC 7030, Section 4.2.2")
	}
	// RFC 7030, Section 4.2.2: subject and subjectAltName are identical to
	// those of the certificate being renewed. The string types may differ.
	if !slices.Equal(wish.Subject, old.Subject) {
		r.add(CodeNotRenewable, "csr.subject", "is not that of the certificate being renewed", "RFC 7030, Section 4.2.2")
	}
	if !wish.sameNames(old) {
		r.add(CodeNotRenewable, "csr.subjectAltName", "is not that of the certificate being renewed", "RFC 7030, Section 4.2.2")
	}
	if err := r.error(); err != nil {
		return nil, err
	}
	request := &Request{
		Issuer: record.Issuer, Profile: record.Profile, CSR: csr, Actor: actor, OnlyNames: true,
		Subject: profile.given(old.Subject), DNSNames: old.DNSNames, IPAddresses: old.IPAddresses, Emails: old.Emails,
	}
	// The profile may have changed since. Better no certificate than one of
	// another name.
	name := profile.subject(request.Subject, &r)
	if r.error() != nil || !bytes.Equal(name, current.RawSubject) {
		r = refusal{}
		r.add(CodeNotRenewable, "certificate", "has a subject that its profile no longer makes", "")
	}
	return request, r.error()
}

// Valid returns the record of a certificate that this authority issued and
// that is neither held, revoked nor expired; anything else is a
// [*RefusedError].
func (a *Authority) Valid(ctx context.Context, certificate *x509.Certificate) (journal.Record, error) {
	refuse := func(detail string) (journal.Record, error) {
		return journal.Record{}, refusedFor(CodeNotRenewable, "certificate", detail, "")
	}
	record, err := a.Record(ctx, journal.SerialOf(certificate.SerialNumber))
	switch now := time.Now(); {
	case errors.Is(err, fs.ErrNotExist), err == nil && !bytes.Equal(record.Certificate, certificate.Raw):
		return refuse("was not issued here")
	case err != nil:
		return journal.Record{}, err
	case record.Status.State != journal.Valid:
		return refuse("is " + string(record.Status.State))
	case record.Status.Expired || now.After(certificate.NotAfter) || now.Before(certificate.NotBefore):
		return refuse("is outside its validity")
	}
	return record, nil
}

// Vouch checks the TLS client certificate of a client that is known by its
// common name. One that was issued here must be valid and of the given issuer
// and profile, since other profiles give the same name to somebody else. Where
// both are empty, the certificate must be that of another authority, which the
// listener has judged. Anything else is a [*RefusedError].
func (a *Authority) Vouch(ctx context.Context, certificate *x509.Certificate, issuer, profile string) error {
	_, err := a.Record(ctx, journal.SerialOf(certificate.SerialNumber))
	if errors.Is(err, fs.ErrNotExist) && issuer == "" && profile == "" {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	record, err := a.Valid(ctx, certificate)
	if err == nil && (record.Issuer != issuer || record.Profile != profile) {
		err = refusedFor(CodeNotRenewable, "certificate", "is of another issuer or profile than the client's", "")
	}
	return err
}

// wishOf reads the names of a certificate as a request for them.
func wishOf(c *x509.Certificate) (*Wish, error) {
	wish := new(Wish)
	var err error
	if wish.Subject, err = readName(c.RawSubject); err != nil {
		return nil, fmt.Errorf("the subject %w", err)
	}
	for _, e := range c.Extensions {
		if !e.Id.Equal(pki.OIDSubjectAltName) {
			continue
		}
		names, ok := readSAN(e.Value)
		if !ok {
			return nil, errors.New("the alternative names are malformed")
		}
		wish.addNames(names)
	}
	return wish, nil
}

// given returns the values from which the profile makes these attributes: the
// reverse of [Profile.subject]. What no rule accounts for is left out.
func (p *Profile) given(attributes []WishedAttribute) map[string]string {
	values := map[string]string{}
	for _, attribute := range attributes {
		for _, rule := range p.Subject {
			// An identifier that is made of several fields is not taken apart:
			// the renewal then lacks it and is refused.
			if rule.Attribute != attribute.Key || rule.Value != "" || len(rule.fields()) != 1 {
				continue
			}
			value := attribute.Value
			if rule.Identifier != "" {
				// ETSI EN 319 412-1, Sections 5.1.3 and 5.1.4: PNOAZ-1ABC2D3.
				value = strings.TrimPrefix(value, rule.Identifier+p.country()+"-")
			}
			values[rule.fields()[0]] = value
		}
	}
	return values
}

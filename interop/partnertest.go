package interop

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// try tries the offer on certificates of the partner's people.
func (p *Partner) try(samples []*Certificate, at time.Time) (findings []string, err error) {
	if len(samples) == 0 {
		return nil, errors.New("a test needs a certificate that the partner's authorities issued")
	}
	var list *Verified
	if p.Offer.List != nil {
		list, findings, err = p.tryList()
	} else {
		list, findings, err = p.tryCertificates(at)
	}
	if err != nil {
		return nil, err
	}
	var agreed *Agreement
	if p.Offer.Agreement != nil {
		a := &author{}
		agreed = a.agreement(p.Offer.Location, p.Offer.Agreement, "")
		if err := errors.Join(a.faults...); err != nil {
			return nil, err
		}
	}
	for i, sample := range samples {
		why, ok := "", false
		if agreed != nil {
			r := Recognise(agreed, list, sample, at)
			why, ok = r.Why, r.Equivalent
		} else {
			answer := NewTrust(list).TrustedAt(sample, at)
			why, ok = answer.Why, answer.Trusted && !answer.Itself
			if answer.Itself {
				why = "it is the authority's own certificate, and no sample of what it issues"
			} else if ok && p.Offer.List == nil {
				why = fmt.Sprintf("it was issued by the offered authority %q", answer.Service)
			}
		}
		if !ok {
			return nil, fmt.Errorf("sample %d is not recognised at %s: %s", i+1, at.UTC().Format(time.RFC3339), why)
		}
		findings = append(findings, fmt.Sprintf("sample %s at %s: %s", sample.Fingerprint()[:16], at.UTC().Format(time.RFC3339), why))
	}
	return findings, nil
}

// tryList verifies the partner's list.
func (p *Partner) tryList() (*Verified, []string, error) {
	v, err := Verify(p.Offer.List, listed(p.Offer.Signers), Terms{At: time.Now()})
	if err != nil {
		return nil, nil, fmt.Errorf("the partner's list is refused (%s): %w", ReasonOf(err), err)
	}
	if v.Scheme.Territory != p.Territory {
		return nil, nil, refuse(ReasonPlace, "the list is that of %s, the partner is %s", v.Scheme.Territory, p.Territory)
	}
	findings := []string{fmt.Sprintf("list %d of %s verifies by signer %s, next update %s", v.Scheme.SequenceNumber, v.Scheme.Territory,
		v.Signer.Fingerprint()[:16], v.Scheme.NextUpdate.Format(time.DateOnly))}
	for _, weak := range v.Weak {
		findings = append(findings, "weak: "+weak)
	}
	// A partner's list that breaks rules is the partner's to mend, and ours to
	// know.
	for _, f := range Lint(v.List, nil) {
		findings = append(findings, "lint: "+f.String())
	}
	return v, findings, nil
}

// tryCertificates looks at the authorities, and writes a list of them to ask.
func (p *Partner) tryCertificates(at time.Time) (*Verified, []string, error) {
	var findings []string
	for _, raw := range p.Offer.Certificates {
		c := &Certificate{Raw: raw}
		facts, err := c.Facts()
		if err != nil {
			return nil, nil, err
		}
		name := NameText(facts.Subject)
		// RFC 5280, Section 4.2.1.3. Old roots have no key usage at all.
		if facts.KeyUsage != 0 && facts.KeyUsage&x509.KeyUsageCertSign == 0 {
			return nil, nil, fmt.Errorf("%q is not the certificate of an authority: its key is not for signing certificates", name)
		}
		note := "its key is " + facts.Algorithm()
		if !facts.Verifiable() {
			note += ", whose signatures are not verifiable by this build"
		}
		if at.Before(facts.NotBefore) || at.After(facts.NotAfter) {
			note += fmt.Sprintf(", valid from %s to %s only", facts.NotBefore.Format(time.DateOnly), facts.NotAfter.Format(time.DateOnly))
		}
		findings = append(findings, fmt.Sprintf("authority %s %q: %s", c.Fingerprint()[:16], name, note))
	}
	provider := Provider{Name: textsOf(p.Offer.Operator)}
	for _, s := range p.Offer.services(Recognised, time.Unix(0, 0).UTC()) {
		name := provider.Name
		if facts, err := readFacts(s.Certificates[0]); err == nil {
			name = []Text{{"en", NameText(facts.Subject)}}
		}
		provider.Services = append(provider.Services, Service{State: State{
			Type: wordOr(prefixSvc, p.Offer.Type), Name: name, Identity: identityOf(listed(s.Certificates)), Status: s.Status, Since: s.Since,
		}})
	}
	l := &List{Scheme: Scheme{Territory: p.Territory, NextUpdate: time.Now().Add(time.Hour)}, Providers: []Provider{provider}}
	return &Verified{List: l}, findings, nil
}

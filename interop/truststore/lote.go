package truststore

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/interop"
)

// Signer signs packages. Nothing in a list names it: relying parties know it
// from the one who packs.
type Signer struct {
	Key crypto.Signer
	// Certificate is the key's; without it the list of trusted entities is not
	// signed, which names its signer by it. Chain goes with it.
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
}

// LoTE is the anchors as a list of trusted entities (ETSI TS 119 602): what
// their lists say of them and of their providers, with history. Its number is
// the sum of the lists' numbers, so that it grows whenever one of them does, and
// its next update the first of theirs.
func LoTE(anchors []Anchor) ([]byte, error) { return lote(anchors, nil) }

// lote is the list whose scheme operator is the signer, who answers for what was
// packed; without one, the operators of the lists stand for themselves.
func lote(anchors []Anchor, signer *x509.Certificate) ([]byte, error) {
	lists := map[*interop.Verified]bool{}
	l := &interop.List{Scheme: interop.Scheme{IssuedAt: Made(anchors)}}
	var last *interop.Provider
	for _, a := range byProvider(anchors) {
		lists[a.Entry.List] = true
		if last != a.Entry.Provider {
			last = a.Entry.Provider
			l.Providers = append(l.Providers, entity(a))
		}
		to := &l.Providers[len(l.Providers)-1]
		to.Services = append(to.Services, *a.Entry.Service)
	}
	s := &l.Scheme
	for _, v := range slices.SortedFunc(maps.Keys(lists), func(a, b *interop.Verified) int { return strings.Compare(a.Scheme.Territory, b.Scheme.Territory) }) {
		if s.SequenceNumber += v.Scheme.SequenceNumber; len(lists) == 1 {
			s.Territory = v.Scheme.Territory
		}
		s.OperatorName = append(s.OperatorName, interop.Text{Lang: "en", Value: v.Scheme.Territory + ": " + interop.In(v.Scheme.OperatorName)})
		switch {
		case v.Scheme.Closed():
			return nil, errors.New("the list of " + v.Scheme.Territory + " is closed: it has no next update")
		case s.NextUpdate.IsZero() || v.Scheme.NextUpdate.Before(s.NextUpdate):
			s.NextUpdate = v.Scheme.NextUpdate
		}
	}
	if signer == nil {
		return interop.WriteLoTE(l)
	}
	// ETSI TS 119 602, Section 6.8: the signer's organisation and country are the
	// scheme's operator and territory.
	subject := &signer.Subject
	if len(subject.Organization) != 1 || len(subject.Country) != 1 {
		return nil, fmt.Errorf("the certificate for packages names the organisations %q and countries %q, and has to name one of each", subject.Organization, subject.Country)
	}
	s.Name, s.OperatorName, s.Territory = s.OperatorName, []interop.Text{{Lang: "en", Value: subject.Organization[0]}}, subject.Country[0]
	return interop.WriteLoTE(l)
}

// byProvider puts each service once, those of a provider together, in an order
// that depends on nothing else.
func byProvider(anchors []Anchor) (all []Anchor) {
	for _, a := range anchors {
		if !slices.ContainsFunc(all, func(b Anchor) bool { return a.Entry.Service == b.Entry.Service }) {
			all = append(all, a)
		}
	}
	first := map[*interop.Provider]int{}
	for i, a := range all {
		if _, ok := first[a.Entry.Provider]; !ok {
			first[a.Entry.Provider] = i
		}
	}
	slices.SortStableFunc(all, func(a, b Anchor) int { return first[a.Entry.Provider] - first[b.Entry.Provider] })
	return all
}

// entity is the provider without services. Lists have web addresses that are no
// URIs; where none is left, those of the list's operator stand.
func entity(a Anchor) interop.Provider {
	p, s := *a.Entry.Provider, &a.Entry.List.Scheme
	p.Services = nil
	if p.Address.Electronic = addresses(p.Address.Electronic); len(p.Address.Electronic) == 0 {
		p.Address.Electronic = addresses(s.OperatorAddress.Electronic)
	}
	if p.InformationURI = addresses(p.InformationURI); len(p.InformationURI) == 0 {
		p.InformationURI = addresses(s.InformationURI)
	}
	return p
}

func addresses(texts []interop.Text) []interop.Text {
	return slices.DeleteFunc(slices.Clone(texts), func(t interop.Text) bool {
		u, err := url.Parse(t.Value)
		return err != nil || u.Scheme == ""
	})
}

// SignedLoTE is [LoTE], signed with JAdES-BASELINE-B. The signing time is that
// of the newest list, or of the certificate if that is later: the same lists
// make the same octets.
func SignedLoTE(anchors []Anchor, signer *Signer) ([]byte, error) {
	if signer == nil || signer.Certificate == nil {
		return nil, errors.New("whoever packs has no key for packages, or no certificate for it")
	}
	written, err := lote(anchors, signer.Certificate)
	if err != nil {
		return nil, err
	}
	at := Made(anchors)
	if from := signer.Certificate.NotBefore; from.After(at) {
		at = from.Truncate(time.Second)
	}
	return interop.SignLoTE(written, signer.Key, signer.Certificate, signer.Chain, at)
}

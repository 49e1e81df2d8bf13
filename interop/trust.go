package interop

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// ListState is a list that is followed.
type ListState struct {
	URL       string
	Territory string
	// List is the last good list, nil when there was none.
	List *Verified
	// SeenAt is when its server last said that it is the newest, VerifiedAt when
	// it was taken.
	SeenAt, VerifiedAt time.Time
	// Err is why the last look at it failed, nil when it did not.
	Err error
}

// Stale reports whether the list in force is past its next update.
func (s *ListState) Stale(now time.Time) bool {
	return s.List != nil && (s.List.Scheme.Closed() || now.After(s.List.Scheme.NextUpdate))
}

func (e *followed) state() ListState {
	s := ListState{URL: e.URL, Territory: e.about.Territory, List: e.good, SeenAt: e.kept.SeenAt, VerifiedAt: e.kept.VerifiedAt, Err: e.err}
	if e.good != nil {
		s.Territory = e.good.Scheme.Territory
	}
	return s
}

// Trust is what a set of lists says. It does not change; asking it is safe from
// anywhere.
type Trust struct {
	states []ListState
	// byPublicKey and bySubject find services by the certificates of their
	// present and past, byIdentifier those that have none.
	byPublicKey  map[string][]place
	bySubject    map[string][]place
	byIdentifier map[string][]place
}

// place is a service in a list.
type place struct {
	state    *ListState
	provider *Provider
	service  *Service
	// facts of the identity's certificate, nil when it has none.
	facts *Facts
}

// NewTrust returns what verified lists say, whatever way they came.
func NewTrust(lists ...*Verified) *Trust {
	states := make([]ListState, len(lists))
	for i, l := range lists {
		states[i] = ListState{Territory: l.Scheme.Territory, List: l}
	}
	return newTrust(states)
}

// Merge returns what several say together.
func Merge(all ...*Trust) *Trust {
	var states []ListState
	for _, t := range all {
		states = append(states, t.states...)
	}
	return newTrust(states)
}

func newTrust(states []ListState) *Trust {
	t := &Trust{states: states, byPublicKey: map[string][]place{}, bySubject: map[string][]place{}, byIdentifier: map[string][]place{}}
	for i := range states {
		if states[i].List == nil {
			continue
		}
		for j := range states[i].List.Providers {
			p := &states[i].List.Providers[j]
			for k := range p.Services {
				t.index(place{state: &states[i], provider: p, service: &p.Services[k]})
			}
		}
	}
	return t
}

// States returns the lists, the list of lists first.
func (t *Trust) States() []ListState { return slices.Clone(t.states) }

// Entry is a service in a list.
type Entry struct {
	List     *Verified
	Provider *Provider
	Service  *Service
}

// Services returns every service of every list.
func (t *Trust) Services() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.states {
			if t.states[i].List == nil {
				continue
			}
			for _, n := range orderedServices(t.states[i].List.List) {
				if !yield(Entry{t.states[i].List, n.provider, n.service}) {
					return
				}
			}
		}
	}
}

func (t *Trust) index(at place) {
	seen := map[string]bool{}
	add := func(id Identity) {
		certificates := id.Certificates()
		for _, c := range certificates {
			facts, err := c.Facts()
			if err != nil || seen[string(c.Raw)] {
				continue
			}
			seen[string(c.Raw)] = true
			with := at
			with.facts = facts
			t.byPublicKey[string(facts.SPKI)] = append(t.byPublicKey[string(facts.SPKI)], with)
			t.bySubject[string(facts.RawSubject)] = append(t.bySubject[string(facts.RawSubject)], with)
		}
		for _, d := range id {
			if d.SKI != nil && len(certificates) == 0 && !seen["ski"+string(d.SKI)] {
				seen["ski"+string(d.SKI)] = true
				t.byIdentifier[string(d.SKI)] = append(t.byIdentifier[string(d.SKI)], at)
			}
		}
	}
	add(at.service.Identity)
	for i := range at.service.History {
		add(at.service.History[i].Identity)
	}
}

// Answer is what the lists say of a certificate at a time.
type Answer struct {
	// Trusted: a service of a list vouches for the certificate, and its status
	// at the time is one that is relied on. Revocation is another question.
	Trusted bool
	// Why says it for people.
	Why string

	Territory, Provider, Service string
	// Type and Status are URIs, those of the time that was asked for.
	Type, Status string
	// Since and Until bound the status; Until is zero while it lasts.
	Since, Until time.Time
	// Itself: the certificate is the service's own, not one that it issued.
	Itself bool
	// Uses are what the service issues for, and Qualifiers what the list says
	// of this certificate (ETSI TS 119 612, Section 5.5.9).
	Uses, Qualifiers []string
	// Sequence of the list, and whether it is past its next update.
	Sequence uint64
	Stale    bool
	// Others are what further services say.
	Others []Answer
}

// TrustedAt says which service vouches for the certificate at a time, and why;
// or why none does.
func (t *Trust) TrustedAt(c *Certificate, at time.Time) Answer {
	facts, err := c.Facts()
	if err != nil {
		return Answer{Why: err.Error()}
	}
	var answers []Answer
	for _, one := range t.candidates(facts) {
		answers = append(answers, one.answer(facts, at, one.itself, one.doubt))
	}
	if len(answers) == 0 {
		return Answer{Why: fmt.Sprintf("none of the %d lists names the certificate or its issuer %q", len(t.states), NameText(facts.Issuer))}
	}
	slices.SortStableFunc(answers, func(a, b Answer) int { return cmp.Compare(rank(a), rank(b)) })
	best := answers[0]
	best.Others = answers[1:]
	return best
}

// candidate is a service that may vouch for a certificate.
type candidate struct {
	place
	// itself: the certificate is the service's own. A doubt is why it cannot be
	// told whether the service issued it.
	itself bool
	doubt  string
}

// candidates finds the services whose certificate it is, or whose key signed
// it.
func (t *Trust) candidates(facts *Facts) (all []candidate) {
	told := map[*Service]bool{}
	tell := func(p place, itself bool, doubt string) {
		if !told[p.service] {
			told[p.service] = true
			all = append(all, candidate{p, itself, doubt})
		}
	}
	// ETSI TS 119 612, Section 5.5.3: a service is a public key, whatever
	// certificates it has.
	for _, p := range t.byPublicKey[string(facts.SPKI)] {
		tell(p, true, "")
	}
	for _, p := range t.bySubject[string(facts.RawIssuer)] {
		if facts.AKI != nil && p.facts.SKI != nil && !bytes.Equal(facts.AKI, p.facts.SKI) {
			continue
		}
		if doubt, ok := p.facts.signed(facts); ok {
			tell(p, false, doubt)
		}
	}
	// What a certificate says of its own key identifier is only its word: it is
	// derived from the key.
	if derived, err := pki.KeyIdentifier(facts.SPKI); err == nil {
		for _, p := range t.byIdentifier[string(derived)] {
			tell(p, true, "")
		}
	}
	if facts.AKI != nil {
		for _, p := range t.byIdentifier[string(facts.AKI)] {
			tell(p, false, "the list names the service by a key identifier alone, so its signature under the certificate cannot be verified")
		}
	}
	return all
}

func rank(a Answer) int {
	switch {
	case a.Trusted && !a.Stale:
		return 0
	case a.Trusted:
		return 1
	}
	return 2
}

// answer judges the service's state at the time.
func (p place) answer(leaf *Facts, at time.Time, itself bool, doubt string) Answer {
	list := p.state.List
	a := Answer{
		Territory: list.Scheme.Territory, Provider: In(p.provider.Name), Service: In(p.service.Name), Itself: itself,
		Sequence: list.Scheme.SequenceNumber, Stale: p.state.Stale(time.Now()),
	}
	state, until := p.service.At(at)
	if state == nil {
		a.Type = p.service.Type
		a.Why = fmt.Sprintf("the service was not on the list yet: its history begins on %s", until.Format(time.DateOnly))
		return a
	}
	a.Service, a.Type, a.Status, a.Since, a.Until = In(state.Name), state.Type, state.Status, state.Since, until
	a.Uses, a.Qualifiers = uses(state.Extensions), qualifiers(state.Extensions, leaf)
	since := "since " + a.Since.Format(time.DateOnly)
	if !until.IsZero() {
		since = "from " + a.Since.Format(time.DateOnly) + " until " + until.Format(time.DateOnly)
	}
	switch {
	case doubt != "":
		a.Why = doubt
	case critical(state.Extensions):
		a.Why = "the list says something critical of the service that this build does not know"
	case !Relied(state.Status):
		a.Why = fmt.Sprintf("the service's status was %s %s", last(state.Status), since)
	case at.Before(leaf.NotBefore) || at.After(leaf.NotAfter):
		a.Why = fmt.Sprintf("the certificate is valid from %s to %s only", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	case !itself && !issues(state.Type):
		a.Why = fmt.Sprintf("the service is a %s, which issues no certificates", last(state.Type))
	default:
		a.Trusted = true
		how := "was issued by"
		if itself {
			how = "is that of"
		}
		a.Why = fmt.Sprintf("the certificate %s the service %q (%s) of %q, whose status is %s %s, says list %d of %s",
			how, a.Service, last(a.Type), a.Provider, last(a.Status), since, a.Sequence, a.Territory)
	}
	return a
}

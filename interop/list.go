package interop

import (
	"slices"
	"time"
)

// List is a trust list: ETSI TS 119 612, Section 5. Fields stand in the order
// of the standard; nothing that a list says is left out.
type List struct {
	// ID is the root element's Id, if it has one.
	ID string
	// Tag is the TSLTag.
	Tag       string
	Scheme    Scheme
	Providers []Provider

	// JSON: it was read as a list of trusted entities (ETSI TS 119 602).
	JSON bool
	// Notes say where the list departs from its version's schema in ways that
	// are taken nevertheless.
	Notes []string
}

// Scheme is SchemeInformation (ETSI TS 119 612, Section 5.3).
type Scheme struct {
	Version        int
	SequenceNumber uint64
	// Type is the URI of the kind of list.
	Type                string
	OperatorName        []Text
	OperatorAddress     Address
	Name                []Text
	InformationURI      []Text
	StatusDetermination string
	CommunityRules      []Text
	Territory           string
	// Policy are URIs, LegalNotice texts; a list has one or the other.
	Policy      []Text
	LegalNotice []Text
	// HistoricalPeriod is the number of days that history is kept for.
	HistoricalPeriod   int
	Pointers           []Pointer
	IssuedAt           time.Time
	NextUpdate         time.Time // zero for a closed list, its operator's last
	DistributionPoints []string
	Extensions         []Extension
}

// Closed reports whether the list is its operator's last.
func (s *Scheme) Closed() bool { return s.NextUpdate.IsZero() }

// Text is a text or URI in a language. Lists older than version 5 may leave
// out the language.
type Text struct {
	Lang, Value string
}

// In returns the text in the first language that there is of those wanted, or
// else in English, or else the first one.
func In(texts []Text, languages ...string) string {
	for _, lang := range append(slices.Clip(languages), "en") {
		for _, t := range texts {
			if t.Lang == lang {
				return t.Value
			}
		}
	}
	if len(texts) > 0 {
		return texts[0].Value
	}
	return ""
}

// Address has the postal and electronic addresses (ETSI TS 119 612, Section
// 5.3.5).
type Address struct {
	Postal []PostalAddress
	// Electronic are mailto: and web URIs.
	Electronic []Text
}

// PostalAddress is an address in a language.
type PostalAddress struct {
	Lang, Street, Locality, Province, PostalCode, Country string
}

// Pointer leads to another list (ETSI TS 119 612, Section 5.3.13).
type Pointer struct {
	// Identities are those of the list's signers, one for each.
	Identities []Identity
	Location   string
	Additional []Information
}

// Information is a piece of AdditionalInformation: a text, or XML of the
// scheme's own.
type Information struct {
	Textual *Text
	Other   Fragment
}

// Identity is a ServiceDigitalIdentity (ETSI TS 119 612, Section 5.5.3): one
// public key, told in one or more ways.
type Identity []DigitalID

// DigitalID is one way to tell a key. One field is set, or none: the schema lets
// it be empty.
type DigitalID struct {
	Certificate *Certificate
	SubjectName *string
	KeyValue    Fragment
	SKI         []byte
	Other       *Fragment
}

// Certificates returns the identity's certificates.
func (id Identity) Certificates() (all []*Certificate) {
	for _, d := range id {
		if d.Certificate != nil {
			all = append(all, d.Certificate)
		}
	}
	return all
}

// Extension is an extension of the scheme, a provider or a service.
type Extension struct {
	Critical bool
	Content  Fragment
}

// Provider is a TrustServiceProvider (ETSI TS 119 612, Section 5.4).
type Provider struct {
	Name           []Text
	TradeName      []Text
	Address        Address
	InformationURI []Text
	Extensions     []Extension
	Services       []Service
}

// Service is a TSPService: what it is now, and what it was (ETSI TS 119 612,
// Section 5.5).
type Service struct {
	State
	SchemeDefinitionURI   []Text
	SupplyPoints          []SupplyPoint
	ProviderDefinitionURI []Text
	// History, the newest first. HasHistory tells an empty history from none.
	History    []State
	HasHistory bool
}

// State is what a service is or was from a moment on. In history it is a
// ServiceHistoryInstance (ETSI TS 119 612, Section 5.6).
type State struct {
	Type       string
	Name       []Text
	Identity   Identity
	Status     string
	Since      time.Time
	Extensions []Extension
}

// SupplyPoint is where a service is reached.
type SupplyPoint struct {
	// Type says what is there; version 6 has it.
	Type, URI string
}

// At returns the state that the service had at a time, and since when to when;
// until is zero for the state that it still has. It returns nil for a time
// before the first.
func (s *Service) At(t time.Time) (state *State, until time.Time) {
	i, until := stateAt(t, s.Since, len(s.History), func(i int) time.Time { return s.History[i].Since })
	switch i {
	case present:
		return &s.State, until
	case never:
		return nil, until
	}
	return &s.History[i], until
}

// What [stateAt] returns instead of a place in history.
const (
	present = -1 - iota
	never
)

// stateAt finds the place of the state that counted at a time: the last one
// that had begun, whatever order the history was written in. From when the
// present one began, history says no more. Until is when the next one began.
func stateAt(t, now time.Time, history int, since func(i int) time.Time) (found int, until time.Time) {
	if !t.Before(now) {
		return present, time.Time{}
	}
	found, until = never, now
	for i := range history {
		switch began := since(i); {
		case t.Before(began):
			if began.Before(until) {
				until = began
			}
		case found == never || began.After(since(found)):
			found = i
		}
	}
	return found, until
}

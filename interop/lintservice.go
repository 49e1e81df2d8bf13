package interop

import (
	"bytes"
	"strings"
)

func (t *linter) provider(p *Provider) {
	where := In(p.Name)
	t.texts("5.4.1", where, p.Name)
	if len(p.TradeName) > 0 {
		t.texts("5.4.2", where+" trade name", p.TradeName)
	} else {
		t.add("5.4.2", where, "it has no trade name with its registration number, as in NTRAZ-1234567890")
	}
	t.address("5.4.3", where, &p.Address)
	t.uris("5.4.4", where+" information", p.InformationURI)
	if len(p.Services) == 0 {
		t.add("5.4.6", where, "it has no service")
	}
	for i := range p.Services {
		t.service(where+" / "+In(p.Services[i].Name), &p.Services[i])
	}
}

func (t *linter) service(where string, s *Service) {
	t.state(where, "5.5", &s.State)
	if s.Since.After(t.list.Scheme.IssuedAt) {
		t.add("5.5.5", where, "its status begins after the list is issued")
	}
	for _, p := range s.SupplyPoints {
		t.uri("5.5.7", where+" supply point", p.URI)
	}
	if len(s.ProviderDefinitionURI) > 0 {
		t.uris("5.5.8", where+" definition", s.ProviderDefinitionURI)
	}
	if len(s.Identity.Certificates()) == 0 {
		t.add("5.5.3", where, "it has no certificate")
	}
	if !knownStatus(s.Status) {
		t.add("5.5.4", where, "%q is not a status of a present service", s.Status)
	}
	until := s.Since
	for i := range s.History {
		state := &s.History[i]
		past := where + " history"
		t.state(past, "5.6", state)
		if state.Type != s.Type {
			t.add("5.6.1", past, "its type was %s: another type is another service", last(state.Type))
		}
		if !state.Since.Before(until) {
			t.add("5.5.10", past, "an entry does not begin before the one that follows it")
		}
		until = state.Since
	}
}

// state checks what the present and the past of a service share.
func (t *linter) state(where, clause string, s *State) {
	if !strings.HasPrefix(s.Type, prefixSvc) {
		t.add(clause+".1", where, "%q is no service type of ETSI", s.Type)
	}
	t.texts(clause+".2", where, s.Name)
	t.identity(where, clause+".3", s.Identity)
	if !plainTime(s.Since) {
		t.add(clause+".5", where, "its status begins at %s, which is not in whole seconds of UTC", s.Since)
	}
	for _, x := range s.Extensions {
		if len(x.Content.elements()) == 0 {
			t.add("5.5.9", where, "an extension says nothing")
		}
	}
	if s.Type == ServiceCAQC && len(uses(s.Extensions)) == 0 {
		t.add("5.5.9.4", where, "it does not say what it issues for: ForeSignatures, ForeSeals, ForWebSiteAuthentication")
	}
}

// identity: ETSI TS 119 612, Section 5.5.3: all of it tells one public key.
func (t *linter) identity(where, clause string, id Identity) {
	var first *Facts
	for _, c := range id.Certificates() {
		facts, err := c.Facts()
		switch {
		case c.Text != "":
			t.add(clause, where, "a certificate is not base64 of its DER, but %.30q", c.Text)
		case err != nil:
			t.add(clause, where, "%v", err)
		case first == nil:
			first = facts
		case !bytes.Equal(first.SPKI, facts.SPKI):
			t.add(clause, where, "its certificates have different keys")
		}
	}
	if len(id) == 0 {
		t.add(clause, where, "nothing tells its key")
	}
	for _, d := range id {
		if d.SKI != nil && first != nil && !bytes.Equal(d.SKI, first.SKI) {
			t.add(clause, where, "its key identifier is not that of its certificate")
		}
	}
}

// knownStatus: the statuses that present services have (ETSI TS 119 612,
// Section 5.5.4).
func knownStatus(uri string) bool {
	switch uri {
	case Granted, Withdrawn, Recognised, Deprecated:
		return true
	}
	return false
}

// unique: one entry for a type and a key.
func (t *linter) unique() {
	seen := map[string]string{}
	for _, n := range orderedServices(t.list) {
		key := serviceKey(&n.service.State)
		if other, ok := seen[key]; ok {
			t.add("5.5.3", n.where(), "it is the same service as %s", other)
		}
		seen[key] = n.where()
	}
}

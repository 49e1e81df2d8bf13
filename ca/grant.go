package ca

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Terms say what one client of an enrolment protocol (cfssl's, EST) may get a
// certificate for. Such a client has no registration authority that answers
// for its name, so its certification request must not decide it: every part of
// the name is either fixed here, or the client's choice within a pattern that
// is written down here, or refused.
type Terms struct {
	// Issuer and Profile are what the certificate is issued by.
	Issuer, Profile string
	// Subject fixes values by attribute key ("O"), "fin" or "voen". A request
	// may repeat the attributes that are fixed here or by the profile.
	Subject map[string]string
	// Choose lists the attributes that the client chooses, each with a regular
	// expression (RE2) that the whole value must match.
	Choose map[string]string
	// DNSNames lists the alternative host names that the client may choose: a
	// name, or "*." and a domain for every name below it.
	DNSNames []string
	// IPAddresses lists the networks whose addresses the client may choose.
	IPAddresses []netip.Prefix
	// Emails lists the mailboxes that the client may choose: a mailbox, or "@"
	// and a host for every mailbox at it.
	Emails []string
	// IgnoreOther passes over subject attributes of the request that are not
	// to be chosen, or fixed to another value, instead of refusing the request.
	// Alternative names are never passed over.
	IgnoreOther bool
}

// Grant is checked Terms.
type Grant struct {
	terms Terms
	// fixed holds the values of attributes that the terms or the profile fix.
	fixed  map[string]string
	choose map[string]*regexp.Regexp
}

// Issuer and Profile of the certificates that the grant is for.
func (g *Grant) Issuer() string { return g.terms.Issuer }

// Profile of the certificates that the grant is for.
func (g *Grant) Profile() string { return g.terms.Profile }

// Grant checks terms against the authority's issuers and profiles, and says
// everything that is wrong with them.
func (a *Authority) Grant(terms Terms) (*Grant, error) {
	profile, ok := a.Profile(terms.Issuer, terms.Profile)
	if !ok {
		return nil, fmt.Errorf("profile %q is not one that issuer %q issues to others", terms.Profile, terms.Issuer)
	}
	var failed []error
	add := func(format string, args ...any) { failed = append(failed, fmt.Errorf(format, args...)) }
	g := &Grant{terms: terms, fixed: map[string]string{}, choose: map[string]*regexp.Regexp{}}
	fields := map[string]SubjectRule{}
	for _, rule := range profile.Subject {
		for _, field := range rule.fields() {
			fields[field] = rule
		}
		if rule.Value != "" {
			g.fixed[rule.Attribute] = rule.Value
		}
	}
	maps.Copy(g.fixed, terms.Subject)
	for _, key := range slices.Sorted(maps.Keys(terms.Subject)) {
		if _, ok := fields[key]; !ok {
			add("subject.%s: is not an attribute of profile %q", key, terms.Profile)
		}
		if terms.Subject[key] == "" {
			add("subject.%s: is empty", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(terms.Choose)) {
		rule, ok := fields[key]
		switch {
		case !ok:
			add("choose.%s: is not an attribute of profile %q", key, terms.Profile)
		case rule.Identifier != "":
			// A client's word for a national number is worth nothing.
			add("choose.%s: is a national number, which no client chooses", key)
		case rule.Value != "" || terms.Subject[key] != "":
			add("choose.%s: is fixed already", key)
		case terms.Choose[key] == "":
			add("choose.%s: the pattern is empty", key)
		}
		pattern, err := regexp.Compile(`\A(?:` + terms.Choose[key] + `)\z`)
		if err != nil {
			add("choose.%s: the pattern is not a regular expression: %v", key, err)
			continue
		}
		g.choose[key] = pattern
	}
	for key, rule := range fields {
		if rule.Required && terms.Subject[key] == "" && terms.Choose[key] == "" {
			add("subject.%s: profile %q requires it, and it is neither fixed nor to be chosen", key, terms.Profile)
		}
	}
	failed = append(failed, terms.checkNames(profile)...)
	return g, errors.Join(failed...)
}

// checkNames checks the patterns of alternative names.
func (t *Terms) checkNames(profile *Profile) (failed []error) {
	for kind, n := range map[string]int{"dns": len(t.DNSNames), "ip": len(t.IPAddresses), "email": len(t.Emails)} {
		if n > 0 && !slices.Contains(profile.SAN, kind) {
			failed = append(failed, fmt.Errorf("%s: profile %q allows no alternative name of this kind", kind, t.Profile))
		}
	}
	for _, name := range t.DNSNames {
		if !validHost(strings.TrimPrefix(name, "*.")) {
			failed = append(failed, fmt.Errorf("dns: %q is neither a host name nor *. and a domain", name))
		}
	}
	for _, prefix := range t.IPAddresses {
		if !prefix.IsValid() {
			failed = append(failed, errors.New("ip: a network is malformed"))
		}
	}
	for _, mailbox := range t.Emails {
		if host, ok := strings.CutPrefix(mailbox, "@"); ok && validHost(host) || validMailbox(mailbox) {
			continue
		}
		failed = append(failed, fmt.Errorf("email: %q is neither a mailbox nor @ and a host", mailbox))
	}
	return failed
}

// Chooses reports whether a client may choose this value for an attribute.
func (g *Grant) Chooses(attribute, value string) bool {
	pattern, ok := g.choose[attribute]
	return ok && pattern.MatchString(value)
}

// Request makes a request for the certificate that csr (DER) is for, under the
// name that the wish asks for, usually the one that [ReadWish] found in csr. A
// wish beyond the terms is a [*RefusedError] that names every field.
func (g *Grant) Request(csr []byte, wish *Wish, actor string) (*Request, error) {
	var r refusal
	request := &Request{
		Issuer: g.terms.Issuer, Profile: g.terms.Profile, CSR: csr, Actor: actor,
		Subject: maps.Clone(g.terms.Subject), OnlyNames: true,
		DNSNames: wish.DNSNames, IPAddresses: wish.IPAddresses, Emails: wish.Emails,
	}
	if request.Subject == nil {
		request.Subject = map[string]string{}
	}
	chosen := map[string]bool{}
	for _, attribute := range wish.Subject {
		field := "subject." + attribute.Key
		switch fixed, isFixed := g.fixed[attribute.Key]; {
		case isFixed && fixed == attribute.Value:
		case g.choose[attribute.Key] != nil && chosen[attribute.Key]:
			r.add(CodeInvalid, field, "stands twice", "")
		case g.Chooses(attribute.Key, attribute.Value):
			request.Subject[attribute.Key], chosen[attribute.Key] = attribute.Value, true
		case g.choose[attribute.Key] != nil:
			r.add(CodeInvalid, field, "is not a value that this client may choose", "")
		case g.terms.IgnoreOther:
		case isFixed:
			r.add(CodeInvalid, field, "is fixed for this client to another value", "")
		default:
			r.add(CodeInvalid, field, "is not for this client to choose", "")
		}
	}
	for _, name := range wish.DNSNames {
		if !slices.ContainsFunc(g.terms.DNSNames, func(pattern string) bool { return matchesHost(pattern, name) }) {
			r.add(CodeExtension, "dns_names", "holds a name that this client may not choose", "")
		}
	}
	for _, address := range wish.IPAddresses {
		if !slices.ContainsFunc(g.terms.IPAddresses, func(p netip.Prefix) bool { return p.Contains(address.Unmap()) }) {
			r.add(CodeExtension, "ip_addresses", "holds an address that this client may not choose", "")
		}
	}
	for _, mailbox := range wish.Emails {
		if !slices.ContainsFunc(g.terms.Emails, func(pattern string) bool { return matchesMailbox(pattern, mailbox) }) {
			r.add(CodeExtension, "emails", "holds a mailbox that this client may not choose", "")
		}
	}
	if wish.OtherNames > 0 {
		r.add(CodeExtension, "csr.subjectAltName", "holds a name that is neither host, address nor mailbox", "")
	}
	return request, r.error()
}

// matchesHost reports whether a host name is the pattern, or below it when the
// pattern begins with "*.".
func matchesHost(pattern, name string) bool {
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		// domain begins with its dot, so that something stands before it.
		return len(name) > len(domain) && strings.EqualFold(name[len(name)-len(domain):], domain)
	}
	return strings.EqualFold(pattern, name)
}

// matchesMailbox reports whether a mailbox is the pattern, or at the host when
// the pattern begins with "@".
//
// RFC 5321, Section 2.4: the part before the @ may be case-sensitive.
func matchesMailbox(pattern, mailbox string) bool {
	local, host, ok := strings.Cut(mailbox, "@")
	wantLocal, wantHost, _ := strings.Cut(pattern, "@")
	return ok && strings.EqualFold(host, wantHost) && (wantLocal == "" || wantLocal == local)
}

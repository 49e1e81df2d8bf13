package interop

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Finding is a rule that a list breaks: which, where and how.
type Finding struct {
	// Clause is a section of ETSI TS 119 612.
	Clause string
	Where  string
	What   string
}

// String is the finding on one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (ETSI TS 119 612, Section %s)", f.Where, f.What, f.Clause)
}

// Lint holds a list to the rules that its schema does not know. The signer, if
// there is one, is held to the rules of its certificate.
func Lint(l *List, signer *x509.Certificate) []Finding {
	t := &linter{list: l}
	t.scheme(&l.Scheme)
	t.pointers(&l.Scheme)
	for i := range l.Providers {
		t.provider(&l.Providers[i])
	}
	t.unique()
	if signer != nil {
		t.signer(signer)
	}
	return t.found
}

type linter struct {
	list  *List
	found []Finding
}

func (t *linter) add(clause, where, format string, args ...any) {
	t.found = append(t.found, Finding{clause, where, fmt.Sprintf(format, args...)})
}

// maxValidity is the longest time to the next update: six months (ETSI TS 119
// 612, Section 5.3.15).
func maxValidity(issued time.Time) time.Time { return issued.AddDate(0, 6, 0) }

func (t *linter) scheme(s *Scheme) {
	const where = "scheme"
	if t.list.Tag != tag {
		t.add("5.2.1", where, "the tag is %q", t.list.Tag)
	}
	if s.Version != 6 {
		t.add("5.3.1", where, "the version is %d; 6 is written", s.Version)
	}
	t.uri("5.3.3", where+" type", s.Type)
	t.texts("5.3.4", where+" operator", s.OperatorName)
	t.address("5.3.5", where, &s.OperatorAddress)
	t.texts("5.3.6", where+" name", s.Name)
	for _, name := range s.Name {
		if territory, rest, ok := strings.Cut(name.Value, ":"); !ok || territory != s.Territory || rest == "" {
			t.add("5.3.6", where, "the name %q does not begin with the territory, as in %s:name", name.Value, s.Territory)
		}
	}
	t.uris("5.3.7", where+" information", s.InformationURI)
	t.uri("5.3.8", where+" status determination", s.StatusDetermination)
	t.uris("5.3.9", where+" rules", s.CommunityRules)
	// ETSI TS 119 612, Section 5.3.10, has EU, EL and UK beside ISO 3166-1.
	if !pki.IsCountry(s.Territory) && !slices.Contains([]string{"EU", "EL", "UK"}, s.Territory) && !IsListOfLists(s.Type) {
		t.add("5.3.10", where, "the territory %q is not a country's code", s.Territory)
	}
	if len(s.Policy) > 0 {
		t.uris("5.3.11", where+" policy", s.Policy)
	} else {
		t.texts("5.3.11", where+" legal notice", s.LegalNotice)
	}
	if s.HistoricalPeriod != keepForEver {
		t.add("5.3.12", where, "history is kept for %d days; 65535 is for ever", s.HistoricalPeriod)
	}
	t.dates(s)
	if len(s.DistributionPoints) == 0 {
		t.add("5.3.16", where, "it has no distribution point")
	}
}

func (t *linter) dates(s *Scheme) {
	const where = "scheme"
	if !plainTime(s.IssuedAt) {
		t.add("5.3.14", where, "%s is not in whole seconds of UTC", s.IssuedAt.Format(time.RFC3339Nano))
	}
	if !plainTime(s.NextUpdate) {
		t.add("5.3.15", where, "%s is not in whole seconds of UTC", s.NextUpdate.Format(time.RFC3339Nano))
	}
	switch {
	case s.Closed():
	case !s.NextUpdate.After(s.IssuedAt):
		t.add("5.3.15", where, "the next update is not after the issue")
	case s.NextUpdate.After(maxValidity(s.IssuedAt)):
		t.add("5.3.15", where, "the next update is more than six months after the issue")
	}
}

// plainTime: ETSI TS 119 612, Section 5.1.5.
func plainTime(t time.Time) bool {
	_, offset := t.Zone()
	return offset == 0 && t.Nanosecond() == 0
}

// language is a code of ISO 639-1, in lower case (ETSI TS 119 612, Section
// 5.1.4).
var language = regexp.MustCompile(`^[a-z]{2}(-[A-Za-z]{4})?(-[A-Z]{2})?$`)

func (t *linter) languages(clause, where string, texts []Text) {
	english := false
	for _, one := range texts {
		if !language.MatchString(one.Lang) || !pki.IsLanguage(one.Lang[:2]) {
			t.add("5.1.4", where, "%q is not a language", one.Lang)
		}
		english = english || one.Lang == "en"
	}
	if !english {
		t.add("5.1.4", where, "it has no English text")
	}
	if len(texts) == 0 {
		t.add(clause, where, "it is missing")
	}
}

func (t *linter) texts(clause, where string, texts []Text) {
	t.languages(clause, where, texts)
	for _, one := range texts {
		if one.Value == "" || one.Value != strings.TrimSpace(one.Value) || strings.ContainsAny(one.Value, "\t\r\n") {
			t.add(clause, where, "the text %q is empty or has white space where none belongs", one.Value)
		}
	}
}

func (t *linter) uris(clause, where string, uris []Text) {
	t.languages(clause, where, uris)
	for _, one := range uris {
		t.uri(clause, where, one.Value)
	}
}

var absolute = regexp.MustCompile(`^(https?://[^\s/]+|mailto:[^\s@]+@[^\s@]+$|urn:[a-z0-9-]+:|ldap://)[^\s]*$`)

func (t *linter) uri(clause, where, uri string) {
	if !absolute.MatchString(uri) {
		t.add(clause, where, "%q is not an absolute URI", uri)
	}
}

func (t *linter) address(clause, where string, a *Address) {
	if len(a.Postal) == 0 {
		t.add(clause+".1", where, "it has no postal address")
	}
	for _, p := range a.Postal {
		if p.Street == "" || p.Locality == "" || !pki.IsCountry(p.Country) || !language.MatchString(p.Lang) {
			t.add(clause+".1", where, "the postal address in %q lacks street, locality or the country's code", p.Lang)
		}
	}
	t.uris(clause+".2", where+" electronic address", a.Electronic)
	has := func(prefix string) bool {
		return slices.ContainsFunc(a.Electronic, func(u Text) bool { return strings.HasPrefix(u.Value, prefix) })
	}
	if !has("mailto:") || !has("http") {
		t.add(clause+".2", where, "it needs an e-mail address (mailto:) and a web site")
	}
}

func (t *linter) pointers(s *Scheme) {
	self := false
	for i := range s.Pointers {
		p := &s.Pointers[i]
		where := "pointer " + p.Location
		t.uri("5.3.13", where, p.Location)
		about := p.About()
		if about.Type == "" || about.Territory == "" || about.MediaType == "" || len(about.OperatorName) == 0 {
			t.add("5.3.13", where, "it lacks type, territory, media type or operator of the list it leads to")
		}
		if len(p.Signers()) == 0 {
			t.add("5.3.13", where, "it names no signer")
		}
		self = self || slices.Contains(s.DistributionPoints, p.Location)
	}
	if !self {
		t.add("5.3.13", "scheme", "it has no pointer to itself")
	}
}

// countryOf holds the signer's country to be the list's territory.
func countryOf(c *x509.Certificate, s *Scheme) error {
	if !slices.Equal(c.Subject.Country, []string{s.Territory}) {
		return fmt.Errorf("the certificate's country is %q, the territory %q", c.Subject.Country, s.Territory)
	}
	return nil
}

// organisationOf holds the signer's organisation to be the list's operator.
func organisationOf(c *x509.Certificate, s *Scheme) error {
	if len(c.Subject.Organization) != 1 || !slices.ContainsFunc(s.OperatorName, func(n Text) bool { return n.Value == c.Subject.Organization[0] }) {
		return fmt.Errorf("the certificate's organisation %q is not the scheme operator's name", c.Subject.Organization)
	}
	return nil
}

// signer holds the certificate of the list's signer to ETSI TS 119 612, Section
// 5.7.1.
func (t *linter) signer(c *x509.Certificate) {
	const where, clause = "signer", "5.7.1"
	s := &t.list.Scheme
	for _, wrong := range []error{countryOf(c, s), organisationOf(c, s)} {
		if wrong != nil {
			t.add(clause, where, "%v", wrong)
		}
	}
	if len(c.ExtKeyUsage) != 0 || len(c.UnknownExtKeyUsage) != 1 || !c.UnknownExtKeyUsage[0].Equal(pki.OIDTSLSigning) {
		t.add(clause, where, "the certificate's purpose is not id-tsl-kp-tslSigning alone")
	}
	if c.KeyUsage == 0 || c.KeyUsage&^(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0 {
		t.add(clause, where, "the certificate's key usage is not digitalSignature, nonRepudiation or both")
	}
	if c.IsCA {
		t.add(clause, where, "the certificate is that of an authority")
	}
	if len(c.SubjectKeyId) == 0 {
		t.add(clause, where, "the certificate has no subject key identifier")
	}
	if s.IssuedAt.Before(c.NotBefore) || s.NextUpdate.After(c.NotAfter) {
		t.add(clause, where, "the certificate ends on %s; the list is to be verified until %s", c.NotAfter.Format(time.RFC3339), s.NextUpdate.Format(time.RFC3339))
	}
	named := false
	for i := range s.Pointers {
		for _, known := range s.Pointers[i].Signers() {
			named = named || slices.Contains(s.DistributionPoints, s.Pointers[i].Location) && bytes.Equal(known.Raw, c.Raw)
		}
	}
	if !named {
		t.add("5.3.13", where, "the list's pointer to itself does not name the certificate")
	}
}

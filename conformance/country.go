package conformance

import (
	"bytes"
	"embed"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/altamga/altamga/internal/pki"
)

//go:embed profiles/*.toml
var builtin embed.FS

// Profile is what a country or a scheme of recognition asks beyond the
// standards, as data: each rule has one test and its bound. It may leave out
// requirements of the catalogue that its law settles otherwise.
type Profile struct {
	Name   string `toml:"name"`
	Title  string `toml:"title"`
	Source string `toml:"source"`
	// Without are ids of the catalogue that the profile does not ask.
	Without []string `toml:"without"`
	Rules   []Rule   `toml:"rule"`
}

// Rule is one thing that a profile asks. Exactly one of its tests is set.
type Rule struct {
	ID     string `toml:"id"`
	Clause string `toml:"clause"`
	Level  Level  `toml:"level"`
	Title  string `toml:"title"`

	// Tests of lists.
	ListAgeMost       *span `toml:"list_age_most"`       // now less thisUpdate
	ListValidityLeast *span `toml:"list_validity_least"` // nextUpdate less thisUpdate
	ListValidityMost  *span `toml:"list_validity_most"`
	// Tests of certificates.
	Version       int      `toml:"certificate_version"`
	Country       string   `toml:"issuer_country"`          // of the issuer's name
	Legislation   string   `toml:"qualified_under"`         // a country in QcCClegislation of qualified ones
	Policies      []string `toml:"person_policy_one_of"`    // at least one stands in a person's certificate
	Statements    []string `toml:"person_statement_one_of"` // a QCStatement of a person's certificate
	Identifiers   []string `toml:"natural_serial_prefix_one_of"`
	Organisations []string `toml:"legal_identifier_prefix_one_of"`
	ListURL       bool     `toml:"names_list_by_http"` // a distribution point over HTTP
	// Tests of answers and tokens.
	AnswerAgeMost *span `toml:"answer_age_most"` // now less thisUpdate
	AccuracyMost  *span `toml:"token_accuracy_most"`
	Algorithms    bool  `toml:"no_foreign_algorithms"`
	// ShownMost is the longest time from the acknowledgement of a revocation, a
	// hold or its end until every source of status says so.
	ShownMost *span `toml:"revocation_shown_most"`
}

// span is a duration such as "3h".
type span time.Duration

// UnmarshalText reads a duration.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a duration such as 3h", text)
	}
	*s = span(d)
	return nil
}

func (s *span) String() string { return time.Duration(*s).String() }

// ProfileNames are the profiles that are built in.
func ProfileNames() (names []string) {
	files, _ := fs.Glob(builtin, "profiles/*.toml")
	for _, file := range files {
		names = append(names, strings.TrimSuffix(path.Base(file), ".toml"))
	}
	return names
}

// BuiltinProfile returns one of the built-in profiles.
func BuiltinProfile(name string) (*Profile, error) {
	data, err := builtin.ReadFile("profiles/" + strings.ToLower(name) + ".toml")
	if err != nil {
		return nil, fmt.Errorf("there is no profile %q: the built-in ones are %s", name, strings.Join(ProfileNames(), ", "))
	}
	return ParseProfile(data)
}

// ParseProfile reads a profile in TOML. Unknown keys, rules without a test or
// with several, and ids that are in use are errors that name the place.
func ParseProfile(data []byte) (*Profile, error) {
	var p Profile
	meta, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&p)
	if err != nil {
		if at, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("line %d: %s", at.Position.Line, at.Message)
		}
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %s", unknown[0])
	}
	if p.Name == "" {
		return nil, errors.New("name is missing")
	}
	known := map[string]bool{}
	for _, r := range Requirements() {
		known[r.ID] = true
	}
	for _, id := range p.Without {
		if !known[id] {
			return nil, fmt.Errorf("without: there is no requirement %s", id)
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Level == "" {
			r.Level = Must
		}
		switch {
		case r.ID == "" || known[r.ID]:
			return nil, fmt.Errorf("rule %d: its id %q is empty or in use", i+1, r.ID)
		case r.Level != Must && r.Level != Should:
			return nil, fmt.Errorf("rule %s: level is must or should", r.ID)
		case len(r.tests()) != 1:
			return nil, fmt.Errorf("rule %s: it has %d tests instead of one", r.ID, len(r.tests()))
		}
		known[r.ID] = true
	}
	return &p, nil
}

// ruleTest is one test of a rule: what it is about, how it is done, and the
// judge of its kind of subject. The other judges are nil.
type ruleTest struct {
	how         string
	certificate func(*trial, *certificate)
	list        func(*trial, *list)
	answer      func(*trial, *answer)
	token       func(*trial, *stampReply)
	change      func(*trial, *change)
}

// tests are those that a rule sets: one, in a rule that [ParseProfile] takes.
func (r *Rule) tests() (all []ruleTest) {
	add := func(set bool, t ruleTest) {
		if set {
			all = append(all, t)
		}
	}
	r.listTests(add)
	r.certificateTests(add)
	r.personTests(add)
	r.serviceTests(add)
	return all
}

func (r *Rule) listTests(add func(bool, ruleTest)) {
	add(r.ListAgeMost != nil, ruleTest{how: "compare thisUpdate with the clock", list: func(t *trial, l *list) {
		if age := l.when(t).Sub(l.thisUpdate.at); age > time.Duration(*r.ListAgeMost) {
			t.miss("the list is %s old", ago(age))
		}
	}})
	add(r.ListValidityLeast != nil, ruleTest{how: "nextUpdate less thisUpdate", list: func(t *trial, l *list) {
		if d := l.nextUpdate.at.Sub(l.thisUpdate.at); d < time.Duration(*r.ListValidityLeast) {
			t.miss("the list is valid for %v, less than %v", d, r.ListValidityLeast)
		}
	}})
	add(r.ListValidityMost != nil, ruleTest{how: "nextUpdate less thisUpdate", list: func(t *trial, l *list) {
		if d := l.nextUpdate.at.Sub(l.thisUpdate.at); d > time.Duration(*r.ListValidityMost) {
			t.miss("the list is valid for %v, more than %v", d, r.ListValidityMost)
		}
	}})
}

func (r *Rule) certificateTests(add func(bool, ruleTest)) {
	add(r.Version != 0, ruleTest{how: "read the certificate", certificate: func(t *trial, c *certificate) {
		if c.std != nil && c.std.Version != r.Version {
			t.miss("the certificate is of version %d", c.std.Version)
		}
	}})
	add(r.Country != "", ruleTest{how: "read the issuer's name", certificate: func(t *trial, c *certificate) {
		if got, _ := nameValue(c.issuer, pki.OIDCountryName); got != r.Country {
			t.miss("the issuer's country is %q", clip(got))
		}
	}})
	add(r.Legislation != "", ruleTest{how: "read QcCClegislation", certificate: r.legislation})
	add(r.Algorithms, ruleTest{how: "read the algorithms", certificate: func(t *trial, c *certificate) {
		if name := c.foreign(); name != "" && !european(name) {
			t.miss("%s", name)
		}
	}})
}

func (r *Rule) personTests(add func(bool, ruleTest)) {
	add(len(r.Policies) > 0, ruleTest{how: "read the policies", certificate: r.policies})
	add(len(r.Statements) > 0, ruleTest{how: "read the statements", certificate: r.statements})
	add(len(r.Identifiers) > 0, ruleTest{how: "read serialNumber", certificate: func(t *trial, c *certificate) {
		if !c.natural() {
			t.skip("it is no natural person's certificate")
		}
		prefixed(t, c, pki.OIDSerialNumber, "serialNumber", r.Identifiers)
	}})
	add(len(r.Organisations) > 0, ruleTest{how: "read organizationIdentifier", certificate: func(t *trial, c *certificate) {
		if !c.legal() {
			t.skip("it is no legal person's certificate")
		}
		prefixed(t, c, pki.OIDOrganizationIdentifier, "organizationIdentifier", r.Organisations)
	}})
	add(r.ListURL, ruleTest{how: "read the distribution points", certificate: func(t *trial, c *certificate) {
		if c.selfIssued() || !c.person() {
			t.skip("it is no person's certificate")
		}
		uris, _ := c.points(pki.OIDCRLDistributionPoints)
		if !slices.ContainsFunc(uris, func(u string) bool { return strings.HasPrefix(u, "http") }) {
			t.miss("the certificate names no list over HTTP")
		}
	}})
}

func (r *Rule) serviceTests(add func(bool, ruleTest)) {
	add(r.AnswerAgeMost != nil, ruleTest{how: "compare thisUpdate with the clock", answer: func(t *trial, a *answer) {
		for _, s := range a.singles {
			if age := a.when(t).Sub(s.thisUpdate.at); age > time.Duration(*r.AnswerAgeMost) {
				t.miss("the answer is %s old", ago(age))
			}
		}
	}})
	add(r.ShownMost != nil, ruleTest{how: "have a certificate's status changed; ask until every source says so", change: func(t *trial, c *change) {
		c.watched(t)
		c.within(t, c.sources, time.Duration(*r.ShownMost))
	}})
	add(r.AccuracyMost != nil, ruleTest{how: "read the accuracy", token: func(t *trial, s *stampReply) {
		if i := &s.tst.info; !i.accuracyThere || i.accuracy > time.Duration(*r.AccuracyMost) {
			t.miss("the accuracy is missing or more than %v", r.AccuracyMost)
		}
	}})
}

func (r *Rule) legislation(t *trial, c *certificate) {
	if _, there := c.qcStatement(pki.OIDQCCompliance); !there {
		t.skip("the certificate does not claim to be qualified")
	}
	info, there := c.qcStatement(pki.OIDQCCLegislation)
	if r.Legislation == "EU" {
		if there {
			t.miss("a certificate that is qualified in the European Union states another law")
		}
		return
	}
	if !bytes.Contains(info, append([]byte{0x13, 2}, r.Legislation...)) {
		t.miss("the certificate is not qualified under the law of %s", r.Legislation)
	}
}

func (r *Rule) policies(t *trial, c *certificate) {
	if !c.person() {
		t.skip("it is no person's certificate")
	}
	if c.std == nil {
		t.couldNot("crypto/x509 does not read the certificate")
	}
	for _, p := range c.std.Policies {
		if slices.ContainsFunc(r.Policies, func(want string) bool { return p.String() == want || strings.HasPrefix(p.String(), want+".") }) {
			return
		}
	}
	t.miss("none of the policies is %s", strings.Join(r.Policies, " or "))
}

func (r *Rule) statements(t *trial, c *certificate) {
	if !c.person() && c.extensions.get(pki.OIDQCStatements) == nil {
		t.skip("it is no person's certificate")
	}
	for _, s := range r.Statements {
		id, err := parseOID(s)
		if err != nil {
			t.couldNot("%v", err)
		}
		if _, there := c.qcStatement(id); there {
			return
		}
	}
	t.miss("none of the statements is %s", strings.Join(r.Statements, " or "))
}

func prefixed(t *trial, c *certificate, id asn1.ObjectIdentifier, name string, prefixes []string) {
	value, _ := nameValue(c.subject, id)
	if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(value, p) }) {
		t.miss("%s begins with none of %s", name, strings.Join(prefixes, ", "))
	}
}

func parseOID(s string) (id asn1.ObjectIdentifier, err error) {
	for part := range strings.SplitSeq(s, ".") {
		n := 0
		if _, err := fmt.Sscanf(part, "%d", &n); err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not an object identifier", s)
		}
		id = append(id, n)
	}
	return id, nil
}

// ruleChecks are the profile's rules that are about a kind of subject.
func ruleChecks[S any](p *Profile, judge func(ruleTest) func(*trial, S)) (checks []check[S]) {
	if p == nil {
		return nil
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		test := r.tests()[0]
		if run := judge(test); run != nil {
			checks = append(checks, check[S]{r.ID, r.Clause, r.Level, r.Title, test.how, anywhere, run})
		}
	}
	return checks
}

// asked leaves out what the profile does not ask.
func asked[S any](p *Profile, checks []check[S]) []check[S] {
	if p == nil {
		return checks
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c check[S]) bool { return slices.Contains(p.Without, c.id) })
}

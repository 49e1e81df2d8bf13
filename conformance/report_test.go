package conformance_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

// A hostile server's words reach the report, and do nothing there.
func TestReportsOfHostileWords(t *testing.T) {
	const script, escape = `<script>alert(1)</script>`, "red\u202e"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", script)
		w.Header().Set("X-Words", escape)
		w.Write([]byte(script))
	}))
	defer server.Close()
	f := &fakeOCSP{c: newCentre(t)}
	r := tester(t)
	if err := r.OCSP(t.Context(), f.target(server.URL)); err != nil {
		t.Fatal(err)
	}
	report := r.Report()
	forms := map[string]*bytes.Buffer{"text": {}, "json": {}, "junit": {}, "html": {}}
	for name, err := range map[string]error{
		"text": report.WriteText(forms["text"], false, true), "json": report.WriteJSON(forms["json"]),
		"junit": report.WriteJUnit(forms["junit"]), "html": report.WriteHTML(forms["html"]),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := forms[name].String(); strings.Contains(text, "\x1b") || name != "json" && strings.Contains(text, "\u202e") || name != "text" && strings.Contains(text, script) {
			t.Errorf("%s holds a server's words as they came", name)
		}
	}
	page := forms["html"].String()
	if outside := regexp.MustCompile(`(src|href)="[^#"]|url\(|@import`).FindString(page); outside != "" {
		t.Errorf("the page needs something else: %s", outside)
	}
	if opened, closed := strings.Count(page, "<details"), strings.Count(page, "</details>"); opened != closed {
		t.Errorf("the page opens %d details and closes %d", opened, closed)
	}
	// Every piece of evidence that is pointed to is there.
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+link[1]+`"`) {
			t.Errorf("the page points to %s, which is not in it", link[1])
		}
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Failure *struct{} `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(forms["junit"].Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for _, c := range suites.Cases {
		if c.Failure != nil {
			failures++
		}
	}
	if suites.Tests != len(suites.Cases) || suites.Failures != failures || failures != report.Counts().Fail {
		t.Errorf("JUnit counts %d of %d, has %d of %d", suites.Failures, suites.Tests, failures, len(suites.Cases))
	}
	var back struct {
		Conclusion conformance.Conclusion
		Exchanges  []struct{ Response struct{ Length int } }
	}
	if err := json.Unmarshal(forms["json"].Bytes(), &back); err != nil || back.Conclusion != conformance.Findings || len(back.Exchanges) == 0 {
		t.Errorf("JSON concludes %q over %d exchanges: %v", back.Conclusion, len(back.Exchanges), err)
	}
}

// Colours are for terminals, and say no more than the words.
func TestColours(t *testing.T) {
	c := newCentre(t)
	report := certificate(t, conformance.Config{}, c.good.Raw, c.issuer.cert.Raw, "ca")
	var plain, coloured bytes.Buffer
	if err := report.WriteText(&plain, false, false); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteText(&coloured, true, false); err != nil {
		t.Fatal(err)
	}
	if stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), ""); stripped != plain.String() || stripped == coloured.String() {
		t.Errorf("with colours it says\n%s\nwithout\n%s", stripped, plain.String())
	}
}

func TestProfiles(t *testing.T) {
	names := conformance.ProfileNames()
	if len(names) < 4 {
		t.Errorf("there are the profiles %v", names)
	}
	for _, name := range names {
		p, err := conformance.BuiltinProfile(strings.ToUpper(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.EqualFold(p.Name, name) || p.Title == "" || p.Source == "" {
			t.Errorf("%s: name %q, title %q, source %q", name, p.Name, p.Title, p.Source)
		}
		for _, r := range p.Rules {
			if r.Clause == "" || r.Title == "" {
				t.Errorf("%s has no clause or title", r.ID)
			}
		}
	}
	const rule = "name = \"X\"\n[[rule]]\nid = \"X-01\"\n"
	for wrong, text := range map[string]string{
		"no name":           "title = \"x\"",
		"unknown key":       rule + "certificate_version = 3\ncolour = \"red\"",
		"no test":           rule,
		"two tests":         rule + "certificate_version = 3\nlist_age_most = \"3h\"",
		"bad duration":      rule + "list_age_most = \"three hours\"",
		"negative duration": rule + "list_age_most = \"-3h\"",
		"id in use":         strings.Replace(rule, "X-01", "OCSP-30", 1) + "certificate_version = 3",
		"unknown exception": "name = \"X\"\nwithout = [\"OCSP-999\"]",
		"bad level":         rule + "certificate_version = 3\nlevel = \"maybe\"",
		"no TOML":           "name = ",
	} {
		if _, err := conformance.ParseProfile([]byte(text)); err == nil {
			t.Errorf("a profile with %s was taken", wrong)
		}
	}
	if _, err := conformance.BuiltinProfile("../secret"); err == nil {
		t.Error("a path was taken for a profile")
	}
}

// Each kind of rule finds what breaks it.
func TestRules(t *testing.T) {
	c := newCentre(t)
	judge := func(rule string, target func(*conformance.Tester) error) *conformance.Report {
		t.Helper()
		p, err := conformance.ParseProfile([]byte("name = \"X\"\n[[rule]]\nid = \"X-01\"\ntitle = \"x\"\nclause = \"x\"\n" + rule))
		if err != nil {
			t.Fatal(err)
		}
		r, err := conformance.New(conformance.Config{Profile: p})
		if err != nil {
			t.Fatal(err)
		}
		if err := target(r); err != nil {
			t.Fatal(err)
		}
		return r.Report()
	}
	list := func(r *conformance.Tester) error {
		return r.ListFile(t.Context(), "l", newPoint(c).full.encode(), nil, nil, c.issuer.cert.Raw)
	}
	leaf := func(r *conformance.Tester) error {
		return r.Certificate(t.Context(), "c", c.issuer.cert.Raw, c.root.cert.Raw, "")
	}
	for _, row := range []struct {
		kept, broken string
		target       func(*conformance.Tester) error
	}{
		{`list_age_most = "3h"`, `list_age_most = "1s"`, list},
		{`list_validity_least = "24h"`, `list_validity_least = "26h"`, list},
		{`list_validity_most = "27h"`, `list_validity_most = "24h"`, list},
		{`certificate_version = 3`, `certificate_version = 1`, leaf},
		{`issuer_country = "AZ"`, `issuer_country = "TR"`, leaf},
	} {
		if ids := found(judge(row.kept, row.target)); len(ids) != 0 {
			t.Errorf("%s: %v", row.kept, ids)
		}
		if ids := found(judge(row.broken, row.target)); len(ids) != 1 || ids[0] != "X-01" {
			t.Errorf("%s: %v", row.broken, ids)
		}
	}
	// The statement of the Turkish regulator, which is no policy.
	nes := func(statement asn1.ObjectIdentifier) func(*conformance.Tester) error {
		subject := name("Ayşe Yılmaz")
		subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "10000000146"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 4}, Value: "Yılmaz"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 42}, Value: "Ayşe"}}
		one := c.issued(t, &x509.Certificate{Subject: subject, KeyUsage: x509.KeyUsageContentCommitment,
			ExtraExtensions: []pkix.Extension{{Id: pki.OIDQCStatements, Value: seq(seq(oid(pki.OIDQCCompliance)), seq(oid(statement)))}}}, c.issuer).cert
		return func(r *conformance.Tester) error {
			return r.Certificate(t.Context(), "c", one.Raw, c.issuer.cert.Raw, "natural")
		}
	}
	const btk = `person_statement_one_of = ["2.16.792.1.61.0.1.5070.1.1", "2.16.792.1.61.0.1.5070.2.1"]`
	for _, row := range []struct {
		last int
		want bool
	}{{1, false}, {3, true}} {
		if got := slices.Contains(found(judge(btk, nes(asn1.ObjectIdentifier{2, 16, 792, 1, 61, 0, 1, 5070, 1, row.last}))), "X-01"); got != row.want {
			t.Errorf("the statement 5070.1.%d: found fault with: %v", row.last, got)
		}
	}
}

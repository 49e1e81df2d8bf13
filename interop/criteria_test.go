package interop_test

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// ETSI TS 119 612, Section 5.5.9.2.2: criteria in one another, and those that
// nobody knows, of which neither presence nor absence shows anything.
func TestCriteria(t *testing.T) {
	const (
		yes   = `<q:KeyUsage><q:KeyUsageBit name="nonRepudiation">true</q:KeyUsageBit></q:KeyUsage>`
		no    = `<q:KeyUsage><q:KeyUsageBit name="nonRepudiation">false</q:KeyUsageBit></q:KeyUsage>`
		never = `<q:Unheard/>`
		words = `<q:Description>for people</q:Description>`
	)
	list := func(assert string, criteria ...string) string {
		return `<q:CriteriaList assert="` + assert + `">` + strings.Join(criteria, "") + `</q:CriteriaList>`
	}
	policy := func(ids ...string) string {
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(`<q:PolicyIdentifier><x:Identifier Qualifier="OIDAsURN">urn:oid:` + id + `</x:Identifier></q:PolicyIdentifier>`)
		}
		return `<q:PolicySet>` + b.String() + `</q:PolicySet>`
	}
	ca := newCountry(t, "AZ").ca
	leaf := made{name: "Signature (TEST)", issuer: ca, policy: asn1.ObjectIdentifier{2, 999, 1}, usage: x509.KeyUsageContentCommitment}.make(t)
	for _, row := range []struct {
		name, criteria string
		given          bool
	}{
		{"all, met", list("all", yes, policy("2.999.1")), true},
		{"all, one not met", list("all", yes, policy("2.999.2")), false},
		{"all, one unknown", list("all", yes, never), false},
		{"one of two", list("atLeastOne", no, policy("2.999.1")), true},
		{"none of two", list("atLeastOne", no, policy("2.999.2")), false},
		{"one of two, the other unknown", list("atLeastOne", never, yes), true},
		{"none, as asked", list("none", no, policy("2.999.2")), true},
		{"none asked, one met", list("none", no, yes), false},
		{"none asked, one unknown", list("none", no, never), false},
		{"policies, all of them", list("all", policy("2.999.1", "2.999.2")), false},
		{"a policy that begins alike", list("all", policy("2.999.11")), false},
		{"and in or", list("atLeastOne", list("all", yes, no), list("all", yes, policy("2.999.1"))), true},
		{"or in and", list("all", list("atLeastOne", yes, no), list("atLeastOne", no, policy("2.999.2"))), false},
		{"not in and", list("all", yes, list("none", no)), true},
		{"not of not", list("none", list("none", yes)), true},
		{"not of something unknown", list("all", yes, list("none", never)), false},
		{"not of not of something unknown", list("none", list("none", never)), false},
		{"not of and with something unknown that fails anyway", list("none", list("all", no, never)), true},
		{"nothing", list("all"), false},
		{"nothing but words", list("none", words), false},
		{"words beside it", list("all", words, yes), true},
		{"an assertion that nobody knows", list("most", yes), false},
		{"a bit that nobody knows, not set", list("all", `<q:KeyUsage><q:KeyUsageBit name="quantum">false</q:KeyUsageBit></q:KeyUsage>`), false},
		{"no bit", list("all", `<q:KeyUsage/>`), false},
		{"other criteria, none", list("all", yes, `<q:otherCriteriaList/>`), false},
		{"other criteria, unknown", list("none", `<q:otherCriteriaList><q:Unheard/></q:otherCriteriaList>`), false},
	} {
		c := newCountry(t, "AZ")
		s := &c.list.Providers[0].Services[0]
		s.Identity = interop.Identity{{Certificate: ca.list()}}
		s.Extensions = []interop.Extension{{Critical: true, Content: interop.Fragment(`<q:Qualifications xmlns:q="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#" xmlns:x="http://uri.etsi.org/01903/v1.3.2#">` +
			`<q:QualificationElement><q:Qualifiers><q:Qualifier uri="urn:given"/></q:Qualifiers>` + row.criteria + `</q:QualificationElement></q:Qualifications>`)}}
		a := interop.NewTrust(&interop.Verified{List: c.list}).TrustedAt(leaf.list(), time.Now())
		if got := slices.Contains(a.Qualifiers, "urn:given"); got != row.given || !a.Trusted {
			t.Errorf("%s: given %v, want %v: %s", row.name, got, row.given, a.Why)
		}
	}
}

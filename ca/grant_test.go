package ca_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

// What a client may choose is decided by its terms and by nothing in its
// request.
func TestGrant(t *testing.T) {
	centre := newCentre(t, p256)
	grant, err := centre.Grant(ca.Terms{
		Issuer: "suite", Profile: "suite-server", Subject: map[string]string{"O": organisation}, Choose: map[string]string{"CN": "[a-z]+|[a-z]+-[0-9]"},
		DNSNames: []string{"host.example", "*.below.example"}, IPAddresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
	})
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr
	for _, row := range []struct {
		name string
		wish ca.Wish
		want []string // the fields that are refused
	}{
		{"nothing", ca.Wish{}, nil},
		{"all within the terms", ca.Wish{Subject: []ca.WishedAttribute{{"CN", "web-1"}, {"O", organisation}},
			DNSNames: []string{"HOST.example", "a.below.example", "a.b.below.example"}, IPAddresses: []netip.Addr{address("10.1.2.3"), address("2001:db8::1"), address("::ffff:10.0.0.1")}}, nil},
		{"part of a value matches", ca.Wish{Subject: []ca.WishedAttribute{{"CN", "web\nadmin"}}}, []string{"subject.CN"}},
		{"a value with more behind it", ca.Wish{Subject: []ca.WishedAttribute{{"CN", "web-12"}}}, []string{"subject.CN"}},
		{"another organisation", ca.Wish{Subject: []ca.WishedAttribute{{"O", "Other"}}}, []string{"subject.O"}},
		{"an unknown attribute", ca.Wish{Subject: []ca.WishedAttribute{{"1.2.3", "x"}}}, []string{"subject.1.2.3"}},
		{"a name twice", ca.Wish{Subject: []ca.WishedAttribute{{"CN", "a"}, {"CN", "b"}}}, []string{"subject.CN"}},
		{"the domain itself", ca.Wish{DNSNames: []string{"below.example", ".below.example", "evilbelow.example", "x.host.example"}}, []string{"dns_names", "dns_names", "dns_names", "dns_names"}},
		{"an address outside", ca.Wish{IPAddresses: []netip.Addr{address("11.0.0.1")}}, []string{"ip_addresses"}},
		{"a mailbox", ca.Wish{Emails: []string{"a@host.example"}}, []string{"emails"}},
		{"another kind of name", ca.Wish{OtherNames: 1}, []string{"csr.subjectAltName"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := grant.Request(newCSR(t, p256()), &row.wish, "test")
			var refused *ca.RefusedError
			var got []string
			if errors.As(err, &refused) {
				for _, field := range refused.Fields {
					got = append(got, field.Field)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, row.want) {
				t.Fatalf("got %v, want %v", got, row.want)
			}
			if err == nil {
				request.DNSNames = append(request.DNSNames, "host.example")
				issue(t, centre.Authority, *request)
			}
		})
	}
}

// Terms that no certificate could come of, or one of an authority, are refused
// when they are read.
func TestTermsAreChecked(t *testing.T) {
	centre := newCentre(t, p256)
	for want, terms := range map[string]ca.Terms{
		"is not one that issuer": {Issuer: "root", Profile: "policy"},
		`profile "x"`:            {Issuer: "suite", Profile: "x"},
		`issuer "x"`:             {Issuer: "x", Profile: "suite-server"},
		"subject.fin":            {Issuer: "ehm", Profile: "citizen-authentication", Subject: map[string]string{"givenName": "A", "surname": "B"}},
		"dns: profile":           {Issuer: "ehm", Profile: "citizen-authentication", Subject: citizen(), DNSNames: []string{"a.example"}},
	} {
		if _, err := centre.Grant(terms); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", terms, err, want)
		}
	}
}

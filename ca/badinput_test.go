package ca_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

// meeting is a profile whose certificates may have names of every kind.
const meeting = `validity = "1y"
keys = ["p256"]
key_usage = ["digitalSignature"]
ext_key_usage = ["serverAuth"]
carries = ["crl"]
san = ["dns", "ip", "email", "uri"]

[[subject]]
attribute = "CN"
`

// rawSAN is a subjectAltName of one name with the tag and contents given.
func rawSAN(tag byte, contents string) pkix.Extension {
	value := append([]byte{tag, byte(len(contents))}, contents...)
	return pkix.Extension{Id: pki.OIDSubjectAltName, Value: append([]byte{0x30, byte(len(value))}, value...)}
}

func pemOf(raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: raw}))
}

// TestBadInput sends what the catalogue refuses over HTTP: each answer is 400
// and names the field and the clause.
func TestBadInput(t *testing.T) {
	s := newService(t)
	profiles, err := ca.LoadProfiles(fstest.MapFS{"meeting.toml": {Data: []byte(meeting)}})
	if err != nil {
		t.Fatal(err)
	}
	builtin := s.config.Profiles
	citizens := func(change func(*ca.IssueRequest)) ca.IssueRequest {
		r := authenticationRequest(t)
		change(&r)
		return r
	}
	subject := func(profile string, subject map[string]string) ca.IssueRequest {
		return ca.IssueRequest{Issuer: "ehm", Profile: profile, CSR: csrPEM(t, p256()), Subject: subject}
	}
	csr := func(extensions ...pkix.Extension) ca.IssueRequest {
		return citizens(func(r *ca.IssueRequest) { r.CSR = pemOf(newCSR(t, p256(), extensions...)) })
	}
	named := func(extensions ...pkix.Extension) ca.IssueRequest {
		return ca.IssueRequest{Issuer: "ehm", Profile: "meeting", CSR: pemOf(newCSR(t, p256(), extensions...)), Subject: map[string]string{"CN": "x"}}
	}
	field := func(change func(*ca.IssueRequest)) ca.IssueRequest {
		r := named()
		change(&r)
		return r
	}
	uris := func(raw ...string) []*url.URL {
		var list []*url.URL
		for _, r := range raw {
			u, err := url.Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, u)
		}
		return list
	}
	employed := with(citizen(), "O", organisation, "voen", "1400057421")
	passport := with(citizen(), "fin", "", "passport", "U12345678", "passport_country", "TR")
	basic := pkix.Extension{Id: pki.OIDBasicConstraints, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}
	usage := pkix.Extension{Id: pki.OIDKeyUsage, Value: []byte{3, 2, 7, 0x80}}
	for _, row := range []struct {
		name    string
		request ca.IssueRequest
		field   string
		clause  string
	}{
		{"CERT-10 the same extension twice", csr(usage, usage), "csr", "RFC 5280, Section 4.2"},
		{"CERT-13 key usage of its own", csr(pkix.Extension{Id: pki.OIDKeyUsage, Value: []byte{3, 2, 1, 6}}), "csr.keyUsage", "RFC 5280, Section 4.2.1.3"},
		{"CERT-15 policies of its own", csr(pkix.Extension{Id: pki.OIDCertificatePolicies, Value: []byte{0x30, 0}}), "csr.certificatePolicies", "RFC 5280, Section 4.2.1.4"},
		{"CERT-16 policy mappings", csr(pkix.Extension{Id: pki.OIDPolicyMappings, Value: []byte{0x30, 0}}), "csr.policyMappings", "RFC 5280, Section 4.2.1.5"},
		{"CERT-19 CA:TRUE", csr(basic), "csr.basicConstraints", "RFC 5280, Section 4.2.1.9"},
		{"CERT-20 name constraints", csr(pkix.Extension{Id: pki.OIDNameConstraints, Value: []byte{0x30, 0}}), "csr.nameConstraints", "RFC 5280, Section 4.2.1.10"},
		{"CERT-21 policy constraints", csr(pkix.Extension{Id: pki.OIDPolicyConstraints, Value: []byte{0x30, 0}}), "csr.policyConstraints", "RFC 5280, Section 4.2.1.11"},
		{"CERT-22 a purpose of its own", csr(pkix.Extension{Id: pki.OIDExtKeyUsage, Value: []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9}}), "csr.extKeyUsage", "RFC 5280, Section 4.2.1.12"},
		{"CERT-23 a CRL place of its own", csr(pkix.Extension{Id: pki.OIDCRLDistributionPoints, Value: []byte{0x30, 0}}), "csr.cRLDistributionPoints", "RFC 5280, Section 4.2.1.13"},
		{"CERT-25 CERT-26 places of its own", csr(pkix.Extension{Id: pki.OIDAuthorityInfoAccess, Value: []byte{0x30, 0}}), "csr.authorityInfoAccess", "RFC 5280, Section 4.2.2.1"},
		{"CERT-27 noRevAvail of its own", csr(pkix.Extension{Id: pki.OIDNoRevAvail, Value: []byte{5, 0}}), "csr.noRevAvail", "RFC 9608, Section 2"},
		{"CERT-30 TLS feature that no profile has", csr(pkix.Extension{Id: pki.OIDTLSFeature, Value: []byte{0x30, 3, 2, 1, 5}}), "csr.tlsFeature", "RFC 7633, Section 4.2"},
		{"CERT-41 statements of its own", csr(pkix.Extension{Id: pki.OIDQCStatements, Value: []byte{0x30, 0}}), "csr.qcStatements", "ETSI EN 319 412-5, Section 4.1"},
		{"an extension that nobody knows", csr(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}), "csr.1.2.3.4", "RFC 5280, Section 4.2"},

		{"CERT-17 no name in the list", named(pkix.Extension{Id: pki.OIDSubjectAltName, Value: []byte{0x30, 0}}), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 empty host", named(rawSAN(0x82, "")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 host of a space", named(rawSAN(0x82, " ")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 empty URI", named(rawSAN(0x86, "")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 relative URI", named(rawSAN(0x86, "/a/b")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 URI without a host", named(rawSAN(0x86, "https:///a")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 empty mailbox", named(rawSAN(0x81, "")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 address of three octets", named(rawSAN(0x87, "abc")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 kind that the profile does not allow", csr(rawSAN(0x82, "a.example")), "csr.subjectAltName", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 relative URI in its field", field(func(r *ca.IssueRequest) { r.URIs = []string{"a/b"} }), "uris", "RFC 5280, Section 4.2.1.6"},
		{"CERT-17 mailbox in its field", field(func(r *ca.IssueRequest) { r.Emails = []string{"a"} }), "emails", "RFC 5280, Section 4.2.1.6"},
		{"CERT-18 U-label in the CSR", named(rawSAN(0x82, "gülşən.example")), "csr.subjectAltName", "RFC 9549, Section 2.3"},
		{"CERT-18 U-label in its field", field(func(r *ca.IssueRequest) { r.DNSNames = []string{"gülşən.example"} }), "dns_names", "RFC 9549, Section 2.3"},
		{"CERT-18 U-label in a URI", field(func(r *ca.IssueRequest) { r.URIs = []string{"https://gülşən.example/"} }), "uris", "RFC 9549, Section 2.3"},
		{"CERT-18 U-label in a mailbox", field(func(r *ca.IssueRequest) { r.Emails = []string{"a@gülşən.example"} }), "emails", "RFC 9549, Section 2.3"},

		{"CERT-04 control character", subject("citizen-authentication", with(citizen(), "surname", "a\x01b")), "subject.surname", "RFC 5280, Section 4.1.2.4"},
		{"CERT-31 tampered CSR", citizens(func(r *ca.IssueRequest) {
			raw := newCSR(t, p256())
			raw[len(raw)-1] ^= 1
			r.CSR = pemOf(raw)
		}), "csr", "RFC 2986, Section 4"},
		{"CERT-32 no given name", subject("citizen-signature", with(citizen(), "givenName", "")), "subject.givenName", "ETSI EN 319 412-2, Section 4.2.4"},
		{"CERT-33 pseudonym beside a name", subject("citizen-signature", with(citizen(), "pseudonym", "Q")), "subject.pseudonym", "ETSI EN 319 412-2, Section 4.2.4"},
		{"CERT-34 FİN with the letter O", subject("citizen-signature", with(citizen(), "fin", "1ABCO23")), "subject.fin", "ETSI EN 319 412-1, Section 5.1.3"},
		{"CERT-34 VÖEN with a wrong check digit", subject("legal-person-signature", with(employed, "voen", "1400057431")), "subject.voen", "ETSI EN 319 412-1, Section 5.1.4"},
		{"CERT-34 VÖEN of a natural person for a legal one", subject("legal-person-signature", with(employed, "voen", "1400057422")), "subject.voen", "ETSI EN 319 412-1, Section 5.1.4"},
		{"CERT-34 entrepreneur's VÖEN with a wrong check digit", subject("entrepreneur-signature", with(citizen(), "voen", "1400057432")), "subject.voen", "ETSI EN 319 412-1, Section 5.1.4"},
		{"CERT-34 passport of no country", subject("non-resident-signature", with(passport, "passport_country", "XX")), "subject.passport", "ETSI EN 319 412-1, Section 5.1.3"},
		{"CERT-34 passport number with a space", subject("non-resident-signature", with(passport, "passport", "U 12345")), "subject.passport", "ETSI EN 319 412-1, Section 5.1.3"},
		{"CERT-34 virtual PIN with a hyphen", subject("virtual-pin-signature", with(citizen(), "fin", "", "virtual_pin", "A-1")), "subject.virtual_pin", "ETSI EN 319 412-1, Section 5.1.3"},
		{"CERT-35 no organisation", subject("organisation-seal", map[string]string{"CN": "x", "voen": "1400057421"}), "subject.O", "ETSI EN 319 412-3, Section 4.2.1"},
		{"CERT-35 identifier as the name", subject("organisation-seal", map[string]string{"CN": "x", "O": "NTRAZ-1400057421", "voen": "1400057421"}), "subject.O", "ETSI EN 319 412-3, Section 4.2.1"},
		{"CERT-47 P-224", citizens(func(r *ca.IssueRequest) { r.CSR = pemOf(p224CSR(t)) }), "csr", ""},
		{"CERT-47 RSA of 2048 bits", citizens(func(r *ca.IssueRequest) { r.CSR = pemOf(newCSR(t, rsa2048())) }), "csr", "ETSI TS 119 312, Section 6.2.2.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.config.Profiles = builtin
			s.config.Issuers[2].Profiles = endEntities(builtin)
			if row.request.Profile == "meeting" {
				s.config.Profiles, s.config.Issuers[2].Profiles = profiles, []string{"meeting"}
			}
			config := s.config
			config.Issuers = config.Issuers[2:3]
			var err error
			if s.Authority, err = ca.New(config); err != nil {
				t.Fatal(err)
			}
			before := len(s.register.records)
			_, err = s.client.Issue(t.Context(), row.request, "")
			details, ok := errors.AsType[*problem.Details](err)
			if !ok || details.Status != http.StatusBadRequest {
				t.Fatalf("got %v, want a problem with status 400", err)
			}
			found := false
			for _, f := range details.Errors {
				found = found || f.Field == row.field && (f.Clause == row.clause || row.clause == "" && f.Clause != "")
			}
			if !found {
				t.Errorf("got %v, want %s by %q", details.Errors, row.field, row.clause)
			}
			if len(s.register.records) != before {
				t.Error("it left something in the register")
			}
		})
	}
	t.Run("CERT-17 CERT-18 good names of all kinds", func(t *testing.T) {
		s.config.Profiles, s.config.Issuers[2].Profiles = profiles, []string{"meeting"}
		config := s.config
		config.Issuers = config.Issuers[2:3]
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		request := ca.Request{Issuer: "ehm", Profile: "meeting", Subject: map[string]string{"CN": "x"}, Emails: []string{"a@xn--glen-0ra.example"},
			CSR: csrOf(t, p256(), x509.CertificateRequest{URIs: uris("https://a.example/b?c", "ldap://a.example/"), DNSNames: []string{"xn--glen-0ra.example"}})}
		c := issue(t, authority, request).Certificate
		if len(c.URIs) != 2 || len(c.DNSNames) != 1 || len(c.EmailAddresses) != 1 {
			t.Errorf("got %v %v %v", c.URIs, c.DNSNames, c.EmailAddresses)
		}
	})
	t.Run("G8 nothing of it is in the audit log", func(t *testing.T) {
		if text := s.audit.text(); strings.Contains(text, "1ABC") || strings.Contains(text, "14000574") || strings.Contains(text, "U12345678") {
			t.Error("it is")
		}
	})
}

// p224CSR is a request for a key of P-224, signed by it.
func p224CSR(t *testing.T) []byte {
	t.Helper()
	raw, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, p224())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

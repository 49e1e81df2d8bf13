package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// refused checks that the request is refused with the code, naming the field,
// and leaves nothing in the register but an audit line.
func refused(t *testing.T, c *centre, request ca.Request, code, field string) *ca.RefusedError {
	t.Helper()
	before, lines := len(c.register.records), len(c.audit.lines)
	_, err := c.Prepare(t.Context(), request)
	refused, ok := errors.AsType[*ca.RefusedError](err)
	if !ok {
		t.Errorf("got %v, want it refused with %s", err, code)
		return nil
	}
	named := false
	for _, f := range refused.Fields {
		named = named || f.Field == field
	}
	if refused.Code != code || !named {
		t.Errorf("got %v, want code %s naming %s", refused, code, field)
	}
	if len(c.register.records) != before {
		t.Error("it left something in the register")
	}
	if len(c.audit.lines) != lines+1 || !strings.HasPrefix(c.audit.lines[lines], "ca.refuse ") {
		t.Error("it left no audit line")
	}
	return refused
}

func TestRefusedSubjects(t *testing.T) {
	centre := newCentre(t, p256)
	good := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen(), Actor: "ra"}
	with := func(key, value string) ca.Request {
		request := good
		request.Subject = citizen()
		if value == "" {
			delete(request.Subject, key)
		} else {
			request.Subject[key] = value
		}
		return request
	}
	t.Run("unknown profile", func(t *testing.T) {
		request := good
		request.Profile = "default"
		refused(t, centre, request, ca.CodeUnknownProfile, "profile")
	})
	t.Run("profile of another issuer", func(t *testing.T) {
		request := good
		request.Issuer = "suite"
		refused(t, centre, request, ca.CodeUnknownProfile, "profile")
	})
	t.Run("unknown issuer", func(t *testing.T) {
		request := good
		request.Issuer = "hom"
		refused(t, centre, request, ca.CodeUnknownIssuer, "issuer")
	})
	for _, row := range []struct{ name, key, value, field string }{
		{"CERT-32 no surname", "surname", "", "subject.surname"},
		{"CERT-32 no FİN", "fin", "", "subject.fin"},
		{"CERT-33 pseudonym beside the name", "pseudonym", "P", "subject.pseudonym"},
		{"CERT-34 FİN with the letter O", "fin", "1ABCO23", "subject.fin"},
		{"CERT-34 FİN too short", "fin", "1ABC23", "subject.fin"},
		{"CERT-34 serialNumber past the FİN", "serialNumber", "PNOAZ-1ABC2D3", "subject.serialNumber"},
		{"another country", "C", "TR", "subject.C"},
		{"CERT-04 name that is not UTF-8", "surname", "M\xffm", "subject.surname"},
		{"CERT-04 control character", "givenName", "A\nB", "subject.givenName"},
		{"CERT-04 direction override", "givenName", "A\u202eB", "subject.givenName"},
		{"CERT-04 too long", "givenName", strings.Repeat("ə", 65), "subject.givenName"},
		{"unknown attribute", "mail", "a@b.example", "subject.mail"},
	} {
		t.Run(row.name, func(t *testing.T) { refused(t, centre, with(row.key, row.value), ca.CodeInvalid, row.field) })
	}
	t.Run("everything wrong is named at once", func(t *testing.T) {
		request := with("fin", "O")
		delete(request.Subject, "surname")
		request.Set = "a b"
		got := refused(t, centre, request, ca.CodeInvalid, "set")
		if got == nil || len(got.Fields) != 3 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("CERT-35 organizationIdentifier equal to the name", func(t *testing.T) {
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "tsa-signer", PublicKey: p256().Public(),
			Subject: map[string]string{"O": "NTRAZ-1400057421", "CN": "x", "voen": "1400057421"}}, ca.CodeInvalid, "subject.O")
	})
	t.Run("CERT-34 VÖEN with a wrong check digit", func(t *testing.T) {
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "tsa-signer", PublicKey: p256().Public(),
			Subject: map[string]string{"O": "o", "CN": "x", "voen": "1400057431"}}, ca.CodeInvalid, "subject.voen")
	})
	t.Run("G8 refusals do not repeat what was asked", func(t *testing.T) {
		if text := centre.audit.text(); strings.Contains(text, "1ABC") || strings.Contains(text, "Məmmədzadə") {
			t.Error("they do")
		}
	})
}

func TestRefusedRequests(t *testing.T) {
	centre := newCentre(t, p256)
	key := p256()
	good := newCSR(t, key)
	try := func(t *testing.T, csr []byte, code, field string) {
		t.Helper()
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: csr, Subject: citizen()}, code, field)
	}
	t.Run("CERT-31 tampered signature", func(t *testing.T) {
		csr := slices.Clone(good)
		csr[len(csr)-1] ^= 1
		try(t, csr, ca.CodeBadCSR, "csr")
	})
	t.Run("CERT-31 tampered contents", func(t *testing.T) {
		csr := csrOf(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "abc"}})
		csr = []byte(strings.Replace(string(csr), "abc", "abd", 1))
		try(t, csr, ca.CodeBadCSR, "csr")
	})
	t.Run("every flipped octet", func(t *testing.T) {
		for i := range good {
			csr := slices.Clone(good)
			csr[i] ^= 0x40
			if _, err := centre.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: csr, Subject: citizen()}); err == nil {
				t.Errorf("octet %d may be flipped", i)
			}
		}
	})
	t.Run("something behind it", func(t *testing.T) { try(t, append(slices.Clone(good), 0), ca.CodeBadCSR, "csr") })
	t.Run("torn", func(t *testing.T) { try(t, good[:len(good)-3], ca.CodeBadCSR, "csr") })
	t.Run("empty", func(t *testing.T) { try(t, nil, ca.CodeBadCSR, "csr") })
	t.Run("oversized", func(t *testing.T) { try(t, make([]byte, 40<<10), ca.CodeBadCSR, "csr") })
	t.Run("CERT-47 SHA-1 signature", func(t *testing.T) {
		csr := csrOf(t, rsa3072(), x509.CertificateRequest{})
		// SHA-256 with RSA becomes SHA-1 with RSA; the algorithm is judged
		// before the signature.
		csr = []byte(strings.Replace(string(csr), "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", 1))
		try(t, csr, ca.CodeBadCSR, "csr")
	})
	t.Run("CERT-10 the same extension twice", func(t *testing.T) {
		e := pkix.Extension{Id: pki.OIDKeyUsage, Value: []byte{3, 2, 7, 0x80}}
		try(t, newCSR(t, key, e, e), ca.CodeBadCSR, "csr")
	})
	for _, row := range []struct {
		name, field string
		extension   pkix.Extension
	}{
		{"basicConstraints CA:TRUE", "csr.basicConstraints", pkix.Extension{Id: pki.OIDBasicConstraints, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}},
		{"another keyUsage", "csr.keyUsage", pkix.Extension{Id: pki.OIDKeyUsage, Value: []byte{3, 2, 1, 6}}},
		{"another extKeyUsage", "csr.extKeyUsage", pkix.Extension{Id: pki.OIDExtKeyUsage, Value: []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3}}},
		{"policies", "csr.certificatePolicies", pkix.Extension{Id: pki.OIDCertificatePolicies, Value: []byte{0x30, 0}}},
		{"qcStatements", "csr.qcStatements", pkix.Extension{Id: pki.OIDQCStatements, Value: []byte{0x30, 0}}},
		{"an unknown extension", "csr.1.2.3.4", pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}},
		{"another key identifier", "csr.subjectKeyIdentifier", pkix.Extension{Id: pki.OIDSubjectKeyIdentifier, Value: []byte{4, 1, 0}}},
		{"CERT-17 an empty subjectAltName", "csr.subjectAltName", pkix.Extension{Id: pki.OIDSubjectAltName, Value: []byte{0x30, 0}}},
		{"subjectAltName where there is none", "csr.subjectAltName", pkix.Extension{Id: pki.OIDSubjectAltName, Value: []byte{0x30, 3, 0x82, 1, 'a'}}},
	} {
		t.Run("asks for "+row.name, func(t *testing.T) { try(t, newCSR(t, key, row.extension), ca.CodeExtension, row.field) })
	}
	t.Run("may repeat what the profile sets", func(t *testing.T) {
		issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", Subject: citizen(), CSR: newCSR(t, p256(),
			pkix.Extension{Id: pki.OIDKeyUsage, Value: []byte{3, 2, 7, 0x80}},
			pkix.Extension{Id: pki.OIDBasicConstraints, Value: []byte{0x30, 0}})})
	})
	t.Run("neither request nor key, and both", func(t *testing.T) {
		request := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", Subject: citizen()}
		refused(t, centre, request, ca.CodeBadCSR, "csr")
		request.CSR, request.PublicKey = good, key.Public()
		refused(t, centre, request, ca.CodeInvalid, "csr")
	})
}

func TestRefusedKeys(t *testing.T) {
	centre := newCentre(t, p256)
	try := func(t *testing.T, public crypto.PublicKey, code string) {
		t.Helper()
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", PublicKey: public, Subject: citizen()}, code, "public_key")
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	modulus := rsa3072().Public().(*rsa.PublicKey).N
	t.Run("CERT-47 P-224", func(t *testing.T) { try(t, p224.Public(), ca.CodeWeakKey) })
	t.Run("CERT-47 RSA of 2048 bits", func(t *testing.T) {
		try(t, &rsa.PublicKey{N: new(big.Int).Rsh(modulus, 1024), E: 65537}, ca.CodeWeakKey)
	})
	t.Run("CERT-47 RSA of 16384 bits", func(t *testing.T) {
		try(t, &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 16383), E: 65537}, ca.CodeWeakKey)
	})
	for _, e := range []int{3, 65536, 65535, 65538} {
		t.Run("CERT-47 RSA exponent", func(t *testing.T) { try(t, &rsa.PublicKey{N: modulus, E: e}, ca.CodeWeakKey) })
	}
	t.Run("RSA modulus with a small factor", func(t *testing.T) {
		n := new(big.Int).Lsh(big.NewInt(1), 3071)
		n.Add(n, new(big.Int).Sub(big.NewInt(3), new(big.Int).Mod(n, big.NewInt(3))))
		try(t, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}, ca.CodeWeakKey)
	})
	t.Run("RSA modulus of the factorable kind", func(t *testing.T) {
		// A power of 65537 modulo the product of the primes up to 167.
		m := big.NewInt(1)
		for p := int64(2); p <= 167; p++ {
			if big.NewInt(p).ProbablyPrime(0) {
				m.Mul(m, big.NewInt(p))
			}
		}
		n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), m)
		top := new(big.Int).Lsh(big.NewInt(1), 3071)
		n.Add(n, top.Sub(top, new(big.Int).Mod(top, m))).Add(n, m)
		got := refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", PublicKey: &rsa.PublicKey{N: n, E: 65537}, Subject: citizen()}, ca.CodeWeakKey, "public_key")
		if got == nil || !strings.Contains(got.Error(), "CVE-2017-15361") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("CERT-31 the issuer's own key and those above", func(t *testing.T) {
		for _, issuer := range centre.config.Issuers {
			refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", PublicKey: issuer.Key.Public(), Subject: citizen()}, ca.CodeKeyInUse, "csr")
		}
	})
	t.Run("CERT-31 key of a revoked certificate", func(t *testing.T) {
		key := p256()
		request := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, key), Subject: citizen()}
		issued := issue(t, centre.Authority, request)
		issue(t, centre.Authority, request) // renewing is fine
		if _, _, err := centre.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: issued.Serial, Reason: journal.KeyCompromise}, nil); err != nil {
			t.Fatal(err)
		}
		refused(t, centre, request, ca.CodeRevokedKey, "csr")
	})
	t.Run("a signature key has no other purpose", func(t *testing.T) {
		csr := newCSR(t, p256())
		issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-signature", CSR: csr, Subject: citizen()})
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: csr, Subject: citizen()}, ca.CodeKeyInUse, "csr")
	})
	t.Run("a kind that the profile does not name", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		issue(t, centre.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", PublicKey: key.Public(), Subject: citizen()})
		type foreign struct{ crypto.PublicKey }
		try(t, foreign{}, ca.CodeWeakKey)
	})
}

func TestAlternativeNames(t *testing.T) {
	centre := newCentre(t, p256)
	server := func(csr []byte) ca.Request {
		return ca.Request{Issuer: "suite", Profile: "suite-server", CSR: csr, Subject: map[string]string{"CN": "x"}}
	}
	t.Run("CERT-17 names of the request and the CSR, each once", func(t *testing.T) {
		request := server(csrOf(t, p256(), x509.CertificateRequest{DNSNames: []string{"a.example", "b.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}))
		request.DNSNames, request.IPAddresses = []string{"a.example"}, []netip.Addr{netip.MustParseAddr("::1")}
		c := issue(t, centre.Authority, request).Certificate
		if !slices.Equal(c.DNSNames, []string{"a.example", "b.example"}) || len(c.IPAddresses) != 2 {
			t.Errorf("got %v and %v", c.DNSNames, c.IPAddresses)
		}
	})
	for _, name := range []string{"", " ", "-a.example", "a..example", "a.example.", "*.example", "1.2.3.4", strings.Repeat("a", 64), "ab--c.example"} {
		t.Run("CERT-17 host "+name, func(t *testing.T) {
			request := server(newCSR(t, p256()))
			request.DNSNames = []string{name}
			refused(t, centre, request, ca.CodeInvalid, "dns_names")
		})
	}
	t.Run("CERT-18 U-label is refused, A-label passes", func(t *testing.T) {
		request := server(newCSR(t, p256()))
		request.DNSNames = []string{"gülşən.example"}
		refused(t, centre, request, ca.CodeInvalid, "dns_names")
		request.DNSNames = []string{"xn--glen-0ra.example"}
		issue(t, centre.Authority, request)
	})
	t.Run("CERT-17 kinds that the profile does not allow", func(t *testing.T) {
		refused(t, centre, server(csrOf(t, p256(), x509.CertificateRequest{EmailAddresses: []string{"a@b.example"}})), ca.CodeExtension, "csr.subjectAltName")
		refused(t, centre, server(csrOf(t, p256(), x509.CertificateRequest{URIs: []*url.URL{{Path: "/relative"}}})), ca.CodeExtension, "csr.subjectAltName")
	})
	t.Run("too many", func(t *testing.T) {
		request := server(newCSR(t, p256()))
		for i := range 101 {
			request.DNSNames = append(request.DNSNames, "n"+big.NewInt(int64(i)).String()+".example")
		}
		refused(t, centre, request, ca.CodeInvalid, "csr.subjectAltName")
	})
}

package ca_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
)

// foreignAuthority makes the certificate of another country's authority. parent is nil
// for a self-signed one.
func foreignAuthority(t testing.TB, key crypto.Signer, country string, parent *x509.Certificate, signer crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{Country: []string{country}, Organization: []string{"Demonstration centre"}, CommonName: "Demonstration root of " + country},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0).Truncate(time.Second), SubjectKeyId: []byte("a key identifier of its own"),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// crossing returns a centre whose root may cross-certify.
func crossing(t testing.TB) *centre {
	centre := newCentre(t, p256)
	centre.config.Issuers = slices.Clone(centre.config.Issuers)
	centre.config.Issuers[0].Profiles = []string{"policy", "cross"}
	centre.reopen(t)
	return centre
}

func TestCrossCertificate(t *testing.T) {
	centre := crossing(t)
	key := p384()
	other := foreignAuthority(t, key, "KZ", nil, nil, nil)
	c := issue(t, centre.Authority, ca.Request{Issuer: "root", Profile: "cross", Authority: other}).Certificate
	t.Run("takes over name, key and key identifier", func(t *testing.T) {
		if !bytes.Equal(c.RawSubject, other.RawSubject) || !bytes.Equal(c.RawSubjectPublicKeyInfo, other.RawSubjectPublicKeyInfo) || !bytes.Equal(c.SubjectKeyId, other.SubjectKeyId) {
			t.Error("it does not")
		}
		if c.NotAfter.After(other.NotAfter) {
			t.Error("it outlives the other's certificate")
		}
	})
	for name, id := range map[string][]int{
		"CERT-16 policy mappings": pki.OIDPolicyMappings, "CERT-20 name constraints": pki.OIDNameConstraints,
		"CERT-21 policy constraints": pki.OIDPolicyConstraints, "CERT-21 inhibitAnyPolicy": pki.OIDInhibitAnyPolicy,
	} {
		t.Run(name+" are critical", func(t *testing.T) {
			if e := extension(c, id); e == nil || !e.Critical {
				t.Errorf("got %v", e)
			}
		})
	}
	t.Run("CERT-16 CERT-21 read by another parser", func(t *testing.T) {
		if len(c.PolicyMappings) != 2 || c.PolicyMappings[0].IssuerDomainPolicy.String() != "2.999.31.1.1" || c.PolicyMappings[0].SubjectDomainPolicy.String() != "2.999.398.1.1" {
			t.Errorf("mappings %v", c.PolicyMappings)
		}
		if !c.RequireExplicitPolicyZero || !c.InhibitPolicyMappingZero || !c.InhibitAnyPolicyZero || c.MaxPathLen != 1 {
			t.Errorf("constraints %v %v %v %d", c.RequireExplicitPolicy, c.InhibitPolicyMapping, c.InhibitAnyPolicy, c.MaxPathLen)
		}
		if !slices.Equal(c.PermittedDNSDomains, []string{"kz.example"}) || !slices.Equal(c.ExcludedDNSDomains, []string{"az.kz.example"}) || !slices.Equal(c.PermittedEmailAddresses, []string{"kz.example", ".kz.example"}) {
			t.Errorf("names %v %v %v", c.PermittedDNSDomains, c.ExcludedDNSDomains, c.PermittedEmailAddresses)
		}
	})

	// The other country's citizens: a good one, one of another country, and one
	// whose policy is not mapped.
	leaf := func(country, dotted string) *x509.Certificate {
		policy, err := x509.ParseOID(dotted)
		if err != nil {
			t.Fatal(err)
		}
		return foreignAuthority(t, p256(), country, other, key, func(template *x509.Certificate) {
			template.Subject.CommonName = "A citizen"
			template.IsCA, template.BasicConstraintsValid, template.SubjectKeyId = false, false, []byte{1}
			template.KeyUsage = x509.KeyUsageDigitalSignature
			template.Policies = []x509.OID{policy}
		})
	}
	dir := t.TempDir()
	writePEM(t, dir, "root.pem", centre.config.Issuers[0].Certificate)
	writePEM(t, dir, "cross.pem", c)
	writePEM(t, dir, "good.pem", leaf("KZ", "2.999.398.1.1"))
	writePEM(t, dir, "country.pem", leaf("TR", "2.999.398.1.1"))
	writePEM(t, dir, "policy.pem", leaf("KZ", "2.999.398.7"))
	for _, row := range []struct {
		name, file string
		ok         bool
	}{
		{"openssl accepts the other's citizen under the policy of ours that is mapped", "good.pem", true},
		{"CERT-20 openssl refuses a name outside the permitted country", "country.pem", false},
		{"CERT-16 CERT-21 openssl refuses a policy that is not mapped", "policy.pem", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			output, err := openssl(t, dir, "verify", "-policy_check", "-policy", "2.999.31.1.1", "-CAfile", "root.pem", "-untrusted", "cross.pem", row.file)
			if (err == nil) != row.ok {
				t.Error(output)
			}
		})
	}
}

func TestCrossCertificateRefusals(t *testing.T) {
	centre := crossing(t)
	key := p384()
	parentKey := p384()
	parent := foreignAuthority(t, parentKey, "KZ", nil, nil, nil)
	sub := foreignAuthority(t, key, "TR", parent, parentKey, nil)
	spoilt := func(change func(*x509.Certificate)) *x509.Certificate {
		return foreignAuthority(t, p384(), "KZ", nil, nil, change)
	}
	weak := foreignAuthority(t, rsa2048(), "KZ", nil, nil, nil)
	for _, row := range []struct {
		name, code, field string
		request           ca.Request
	}{
		{"no certificate", ca.CodeInvalid, "authority", ca.Request{}},
		{"not of an authority", ca.CodeInvalid, "authority", ca.Request{Authority: spoilt(func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = x509.KeyUsageDigitalSignature })}},
		{"may not sign certificates", ca.CodeInvalid, "authority", ca.Request{Authority: spoilt(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })}},
		{"expired", ca.CodeInvalid, "authority", ca.Request{Authority: spoilt(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })}},
		{"CERT-31 not self-signed and no proof of the key", ca.CodeInvalid, "authority", ca.Request{Authority: sub}},
		{"CERT-31 proof of another key", ca.CodeBadCSR, "csr", ca.Request{Authority: sub, CSR: newCSR(t, p256())}},
		{"CERT-31 proof that is none", ca.CodeBadCSR, "csr", ca.Request{Authority: sub, CSR: []byte("x")}},
		{"key beside it", ca.CodeInvalid, "authority", ca.Request{Authority: parent, PublicKey: key.Public()}},
		{"the issuer itself", ca.CodeInvalid, "authority", ca.Request{Authority: centre.config.Issuers[0].Certificate}},
		{"CERT-47 weak key", ca.CodeWeakKey, "authority", ca.Request{Authority: weak}},
		{"alternative names", ca.CodeExtension, "dns_names", ca.Request{Authority: parent, DNSNames: []string{"a.example"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.request.Issuer, row.request.Profile = "root", "cross"
			refused(t, centre, row.request, row.code, row.field)
		})
	}
	t.Run("in a request for another profile", func(t *testing.T) {
		refused(t, centre, ca.Request{Issuer: "ehm", Profile: "ocsp-signer", Authority: parent, Subject: map[string]string{"O": "o", "CN": "c"}}, ca.CodeInvalid, "authority")
	})
	t.Run("CERT-31 proof by a request makes up for a foreign signature", func(t *testing.T) {
		c := issue(t, centre.Authority, ca.Request{Issuer: "root", Profile: "cross", Authority: sub, CSR: newCSR(t, key)}).Certificate
		if !bytes.Equal(c.RawSubject, sub.RawSubject) {
			t.Error("it has another name")
		}
	})
	t.Run("an authority of the same centre may be cross-certified", func(t *testing.T) {
		profiles, err := ca.LoadProfiles(fstest.MapFS{"next-root.toml": {Data: []byte(`validity = "2y"
keys = ["p256", "p384"]
ca = true
cross = true
key_usage = ["keyCertSign", "cRLSign"]
policies = ["2.5.29.32.0"]
carries = ["crl"]
`)}})
		if err != nil {
			t.Fatal(err)
		}
		config := centre.config
		next := centre.selfSigned(t, ca.Issuer{ID: "next", Key: p384(), Profiles: []string{"root"}}, "root", "Yeni kök")
		old := config.Issuers[0]
		old.Profiles, next.Profiles = []string{"next-root"}, nil
		config.Profiles, config.Issuers = profiles, []ca.Issuer{old, next}
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		c := issue(t, authority, ca.Request{Issuer: "root", Profile: "next-root", Authority: next.Certificate}).Certificate
		if !bytes.Equal(c.SubjectKeyId, next.Certificate.SubjectKeyId) {
			t.Error("it has another key identifier")
		}
	})
}

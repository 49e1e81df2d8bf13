package ca_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
)

// attributeOf is the value of the first attribute of that type in a subject.
func attributeOf(c *x509.Certificate, id asn1.ObjectIdentifier) string {
	for _, a := range c.Subject.Names {
		if a.Type.Equal(id) {
			return a.Value.(string)
		}
	}
	return ""
}

// statementsOf returns the statements by identifier with the octets behind it.
func statementsOf(t *testing.T, c *x509.Certificate) map[string]string {
	t.Helper()
	e := extension(c, pki.OIDQCStatements)
	if e == nil {
		return nil
	}
	var list []struct {
		ID   asn1.ObjectIdentifier
		Info asn1.RawValue `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(e.Value, &list); err != nil || len(rest) > 0 {
		t.Fatalf("unreadable statements: %v", err)
	}
	statements := map[string]string{}
	for _, s := range list {
		statements[s.ID.String()] = hexOf(s.Info.FullBytes)
	}
	return statements
}

func TestKindsOfPersons(t *testing.T) {
	certificates := all(t, newCentre(t, p256))
	for _, row := range []struct{ id, profile, serialNumber, organisation string }{
		{"CERT-34", "citizen-signature", "PNOAZ-1ABC2D3", ""},
		{"CERT-34", "mobile-authentication", "PNOAZ-1ABC2D3", ""},
		{"CERT-34", "entrepreneur-signature", "PNOAZ-1ABC2D3", "VATAZ-1400057422"},
		{"CERT-34", "entrepreneur-authentication", "PNOAZ-1ABC2D3", "VATAZ-1400057422"},
		{"CERT-34", "legal-person-signature", "PNOAZ-1ABC2D3", "NTRAZ-1400057421"},
		{"CERT-34", "legal-person-authentication", "PNOAZ-1ABC2D3", "NTRAZ-1400057421"},
		{"CERT-34", "government-signature", "PNOAZ-1ABC2D3", "NTRAZ-1400057421"},
		{"CERT-34", "government-authentication", "PNOAZ-1ABC2D3", "NTRAZ-1400057421"},
		{"CERT-34", "non-resident-signature", "PASTR-U12345678", ""},
		{"CERT-34", "non-resident-authentication", "PASTR-U12345678", ""},
		{"CERT-34", "virtual-pin-signature", "VP:AZ-A1B2C3D4", ""},
		{"CERT-34", "virtual-pin-authentication", "VP:AZ-A1B2C3D4", ""},
		{"CERT-34", "seal-right", "PNOAZ-1ABC2D3", "NTRAZ-1400057421"},
		{"CERT-35", "organisation-seal", "", "NTRAZ-1400057421"},
	} {
		t.Run(row.id+" identifiers of "+row.profile, func(t *testing.T) {
			c := certificates[row.profile]
			if got := attributeOf(c, pki.OIDSerialNumber); got != row.serialNumber {
				t.Errorf("serialNumber %q, want %q", got, row.serialNumber)
			}
			if got := attributeOf(c, pki.OIDOrganizationIdentifier); got != row.organisation {
				t.Errorf("organizationIdentifier %q, want %q", got, row.organisation)
			}
		})
	}
	const compliance, sscd, kind, law, semantics = "0.4.0.1862.1.1", "0.4.0.1862.1.4", "0.4.0.1862.1.6", "0.4.0.1862.1.7", "1.3.6.1.5.5.7.11.2"
	for profile, c := range certificates {
		switch {
		case profile == "organisation-seal" || profile == "seal-right" || strings.HasSuffix(profile, "-signature"):
			t.Run("CERT-36 CERT-42 CERT-43 CERT-45 "+profile+" is qualified by the law of AZ", func(t *testing.T) {
				got := statementsOf(t, c)
				wantKind := "300906070400" + "8e46010601"
				if profile == "organisation-seal" {
					wantKind = "300906070400" + "8e46010602"
				}
				_, compliant := got[compliance]
				if !compliant || got[kind] != wantKind || got[law] != "30041302415a" || got[semantics] == "" || c.KeyUsage != x509.KeyUsageContentCommitment {
					t.Errorf("got %v with usage %b", got, c.KeyUsage)
				}
				if _, inDevice := got[sscd]; inDevice != (profile == "seal-right") {
					t.Errorf("QcSSCD is %v", inDevice)
				}
				if len(c.Policies) != 1 {
					t.Errorf("policies %v", c.Policies)
				}
			})
		case strings.HasSuffix(profile, "-authentication"):
			t.Run("CERT-36 "+profile+" claims nothing but what its identifier means", func(t *testing.T) {
				if got := statementsOf(t, c); len(got) != 1 || got[semantics] == "" || c.KeyUsage != x509.KeyUsageDigitalSignature {
					t.Errorf("got %v with usage %b", got, c.KeyUsage)
				}
			})
		}
	}
	t.Run("CERT-34 a national type is explained", func(t *testing.T) {
		if got := statementsOf(t, certificates["virtual-pin-signature"])[semantics]; !strings.Contains(got, hexOf([]byte("https://identifiers.example/virtual-pin"))) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("CERT-44 limit and retention of a seal", func(t *testing.T) {
		got := statementsOf(t, certificates["organisation-seal"])
		if got["0.4.0.1862.1.2"] != "300b1303415a4e020105020104" || got["0.4.0.1862.1.3"] != "02010a" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("CERT-27 CERT-46 short-term certificate names no status and lives for less than a day", func(t *testing.T) {
		c := certificates["short-term-signature"]
		for _, id := range []asn1.ObjectIdentifier{pki.OIDNoRevAvail, pki.OIDValidityAssured} {
			if e := extension(c, id); e == nil || e.Critical || hexOf(e.Value) != "0500" {
				t.Errorf("%v is %v", id, e)
			}
		}
		if len(c.CRLDistributionPoints)+len(c.OCSPServer) != 0 || extension(c, pki.OIDFreshestCRL) != nil || c.NotAfter.Sub(c.NotBefore) >= 24*time.Hour || len(c.IssuingCertificateURL) != 1 {
			t.Errorf("places or validity are wrong: %v to %v", c.NotBefore, c.NotAfter)
		}
	})
}

func TestServiceKinds(t *testing.T) {
	certificates := all(t, newCentre(t, p256))
	t.Run("TSA-42 private key's period is a year from the beginning", func(t *testing.T) {
		c := certificates["tsa-signer"]
		end := c.NotBefore.AddDate(1, 0, 0).Add(-time.Second)
		want := "3022" + "800f" + hexOf([]byte(c.NotBefore.Format("20060102150405Z"))) + "810f" + hexOf([]byte(end.Format("20060102150405Z")))
		if e := extension(c, pki.OIDPrivateKeyUsagePeriod); e == nil || e.Critical || hexOf(e.Value) != want {
			t.Errorf("got %v, want %s", e, want)
		}
	})
	t.Run("trust-list signer has its one purpose and is no authority", func(t *testing.T) {
		c := certificates["trust-list-signer"]
		if len(c.ExtKeyUsage) != 0 || len(c.UnknownExtKeyUsage) != 1 || c.UnknownExtKeyUsage[0].String() != "0.4.0.2231.3.0" || extension(c, pki.OIDExtKeyUsage).Critical {
			t.Errorf("purposes are %v and %v", c.ExtKeyUsage, c.UnknownExtKeyUsage)
		}
		if !c.BasicConstraintsValid || c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.Subject.Country) != 1 || len(c.Subject.Organization) != 1 {
			t.Errorf("constraints, usage or subject are wrong: %v", c.Subject)
		}
	})
	t.Run("every built-in profile is issued by one of these tests", func(t *testing.T) {
		profiles, err := ca.BuiltinProfiles()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range profiles.Names() {
			if profile, _ := profiles.Lookup(name); certificates[name] == nil && !profile.Cross {
				t.Errorf("%s is not", name)
			}
			if profile, _ := profiles.Lookup(name); profile.Description == "" {
				t.Errorf("%s has no description", name)
			}
		}
	})
}

// Addresses as the Azerbaijani root publishes them, with spaces and parentheses.
func TestPlacesWithSpacesAndParentheses(t *testing.T) {
	centre := newCentre(t, p256)
	const list = "http://asxm.example/cdp/AZ%20Root%20Authority%20(RCA).crl"
	config := centre.config
	config.Issuers = slices.Clone(config.Issuers)
	ehm := &config.Issuers[2]
	ehm.CRL, ehm.FreshestCRL = list, "http://asxm.example/cdp/AZ%20Root%20Authority%20(RCA)+.crl"
	authority, err := ca.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c := issue(t, authority, ca.Request{Issuer: "ehm", Profile: "citizen-signature", CSR: newCSR(t, p256()), Subject: citizen()}).Certificate
	t.Run("CERT-23 distribution point keeps %20 and parentheses", func(t *testing.T) {
		if !slices.Equal(c.CRLDistributionPoints, []string{list}) {
			t.Errorf("got %v", c.CRLDistributionPoints)
		}
	})
	t.Run("CERT-24 freshest CRL is not critical", func(t *testing.T) {
		if e := extension(c, pki.OIDFreshestCRL); e == nil || e.Critical || !bytes.Contains(e.Value, []byte(ehm.FreshestCRL)) {
			t.Errorf("got %v", e)
		}
	})
	t.Run("CRL-18 who signs indirect lists is named in both points", func(t *testing.T) {
		signed := config
		signed.Issuers = slices.Clone(config.Issuers)
		signed.Issuers[2].CRLSigner = config.Issuers[0].Certificate
		authority, err := ca.New(signed)
		if err != nil {
			t.Fatal(err)
		}
		c := issue(t, authority, ca.Request{Issuer: "ehm", Profile: "citizen-signature", CSR: newCSR(t, p256()), Subject: citizen()}).Certificate
		type point struct {
			Place  asn1.RawValue `asn1:"tag:0"`
			Issuer asn1.RawValue `asn1:"tag:2"`
		}
		for _, id := range []asn1.ObjectIdentifier{pki.OIDCRLDistributionPoints, pki.OIDFreshestCRL} {
			var points []point
			var name asn1.RawValue
			if rest, err := asn1.Unmarshal(extension(c, id).Value, &points); err != nil || len(rest) != 0 || len(points) != 1 {
				t.Fatalf("%v: %v", id, err)
			}
			if _, err := asn1.Unmarshal(points[0].Issuer.Bytes, &name); err != nil || name.Tag != 4 || !bytes.Equal(name.Bytes, config.Issuers[0].Certificate.RawSubject) {
				t.Errorf("%v names %x, %v", id, name.FullBytes, err)
			}
		}
	})
	for _, bad := range []string{"http://asxm.example/cdp/AZ Root.crl", "/cdp/a.crl", "ftp://a.example/a.crl", "http://gülşən.example/a.crl"} {
		t.Run("CERT-23 refuses "+bad, func(t *testing.T) {
			ehm.CRL = bad
			if _, err := ca.New(config); err == nil {
				t.Error("it does not")
			}
		})
	}
}

func TestIssuerWithPSS(t *testing.T) {
	centre := newCentre(t, p256)
	root := centre.selfSigned(t, ca.Issuer{ID: "pss", Key: rsa3072(), PSS: true, Profiles: []string{"root"}}, "root", "PSS kök")
	root.Profiles = []string{"policy"}
	below := centre.below(t, root, ca.Issuer{ID: "below", Key: p384()}, "policy", "Siyasət")
	t.Run("CERT-29 RSASSA-PSS with SHA-256 in all its parts", func(t *testing.T) {
		const want = "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
		for _, c := range []*x509.Certificate{root.Certificate, below.Certificate} {
			if got := strings.Count(hexOf(c.Raw), want); got != 2 || c.SignatureAlgorithm != x509.SHA256WithRSAPSS {
				t.Errorf("%d of two identifiers, %v", got, c.SignatureAlgorithm)
			}
		}
		if err := below.Certificate.CheckSignatureFrom(root.Certificate); err != nil {
			t.Error(err)
		}
	})
	t.Run("openssl verifies the chain", func(t *testing.T) {
		dir := t.TempDir()
		writePEM(t, dir, "root.pem", root.Certificate)
		writePEM(t, dir, "below.pem", below.Certificate)
		if output, err := openssl(t, dir, "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root.pem", "below.pem"); err != nil {
			t.Error(output)
		}
	})
	t.Run("only RSA keys sign so", func(t *testing.T) {
		config := centre.config
		config.Issuers = []ca.Issuer{{ID: "x", Key: p256(), PSS: true, Profiles: []string{"root"}}}
		if _, err := ca.New(config); err == nil || !strings.Contains(err.Error(), "RFC 4055, Section 3.1") {
			t.Errorf("got %v", err)
		}
	})
}

func TestIssuersOfAllKeys(t *testing.T) {
	for name, newKey := range map[string]func() crypto.Signer{"P-256": p256, "P-384": p384, "P-521": p521, "Ed25519": ed, "RSA of 3072 bits": rsa3072} {
		t.Run("CERT-47 certifies keys of "+name, func(t *testing.T) {
			centre := newCentre(t, p256)
			request := ca.Request{Issuer: "ehm", Profile: "citizen-signature", CSR: newCSR(t, newKey()), Subject: citizen()}
			c := issue(t, centre.Authority, request).Certificate
			dir := t.TempDir()
			writePEM(t, dir, "leaf.pem", c)
			if output, err := openssl(t, dir, "x509", "-in", "leaf.pem", "-noout", "-text"); err != nil || !strings.Contains(output, "PNOAZ-1ABC2D3") {
				t.Error(output)
			}
		})
	}
}

package ca_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
)

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(id) {
			return &c.Extensions[i]
		}
	}
	return nil
}

// all issues every sample and returns the certificates by profile, those of
// the authorities among them.
func all(t *testing.T, c *centre) map[string]*x509.Certificate {
	t.Helper()
	certificates := map[string]*x509.Certificate{}
	for name, request := range samples(t, p256) {
		certificates[name] = issue(t, c.Authority, request).Certificate
	}
	for i, profile := range []string{"root", "policy", "issuing", "suite-root"} {
		certificates[profile] = c.config.Issuers[i].Certificate
	}
	return certificates
}

func issuerOf(c *centre, profile string) *x509.Certificate {
	index, ok := map[string]int{"root": 0, "policy": 0, "issuing": 1, "suite-root": 3, "suite-server": 3, "suite-client": 3}[profile]
	if !ok {
		index = 2
	}
	return c.config.Issuers[index].Certificate
}

// each runs check for every certificate and names the profile in failures.
func each(t *testing.T, name string, certificates map[string]*x509.Certificate, check func(profile string, c *x509.Certificate) string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for profile, certificate := range certificates {
			if fault := check(profile, certificate); fault != "" {
				t.Errorf("%s: %s", profile, fault)
			}
		}
	})
}

func TestEveryCertificate(t *testing.T) {
	for kind, newKey := range map[string]func() crypto.Signer{"P-256": p256, "P-384": p384, "P-521": p521, "Ed25519": ed} {
		t.Run("issuers with "+kind, func(t *testing.T) { testEveryCertificate(t, newCentre(t, newKey)) })
	}
}

func testEveryCertificate(t *testing.T, centre *centre) {
	certificates := all(t, centre)
	each(t, "CERT-01 inner and outer algorithm are the same octets", certificates, func(_ string, c *x509.Certificate) string {
		outer, tbs := cryptobyte.String(c.Raw), cryptobyte.String(c.RawTBSCertificate)
		var a, b cryptobyte.String
		if !outer.ReadASN1(&outer, cryptobyte_asn1.SEQUENCE) || !outer.SkipASN1(cryptobyte_asn1.SEQUENCE) || !outer.ReadASN1Element(&a, cryptobyte_asn1.SEQUENCE) ||
			!tbs.ReadASN1(&tbs, cryptobyte_asn1.SEQUENCE) || !tbs.SkipASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()) ||
			!tbs.SkipASN1(cryptobyte_asn1.INTEGER) || !tbs.ReadASN1Element(&b, cryptobyte_asn1.SEQUENCE) || !bytes.Equal(a, b) {
			return "they differ"
		}
		return ""
	})
	each(t, "CERT-02 version 3", certificates, func(_ string, c *x509.Certificate) string {
		if c.Version != 3 {
			return "it is not"
		}
		return ""
	})
	each(t, "CERT-05 issuer equals the issuer's subject and its key made the signature", certificates, func(profile string, c *x509.Certificate) string {
		parent := issuerOf(centre, profile)
		if !bytes.Equal(c.RawIssuer, parent.RawSubject) {
			return "issuer differs"
		}
		if err := c.CheckSignatureFrom(parent); err != nil {
			return err.Error()
		}
		return ""
	})
	each(t, "CERT-07 times in UTC with seconds and without fraction", certificates, func(_ string, c *x509.Certificate) string {
		if c.NotBefore.Nanosecond() != 0 || time.Since(c.NotBefore) < 0 || time.Since(c.NotBefore) > time.Minute {
			return "notBefore is not now"
		}
		return ""
	})
	each(t, "CERT-09 no unique identifiers", certificates, func(_ string, c *x509.Certificate) string {
		tbs := cryptobyte.String(c.RawTBSCertificate)
		tbs.ReadASN1(&tbs, cryptobyte_asn1.SEQUENCE)
		for !tbs.Empty() {
			var element cryptobyte.String
			var tag cryptobyte_asn1.Tag
			if !tbs.ReadAnyASN1(&element, &tag) {
				return "unreadable"
			}
			if tag == cryptobyte_asn1.Tag(1).ContextSpecific() || tag == cryptobyte_asn1.Tag(2).ContextSpecific() {
				return "there is one"
			}
		}
		return ""
	})
	each(t, "CERT-10 no extension twice", certificates, func(_ string, c *x509.Certificate) string {
		seen := map[string]bool{}
		for _, e := range c.Extensions {
			if seen[e.Id.String()] {
				return e.Id.String()
			}
			seen[e.Id.String()] = true
		}
		return ""
	})
	each(t, "CERT-11 CERT-12 key identifiers", certificates, func(profile string, c *x509.Certificate) string {
		want, _ := pki.KeyIdentifier(c.RawSubjectPublicKeyInfo)
		switch {
		case !bytes.Equal(c.AuthorityKeyId, issuerOf(centre, profile).SubjectKeyId):
			return "AKI is not the issuer's SKI"
		case !bytes.Equal(c.SubjectKeyId, want):
			return "SKI is not by method 1"
		case extension(c, pki.OIDAuthorityKeyIdentifier).Critical || extension(c, pki.OIDSubjectKeyIdentifier).Critical:
			return "critical"
		}
		return ""
	})
	each(t, "CERT-13 keyUsage is critical without trailing zero bits", certificates, func(_ string, c *x509.Certificate) string {
		e := extension(c, pki.OIDKeyUsage)
		if !e.Critical || e.Value[0] != 3 || int(e.Value[2]) != bits.TrailingZeros8(e.Value[len(e.Value)-1]) {
			return "it is not"
		}
		return ""
	})
	each(t, "CERT-15 policies once and without qualifiers", certificates, func(_ string, c *x509.Certificate) string {
		if e := extension(c, pki.OIDCertificatePolicies); e != nil && (e.Critical || len(e.Value) > 16) {
			return "more than one bare identifier"
		}
		return ""
	})
	each(t, "CERT-19 basicConstraints", certificates, func(profile string, c *x509.Certificate) string {
		e := extension(c, pki.OIDBasicConstraints)
		want := map[string]string{"root": "30030101ff", "policy": "30060101ff020101", "issuing": "30060101ff020100", "suite-root": "30060101ff020100", "trust-list-signer": "3000"}[profile]
		switch {
		case want == "" && e != nil:
			return "an end entity has them"
		case want != "" && (e.Critical != c.IsCA || hexOf(e.Value) != want):
			return "an authority has " + hexOf(e.Value)
		}
		return ""
	})
	each(t, "CERT-28 strict DER", certificates, func(_ string, c *x509.Certificate) string { return strictDER(c.Raw) })
	each(t, "CERT-29 algorithm parameters", certificates, func(_ string, c *x509.Certificate) string {
		if strings.Contains(hexOf(c.Raw[len(c.RawTBSCertificate):]), "06082a8648ce3d0403020500") {
			return "ECDSA has parameters"
		}
		return ""
	})
	each(t, "CERT-38 end entities keep extensions uncritical but for time-stamping", certificates, func(profile string, c *x509.Certificate) string {
		for _, e := range c.Extensions {
			allowed := e.Id.Equal(pki.OIDKeyUsage) || e.Id.Equal(pki.OIDBasicConstraints) || profile == "tsa-signer" && e.Id.Equal(pki.OIDExtKeyUsage)
			if e.Critical && !allowed {
				return e.Id.String() + " is critical"
			}
		}
		return ""
	})
	centre.register.check(t)
}

func TestCitizen(t *testing.T) {
	centre := newCentre(t, p256)
	certificates := all(t, centre)
	signature, authentication := certificates["citizen-signature"], certificates["citizen-authentication"]
	t.Run("CERT-04 Azerbaijani letters are UTF8String, country and serialNumber PrintableString", func(t *testing.T) {
		for _, want := range []string{"0c1f4dc9996d6dc999647a6164c9992dc387c4b17261716cc4b120c396c49f757a", "0c1247c3bc6cc59fc9996e20c4b06c6b696ec999",
			"1302415a", "130d" + hexOf([]byte("PNOAZ-1ABC2D3"))} {
			if !strings.Contains(hexOf(signature.RawSubject), want) {
				t.Errorf("%s is not in the subject %x", want, signature.RawSubject)
			}
		}
	})
	t.Run("CERT-32 CERT-33 CERT-34 subject of a natural person", func(t *testing.T) {
		var got []string
		for _, a := range signature.Subject.Names {
			got = append(got, a.Type.String())
		}
		if want := []string{"2.5.4.6", "2.5.4.4", "2.5.4.42", "2.5.4.5", "2.5.4.3"}; !slices.Equal(got, want) {
			t.Errorf("attributes %v, want %v", got, want)
		}
		if got, want := signature.Subject.SerialNumber, "PNOAZ-1ABC2D3"; got != want {
			t.Errorf("serialNumber %q, want %q", got, want)
		}
		if got, want := signature.Subject.CommonName, "Gülşən İlkinə Məmmədzadə-Çıraqlı Öğuz"; got != want {
			t.Errorf("CN %q, want %q", got, want)
		}
	})
	t.Run("CERT-36 keyUsage of types A and C", func(t *testing.T) {
		if got, want := hexOf(extension(signature, pki.OIDKeyUsage).Value), "03020640"; got != want {
			t.Errorf("signature has %s, want %s", got, want)
		}
		if got, want := hexOf(extension(authentication, pki.OIDKeyUsage).Value), "03020780"; got != want {
			t.Errorf("authentication has %s, want %s", got, want)
		}
		if !slices.Equal(authentication.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || len(signature.ExtKeyUsage) != 0 {
			t.Error("extended key usages are wrong")
		}
	})
	t.Run("CERT-23 CERT-39 one distribution point with one http URI", func(t *testing.T) {
		if want := []string{"http://127.0.0.1:8444/ehm.crl"}; !slices.Equal(signature.CRLDistributionPoints, want) {
			t.Errorf("got %v", signature.CRLDistributionPoints)
		}
	})
	t.Run("CERT-25 CERT-26 CERT-40 authority information access", func(t *testing.T) {
		if !slices.Equal(signature.OCSPServer, []string{"http://127.0.0.1:8442/"}) || !slices.Equal(signature.IssuingCertificateURL, []string{"http://127.0.0.1:8444/ehm.cer"}) {
			t.Errorf("got %v and %v", signature.OCSPServer, signature.IssuingCertificateURL)
		}
	})
	t.Run("CERT-41 CERT-42 CERT-43 CERT-44 statements of a qualified certificate", func(t *testing.T) {
		e := extension(signature, pki.OIDQCStatements)
		var statements []struct {
			ID   asn1.ObjectIdentifier
			Info asn1.RawValue `asn1:"optional"`
		}
		if rest, err := asn1.Unmarshal(e.Value, &statements); err != nil || len(rest) > 0 {
			t.Fatalf("unreadable: %v", err)
		}
		got := map[string]string{}
		for _, s := range statements {
			got[s.ID.String()] = hexOf(s.Info.FullBytes)
		}
		for id, want := range map[string]string{
			"1.3.6.1.5.5.7.11.2": "3009060704008bec490101", "0.4.0.1862.1.1": "", "0.4.0.1862.1.6": "300906070400" + "8e46010601", "0.4.0.1862.1.7": "30041302415a",
		} {
			if info, ok := got[id]; !ok || info != want {
				t.Errorf("%s is %q, want %q", id, info, want)
			}
		}
		if len(got) != len(statements) || e.Critical {
			t.Error("a statement stands twice, or the extension is critical")
		}
		if bytes.Contains(extension(authentication, pki.OIDQCStatements).Value, []byte("\x06\x06\x04\x00\x8e\x46\x01\x01")) {
			t.Error("the authentication certificate claims to be qualified")
		}
	})
	t.Run("CERT-45 demonstration policy", func(t *testing.T) {
		if got := signature.PolicyIdentifiers; len(got) != 1 || got[0].String() != "2.999.31.1.1" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("three years less one second", func(t *testing.T) {
		if got, want := signature.NotAfter, signature.NotBefore.AddDate(3, 0, 0).Add(-time.Second); !got.Equal(want) {
			t.Errorf("notAfter %v, want %v", got, want)
		}
	})
}

func TestOtherProfiles(t *testing.T) {
	centre := newCentre(t, p256)
	certificates := all(t, centre)
	t.Run("CERT-06 UTCTime through 2049, GeneralizedTime after", func(t *testing.T) {
		root := certificates["root"]
		if root.NotAfter.Year() < 2050 {
			t.Skipf("a root of 25 years ends in %d", root.NotAfter.Year())
		}
		if !bytes.Contains(root.RawTBSCertificate, []byte("\x18\x0f"+root.NotAfter.Format("20060102150405Z"))) ||
			!bytes.Contains(root.RawTBSCertificate, []byte("\x17\x0d"+root.NotBefore.Format("060102150405Z"))) {
			t.Error("the times have other types")
		}
	})
	t.Run("OCSP-12 OCSP-13 responder has nocheck, neither OCSP nor CRL address, and a short life", func(t *testing.T) {
		for profile, days := range map[string]int{"ocsp-signer": 30, "ocsp-signer-offline": 366} {
			c := certificates[profile]
			if e := extension(c, pki.OIDOCSPNoCheck); e == nil || e.Critical || hexOf(e.Value) != "0500" {
				t.Errorf("%s: nocheck is wrong", profile)
			}
			if len(c.OCSPServer) != 0 || len(c.CRLDistributionPoints) != 0 || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}) {
				t.Errorf("%s: addresses or purpose are wrong", profile)
			}
			if life := c.NotAfter.Sub(c.NotBefore); life > time.Duration(days)*24*time.Hour {
				t.Errorf("%s: nobody can revoke it for %v", profile, life)
			}
		}
	})
	t.Run("TSA-09 TSA-10 time-stamping unit has one critical purpose", func(t *testing.T) {
		c := certificates["tsa-signer"]
		if e := extension(c, pki.OIDExtKeyUsage); !e.Critical || hexOf(e.Value) != "300a06082b06010505070308" || c.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Error("it has not")
		}
	})
	t.Run("CERT-34 CERT-35 VÖEN becomes organizationIdentifier", func(t *testing.T) {
		if !bytes.Contains(certificates["tsa-signer"].RawSubject, []byte("NTRAZ-1400057421")) {
			t.Error("it does not")
		}
	})
	t.Run("CERT-37 issuers have C, O and CN", func(t *testing.T) {
		for _, profile := range []string{"root", "policy", "issuing"} {
			if s := certificates[profile].Subject; len(s.Country) != 1 || len(s.Organization) != 1 || s.CommonName == "" {
				t.Errorf("%s is %v", profile, s)
			}
		}
	})
	t.Run("CERT-08 empty subject only with critical alternative name", func(t *testing.T) {
		request := ca.Request{Issuer: "suite", Profile: "suite-server", PublicKey: p256().Public(), DNSNames: []string{"ocsp.example"}}
		c := issue(t, centre.Authority, request).Certificate
		if e := extension(c, pki.OIDSubjectAltName); len(c.Subject.Names) != 0 || !e.Critical {
			t.Error("the alternative name is not critical")
		}
		request.DNSNames, request.PublicKey = nil, p256().Public()
		refused(t, centre, request, ca.CodeInvalid, "subject")
	})
	t.Run("validity ends with the issuer's", func(t *testing.T) {
		request := ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()}
		ehm := *certificates["issuing"]
		ehm.NotAfter = time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		config := centre.config
		config.Issuers = slices.Clone(config.Issuers)
		config.Issuers[2].Certificate = &ehm
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := issue(t, authority, request).Certificate.NotAfter, ehm.NotAfter; !got.Equal(want) {
			t.Errorf("notAfter %v, want %v", got, want)
		}
	})
	t.Run("chain ends before the root", func(t *testing.T) {
		issued := issue(t, centre.Authority, samples(t, p256)["tsa-signer"])
		if len(issued.Chain) != 2 || issued.Chain[0] != centre.config.Issuers[2].Certificate || issued.Chain[1] != centre.config.Issuers[1].Certificate {
			t.Errorf("chain of %d", len(issued.Chain))
		}
	})
}

func TestSerials(t *testing.T) {
	centre := newCentre(t, p256)
	t.Run("CERT-03 serials are positive, of 16 octets, unique and random", func(t *testing.T) {
		seen := map[string]bool{}
		var ones int
		const n = 100
		for range n {
			p, err := centre.Prepare(t.Context(), ca.Request{Issuer: "suite", Profile: "suite-client", PublicKey: p256().Public(), Subject: map[string]string{"CN": "a"}})
			if err != nil {
				t.Fatal(err)
			}
			serial := p.Serial()
			if number := serial.Int(); number.Sign() <= 0 || number.BitLen() != 127 || seen[string(serial)] {
				t.Errorf("serial %s", serial)
			}
			seen[string(serial)] = true
			for _, octet := range serial.Int().Bytes() {
				ones += bits.OnesCount8(octet)
			}
		}
		// 126 random bits each: the mean is 64 ones with a deviation of 0.56.
		if mean := float64(ones) / n; mean < 60 || mean > 68 {
			t.Errorf("%.1f ones of 127", mean)
		}
	})
}

// strictDER walks an encoding and says where it is not DER.
func strictDER(raw []byte) string {
	s := cryptobyte.String(raw)
	for !s.Empty() {
		var element, contents cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !s.ReadAnyASN1Element(&element, &tag) {
			return "not minimal or torn"
		}
		e := element
		e.ReadAnyASN1(&contents, &tag)
		switch {
		case tag == cryptobyte_asn1.BOOLEAN && (len(contents) != 1 || contents[0] != 0xff):
			return "BOOLEAN is not TRUE as FF"
		case tag == cryptobyte_asn1.SET:
			var last, member cryptobyte.String
			for rest := contents; !rest.Empty(); last = member {
				if !rest.ReadAnyASN1Element(&member, &tag) || bytes.Compare(last, member) > 0 {
					return "SET is not sorted"
				}
			}
		}
		if byte(element[0])&0x20 != 0 {
			if fault := strictDER(contents); fault != "" {
				return fault
			}
		}
	}
	return ""
}

package xmlsec_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

var root = xmlsec.Name{Space: "urn:test", Local: "list"}

// plain is a document that has most of what canonicalisation has rules for.
const plain = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- a list -->\r\n" +
	`<list xmlns="urn:test" xmlns:b="urn:b" Id="whole" z='1' b:a="2"><!-- x --><entry xml:lang="az">Şəhadətnamə &amp; möhür</entry>` +
	"\r\n<b:entry  value='a\"&#9;&#xA;b\tc'><![CDATA[<raw> & text]]></b:entry><empty/><none xmlns=\"\"/></list>\n"

func certificate(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "Signer (TEST)", Country: []string{"AZ"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pin(certificates ...*x509.Certificate) (signers []xmlsec.Signer) {
	for _, c := range certificates {
		signers = append(signers, xmlsec.Signer{Certificate: c.Raw, Key: c.PublicKey, NotBefore: c.NotBefore, NotAfter: c.NotAfter})
	}
	return signers
}

// signed returns plain, signed with a new P-256 key.
func signed(t testing.TB) (string, *x509.Certificate) {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	c := certificate(t, key)
	out, err := xmlsec.Sign(xmlsec.Request{Document: []byte(plain), Key: key, Certificate: c, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return string(out), c
}

func TestSign(t *testing.T) {
	for _, row := range []struct {
		name string
		key  crypto.Signer
		pss  bool
		uri  string
	}{
		{"P-256", ecKey(t, elliptic.P256()), false, "ecdsa-sha256"},
		{"P-384", ecKey(t, elliptic.P384()), false, "ecdsa-sha384"},
		{"P-521", ecKey(t, elliptic.P521()), false, "ecdsa-sha512"},
		{"RSA", rsaKey(t, 2048), false, "#rsa-sha256"},
		{"RSASSA-PSS", rsaKey(t, 2048), true, "#sha256-rsa-MGF1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, at := certificate(t, row.key), time.Now()
			out, err := xmlsec.Sign(xmlsec.Request{Document: []byte(plain), Key: row.key, Certificate: c, Time: at, PSS: row.pss})
			if err != nil {
				t.Fatal(err)
			}
			v, err := xmlsec.Verify(out, root, pin(certificate(t, ecKey(t, elliptic.P256())), c), xmlsec.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if v.Signer != 1 || !v.V2 || !strings.HasSuffix(v.Method, row.uri) || len(v.Weak) != 0 || !v.SigningTime.Equal(at.Truncate(time.Second)) {
				t.Errorf("got %+v", v)
			}
			if got := v.Content.Root.Child("urn:test", "entry").Text(); got != "Şəhadətnamə & möhür" {
				t.Errorf("the content says %q", got)
			}
			if !strings.HasPrefix(string(out), strings.TrimSuffix(plain, "</list>\n")) {
				t.Error("signing changed the document's own octets")
			}
			if !row.pss { // the xmlsec1 of Debian 12 does not know it
				judgeWithXMLSec1(t, out, c)
			}
		})
	}
}

// judgeWithXMLSec1 has another implementation verify the signature.
func judgeWithXMLSec1(t *testing.T, document []byte, c *x509.Certificate) {
	t.Helper()
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Skip("xmlsec1 is not installed (Debian: xmlsec1)")
	}
	dir := t.TempDir()
	name, trusted := filepath.Join(dir, "list.xml"), filepath.Join(dir, "trusted.der")
	for file, data := range map[string][]byte{name: document, trusted: c.Raw} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.Command("xmlsec1", "--verify", "--trusted-der", trusted, "--enabled-key-data", "x509",
		"--id-attr:Id", xmlsec.SpaceXAdES+":SignedProperties", name).CombinedOutput()
	if err != nil || !strings.Contains(string(output), "SignedInfo References (ok/all): 2/2") {
		t.Errorf("xmlsec1: %v\n%s", err, output)
	}
}

func TestSignRefuses(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	c := certificate(t, key)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := signed(t)
	for name, r := range map[string]xmlsec.Request{
		"another key's certificate": {Document: []byte(plain), Key: ecKey(t, elliptic.P256()), Certificate: c, Time: time.Now()},
		"Ed25519":                   {Document: []byte(plain), Key: edKey, Certificate: certificate(t, edKey), Time: time.Now()},
		"a signed document":         {Document: []byte(once), Key: key, Certificate: c, Time: time.Now()},
		"an empty element":          {Document: []byte("<a/>"), Key: key, Certificate: c, Time: time.Now()},
		"no XML":                    {Document: []byte("<a>"), Key: key, Certificate: c, Time: time.Now()},
		"after the certificate":     {Document: []byte(plain), Key: key, Certificate: c, Time: time.Now().Add(2 * time.Hour)},
	} {
		if out, err := xmlsec.Sign(r); err == nil {
			t.Errorf("%s was signed: %s", name, out)
		}
	}
}

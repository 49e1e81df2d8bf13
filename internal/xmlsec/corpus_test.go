package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/xmlsec"
)

// listRoot is the root of a trust list.
var listRoot = xmlsec.Name{Space: "http://uri.etsi.org/02231/v2#", Local: "TrustServiceStatusList"}

// corpus reads real lists. They stand outside of the tree.
func corpus(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	dir := os.Getenv("ALTAMGA_CORPUS")
	if dir == "" {
		t.Skip("ALTAMGA_CORPUS does not name the folder of real lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "interop", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// own pins the certificates that a document itself brings: that is enough to
// judge arithmetic and form, and says nothing of trust.
func own(t testing.TB, data []byte) (signers []xmlsec.Signer) {
	t.Helper()
	d, err := xmlsec.Parse(data, xmlsec.Limits{})
	if err != nil {
		return nil
	}
	for e := range d.Root.All() {
		if !e.Is(xmlsec.SpaceDSig, "X509Certificate") {
			continue
		}
		der, err := xmlsec.Base64(e.Text())
		if err != nil {
			t.Fatal(err)
		}
		s := xmlsec.Signer{Certificate: der}
		if c, err := x509.ParseCertificate(der); err == nil {
			s.Key, s.NotBefore, s.NotAfter = c.PublicKey, c.NotBefore, c.NotAfter
		} else if key := brainpoolKey(der); key != nil {
			s.Key, s.NotAfter = key, time.Now() // its validity is another package's to read
		}
		signers = append(signers, s)
	}
	return signers
}

// brainpoolKey finds a key on brainpoolP256r1 in a certificate.
func brainpoolKey(der []byte) crypto.PublicKey {
	const prefix, point = "\x30\x5a\x30\x14\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07\x03\x42\x00", 65
	at := bytes.Index(der, []byte(prefix))
	if at < 0 {
		return nil
	}
	if key := brainpool.ReadKey(der[at : at+len(prefix)+point]); key != nil {
		return key
	}
	return nil
}

func TestRealLists(t *testing.T) {
	refused := map[string]xmlsec.Reason{
		"tsl-pe.xml": xmlsec.Algorithm, // a reference digested with SHA-1
	}
	for name, data := range corpus(t, "eu/*.xml") {
		v, err := xmlsec.Verify(data, listRoot, own(t, data), xmlsec.Limits{})
		if got := xmlsec.ReasonOf(err); got != refused[name] {
			t.Errorf("%s: %v (%s)", name, err, got)
			continue
		}
		if err != nil {
			t.Logf("%s: refused: %v", name, err)
			continue
		}
		t.Logf("%s: %d elements, %s, %s, weak %q", name, v.Content.Elements, v.SigningTime, v.Method, v.Weak)
	}
}

func TestNegatives(t *testing.T) {
	// The reason that each file has to be refused for, by a reader that trusts
	// the file's own certificates. Three are signed well and refused by what
	// stands above: the reader of lists.
	want := map[string]xmlsec.Reason{
		"CZ_broken-sig.xml": xmlsec.Digest, "CZ_empty.xml": xmlsec.Malformed, "CZ_no-sig.xml": xmlsec.Unsigned,
		"CZ_not-conform.xml": xmlsec.Malformed, "CZ_two-sigs.xml": xmlsec.Form, "eu-lotl-broken-sig.xml": xmlsec.Digest,
		"eu-lotl-not-parseable.xml": xmlsec.Malformed, "fi-v5-invalid.xml": "", "fi-v6-no-service-information.xml": xmlsec.Digest,
		"fi-v6-no-tsp-information.xml": xmlsec.Digest, "tl-empty-with-identifier.xml": xmlsec.Unsigned, "tl-empty.xml": xmlsec.Unsigned,
		"tl_pivot_247_mp_with-bom.xml": "", "tlv6_empty.xml": xmlsec.Unsigned, "tlv6_wrong_inside.xml": xmlsec.Unsigned,
		"TSL-CY-sign.xml": "", "XSW-enveloped-fake-content.xml": xmlsec.Form, "XSW-enveloping-fake-object.xml": xmlsec.Malformed,
	}
	for _, pattern := range []string{"negative/*.xml", "negative/xsw/*.xml"} {
		for name, data := range corpus(t, pattern) {
			_, err := xmlsec.Verify(data, listRoot, own(t, data), xmlsec.Limits{})
			if reason, ok := want[name]; !ok || xmlsec.ReasonOf(err) != reason {
				t.Errorf("%s: got %q (%v), want %q", name, xmlsec.ReasonOf(err), err, reason)
			}
		}
	}
}

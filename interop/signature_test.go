package interop_test

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// A certificate is vouched for by who signed it, also where crypto/x509 reads
// the authority, the certificate or both not at all: keys on Brainpool curves.
func TestTrustedAtBrainpool(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed (Debian: openssl)")
	}
	dir := t.TempDir()
	openssl := func(arguments ...string) {
		t.Helper()
		command := exec.Command("openssl", arguments...)
		command.Dir = dir
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
	made := func(name, curve, hash string, more ...string) *interop.Certificate {
		t.Helper()
		openssl(append([]string{"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + curve, "-" + hash, "-nodes", "-days", "2",
			"-subj", "/C=DE/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem"}, more...)...)
		data, err := os.ReadFile(filepath.Join(dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		return &interop.Certificate{Raw: block.Bytes}
	}
	for _, row := range []struct{ authority, hash, person string }{
		{"brainpoolP256r1", "sha256", "P-256"},
		{"brainpoolP384t1", "sha384", "brainpoolP256t1"},
		{"brainpoolP512r1", "sha512", "brainpoolP384r1"},
		{"P-384", "sha384", "brainpoolP512t1"},
	} {
		de := newCountry(t, "DE")
		authority := made("authority", row.authority, row.hash)
		de.list.Providers[0].Services[0].Identity = interop.Identity{{Certificate: authority}}
		trust := interop.NewTrust(verified(t, de))
		person := made("person", row.person, row.hash, "-CA", "authority.pem", "-CAkey", "authority.key")
		at := time.Now().Add(time.Minute)
		if a := trust.TrustedAt(person, at); !a.Trusted {
			t.Errorf("%v: %s", row, a.Why)
		}
		changed := slices.Clone(person.Raw)
		changed[len(changed)-1] ^= 1
		if a := trust.TrustedAt(&interop.Certificate{Raw: changed}, at); a.Trusted {
			t.Errorf("%v, changed: %s", row, a.Why)
		}
		for _, c := range []*interop.Certificate{authority, person} {
			if facts, err := c.Facts(); err != nil || !facts.Verifiable() || !slices.Contains([]string{"brainpool", "ecdsa"}, facts.Algorithm()) {
				t.Errorf("%v: %s, %v", row, facts.Algorithm(), err)
			}
		}
		// Signed with SHA-1, whose signatures prove nothing.
		weak := made("weak", row.person, "sha1", "-CA", "authority.pem", "-CAkey", "authority.key")
		if a := trust.TrustedAt(weak, at); a.Trusted {
			t.Errorf("%v, SHA-1: %s", row, a.Why)
		}
	}
}

package gost_test

import (
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crypto/x509"

	"github.com/altamga/altamga/internal/gost"
)

func octets(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of RFC 6986, Section 10, which writes the most significant octet
// first.
func TestStreebog(t *testing.T) {
	for _, row := range []struct{ message, want512, want256 string }{
		{
			"323130393837363534333231303938373635343332313039383736353433323130393837363534333231303938373635343332313039383736353433323130",
			"486f64c1917879417fef082b3381a4e211c324f074654c38823a7b76f830ad00fa1fbae42b1285c0352f227524bc9ab16254288dd6863dccd5b9f54a1ad0541b",
			"00557be5e584fd52a449b16b0251d05d27f94ab76cbaa6da890b59d8ef1e159d",
		},
		{
			"fbe2e5f0eee3c820fbeafaebef20fffbf0e1e0f0f520e0ed20e8ece0ebe5f0f2f120fff0eeec20f120faf2fee5e2202ce8f6f3ede220e8e6eee1e8f0f2d1202ce8f0f2e5e220e5d1",
			"28fbc9bada033b1460642bdcddb90c3fb3e56c497ccd0f62b8a2ad4935e85f037613966de4ee00531ae60f3b5a47f8dae06915d5f2f194996fcabf2622e6881e",
			"508f7e553c06501d749a66fc28c6cac0b005746d97537fa85d9e40904efed29d",
		},
	} {
		message := octets(t, row.message)
		slices.Reverse(message)
		long, short := gost.Sum512(message), gost.Sum256(message)
		slices.Reverse(long[:])
		slices.Reverse(short[:])
		if got := hex.EncodeToString(long[:]); got != row.want512 {
			t.Errorf("512 bits: got %s, want %s", got, row.want512)
		}
		if got := hex.EncodeToString(short[:]); got != row.want256 {
			t.Errorf("256 bits: got %s, want %s", got, row.want256)
		}
	}
}

// The example of RFC 7091, Section 7, and what differs from it.
func TestVerify(t *testing.T) {
	n := func(digits string) *big.Int {
		v, ok := new(big.Int).SetString(digits, 16)
		if !ok {
			t.Fatal(digits)
		}
		return v
	}
	p, a := n("8000000000000000000000000000000000000000000000000000000000000431"), n("7")
	b := n("5FBFF498AA938CE739B8E022FBAFEF40563F6E6A3472FC2A514C0CE9DAE23B7E")
	q := n("8000000000000000000000000000000150FE8A1892976154C59CFC193ACCF5B3")
	x, y := n("2"), n("8E2A8A0E65147D4BD6316030E16D19C85C97F0A9CA267122B96ABBCEA7E8FC8")
	keyX := n("7F2B49E270DB6D90D8595BEC458B50C58585BA1D4E9B788F6689DBD8E56FD80B")
	keyY := n("26F1B489D6701DD185C8413A977B3CBBAF64D1C593D26627DFFB101A87FF77DA")
	e := n("2DFBC1B372D89A1188C09C52E0EEC61FCE52032AB1022E8E67ECE6672B043EE5")
	r := n("41AA28D2F1AB148280CD9ED56FEDA41974053554A42767B83AD043FD39DC0493")
	s := n("1456C64BA4642A1653C235A98A60249BCD6D3F746B631DF928014F6C5BF9C40")
	verify := func(keyX, e, r, s *big.Int) bool { return gost.VerifyOn(p, a, b, q, x, y, keyX, keyY, e, r, s) }
	if !verify(keyX, e, r, s) {
		t.Error("the example does not verify")
	}
	one, zero := big.NewInt(1), new(big.Int)
	more := func(v *big.Int) *big.Int { return new(big.Int).Add(v, one) }
	for name, ok := range map[string]bool{
		"another hash": verify(keyX, more(e), r, s), "another r": verify(keyX, e, more(r), s), "another s": verify(keyX, e, r, more(s)),
		"r of zero": verify(keyX, e, zero, s), "s of zero": verify(keyX, e, r, zero), "s of the order": verify(keyX, e, r, q),
		"r beyond the order": verify(keyX, e, new(big.Int).Add(r, q), s), "a key beside the curve": verify(more(keyX), e, r, s),
		"a negative r": verify(keyX, e, new(big.Int).Neg(r), s),
	} {
		if ok {
			t.Errorf("%s verifies", name)
		}
	}
}

func TestCurves(t *testing.T) {
	if wrong := gost.CheckCurves(); len(wrong) > 0 {
		t.Errorf("these curves are not what they are said to be: %q", wrong)
	}
}

// kz reads a certificate of Kazakhstan's test hierarchy.
func kz(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	dir := os.Getenv("ALTAMGA_CORPUS")
	if dir == "" {
		t.Skip("ALTAMGA_CORPUS does not name the folder of real certificates")
	}
	data, err := os.ReadFile(filepath.Join(dir, "interop", "kz", name))
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	c, err := x509.ParseCertificate(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Kazakhstan's chain of 2022, from the root to a person.
func TestKazakhstan(t *testing.T) {
	root, nca, leaf := kz(t, "root_test_gost_2022.cer"), kz(t, "nca_gost2022_test.cer"), kz(t, "test-gost1.cer")
	single := kz(t, "fedor35_test_gost512.cer.pem")
	for name, pair := range map[string][2]*x509.Certificate{"root": {root, root}, "NCA": {nca, root}, "leaf": {leaf, nca}, "another, self-signed": {single, single}} {
		if err := gost.CheckSignature(pair[0].Raw, pair[1].RawSubjectPublicKeyInfo); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := gost.CheckSignature(leaf.Raw, root.RawSubjectPublicKeyInfo); !errors.Is(err, gost.ErrSignature) {
		t.Errorf("the leaf by the root: %v", err)
	}
	changed := slices.Clone(leaf.Raw)
	changed[len(changed)/2] ^= 1
	if err := gost.CheckSignature(changed, nca.RawSubjectPublicKeyInfo); !errors.Is(err, gost.ErrSignature) {
		t.Errorf("a changed leaf: %v", err)
	}
	// The algorithms of 2004 and RSA are not this one.
	old := kz(t, "nca_gost_test.crt")
	if err := gost.CheckSignature(old.Raw, root.RawSubjectPublicKeyInfo); !errors.Is(err, gost.ErrUnknown) {
		t.Errorf("a certificate of 2004: %v", err)
	}
	if gost.Known(old.RawSubjectPublicKeyInfo) || !gost.Known(nca.RawSubjectPublicKeyInfo) {
		t.Error("keys are not told apart")
	}
}

// FuzzCheckSignature: no certificate and no key makes it fail.
func FuzzCheckSignature(f *testing.F) {
	f.Add([]byte{0x30, 0}, []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		if gost.CheckSignature(certificate, key) == nil {
			t.Skip("a signature that verifies")
		}
	})
}

package tsa_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

// statement returns a TSTInfo with every field that an authority writes.
func statement() *tsa.Info {
	return &tsa.Info{
		Policy:   policy,
		Imprint:  tsa.Imprint{HashAlgorithm: oidSHA256, HashedMessage: bytes.Repeat([]byte{0xab}, 32)},
		Serial:   []byte{0x00, 0x80, 0x01},
		GenTime:  noon.Add(250 * time.Millisecond),
		Accuracy: 500 * time.Millisecond,
		Nonce:    []byte{0xff},
		Name:     []byte{0x30, 0x00},
	}
}

// TestInfoBytes compares with an encoding worked out by hand from RFC 3161,
// Section 2.4.2.
func TestInfoBytes(t *testing.T) {
	got, err := statement().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := wrap(t, 0x30,
		"020101",            // version
		"0605"+"8837985901", // policy 2.999.3161.1
		"302f"+"300b0609608648016503040201"+"0420"+hex.EncodeToString(bytes.Repeat([]byte{0xab}, 32)), // messageImprint
		"0203"+"008001", // serialNumber
		"1812"+hex.EncodeToString([]byte("20261122120000.25Z")), // genTime
		"3004"+"800201f4",    // accuracy
		"0201"+"ff",          // nonce
		"a004"+"a402"+"3000", // tsa
	)
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

// TestLintBeforeSigning changes each thing that a statement says.
func TestLintBeforeSigning(t *testing.T) {
	encoded, err := statement().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := tsa.Lint(encoded, statement()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*tsa.Info){
		"policy":         func(i *tsa.Info) { i.Policy = otherPolicy },
		"algorithm":      func(i *tsa.Info) { i.Imprint.HashAlgorithm = oidSHA512 },
		"parameters":     func(i *tsa.Info) { i.Imprint.Parameters = []byte{5, 0} },
		"imprint":        func(i *tsa.Info) { i.Imprint.HashedMessage = make([]byte, 32) },
		"serial number":  func(i *tsa.Info) { i.Serial = []byte{1} },
		"time":           func(i *tsa.Info) { i.GenTime = noon },
		"accuracy":       func(i *tsa.Info) { i.Accuracy = time.Second },
		"nonce":          func(i *tsa.Info) { i.Nonce = []byte{1} },
		"absent nonce":   func(i *tsa.Info) { i.Nonce = nil },
		"name":           func(i *tsa.Info) { i.Name = nil },
		"fine fractions": func(i *tsa.Info) { i.GenTime = i.GenTime.Add(1) },
	} {
		i := statement()
		change(i)
		if err := tsa.Lint(encoded, i); err == nil {
			t.Errorf("another %s passes", name)
		}
	}
	for name, serial := range map[string][]byte{"negative": {0x80}, "of 168 bits": append([]byte{1}, make([]byte, 20)...)} {
		i := statement()
		i.Serial = serial
		encoded, err := i.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := tsa.Lint(encoded, i); err == nil {
			t.Errorf("a serial number that is %s passes", name)
		}
	}
}

// TestVerifyAttributes signs tokens with wrong attributes by the right key.
func TestVerifyAttributes(t *testing.T) {
	a, h, _ := newAuthority(t, nil)
	token, err := a.Stamp(t.Context(), query())
	if err != nil {
		t.Fatal(err)
	}
	twin := newHierarchy(t, newKey(t, elliptic.P256()))
	config, _ := twin.config()
	other, err := tsa.New(config)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Stamp(t.Context(), query())
	if err != nil {
		t.Fatal(err)
	}
	foreignAttributes := attributesOf(t, foreign)
	signingTime := unhex(t, "301c"+"06092a864886f70d010905"+"310f"+"170d"+hex.EncodeToString([]byte("261122120000Z")))

	resigned := func(change func([][]byte) [][]byte) error {
		changed, err := tsa.Resign(token, h.key, change)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := tsa.ParseToken(changed)
		if err != nil {
			return err
		}
		return parsed.Verify(h.certificate)
	}
	if err := resigned(func(a [][]byte) [][]byte { return a }); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := resigned(func(a [][]byte) [][]byte { return slices.Delete(a, i, i+1) }); err == nil {
			t.Errorf("without attribute %d it verifies", i)
		}
		if err := resigned(func(a [][]byte) [][]byte { return append(a, a[i]) }); err == nil {
			t.Errorf("with attribute %d twice it verifies", i)
		}
		if err := resigned(func(a [][]byte) [][]byte { a[i] = []byte{0x30, 0}; return a }); err == nil {
			t.Errorf("with attribute %d empty it verifies", i)
		}
	}
	for _, attribute := range foreignAttributes {
		// Of another token, these differ: message-digest, signingCertificateV2.
		if slices.ContainsFunc(attributesOf(t, token), func(own []byte) bool { return bytes.Equal(own, attribute) }) {
			continue
		}
		if err := resigned(func(a [][]byte) [][]byte {
			for i := range a {
				if bytes.Equal(a[i][2:15], attribute[2:15]) {
					a[i] = attribute
				}
			}
			return a
		}); err == nil {
			t.Errorf("with another token's attribute %x it verifies", attribute)
		}
	}
	if err := resigned(func(a [][]byte) [][]byte { return append(a, signingTime) }); err == nil {
		t.Error("with a fifth attribute it verifies")
	}
}

func attributesOf(t *testing.T, token []byte) [][]byte {
	t.Helper()
	var out [][]byte
	if _, err := tsa.Resign(token, newKey(t, elliptic.P256()), func(a [][]byte) [][]byte { out = slices.Clone(a); return a }); err != nil {
		t.Fatal(err)
	}
	return out
}

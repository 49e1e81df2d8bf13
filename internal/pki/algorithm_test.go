package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

func ecdsaKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signers(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"300a06082a8648ce3d040302":       ecdsaKey(t, elliptic.P256()),
		"300a06082a8648ce3d040303":       ecdsaKey(t, elliptic.P384()),
		"300a06082a8648ce3d040304":       ecdsaKey(t, elliptic.P521()),
		"300d06092a864886f70d01010b0500": rsaKey,
		"300506032b6570":                 edKey,
	}
}

func TestSign(t *testing.T) {
	message := []byte("to be signed")
	for want, key := range signers(t) {
		algorithm, _, err := pki.SignatureAlgorithm(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		b := cryptobyte.NewBuilder(nil)
		pki.AddAlgorithm(b, algorithm)
		encoded := b.BytesOrPanic()
		t.Run("CERT-29 identifier "+want, func(t *testing.T) {
			if got := hex.EncodeToString(encoded); got != want {
				t.Errorf("got %s", got)
			}
		})
		t.Run("signatures without random are deterministic and hold", func(t *testing.T) {
			first, err := pki.Sign(nil, key, message)
			if err != nil {
				t.Fatal(err)
			}
			second, err := pki.Sign(nil, key, message)
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("they differ: %v", err)
			}
			verify(t, key.Public(), message, first)
		})
		t.Run("hedged signatures hold, and differ for ECDSA", func(t *testing.T) {
			first, err := pki.Sign(rand.Reader, key, message)
			if err != nil {
				t.Fatal(err)
			}
			second, err := pki.Sign(rand.Reader, key, message)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := key.(*ecdsa.PrivateKey); ok == bytes.Equal(first, second) {
				t.Errorf("they are equal: %v", !ok)
			}
			verify(t, key.Public(), message, first)
		})
	}
	t.Run("RFC 6979, Appendix A.2.5 example with SHA-256", func(t *testing.T) {
		d, _ := new(big.Int).SetString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", 16)
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pki.Sign(nil, key, []byte("sample"))
		const r, s = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716", "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
		if want := "3046022100" + r + "022100" + s; err != nil || hex.EncodeToString(got) != want {
			t.Errorf("got %x, %v; want %s", got, err, want)
		}
	})
}

// verify checks the signature with the standard library's own reading of the
// algorithm.
func verify(t *testing.T, public crypto.PublicKey, message, signature []byte) {
	t.Helper()
	_, hash, err := pki.SignatureAlgorithm(public)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := map[crypto.Hash]x509.SignatureAlgorithm{0: x509.PureEd25519, crypto.SHA256: x509.ECDSAWithSHA256, crypto.SHA384: x509.ECDSAWithSHA384, crypto.SHA512: x509.ECDSAWithSHA512}[hash]
	if _, ok := public.(*rsa.PublicKey); ok {
		algorithm = x509.SHA256WithRSA
	}
	if err := (&x509.Certificate{PublicKey: public}).CheckSignature(algorithm, message, signature); err != nil {
		t.Error(err)
	}
}

func TestSignatureAlgorithmRefuses(t *testing.T) {
	weak, _ := new(big.Int).SetString("1"+string(bytes.Repeat([]byte("0"), 255)), 16)
	for name, key := range map[string]crypto.PublicKey{
		"CERT-47 RSA of 1021 bits": &rsa.PublicKey{N: weak, E: 65537},
		"CERT-47 P-224":            ecdsaKey(t, elliptic.P224()).Public(),
		"another kind":             "key",
	} {
		t.Run(name, func(t *testing.T) {
			if algorithm, _, err := pki.SignatureAlgorithm(key); err == nil {
				t.Errorf("got %v", algorithm)
			}
		})
	}
}

func TestHash(t *testing.T) {
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		algorithm := pki.HashAlgorithm(hash)
		for _, parameters := range [][]byte{nil, {5, 0}} {
			algorithm.Parameters = parameters
			if got, ok := algorithm.Hash(); !ok || got != hash {
				t.Errorf("%v with parameters %x: %v", hash, parameters, got)
			}
		}
		algorithm.Parameters = []byte{4, 0}
		if _, ok := algorithm.Hash(); ok {
			t.Errorf("%v takes other parameters", hash)
		}
	}
	if _, ok := (pki.Algorithm{ID: pki.OIDEd25519}).Hash(); ok {
		t.Error("Ed25519 is no hash")
	}
}

func TestKeyIdentifier(t *testing.T) {
	for _, key := range signers(t) {
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		bits, err := pki.SubjectPublicKey(spki)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(spki, bits) {
			t.Error("the subjectPublicKey is not the end of the SubjectPublicKeyInfo")
		}
		want := sha1.Sum(bits)
		if got, err := pki.KeyIdentifier(spki); err != nil || !bytes.Equal(got, want[:]) {
			t.Errorf("got %x, %v; want %x", got, err, want)
		}
		if _, err := pki.KeyIdentifier(append(spki, 0)); err == nil {
			t.Error("something behind it is taken")
		}
	}
	if _, err := pki.KeyIdentifier(nil); err == nil {
		t.Error("nothing is taken")
	}
}

func TestCheckKeyPair(t *testing.T) {
	key, other := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256())
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now()}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.CheckKeyPair(certificate, key); err != nil {
		t.Error(err)
	}
	if err := pki.CheckKeyPair(certificate, other); err == nil {
		t.Error("another key is taken")
	}
}

func TestAddSigned(t *testing.T) {
	b := cryptobyte.NewBuilder(nil)
	pki.AddSigned(b, []byte{0x30, 0}, pki.Algorithm{ID: pki.OIDEd25519}, []byte{0xaa})
	if got, want := hex.EncodeToString(b.BytesOrPanic()), "300d3000300506032b6570030200aa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzAlgorithm reads hostile identifiers: what is read must be written again
// octet for octet.
func FuzzAlgorithm(f *testing.F) {
	f.Add([]byte{0x30, 5, 6, 3, 0x2b, 0x65, 0x70})
	f.Add([]byte{0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := cryptobyte.String(raw)
		var a pki.Algorithm
		if !pki.ReadAlgorithm(&s, &a) {
			return
		}
		b := cryptobyte.NewBuilder(nil)
		pki.AddAlgorithm(b, a)
		if again, err := b.Bytes(); err != nil || !bytes.Equal(again, raw[:len(raw)-len(s)]) {
			t.Errorf("read %x, wrote %x, %v", raw, again, err)
		}
	})
}

func TestPSS(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("to be signed")
	t.Run("CERT-29 hash, mask and salt of SHA-256 are written out", func(t *testing.T) {
		algorithm, hash, err := pki.SignatureAlgorithm(key.Public(), pki.PSS)
		if err != nil || hash != crypto.SHA256 {
			t.Fatal(hash, err)
		}
		b := cryptobyte.NewBuilder(nil)
		pki.AddAlgorithm(b, algorithm)
		const want = "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
		if got := hex.EncodeToString(b.BytesOrPanic()); got != want {
			t.Errorf("got %s", got)
		}
	})
	for name, random := range map[string]io.Reader{"with random": rand.Reader, "without random the salt is random all the same": nil} {
		t.Run(name, func(t *testing.T) {
			first, err := pki.Sign(random, key, message, pki.PSS)
			if err != nil {
				t.Fatal(err)
			}
			second, err := pki.Sign(random, key, message, pki.PSS)
			if err != nil || bytes.Equal(first, second) {
				t.Errorf("two signatures are equal, or %v", err)
			}
			if err := (&x509.Certificate{PublicKey: key.Public()}).CheckSignature(x509.SHA256WithRSAPSS, message, first); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("other keys have no choice", func(t *testing.T) {
		algorithm, _, err := pki.SignatureAlgorithm(ecdsaKey(t, elliptic.P256()).Public(), pki.PSS)
		if err != nil || !algorithm.ID.Equal(pki.OIDECDSAWithSHA256) {
			t.Errorf("got %v, %v", algorithm, err)
		}
	})
}

func TestMarshalPublicKey(t *testing.T) {
	keys := []crypto.PublicKey{ed25519.PublicKey(make([]byte, 32))}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.Public())
	}
	for _, key := range keys {
		want, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pki.MarshalPublicKey(key); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%T: %x, %v, want %x", key, got, err, want)
		}
	}
	if _, err := pki.MarshalPublicKey("a key"); err == nil {
		t.Error("a text was encoded as a key")
	}
}

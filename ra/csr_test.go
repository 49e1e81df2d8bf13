package ra_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ra"
)

// tamper breaks the signature of a request.
func tamper(t testing.TB, csr string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		t.Fatal("no PEM")
	}
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
}

// weakCSR returns a request with a key that is no longer allowed.
func weakCSR(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newCSR(t, key)
}

// rsaCSR returns a request with an RSA key of that size and exponent. Nobody
// has the key, so its signature is none: it must not come to checking it.
func rsaCSR(t testing.TB, bits uint, exponent int64) string {
	t.Helper()
	type algorithm struct {
		ID   asn1.ObjectIdentifier
		Null asn1.RawValue
	}
	type publicKey struct {
		N *big.Int
		E int64
	}
	type keyInfo struct {
		Algorithm algorithm
		Key       asn1.BitString
	}
	type info struct {
		Version    int
		Subject    asn1.RawValue
		Key        keyInfo
		Attributes asn1.RawValue
	}
	type request struct {
		Info      info
		Algorithm algorithm
		Signature asn1.BitString
	}
	marshal := func(v any) []byte {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	null := asn1.RawValue{Tag: asn1.TagNull}
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	key := marshal(publicKey{n.SetBit(n, 0, 1), exponent})
	signature := make([]byte, (bits+7)/8)
	return toPEM("CERTIFICATE REQUEST", marshal(request{
		Info: info{
			Subject:    asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true},
			Key:        keyInfo{algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, null}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}},
			Attributes: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true},
		},
		Algorithm: algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, null},
		Signature: asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	}))
}

// sha1CSR returns a request whose signature says SHA-1.
func sha1CSR(t testing.TB) string {
	t.Helper()
	block, _ := pem.Decode([]byte(newCSR(t, newKey(t))))
	// ecdsa-with-SHA256 is 1.2.840.10045.4.3.2, ecdsa-with-SHA1 1.2.840.10045.4.1:
	// one octet less in the algorithm's two sequences and in the whole.
	var parts []asn1.RawValue
	if _, err := asn1.Unmarshal(block.Bytes, &parts); err != nil {
		t.Fatal(err)
	}
	algorithm, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}})
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = asn1.RawValue{FullBytes: algorithm}
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	if csr, err := x509.ParseCertificateRequest(der); err != nil || csr.SignatureAlgorithm != x509.ECDSAWithSHA1 {
		t.Fatalf("%v %v", csr, err)
	}
	return toPEM("CERTIFICATE REQUEST", der)
}

// largeCSR returns a good request that is larger than any needs to be.
func largeCSR(t testing.TB) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: slices.Repeat([]string{strings.Repeat("a", 60) + ".example"}, 250)}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return toPEM("CERTIFICATE REQUEST", der)
}

// TestKeyIsBoundedFirst: what is wrong with a key is found before its signature
// is checked, so that the sender does not choose how much work that is.
func TestKeyIsBoundedFirst(t *testing.T) {
	o := newOffice(t)
	at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
	for want, csr := range map[string]string{
		"8193 bits": rsaCSR(t, 8193, 65537), "exponent is even": rsaCSR(t, 4096, 65536), "2147483647": rsaCSR(t, 4096, 1<<32+1),
		"16384 octets": largeCSR(t), "SHA-1": sha1CSR(t), "signature is wrong": rsaCSR(t, 3072, 65537),
	} {
		r := o.refused(400, "invalid_request", "desk", "POST", at+"/issue", map[string]any{"csr_signature": csr})
		if !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s, want %q", r.Body, want)
		}
	}
}

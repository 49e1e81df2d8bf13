package tsa_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/altamga/altamga/tsa"
)

// Pieces of queries, in hexadecimal.
const (
	imprintAlgorithm = "300b" + "0609608648016503040201"          // sha256, no parameters
	imprintNull      = "300d" + "0609608648016503040201" + "0500" // sha256, NULL
	zeros32          = "0420" + "0000000000000000000000000000000000000000000000000000000000000000"
	policyHex        = "0605" + "883798" + "5901" // 2.999.3161.1
)

// wrap returns hexadecimal pieces as a constructed element of tag.
func wrap(t testing.TB, tag byte, pieces ...string) string {
	t.Helper()
	content, err := hex.DecodeString(strings.Join(pieces, ""))
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(asn1.RawValue{Class: int(tag >> 6), Tag: int(tag & 0x1f), IsCompound: tag&0x20 != 0, Bytes: content})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(der)
}

// request returns the query of a version 1 imprint and further fields.
func request(t testing.TB, fields ...string) []byte {
	t.Helper()
	pieces := append([]string{"020101", wrap(t, 0x30, imprintAlgorithm, zeros32)}, fields...)
	return unhex(t, wrap(t, 0x30, pieces...))
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseRequest(t *testing.T) {
	extension := wrap(t, 0x30, wrap(t, 0x06, "883701"), wrap(t, 0x04, "0500"))
	in := request(t, policyHex, "02020080", "0101ff", wrap(t, 0xa0, extension))
	r, err := tsa.ParseRequest(in)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Policy.Equal(policy) || !bytes.Equal(r.Nonce, []byte{0, 0x80}) || !r.CertReq {
		t.Errorf("got policy %v, nonce %x, certReq %v", r.Policy, r.Nonce, r.CertReq)
	}
	if len(r.Extensions) != 1 || r.Extensions[0].Critical || !r.Extensions[0].ID.Equal(asn1.ObjectIdentifier{2, 999, 1}) {
		t.Errorf("got extensions %v", r.Extensions)
	}
	if !r.Imprint.HashAlgorithm.Equal(oidSHA256) || r.Imprint.Parameters != nil || len(r.Imprint.HashedMessage) != 32 {
		t.Errorf("got imprint %v", r.Imprint)
	}
	out, err := r.Marshal()
	if err != nil || !bytes.Equal(out, in) {
		t.Errorf("encoded again as %x (%v), want %x", out, err, in)
	}
}

func TestMarshalRefusesPaddedNonce(t *testing.T) {
	r := query()
	for _, nonce := range [][]byte{{}, {0, 1}, {0xff, 0x80}} {
		r.Nonce = nonce
		if _, err := r.Marshal(); err == nil {
			t.Errorf("nonce %x was encoded", nonce)
		}
	}
}

func TestMalformed(t *testing.T) {
	a, _, _ := newAuthority(t, nil)
	imprint := wrap(t, 0x30, imprintAlgorithm, zeros32)
	good := hex.EncodeToString(request(t))
	t.Run("TSA-35 malformed is badDataFormat", func(t *testing.T) {
		for name, in := range map[string]string{
			"nothing":                         "",
			"garbage":                         hex.EncodeToString([]byte("garbage")),
			"an empty sequence":               "3000",
			"a SET":                           "31" + good[2:],
			"bytes behind it":                 good + "00",
			"a field behind it":               hex.EncodeToString(request(t, "0500")),
			"an indefinite length":            "3080" + good[4:] + "0000",
			"a length with a leading zero":    "308200" + good[2:],
			"no imprint":                      wrap(t, 0x30, "020101"),
			"no version":                      wrap(t, 0x30, imprint),
			"a version in two octets":         wrap(t, 0x30, "02020001", imprint),
			"an empty version":                wrap(t, 0x30, "0200", imprint),
			"an imprint of one field":         wrap(t, 0x30, "020101", wrap(t, 0x30, imprintAlgorithm)),
			"an imprint of three fields":      wrap(t, 0x30, "020101", wrap(t, 0x30, imprintAlgorithm, zeros32, "0500")),
			"an algorithm of three fields":    wrap(t, 0x30, "020101", wrap(t, 0x30, wrap(t, 0x30, "0609608648016503040201", "0500", "0500"), zeros32)),
			"a hash in a BIT STRING":          wrap(t, 0x30, "020101", wrap(t, 0x30, imprintAlgorithm, "0321"+"00"+zeros32[4:])),
			"a constructed hash":              wrap(t, 0x30, "020101", wrap(t, 0x30, imprintAlgorithm, wrap(t, 0x24, zeros32))),
			"an empty policy":                 hex.EncodeToString(request(t, "0600")),
			"a policy that ends in an arc":    hex.EncodeToString(request(t, "06028837"+"0601ff")),
			"a policy with a padded arc":      hex.EncodeToString(request(t, "0604883780"+"01")),
			"an empty nonce":                  hex.EncodeToString(request(t, "0200")),
			"a padded positive nonce":         hex.EncodeToString(request(t, "0202007f")),
			"a padded negative nonce":         hex.EncodeToString(request(t, "0202ff80")),
			"certReq of 01":                   hex.EncodeToString(request(t, "010101")),
			"certReq of two octets":           hex.EncodeToString(request(t, "0102ffff")),
			"certReq before the nonce":        hex.EncodeToString(request(t, "0101ff", "020101")),
			"the nonce twice":                 hex.EncodeToString(request(t, "020101", "020101")),
			"empty extensions":                hex.EncodeToString(request(t, "a000")),
			"extensions that are primitive":   hex.EncodeToString(request(t, "8000")),
			"an extension without a value":    hex.EncodeToString(request(t, wrap(t, 0xa0, wrap(t, 0x30, "06038837"+"01")))),
			"an extension that is not DER":    hex.EncodeToString(request(t, wrap(t, 0xa0, wrap(t, 0x30, "0603883701"+"010100"+"0400")))),
			"explicit extensions":             hex.EncodeToString(request(t, wrap(t, 0xa0, wrap(t, 0x30, wrap(t, 0x30, "0603883701"+"0400"))))),
			"the same extension twice":        hex.EncodeToString(request(t, wrap(t, 0xa0, wrap(t, 0x30, "0603883701"+"0400"), wrap(t, 0x30, "0603883701"+"0400")))),
			"a query beyond the size":         hex.EncodeToString(make([]byte, tsa.MaxRequest+1)),
			"a nonce beyond the size":         hex.EncodeToString(request(t, wrap(t, 0x02, "01"+strings.Repeat("00", tsa.MaxNonce)))),
			"a hundred sequences in sequence": strings.Repeat("3080", 100),
		} {
			if got := refused(t, a, unhex(t, in)); got != tsa.BadDataFormat {
				t.Errorf("%s: failInfo is %v, want badDataFormat", name, got)
			}
		}
		whole := request(t, policyHex, "020101", "0101ff")
		for i := range whole {
			if got := refused(t, a, whole[:i]); got != tsa.BadDataFormat {
				t.Errorf("the first %d octets: failInfo is %v, want badDataFormat", i, got)
			}
		}
	})

	t.Run("TSA-34 another version is badRequest", func(t *testing.T) {
		for _, version := range []string{"020102", "020100", "0201ff", "0209" + "010000000000000000"} {
			// What follows another version is not looked at.
			for _, rest := range []string{imprint, ""} {
				want(t, refused(t, a, unhex(t, wrap(t, 0x30, version, rest))), tsa.BadRequest)
			}
		}
	})
}

func TestJudgement(t *testing.T) {
	a, h, _ := newAuthority(t, nil)

	t.Run("TSA-27 badAlg for MD5", func(t *testing.T) {
		r := query()
		r.Imprint = tsa.Imprint{HashAlgorithm: oidMD5, HashedMessage: make([]byte, 16)}
		want(t, refused(t, a, marshal(t, r)), tsa.BadAlg)
	})
	t.Run("TSA-28 badAlg for an unknown function", func(t *testing.T) {
		r := query()
		r.Imprint.HashAlgorithm = asn1.ObjectIdentifier{2, 999, 7}
		want(t, refused(t, a, marshal(t, r)), tsa.BadAlg)
	})
	t.Run("TSA-29 SHA-1 by policy", func(t *testing.T) {
		r := query()
		r.Imprint = tsa.Imprint{HashAlgorithm: oidSHA1, HashedMessage: make([]byte, 20)}
		want(t, refused(t, a, marshal(t, r)), tsa.BadAlg)
		lenient, h, _ := newAuthority(t, func(c *tsa.Config) { c.Policies[0].SHA1 = true })
		if got := stamp(t, lenient, h, r).Info.Imprint.HashAlgorithm; !got.Equal(oidSHA1) {
			t.Errorf("the imprint is of %v", got)
		}
		r.Imprint.HashedMessage = make([]byte, 32)
		want(t, refused(t, lenient, marshal(t, r)), tsa.BadDataFormat)
	})
	t.Run("TSA-30 wrong imprint length is badDataFormat", func(t *testing.T) {
		for _, n := range []int{0, 20, 31, 33, 64} {
			r := query()
			r.Imprint.HashedMessage = make([]byte, n)
			want(t, refused(t, a, marshal(t, r)), tsa.BadDataFormat)
		}
	})
	t.Run("TSA-25 SHA-256, SHA-384, SHA-512 and SHA-3", func(t *testing.T) {
		arc := []int{2, 16, 840, 1, 101, 3, 4, 2}
		for last, size := range map[int]int{1: 32, 2: 48, 3: 64, 8: 32, 9: 48, 10: 64} {
			r := query()
			r.Imprint = tsa.Imprint{HashAlgorithm: append(arc[:8:8], last), HashedMessage: bytes.Repeat([]byte{7}, size)}
			got := stamp(t, a, h, r).Info.Imprint
			if !got.HashAlgorithm.Equal(r.Imprint.HashAlgorithm) || !bytes.Equal(got.HashedMessage, r.Imprint.HashedMessage) {
				t.Errorf("%v: the token's imprint is %v", r.Imprint.HashAlgorithm, got)
			}
			r.Imprint.HashedMessage = r.Imprint.HashedMessage[1:]
			want(t, refused(t, a, marshal(t, r)), tsa.BadDataFormat)
		}
	})
	t.Run("TSA-26 imprint parameters NULL or absent", func(t *testing.T) {
		for _, algorithm := range []string{imprintAlgorithm, imprintNull} {
			imprint := wrap(t, 0x30, algorithm, zeros32)
			answer := a.Respond(t.Context(), unhex(t, wrap(t, 0x30, "020101", imprint)))
			if _, err := tsa.ParseResponse(answer); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(answer, unhex(t, imprint)) {
				t.Errorf("the token does not hold the imprint %s as it was sent", imprint)
			}
		}
		odd := wrap(t, 0x30, wrap(t, 0x30, "0609608648016503040201", "020101"), zeros32)
		want(t, refused(t, a, unhex(t, wrap(t, 0x30, "020101", odd))), tsa.BadAlg)
	})
	t.Run("TSA-31 unacceptedPolicy for a foreign policy", func(t *testing.T) {
		r := query()
		r.Policy = foreignPolicy
		want(t, refused(t, a, marshal(t, r)), tsa.UnacceptedPolicy)
		// 2.25 and a UUID: a policy as good as any, but never ours.
		uuid := wrap(t, 0x06, "69"+"83b0a4d98ae6a1c4f5b1e7a1bfc8d3a4f5b15b")
		want(t, refused(t, a, request(t, uuid)), tsa.UnacceptedPolicy)
	})
	t.Run("TSA-32 the same policy is returned when asked", func(t *testing.T) {
		r := query()
		if got := stamp(t, a, h, r).Info.Policy; !got.Equal(policy) {
			t.Errorf("without a policy asked for, the token has %v, want %v", got, policy)
		}
		for _, p := range []asn1.ObjectIdentifier{policy, otherPolicy} {
			r.Policy = p
			if got := stamp(t, a, h, r).Info.Policy; !got.Equal(p) {
				t.Errorf("got %v, want %v", got, p)
			}
		}
	})
	t.Run("TSA-33 any extension is unacceptedExtension", func(t *testing.T) {
		for _, critical := range []bool{true, false} {
			r := query()
			r.Extensions = []tsa.Extension{{ID: asn1.ObjectIdentifier{2, 999, 1}, Critical: critical, Value: []byte{5, 0}}}
			want(t, refused(t, a, marshal(t, r)), tsa.UnacceptedExtension)
			// It outweighs what else is wrong.
			r.Policy, r.Imprint.HashAlgorithm = foreignPolicy, oidMD5
			want(t, refused(t, a, marshal(t, r)), tsa.UnacceptedExtension)
		}
	})
}

func TestNonce(t *testing.T) {
	a, h, _ := newAuthority(t, nil)
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	negative := func(n *big.Int) *big.Int { return new(big.Int).Neg(n) }
	nonces := []*big.Int{
		big.NewInt(0), big.NewInt(1), big.NewInt(-1), big.NewInt(127), big.NewInt(128), big.NewInt(-128), big.NewInt(-129),
		new(big.Int).Sub(power(63), big.NewInt(1)), power(63), new(big.Int).Sub(power(64), big.NewInt(1)), power(64),
		new(big.Int).Sub(power(159), big.NewInt(1)), power(159), negative(power(63)), negative(power(159)),
		new(big.Int).Sub(power(8*tsa.MaxNonce-1), big.NewInt(1)),
	}
	t.Run("TSA-36 nonce of any size and sign echoed in minimal DER", func(t *testing.T) {
		for _, n := range nonces {
			// The oracle encodes the nonce; the token holds the same octets.
			encoded, err := asn1.Marshal(n)
			if err != nil {
				t.Fatal(err)
			}
			answer := a.Respond(t.Context(), request(t, hex.EncodeToString(encoded)))
			token, err := tsa.ParseResponse(answer)
			if err != nil {
				t.Fatalf("nonce of %d bits: %v", n.BitLen(), err)
			}
			if err := token.Verify(h.certificate); err != nil {
				t.Error(err)
			}
			info := decodeToken(t, answer).info
			if info.Nonce == nil || info.Nonce.Cmp(n) != 0 {
				t.Errorf("nonce of %d bits came back as %v", n.BitLen(), info.Nonce)
			}
			if !bytes.Contains(answer, encoded) {
				t.Errorf("nonce of %d bits was encoded otherwise", n.BitLen())
			}
		}
	})
	t.Run("TSA-23 no nonce unless asked", func(t *testing.T) {
		answer := a.Respond(t.Context(), request(t))
		if got := decodeToken(t, answer).info.Nonce; got != nil {
			t.Errorf("the token has nonce %v", got)
		}
	})
}

func TestParseRequestErrorIsRejection(t *testing.T) {
	_, err := tsa.ParseRequest([]byte{1})
	if r, ok := errors.AsType[*tsa.Rejection](err); !ok || r.Failure != tsa.BadDataFormat {
		t.Errorf("got %v", err)
	}
}

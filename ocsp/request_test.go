package ocsp_test

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/ocsp"
)

// The nonce rules of RFC 9654, Section 2.1, seen from outside.
func TestNonce(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	id := a.certID(t, crypto.SHA256, serial)
	nonce := func(t *testing.T, length int) answer {
		return ask(t, r, a, request(t, bytes.Repeat([]byte{0xa5}, length), id))
	}
	echoed := func(t *testing.T, length int) {
		got := nonce(t, length)
		want, err := asn1.Marshal(bytes.Repeat([]byte{0xa5}, length))
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := got.extension(pki.OIDOCSPNonce); got.status != ocsp.Successful || !ok || !bytes.Equal(value, want) {
			t.Errorf("a nonce of %d octets got %v with % x, want it echoed", length, got.status, value)
		}
	}
	t.Run("OCSP-30 nonce of 16 to 32 octets is echoed", func(t *testing.T) {
		for length := 16; length <= 32; length++ {
			echoed(t, length)
		}
	})
	t.Run("OCSP-31 nonce of 1 to 15 and 33 to 128 octets is echoed too", func(t *testing.T) {
		for _, length := range []int{1, 8, 15, 33, 64, 127, 128} {
			echoed(t, length)
		}
	})
	t.Run("OCSP-32 nonce of 0 octets, OCSP-33 nonce of more than 128 octets is malformed", func(t *testing.T) {
		for _, length := range []int{0, 129, 255, 2048} {
			if got := nonce(t, length); got.status != ocsp.MalformedRequest {
				t.Errorf("a nonce of %d octets got %v, want malformedRequest", length, got.status)
			}
		}
	})
	t.Run("OCSP-33 no nonce unless asked", func(t *testing.T) {
		nonce(t, 32)
		got := ask(t, r, a, request(t, nil, id))
		if len(got.basic.Data.Extensions) != 0 {
			t.Errorf("got response extensions %v, want none", got.basic.Data.Extensions)
		}
	})
	t.Run("RFC 9654, Section 2.1 example", func(t *testing.T) {
		value, err := hex.DecodeString("dd49d4072c449da1c317bd1c1bdffedbe150312ec4cd0add18e5bd6f84bf14c8")
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, r, a, request(t, value, id))
		want, err := hex.DecodeString("302f06092b06010505073001020422042" + "0dd49d4072c449da1c317bd1c1bdffedbe150312ec4cd0add18e5bd6f84bf14c8")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(got.basic.Data.Raw, want) {
			t.Errorf("the answer does not hold the extension as the RFC encodes it")
		}
	})
	t.Run("nonce that is no OCTET STRING is malformed", func(t *testing.T) {
		for _, value := range [][]byte{{}, {1, 2, 3}, {4, 2, 1}, {4, 1, 1, 0}, {0x24, 3, 4, 1, 1}} {
			in := marshal(t, &ocsp.Request{List: []ocsp.Single{{CertID: id}}, Extensions: []der.Extension{{ID: pki.OIDOCSPNonce, Value: value}}})
			if got := ask(t, r, a, in); got.status != ocsp.MalformedRequest {
				t.Errorf("nonce value % x got %v, want malformedRequest", value, got.status)
			}
		}
	})
	t.Run("two nonces are malformed", func(t *testing.T) {
		e := ocsp.NewNonce(make([]byte, 32))
		in := marshal(t, &ocsp.Request{List: []ocsp.Single{{CertID: id}}, Extensions: []der.Extension{e, e}})
		if got := ask(t, r, a, in); got.status != ocsp.MalformedRequest {
			t.Errorf("got %v, want malformedRequest", got.status)
		}
	})
}

func TestRequestForms(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	id := a.certID(t, crypto.SHA256, serial)
	one := []ocsp.Single{{CertID: id}}
	private := asn1.ObjectIdentifier{2, 999, 1}
	succeeds := func(t *testing.T, in *ocsp.Request) {
		t.Helper()
		if got := ask(t, r, a, marshal(t, in)); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != good {
			t.Errorf("got %v, want good", got.status)
		}
	}
	t.Run("OCSP-27 SHA-256 CertID", func(t *testing.T) { succeeds(t, &ocsp.Request{List: one}) })
	t.Run("OCSP-28 SHA-1, SHA-384 and SHA-512 CertIDs", func(t *testing.T) {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA384, crypto.SHA512} {
			succeeds(t, &ocsp.Request{List: []ocsp.Single{{CertID: a.certID(t, hash, serial)}}})
		}
	})
	t.Run("OCSP-29 hash parameters NULL or absent, echoed as asked", func(t *testing.T) {
		for _, parameters := range [][]byte{nil, asn1.NullBytes} {
			id := id
			id.Hash.Parameters = parameters
			in := request(t, nil, id)
			parsed, err := ocsp.ParseRequest(in)
			if err != nil {
				t.Fatal(err)
			}
			got := ask(t, r, a, in)
			if got.status != ocsp.Successful || !bytes.Equal(got.basic.Data.Responses[0].CertID.FullBytes, parsed.List[0].CertID.Raw) {
				t.Errorf("parameters % x: got %v, CertID % x", parameters, got.status, got.basic.Data.Responses[0].CertID.FullBytes)
			}
		}
		id := id
		id.Hash.Parameters = []byte{4, 0}
		if got := ask(t, r, a, request(t, nil, id)); got.status != ocsp.Unauthorized {
			t.Errorf("strange parameters got %v, want unauthorized", got.status)
		}
		id.Hash = pki.Algorithm{ID: private}
		if got := ask(t, r, a, request(t, nil, id)); got.status != ocsp.Unauthorized {
			t.Errorf("an unknown hash function got %v, want unauthorized", got.status)
		}
	})
	name, err := asn1.MarshalWithParams(asn1.RawValue{Class: 2, Tag: 6, Bytes: []byte("urn:demonstration")}, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("OCSP-37 requestorName without signature is ignored, and so is a signature", func(t *testing.T) {
		succeeds(t, &ocsp.Request{RequestorName: name, List: one})
		signature, err := asn1.Marshal(struct {
			Algorithm struct{ ID asn1.ObjectIdentifier }
			Value     asn1.BitString
		}{struct{ ID asn1.ObjectIdentifier }{pki.OIDECDSAWithSHA256}, asn1.BitString{Bytes: []byte{1, 2, 3}, BitLength: 24}})
		if err != nil {
			t.Fatal(err)
		}
		succeeds(t, &ocsp.Request{RequestorName: name, List: one, Signature: signature})
	})
	t.Run("OCSP-38 unknown extension that is not critical is ignored", func(t *testing.T) {
		e := []der.Extension{{ID: private, Value: []byte{5, 0}}}
		succeeds(t, &ocsp.Request{List: one, Extensions: e})
		succeeds(t, &ocsp.Request{List: []ocsp.Single{{CertID: id, Extensions: e}}})
	})
	t.Run("OCSP-39 critical extension that is not understood is refused", func(t *testing.T) {
		e := []der.Extension{{ID: private, Critical: true, Value: []byte{5, 0}}}
		for _, in := range []*ocsp.Request{{List: one, Extensions: e}, {List: []ocsp.Single{{CertID: id, Extensions: e}}}} {
			if got := ask(t, r, a, marshal(t, in)); got.status != ocsp.MalformedRequest {
				t.Errorf("got %v, want malformedRequest", got.status)
			}
		}
		critical := ocsp.NewNonce(make([]byte, 32))
		critical.Critical = true
		succeeds(t, &ocsp.Request{List: one, Extensions: []der.Extension{critical}})
	})
}

func TestMalformedRequests(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, _ := newResponder(t, a, nil)
	id := a.certID(t, crypto.SHA1, big.NewInt(77))
	whole := request(t, make([]byte, 32), id)
	t.Run("OCSP-40 truncated anywhere", func(t *testing.T) {
		for i := range whole {
			if got := ask(t, r, a, whole[:i]); got.status != ocsp.MalformedRequest {
				t.Fatalf("the first %d octets got %v, want malformedRequest", i, got.status)
			}
		}
	})
	version := func(v ...byte) []byte {
		// The same request with a version field in front.
		tbs := append(append([]byte{}, v...), whole[4:]...)
		return append([]byte{0x30, byte(len(tbs) + 2), 0x30, byte(len(tbs))}, tbs...)
	}
	if len(whole) > 120 {
		t.Fatalf("the request of %d octets needs long lengths", len(whole))
	}
	nested := append(bytes.Repeat([]byte{0x30, 0x82, 0x10, 0}, 1000), 0)
	for _, test := range []struct {
		name string
		in   []byte
	}{
		{"trailing octet", append(bytes.Clone(whole), 0)},
		{"garbage", []byte("garbage")},
		{"indefinite length", append(append([]byte{0x30, 0x80}, whole[2:]...), 0, 0)},
		{"length not minimal", append([]byte{0x30, 0x81}, whole[1:]...)},
		{"version v1 encoded though the default", version(0xa0, 3, 2, 1, 0)},
		{"version v2", version(0xa0, 3, 2, 1, 1)},
		{"empty list", []byte{0x30, 4, 0x30, 2, 0x30, 0}},
		{"empty request", []byte{0x30, 2, 0x30, 0}},
		{"serial not minimal", bytes.Replace(whole, []byte{2, 1, 77}, []byte{2, 1, 0}, 1)[:len(whole)-1]},
		{"nested deeply", nested[:4001]},
		{"length bomb", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}},
		{"all zeros", make([]byte, 4096)},
	} {
		t.Run("OCSP-40 "+test.name, func(t *testing.T) {
			if got := ask(t, r, a, test.in); got.status != ocsp.MalformedRequest {
				t.Errorf("got %v, want malformedRequest", got.status)
			}
		})
	}
	t.Run("OCSP-40 empty extension list", func(t *testing.T) {
		tbs := append(bytes.Clone(whole[4:len(whole)-(2+2+0x2f+2)]), 0xa2, 2, 0x30, 0)
		in := append([]byte{0x30, byte(len(tbs) + 2), 0x30, byte(len(tbs))}, tbs...)
		if got := ask(t, r, a, in); got.status != ocsp.MalformedRequest {
			t.Errorf("got %v, want malformedRequest", got.status)
		}
	})
}

func TestImpossibleSerials(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	for _, serial := range [][]byte{{0}, {0x80}, {0xff, 0x7f}, append([]byte{1}, make([]byte, 20)...), bytes.Repeat([]byte{0x7f}, 1000)} {
		id := a.certID(t, crypto.SHA1, big.NewInt(1))
		id.Serial = serial
		got := ask(t, r, a, request(t, nil, id))
		if got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != unknown {
			t.Errorf("serial % x got %v, want unknown", serial, got.status)
		}
	}
	if g.count() != 0 {
		t.Errorf("the source was asked %d times for serials that no certificate can have", g.count())
	}
}

func FuzzParseRequest(f *testing.F) {
	a := newAuthority(f, "ehm")
	id := a.certID(f, crypto.SHA1, big.NewInt(77))
	f.Add(request(f, nil, id))
	f.Add(request(f, make([]byte, 32), id, a.certID(f, crypto.SHA256, big.NewInt(1<<40))))
	f.Add(marshal(f, &ocsp.Request{
		RequestorName: []byte{0x82, 1, 'x'},
		List:          []ocsp.Single{{CertID: id, Extensions: []der.Extension{{ID: pki.OIDKeyUsage, Value: []byte{1}}}}},
		Signature:     []byte{0x30, 8, 0x30, 3, 6, 1, 0x2a, 3, 1, 0},
	}))
	if corpus := os.Getenv("ALTAMGA_CORPUS"); corpus != "" {
		seeds, err := filepath.Glob(filepath.Join(corpus, "pki", "fuzz", "ocsp_parse_ocsp_cert_id", "*"))
		if err != nil {
			f.Fatal(err)
		}
		for _, seed := range seeds {
			in, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(in)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ocsp.ParseRequest(in)
		if err != nil {
			if !errors.Is(err, ocsp.ErrMalformed) {
				t.Errorf("got error %v, want ErrMalformed", err)
			}
			return
		}
		out, err := r.Marshal()
		if err != nil || !bytes.Equal(out, in) {
			t.Errorf("% x parsed but became % x (%v)", in, out, err)
		}
		for _, single := range r.List {
			single.CertID.SerialNumber()
		}
	})
}

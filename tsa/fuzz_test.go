package tsa_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"github.com/digitorus/timestamp"

	"github.com/altamga/altamga/tsa"
)

func seedRequests(f *testing.F) {
	for _, fields := range [][]string{
		nil, {policyHex}, {"020100"}, {"0201ff"}, {"0209008000000000000000"}, {"0101ff"}, {"010100"},
		{policyHex, "020101", "0101ff", "a0093007060388370104" + "00"},
		{policyHex, "020101", "0101ff", "a00c300a0603883701" + "0101ff" + "0400"},
	} {
		f.Add(request(f, fields...))
	}
	f.Add([]byte("garbage"))
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 50))
}

// FuzzParseRequest checks that what parses encodes to the same octets, and that
// the authority answers everything with a TimeStampResp of its own format.
func FuzzParseRequest(f *testing.F) {
	seedRequests(f)
	a, h, _ := newAuthority(f, nil)
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := tsa.ParseRequest(in)
		if err != nil {
			if _, ok := errors.AsType[*tsa.Rejection](err); !ok {
				t.Errorf("the error is %T", err)
			}
		} else if out, err := r.Marshal(); err != nil || !bytes.Equal(out, in) {
			t.Errorf("%x became %x, %v", in, out, err)
		}
		answer := a.Respond(t.Context(), in)
		token, err := tsa.ParseResponse(answer)
		switch rejection, ok := errors.AsType[*tsa.Rejection](err); {
		case ok:
			if !bytes.Equal(rejection.Marshal(), answer) {
				t.Errorf("the refusal %x became %x", answer, rejection.Marshal())
			}
		case err != nil:
			t.Errorf("the answer %x is %v", answer, err)
		default:
			if err := token.Verify(h.certificate); err != nil {
				t.Error(err)
			}
			if r == nil {
				t.Error("a token for what does not parse")
			}
			if _, err := timestamp.ParseResponse(answer); err != nil && r.Imprint.HashAlgorithm[8] < 4 {
				t.Errorf("digitorus: %v", err)
			}
		}
	})
}

// FuzzParseToken checks that what parses as a token encodes to the same octets.
// Its seeds are files, since a seed that differs from process to process keeps
// the fuzzer busy with coverage that does not repeat.
func FuzzParseToken(f *testing.F) {
	for _, name := range []string{"testdata/token-p256.der", "testdata/token-rsa.der"} {
		token, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := tsa.ParseToken(token); err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		token, err := tsa.ParseToken(in)
		if err != nil {
			return
		}
		out, err := token.Marshal()
		if err != nil || !bytes.Equal(out, in) {
			t.Errorf("%x became %x, %v", in, out, err)
		}
		info, err := token.Info.Marshal()
		if err != nil || !bytes.Contains(in, info) {
			t.Errorf("TSTInfo became %x, %v", info, err)
		}
	})
}

// FuzzParseResponse checks that the reader of answers stays within its input.
func FuzzParseResponse(f *testing.F) {
	token, err := os.ReadFile("testdata/token-p256.der")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(unhex(f, wrap(f, 0x30, "3003020100", hex.EncodeToString(token))))
	f.Add((&tsa.Rejection{Failure: tsa.SystemFailure, Text: "möhür"}).Marshal())
	f.Add((&tsa.Rejection{Failure: tsa.BadAlg}).Marshal())
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := tsa.ParseResponse(in)
		if r, ok := errors.AsType[*tsa.Rejection](err); ok && !bytes.Equal(r.Marshal(), in) {
			t.Errorf("%x became %x", in, r.Marshal())
		}
	})
}

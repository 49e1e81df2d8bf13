package register_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// FuzzToBeSigned: what x509 accepts as a certificate has the same to-be-signed
// part here, and what is accepted here is one element that the input starts with.
func FuzzToBeSigned(f *testing.F) {
	intent, certificate := registertest.NewIssuer(f, "ehm").Certificate(f, time.Now().AddDate(1, 0, 0), nil)
	f.Add(certificate)
	f.Add(intent.ToBeSigned)
	f.Add(certificate[:len(certificate)-1])
	f.Add(append(slices.Clone(certificate), 0))
	f.Add([]byte{0x30, 0x07, 0x30, 0x00, 0x30, 0x00, 0x03, 0x01, 0x00})
	f.Add([]byte{0x30, 0x80, 0x30, 0x00, 0x00, 0x00})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := register.ToBeSigned(in)
		parsed, parseErr := x509.ParseCertificate(in)
		if err != nil {
			if parseErr == nil {
				t.Fatalf("refused a certificate: %v", err)
			}
			return
		}
		if parseErr == nil && !bytes.Equal(got, parsed.RawTBSCertificate) {
			t.Errorf("got %x, want %x", got, parsed.RawTBSCertificate)
		}
		// The header of the outer sequence is 2 to 6 octets long.
		if i := bytes.Index(in, got); len(got) < 2 || i < 0 || i > 6 {
			t.Errorf("got %x, which stands at %d of the input", got, i)
		}
	})
}

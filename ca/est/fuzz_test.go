package est_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
)

// FuzzBase64 decodes hostile text. What decodes does so from its own encoding,
// too, and white space makes no difference.
func FuzzBase64(f *testing.F) {
	f.Add("AAAA")
	f.Add(" MII\r\n\tCA== ")
	f.Add("=")
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := est.DecodeBase64(text)
		if err != nil {
			return
		}
		encoded := base64.StdEncoding.EncodeToString(raw)
		broken := strings.Join(strings.Split(encoded, ""), "\r\n")
		for _, again := range []string{encoded, broken} {
			if got, err := est.DecodeBase64(again); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%q: got %x, %v, want %x", again, got, err, raw)
			}
		}
	})
}

// FuzzEnrol sends hostile certification requests to both operations. Each is
// answered, and none is the server's fault.
func FuzzEnrol(f *testing.F) {
	s := newServer(f)
	key := catest.Key(f)
	gateway := s.Client(f, "gateway")
	f.Add(catest.CSR(f, key, x509.CertificateRequest{}))
	f.Add(catest.CSR(f, key, x509.CertificateRequest{DNSNames: []string{"a.devices.example"}, EmailAddresses: []string{"a@b"}}))
	f.Add(withAttribute(f, key, gateway.Leaf.RawSubject, challengePassword, []byte{0x0c, 1, 'x'}))
	f.Fuzz(func(t *testing.T, csr []byte) {
		for _, operation := range []string{"simpleenroll", "simplereenroll"} {
			request := httptest.NewRequest("POST", est.Prefix+operation, strings.NewReader(base64.StdEncoding.EncodeToString(csr)))
			request.Header.Set("Content-Type", "application/pkcs10")
			request.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, VerifiedChains: [][]*x509.Certificate{{gateway.Leaf, s.Issuing, s.Root}}}
			answer := httptest.NewRecorder()
			s.handler.ServeHTTP(answer, request)
			if answer.Code >= 500 {
				t.Errorf("%s of %x: got %d %s", operation, csr, answer.Code, answer.Body)
			}
		}
	})
}

// TestCertsOnly has openssl judge the message, with one certificate and with
// several.
func TestCertsOnly(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed (Debian package openssl)")
	}
	s := newServer(t)
	for n, raws := range [][][]byte{{s.Root.Raw}, {s.Root.Raw, s.Issuing.Raw}, {s.Issuing.Raw, s.Root.Raw}} {
		message, err := est.CertsOnly(raws...)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("openssl", "pkcs7", "-inform", "DER", "-print_certs")
		cmd.Stdin = bytes.NewReader(message)
		out, err := cmd.Output()
		if got := strings.Count(string(out), "BEGIN CERTIFICATE"); err != nil || got != len(raws) {
			t.Errorf("%d: got %d certificates of %d, %v", n, got, len(raws), err)
		}
	}
}

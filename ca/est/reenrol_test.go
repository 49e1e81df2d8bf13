package est_test

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/internal/journal"
)

func TestReenrol(t *testing.T) {
	s := newServer(t)
	key := catest.Key(t)
	current := s.enrol(t, key, "device-1", "one.devices.example")
	client := s.as(current, key)
	t.Run("EST-06 renewal with the same and with a new key keeps subject and names", func(t *testing.T) {
		for _, next := range []crypto.Signer{key, catest.Key(t)} {
			answer, text := s.ask(t, client, "POST", "simplereenroll", same(t, next, current), nil)
			if answer.StatusCode != 200 {
				t.Fatalf("got %s: %s", answer.Status, text)
			}
			got := certificates(t, text)[0]
			if string(got.RawSubject) != string(current.RawSubject) || got.DNSNames[0] != current.DNSNames[0] || got.SerialNumber.Cmp(current.SerialNumber) == 0 {
				t.Errorf("got %s, %v", got.Subject, got.DNSNames)
			}
		}
	})
	t.Run("EST-06 another subject, other names or changeSubjectName are refused", func(t *testing.T) {
		for name, body := range map[string]string{
			"subject": csr(t, key, "device-2", "one.devices.example"),
			"names":   base64.StdEncoding.EncodeToString(catest.CSR(t, key, x509.CertificateRequest{RawSubject: current.RawSubject, DNSNames: []string{"two.devices.example"}})),
			"no name": base64.StdEncoding.EncodeToString(catest.CSR(t, key, x509.CertificateRequest{RawSubject: current.RawSubject})),
			"change":  base64.StdEncoding.EncodeToString(withAttribute(t, key, current.RawSubject, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}, []byte{0x30, 0})),
		} {
			if answer, text := s.ask(t, client, "POST", "simplereenroll", body, nil); answer.StatusCode != 400 || !strings.Contains(text, "RFC 7030, Section 4.2.2") {
				t.Errorf("%s: got %s: %s", name, answer.Status, text)
			}
		}
	})
	t.Run("EST-06 without the certificate that is renewed nothing is renewed", func(t *testing.T) {
		if answer, text := s.ask(t, s.client(), "POST", "simplereenroll", same(t, key, current), factory); answer.StatusCode != 403 {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-06 a certificate of another label is not renewed", func(t *testing.T) {
		if answer, text := s.ask(t, client, "POST", "people/simplereenroll", same(t, key, current), nil); answer.StatusCode != 403 || !strings.Contains(text, "label") {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-06 a held or revoked certificate is not renewed", func(t *testing.T) {
		serial := journal.SerialOf(current.SerialNumber)
		for _, change := range []journal.Entry{{Kind: journal.Held, Owner: journal.Centre}, {Kind: journal.Revoked}} {
			change.Serial, change.Actor = serial, "test"
			if _, _, err := s.Change(t.Context(), change, nil); err != nil {
				t.Fatal(err)
			}
			if answer, text := s.ask(t, client, "POST", "simplereenroll", same(t, key, current), nil); answer.StatusCode != 403 || !strings.Contains(text, string(change.Kind)) {
				t.Errorf("%s: got %s: %s", change.Kind, answer.Status, text)
			}
		}
	})
	t.Run("a national number survives the renewal", func(t *testing.T) {
		both := s.Client(t, "both")
		key := catest.Key(t)
		answer, text := s.ask(t, s.client(both), "POST", "people/simpleenroll", csr(t, key, ""), func(r *http.Request) { r.SetBasicAuth("both", password) })
		if answer.StatusCode != 200 {
			t.Fatalf("got %s: %s", answer.Status, text)
		}
		first := certificates(t, text)[0]
		answer, text = s.ask(t, s.as(first, key), "POST", "people/simplereenroll", same(t, catest.Key(t), first), nil)
		if answer.StatusCode != 200 {
			t.Fatalf("got %s: %s", answer.Status, text)
		}
		if got := certificates(t, text)[0]; got.Subject.SerialNumber != "PNOAZ-1ABC2D3" {
			t.Errorf("got %s", got.Subject)
		}
	})
}

package est_test

import (
	"encoding/asn1"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
)

func TestCSRAttributes(t *testing.T) {
	s := newServer(t)
	t.Run("EST-08 csrattrs asks for the link where it is required, else 204", func(t *testing.T) {
		answer, text := s.ask(t, s.client(), "GET", "linked/csrattrs", "", nil)
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/csrattrs" || strings.ContainsAny(text, "\r\n") {
			t.Fatalf("got %s, %q", answer.Status, answer.Header.Get("Content-Type"))
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		var list []asn1.ObjectIdentifier
		if err == nil {
			_, err = asn1.Unmarshal(raw, &list)
		}
		if err != nil || len(list) != 1 || !list[0].Equal(challengePassword) {
			t.Errorf("got %v, %v", list, err)
		}
		if answer, text := s.ask(t, s.client(), "GET", "devices/csrattrs", "", nil); answer.StatusCode != 204 || text != "" {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-08 csrattrs names the one kind of key", func(t *testing.T) {
		// The example of RFC 8951, Section 4 without its extension request.
		for kind, want := range map[string]string{
			"p384":    "3029" + "06092a864886f70d010907" + "3012" + "06072a8648ce3d0201" + "3107" + "06052b81040022" + "06082a8648ce3d040303",
			"rsa":     "301e" + "06092a864886f70d010907" + "3011" + "06092a864886f70d010101" + "3104" + "02020c00",
			"ed25519": "3010" + "06092a864886f70d010907" + "06032b6570",
		} {
			raw, err := est.CSRAttributes(true, kind)
			if got := catest.Hex(raw); err != nil || got != want {
				t.Errorf("%s: got %s, want %s: %v", kind, got, want, err)
			}
		}
		if raw, err := est.CSRAttributes(false, ""); raw != nil || err != nil {
			t.Errorf("nothing to say: got %x, %v", raw, err)
		}
	})
	t.Run("EST-08 the identity profile allows P-256 alone", func(t *testing.T) {
		answer, text := s.ask(t, s.client(), "GET", "people/csrattrs", "", nil)
		raw, err := base64.StdEncoding.DecodeString(text)
		if answer.StatusCode != 200 || err != nil {
			t.Fatalf("got %s: %v", answer.Status, err)
		}
		// SEQUENCE { Attribute { id-ecPublicKey, { prime256v1 } }, ecdsa-with-SHA256 }
		const want = "30" + "21" + "3015" + "06072a8648ce3d0201" + "310a" + "06082a8648ce3d030107" + "06082a8648ce3d040302"
		if got := catest.Hex(raw); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

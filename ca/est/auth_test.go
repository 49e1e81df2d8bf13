package est_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
	"github.com/altamga/altamga/internal/journal"
)

func TestAuthentication(t *testing.T) {
	s := newServer(t)
	body := func() string { return csr(t, catest.Key(t), "device-1") }
	stranger, gateway, both := s.Client(t, "stranger"), s.Client(t, "gateway"), s.Client(t, "both")
	with := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	for _, row := range []struct {
		name   string
		client *http.Client
		path   string
		edit   func(*http.Request)
		status int
	}{
		{"nobody", s.client(), "simpleenroll", nil, 401},
		{"a wrong password", s.client(), "simpleenroll", with("factory", "x"), 401},
		{"an unknown account", s.client(), "simpleenroll", with("nobody", password), 401},
		{"an empty account", s.client(), "simpleenroll", with("", ""), 401},
		{"the password of an account that has none", s.client(), "simpleenroll", with("gateway", ""), 401},
		{"a wrong password beside a good certificate", s.client(gateway), "simpleenroll", with("factory", "x"), 401},
		{"a certificate of nobody known", s.client(stranger), "simpleenroll", nil, 403},
		{"an account without terms for the label", s.client(), "people/simpleenroll", with("factory", password), 403},
		{"the certificate of an account that needs its password, too", s.client(both), "people/simpleenroll", nil, 401},
		{"the password of an account that needs its certificate, too", s.client(), "people/simpleenroll", with("both", password), 403},
		{"another's certificate beside the password", s.client(gateway), "people/simpleenroll", with("both", password), 403},
		{"an account by its password", s.client(), "simpleenroll", with("factory", password), 200},
		{"an account by its certificate", s.client(gateway), "simpleenroll", nil, 200},
	} {
		t.Run("EST-07 "+row.name, func(t *testing.T) {
			answer, text := s.ask(t, row.client, "POST", row.path, body(), row.edit)
			if answer.StatusCode != row.status {
				t.Errorf("got %s: %s, want %d", answer.Status, text, row.status)
			}
			if challenge := answer.Header.Get("WWW-Authenticate"); (challenge != "") != (row.status == 401) {
				t.Errorf("got challenge %q with status %d", challenge, row.status)
			}
		})
	}
	t.Run("EST-07 the common name of an account in a certificate of another profile or authority", func(t *testing.T) {
		key := catest.Key(t)
		person := catest.Issue(t, s.Authority, ca.Request{Issuer: "devices", Profile: "identity", PublicKey: key.Public(),
			Subject: map[string]string{"fin": "1ABC2D3", "CN": "Demonstration person"}})
		for name, client := range map[string]*http.Client{"of another profile": s.as(person, key), "from here where a foreign one belongs": s.client(s.Client(t, "partner"))} {
			if answer, text := s.ask(t, client, "POST", "simpleenroll", body(), nil); answer.StatusCode != 403 || !strings.Contains(text, "another issuer or profile") {
				t.Errorf("%s: got %s: %s", name, answer.Status, text)
			}
		}
	})
	t.Run("EST-07 an account's certificate that was revoked", func(t *testing.T) {
		if _, _, err := s.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: journal.SerialOf(gateway.Leaf.SerialNumber), Actor: "test"}, nil); err != nil {
			t.Fatal(err)
		}
		if answer, text := s.ask(t, s.client(gateway), "POST", "simpleenroll", body(), nil); answer.StatusCode != 403 || !strings.Contains(text, "revoked") {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-07 without TLS nothing is answered", func(t *testing.T) {
		plain := httptest.NewServer(s.handler)
		defer plain.Close()
		request, err := http.NewRequest("POST", plain.URL+est.Prefix+"simpleenroll", strings.NewReader(body()))
		if err != nil {
			t.Fatal(err)
		}
		factory(request)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 403 {
			t.Errorf("got %s", answer.Status)
		}
	})
}

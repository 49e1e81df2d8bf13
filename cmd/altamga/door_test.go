package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
)

// knocks has a request for each door of the ca that is answered 200, by the
// name of its server or, on that of the ca, by its path.
var knocks = map[string]struct{ method, path, body string }{
	"ca":                {"GET", "/v1/issuers", ""},
	"cfssl":             {"POST", "/api/v1/cfssl/info", `{"profile":"web"}`},
	"est":               {"GET", "/.well-known/est/cacerts", ""},
	"/api/v1/cfssl/":    {"POST", "/api/v1/cfssl/info", `{"profile":"web"}`},
	"/.well-known/est/": {"GET", "/.well-known/est/cacerts", ""},
}

// TestDoors knocks at every door of the ca: on listeners of their own, and on
// that of the ca. A client whose certificate is held or revoked, or that asks
// too often, stays out of each of them.
func TestDoors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		listen string
		doors  []string
	}{
		{"of their own", "listen = \"127.0.0.1:1\"\ntls = { certificate = \"tls/server.pem\", key = \"file:keys/tls-server.key\", peers = \"tls/root.pem\" }\n", []string{"ca", "cfssl", "est"}},
		{"mounted", "", []string{"ca", "/api/v1/cfssl/", "/.well-known/est/"}},
	} {
		t.Run(row.name, func(t *testing.T) { testDoors(t, row.listen, row.doors) })
	}
}

func testDoors(t *testing.T, listen string, doors []string) {
	dir := foundBy(t, planWithDevices(t))
	file := filepath.Join(dir, configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const slow = "rate = 0.01\nburst = 400\n"
	changed := strings.Replace(string(text), "name = \"operator\"\n", "name = \"operator\"\n"+slow, 1)
	changed = strings.Replace(changed, "[ca]\n", "[ca]\nstrangers = { rate = 0.01, burst = 400 }\n", 1) + `
[ca.cfssl]
` + listen + `
[[ca.cfssl.profile]]
name = "web"
issuer = "devices"
profile = "suite-server"
[ca.est]
` + listen + `
[[ca.est.label]]
name = "devices"
issuer = "devices"
profiles = ["suite-client"]
`
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.addCA(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One certificate for all of them, which is renewed once.
	if len(p.renewals) != 1 {
		t.Errorf("%d certificates are renewed, want 1", len(p.renewals))
	}
	handlers := map[string]http.Handler{}
	for _, server := range p.servers {
		if _, known := knocks[server.Name]; !known {
			t.Fatalf("there is a new door, %s: say how to knock at it", server.Name)
		}
		handlers[server.Name] = server.Handler
	}
	operator, err := readCertificates(config.Path(filepath.Join(dir, "tls", "operator.pem")))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(door string) int {
		handler := handlers[door]
		if handler == nil {
			handler = handlers["ca"]
		}
		knock := knocks[door]
		r := httptest.NewRequestWithContext(t.Context(), knock.method, knock.path, strings.NewReader(knock.body))
		r.Header.Set("Content-Type", "application/json")
		r.TLS = &tls.ConnectionState{PeerCertificates: operator, VerifiedChains: [][]*x509.Certificate{operator}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	await := func(what string, want int) {
		t.Helper()
		for _, door := range doors {
			for deadline := time.Now().Add(time.Minute); ask(door) != want; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: %s answers %d, want %d", what, door, ask(door), want)
				}
			}
		}
	}
	await("at first", http.StatusOK)
	serial := journal.SerialOf(operator[0].SerialNumber)
	for _, change := range []struct {
		kind journal.Kind
		want int
	}{{journal.Held, http.StatusForbidden}, {journal.Released, http.StatusOK}, {journal.Revoked, http.StatusForbidden}} {
		if _, _, err := p.register.Change(t.Context(), journal.Entry{Kind: change.kind, Owner: journal.Organisation, Serial: serial, Actor: "test"}, nil); err != nil {
			t.Fatal(err)
		}
		await(string(change.kind), change.want)
	}
	for _, door := range doors {
		got := 0
		for range 401 {
			got = ask(door)
		}
		if got != http.StatusTooManyRequests {
			t.Errorf("%s answers %d to a client that asks too often", door, got)
		}
	}
}

package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// TestConformanceTarget judges our own EST server as that of a foreign centre:
// by its URL, and by a target.toml.
func TestConformanceTarget(t *testing.T) {
	dir := t.TempDir()
	store, err := register.Open(t.Context(), filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	centre := catest.New(t, store, lint.Certificate)
	secret, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost+6)
	if err != nil {
		t.Fatal(err)
	}
	terms := ca.Terms{Issuer: "devices", Profile: "device", Subject: map[string]string{"O": catest.Organisation}, Choose: map[string]string{"CN": "device-[0-9]+"}}
	api, err := est.New(est.Config{Authority: centre.Doors,
		Labels: []est.Label{{Name: "devices", Issuer: "devices", Profiles: []string{"device"}}, {Name: "linked", Issuer: "devices", Profiles: []string{"device"}, RequireLink: true},
			{Name: "waits", Issuer: "devices", Profiles: []string{"device"}, Approval: true}},
		Accounts: []est.Account{{Name: "factory", Secret: secret, Terms: map[string]ca.Terms{"devices": terms, "waits": terms}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(api.Handler())
	server.TLS = centre.TLS(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, catest.PEM("CERTIFICATE", centre.Root.Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{server.URL, server.URL + "/.well-known/est/linked"} {
		if code, text := conforming(t, "est", "--url", url, "--trust", root, "--rate", "0"); code != 0 {
			t.Errorf("%s: exit code %d\n%s", url, code, text)
		}
	}
	file := func(name string, content []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	password, like := file("password", []byte("correct horse\n")), file("like.pem", catest.PEM("CERTIFICATE REQUEST", catest.CSR(t, catest.Key(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-7"}})))
	account := []string{"--user", "factory", "--password-file", password, "--like", like, "--trust", root, "--rate", "0", "--verbose"}
	for url, passed := range map[string][]string{
		server.URL + "/.well-known/est/devices": {"pass     EST-03", "pass     EST-06", "n/a      EST-04"},
		server.URL + "/.well-known/est/waits":   {"pass     EST-04", "n/a      EST-03", "n/a      EST-06"},
	} {
		code, text := conforming(t, append([]string{"est", "--url", url}, account...)...)
		for _, want := range passed {
			if code != 0 || !strings.Contains(text, want) {
				t.Errorf("%s by an account: exit code %d, %q wanted\n%s", url, code, want, text)
			}
		}
	}
	device, deviceKey := catest.Files(t, dir, "device", centre.Client(t, "device-9"))
	code, text := conforming(t, "est", "--url", server.URL+"/.well-known/est/devices", "--client-cert", device, "--client-key", "file:"+deviceKey, "--trust", root, "--rate", "0", "--verbose")
	for _, want := range []string{"n/a      EST-03", "pass     EST-06", "pass     EST-12"} {
		if code != 0 || !strings.Contains(text, want) {
			t.Errorf("by a client certificate: exit code %d, %q wanted\n%s", code, want, text)
		}
	}
	if code, text := conforming(t, "est", "--url", server.URL, "--trust", root, "--user", "factory"); code != 2 || !strings.Contains(text, "hint: ") {
		t.Errorf("an account without a password: exit code %d\n%s", code, text)
	}
	// The system does not trust a root of ours.
	if code, text := conforming(t, "est", "--url", server.URL, "--rate", "0"); code != 1 || !strings.Contains(text, "EST-10") {
		t.Errorf("without the root: exit code %d\n%s", code, text)
	}
	target := filepath.Join(dir, "target.toml")
	for _, row := range []struct {
		content, says string
		code          int
	}{
		{fmt.Sprintf("est = %q\nest_trust = \"root.pem\"\nchain = \"root.pem\"\n", server.URL), "conforms: ", 0},
		{fmt.Sprintf("est = %q\nest_trust = \"root.pem\"\nest_user = \"factory\"\nest_password_file = \"password\"\nest_like = \"like.pem\"\n", server.URL+"/.well-known/est/devices"), "conforms: ", 0},
		{fmt.Sprintf("est = %q\nest_thrust = \"root.pem\"\n", server.URL), "est_thrust", 2},
		{"ocsp = \"http://127.0.0.1:1/\"\n", "cannot be judged without issuer", 2},
		{"", "nothing was tested", 2},
		{"ocsp = ", "hint: ", 2},
	} {
		if err := os.WriteFile(target, []byte(row.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, text := conforming(t, "all", "--endpoints", target, "--rate", "0"); code != row.code || !strings.Contains(text, row.says) {
			t.Errorf("%q: exit code %d\n%s", row.content, code, text)
		}
	}
}

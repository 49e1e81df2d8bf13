package cfssl_test

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
)

// command is cfssl's own, as people have it installed.
type command struct {
	path, dir string
	// config has the authentication key and what profiles it is for.
	config string
}

func newCommand(t *testing.T) *command {
	t.Helper()
	path, err := exec.LookPath("cfssl")
	if err != nil {
		t.Skip("cfssl is not installed (Debian package golang-cfssl)")
	}
	c := &command{path: path, dir: t.TempDir()}
	profile := map[string]any{"expiry": "24h", "usages": []string{"signing"},
		"auth_remote": map[string]string{"remote": "altamga", "auth_key": "mine"}}
	c.config = c.write(t, "config.json", map[string]any{
		"signing":   map[string]any{"default": profile, "profiles": map[string]any{"web": profile, "wbe": profile}},
		"auth_keys": map[string]any{"mine": map[string]string{"type": "standard", "key": hex.EncodeToString(key)}},
		"remotes":   map[string]string{"altamga": "http://127.0.0.1:1"},
	})
	return c
}

func (c *command) write(t *testing.T, name string, content any) string {
	t.Helper()
	text, ok := content.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(content); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run returns what the command printed, its diagnostics apart.
func (c *command) run(t *testing.T, args ...string) (out []byte, diagnostics string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.path, args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err = cmd.Output()
	t.Logf("cfssl %s\n%s", strings.Join(args, " "), errors.String())
	return out, errors.String(), err
}

// certificate reads what gencert and sign print.
func certificate(t *testing.T, out []byte) (*x509.Certificate, map[string]string) {
	t.Helper()
	var printed map[string]string
	if err := json.Unmarshal(out, &printed); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	block, _ := pem.Decode([]byte(printed["cert"]))
	if block == nil {
		t.Fatalf("there is no certificate in %s", out)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c, printed
}

// padded writes the octets of an identifier with two digits each: Debian's cfssl
// leaves out the zero in front of a small one, and writes the octet 00 as 0.
func padded(identifier any) string {
	octets := strings.Split(fmt.Sprint(identifier), ":")
	for i, octet := range octets {
		if len(octet) == 1 {
			octets[i] = "0" + octet
		}
	}
	return strings.Join(octets, ":")
}

// TestCommand runs the real cfssl against the interface.
func TestCommand(t *testing.T) {
	c := newCommand(t)
	s := newServer(t, false)
	// Debian's cfssl 1.2.0 takes no address without a scheme: "failed to connect
	// to remote" is what it then says.
	remote := s.url
	csr := c.write(t, "csr.json", map[string]any{"CN": "www.example", "hosts": []string{"www.example", "192.0.2.7"},
		"key": map[string]any{"algo": "ecdsa", "size": 256}, "names": []map[string]string{{"C": "AZ", "ST": "Baku", "O": "Whatever"}}})

	t.Run("cfssl gencert -remote", func(t *testing.T) {
		out, diagnostics, err := c.run(t, "gencert", "-remote", remote, "-config", c.config, "-profile", "web", csr)
		if err != nil {
			t.Fatalf("%v\n%s", err, diagnostics)
		}
		got, printed := certificate(t, out)
		if got.Subject.CommonName != "www.example" || got.Subject.Organization[0] != catest.Organisation || got.DNSNames[0] != "www.example" ||
			got.IPAddresses[0].String() != "192.0.2.7" || !strings.Contains(printed["key"], "PRIVATE KEY") {
			t.Errorf("got %s, %v, %v", got.Subject, got.DNSNames, got.IPAddresses)
		}
		if _, err := got.Verify(x509.VerifyOptions{Roots: s.Pool(), Intermediates: s.intermediates(), DNSName: "www.example"}); err != nil {
			t.Error(err)
		}
		// The command knows what it was given.
		path := c.write(t, "got.pem", []byte(printed["cert"]))
		out, _, err = c.run(t, "certinfo", "-cert", path)
		if err != nil || !strings.Contains(string(out), `"common_name": "www.example"`) {
			t.Errorf("cfssl certinfo: %v: %s", err, out)
		}
		// The interface tells the same of it.
		_, e := s.post(t, s.client, "certinfo", map[string]string{"certificate": printed["cert"]})
		var ours, theirs map[string]any
		if json.Unmarshal(e.Result, &ours) != nil || json.Unmarshal(out, &theirs) != nil {
			t.Fatal("certinfo is not JSON")
		}
		for _, field := range []string{"serial_number", "sigalg", "not_after", "authority_key_id", "subject_key_id", "pem"} {
			if ours[field] == nil || padded(ours[field]) != padded(theirs[field]) {
				t.Errorf("%s: got %v, cfssl's own is %v", field, ours[field], theirs[field])
			}
		}
		// What cfssl's API calls revoke, on the certificate that it made.
		if status, e := s.post(t, s.client, "revoke", wrap(t, key, map[string]string{
			"serial": theirs["serial_number"].(string), "authority_key_id": theirs["authority_key_id"].(string), "reason": "superseded"})); status != 200 {
			t.Errorf("revoke: got %d %v", status, e.Errors)
		}
	})
	t.Run("cfssl sign -remote", func(t *testing.T) {
		template := x509.CertificateRequest{DNSNames: []string{"left.out.example"}}
		template.Subject.CommonName = "api.example"
		path := c.write(t, "request.pem", catest.PEM("CERTIFICATE REQUEST", catest.CSR(t, catest.Key(t), template)))
		out, diagnostics, err := c.run(t, "sign", "-remote", remote, "-config", c.config, "-profile", "web", "-hostname", "api.example", path)
		if err != nil {
			t.Fatalf("%v\n%s", err, diagnostics)
		}
		if got, _ := certificate(t, out); got.Subject.CommonName != "api.example" || strings.Join(got.DNSNames, " ") != "api.example" {
			t.Errorf("got %s, %v", got.Subject, got.DNSNames)
		}
	})
	t.Run("cfssl info -remote", func(t *testing.T) {
		out, diagnostics, err := c.run(t, "info", "-remote", remote, "-profile", "web")
		if err != nil {
			t.Fatalf("%v\n%s", err, diagnostics)
		}
		var printed struct {
			Certificate, Expiry string
			Usages              []string
		}
		if err := json.Unmarshal(out, &printed); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(printed.Certificate))
		if block == nil || string(block.Bytes) != string(s.Issuing.Raw) || printed.Expiry != "2160h0m0s" || len(printed.Usages) != 2 {
			t.Errorf("got %s", out)
		}
	})
	for _, row := range []struct{ name, profile, text string }{
		{"a profile that only the client knows is an error", "wbe", "no default one"},
		{"the client's default profile is an error", "", "no default one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, diagnostics, err := c.run(t, "gencert", "-remote", remote, "-config", c.config, "-profile", row.profile, csr)
			if err == nil || !strings.Contains(diagnostics, row.text) || strings.Contains(string(out), "BEGIN CERTIFICATE-") {
				t.Errorf("got %v, %s\n%s", err, diagnostics, out)
			}
		})
	}
	t.Run("without a key nothing is signed", func(t *testing.T) {
		if _, diagnostics, err := c.run(t, "gencert", "-remote", remote, "-profile", "web", csr); err == nil || !strings.Contains(diagnostics, "authentication required") {
			t.Errorf("got %v, %s", err, diagnostics)
		}
	})
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/ntp/ntptest"
)

// conforming runs the command in this process and returns its exit code and output.
func conforming(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), append([]string{"conformance"}, args...), streams{out: &out, err: &err})
	return code, out.String() + err.String()
}

// TestOurServersConform holds every server of the demonstration to every
// requirement: there is nothing to be found.
func TestOurServersConform(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "centre")
	c := startCentre(t, dir)
	c.toured()
	at := filepath.Join(dir, endpointsFile)
	for _, args := range [][]string{{}, {"--country", "AZ"}, {"--country", "KZ-DTS"}} {
		code, text := conforming(t, append([]string{"all", "--endpoints", at, "--rate", "0"}, args...)...)
		if code != 0 || !strings.Contains(text, "\nconforms: ") {
			t.Errorf("%v: exit code %d\n%s", args, code, text)
		}
	}
	// Another country's rules are not ours.
	if code, text := conforming(t, "all", "--endpoints", at, "--rate", "0", "--country", "tr"); code != 1 || !strings.Contains(text, "TR-02") {
		t.Errorf("by the rules of TR: exit code %d\n%s", code, text)
	}
	t.Run("json", func(t *testing.T) {
		file := filepath.Join(dir, "report.json")
		if code, text := conforming(t, "all", "--endpoints", at, "--rate", "0", "--format", "json", "-o", file); code != 0 {
			t.Fatalf("exit code %d\n%s", code, text)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Conclusion string
			Summary    struct {
				Pass         int
				Fail         int
				CouldNotTest int `json:"could_not_test"`
			}
			Sections []struct {
				Kind    string
				Results []struct {
					ID, Verdict string
					Evidence    []int
				}
			}
			Exchanges []struct{ Response struct{ Hex, SHA256 string } }
		}
		if err := json.Unmarshal(data, &report); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d requirements passed over %d exchanges", report.Summary.Pass, len(report.Exchanges))
		if report.Conclusion != "conforms" || report.Summary.Pass < 250 || report.Summary.Fail+report.Summary.CouldNotTest > 0 {
			t.Errorf("%s: %+v", report.Conclusion, report.Summary)
		}
		// No verdict on a server rests on nothing.
		kinds := map[string]bool{}
		for _, s := range report.Sections {
			kinds[s.Kind] = true
			for _, one := range s.Results {
				if one.Verdict == "pass" && len(one.Evidence) == 0 && one.ID != "CRL-07" {
					t.Errorf("%s %s passes without evidence", s.Kind, one.ID)
				}
				for _, n := range one.Evidence {
					if n >= len(report.Exchanges) {
						t.Errorf("%s rests on exchange %d of %d", one.ID, n, len(report.Exchanges))
					}
				}
			}
		}
		if !kinds["trust list"] {
			t.Errorf("the trust list is not judged: %v", kinds)
		}
	})
	t.Run("signed and stamped", func(t *testing.T) {
		if _, err := exec.LookPath("openssl"); err != nil {
			t.Skip("openssl is not installed (Debian: openssl)")
		}
		key, public, file := filepath.Join(dir, "auditor.key"), filepath.Join(dir, "auditor.pub"), filepath.Join(dir, "report.html")
		again := func(args ...string) {
			t.Helper()
			if output, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
				t.Errorf("openssl %v: %v\n%s", args, err, output)
			}
		}
		again("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
		again("pkey", "-in", key, "-pubout", "-out", public)
		if code, text := conforming(t, "tsa", "--url", c.at.TSA, "--rate", "0", "--format", "html", "-o", file, "--sign", "file:"+key, "--stamp", c.at.TSA); code != 0 {
			t.Fatalf("exit code %d\n%s", code, text)
		}
		again("dgst", "-sha256", "-verify", public, "-signature", file+".sig", file)
		again("ts", "-verify", "-data", file, "-in", file+".tsr", "-CAfile", c.at.Root, "-untrusted", c.at.Chain)
		// The same again replaces report and seals; a seal of anything else stays.
		sealed := []string{"tsa", "--url", c.at.TSA, "--rate", "0", "--no-hostile", "--format", "html", "-o", file, "--sign", "file:" + key, "--stamp", c.at.TSA}
		if code, text := conforming(t, sealed...); code != 0 {
			t.Errorf("once more: exit code %d\n%s", code, text)
		}
		for _, seal := range []string{file + ".tsr", file + ".sig"} {
			if err := os.WriteFile(seal, []byte("the only proof of something else"), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, text := conforming(t, sealed...); code != 2 || !strings.Contains(text, seal) || !strings.Contains(text, "hint: ") {
				t.Errorf("%s of something else: exit code %d\n%s", seal, code, text)
			}
			if kept, err := os.ReadFile(seal); err != nil || string(kept) != "the only proof of something else" {
				t.Errorf("%s was written over: %v", seal, err)
			}
		}
		if code, text := conforming(t, "tsa", "--url", c.at.TSA, "--stamp", c.at.TSA); code != 2 || !strings.Contains(text, "hint: ") {
			t.Errorf("a seal without a file: exit code %d\n%s", code, text)
		}
	})
	t.Run("one server at a time", func(t *testing.T) {
		for _, args := range [][]string{
			{"ocsp", "--url", c.at.OCSP, "--issuer", c.at.Issuer, "--cert", c.at.Leaf, "--revoked", c.at.Revoked, "--held", c.at.Held},
			{"ocsp", "--url", c.at.OCSP, "--issuer", c.at.Issuer, "--cert", c.at.Leaf, "--unknown", "7fABCDEF0123456789", "--no-hostile"},
			{"crl", "--url", c.at.CRL, "--issuer", c.at.Issuer, "--cert", c.at.Leaf, "--revoked", c.at.Revoked, "--held", c.at.Held},
			{"tsa", "--url", c.at.TSA, "--policy", c.at.TSAPolicy, "--trust", c.at.Chain, "--trust", c.at.Root},
			{"ocsp", "--url", c.at.OCSP, "--issuer", c.at.Issuer, "--cert", c.at.Leaf, "--load", "50", "--load-for", "300ms", "--slow-for", "0", "--no-hostile"},
			{"tsa", "--url", c.at.TSA, "--load", "50", "--load-for", "300ms", "--slow-for", "0", "--no-hostile"},
			{"crl", "--url", c.at.CRL, "--issuer", c.at.Issuer, "--load", "50", "--load-for", "300ms", "--no-hostile"},
			{"cert", c.at.Leaf, "--issuer", c.at.Issuer, "--profile", "natural", "--follow", "any"},
			{"cert", c.at.Chain, "--issuer", c.at.Root},
		} {
			code, text := conforming(t, append(args, "--rate", "0")...)
			if code != 0 {
				t.Errorf("%v: exit code %d\n%s", args, code, text)
			}
			if strings.Contains(text, "\x1b[") {
				t.Errorf("%v: colours on a pipe", args)
			}
		}
	})
	t.Run("TSA-14 by time servers", func(t *testing.T) { judgedByTimeServers(t, c) })
	t.Run("a revocation is seen", func(t *testing.T) { revocationSeen(t, c, dir) })
	c.stop()
	// Where nobody listens, nothing could be tested.
	if code, text := conforming(t, "ocsp", "--url", c.at.OCSP, "--issuer", c.at.Issuer, "--cert", c.at.Leaf); code != 2 || !strings.Contains(text, "could not be tested") {
		t.Errorf("a server that is down: exit code %d\n%s", code, text)
	}
}

// revocationSeen has the sample put on hold, released and revoked, which nothing needs any more, by the
// interface of our own ca, and by a command that says that it did.
func revocationSeen(t *testing.T, c *centre, dir string) {
	target := filepath.Join(dir, "target.toml")
	write := func(consent string) {
		t.Helper()
		text := fmt.Sprintf("issuer = %q\nocsp = %q\ncrl = %q\ndelta_crl = %q\nleaf = %q\nca_api = %q\nca_client_cert = %q\nca_client_key = %q\nca_tls_root = %q\n%s",
			c.at.Issuer, c.at.OCSP, c.at.CRL, c.at.DeltaCRL, c.at.Leaf, c.at.CAAPI, c.at.CAClient, c.at.CAKey, c.at.CARoot, consent)
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("[may_revoke]\ncertificate = %q\ncommand = \"test -n \\\"$ALTAMGA_REVOKE_SERIAL\\\" && false\"\n", c.at.Leaf))
	if code, text := conforming(t, "all", "--endpoints", target, "--rate", "0"); code != 2 || !strings.Contains(text, "exit status 1") {
		t.Errorf("a command that fails: exit code %d\n%s", code, text)
	}
	write(fmt.Sprintf("[may_revoke]\ncertificate = %q\nwait = \"90s\"\n[may_hold]\ncertificate = %q\nwait = \"90s\"\n", c.at.Leaf, c.at.Leaf))
	code, text := conforming(t, "all", "--endpoints", target, "--rate", "0", "--country", "AZ", "--verbose")
	if code != 0 || !strings.Contains(text, "AZ-06") || !strings.Contains(text, "the list said revoked ") || !strings.Contains(text, "the delta list said good ") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	if code, text := conforming(t, "revocation", c.at.Leaf, "--issuer", c.at.Issuer, "--ocsp", c.at.OCSP, "--command", "true", "--wait", "1s"); code != 2 || !strings.Contains(text, "revoked already") {
		t.Errorf("a certificate that is revoked: exit code %d\n%s", code, text)
	}
	if code, text := conforming(t, "revocation", c.at.Leaf, "--issuer", c.at.Issuer, "--ocsp", c.at.OCSP); code != 2 || !strings.Contains(text, "hint: ") {
		t.Errorf("no way to revoke: exit code %d\n%s", code, text)
	}
	if code, text := conforming(t, "hold", c.at.Leaf, "--issuer", c.at.Issuer, "--ocsp", c.at.OCSP, "--hold-command", "true"); code != 2 || !strings.Contains(text, "hint: ") {
		t.Errorf("no way to release: exit code %d\n%s", code, text)
	}
}

// judgedByTimeServers holds our authority's clock against real time servers: a
// right one, a wrong one, and both, of which nobody knows which to believe.
func judgedByTimeServers(t *testing.T, c *centre) {
	right, wrong := ntptest.Start(t, ntptest.Config{}), ntptest.Start(t, ntptest.Config{Offset: "+30s"})
	for _, row := range []struct {
		servers []string
		code    int
		says    string
	}{
		{[]string{right.Address}, 0, "UTC was between "},
		{[]string{wrong.Address}, 1, "TSA-14"},
		{[]string{right.Address, wrong.Address}, 2, "contradict each other"},
	} {
		args := []string{"tsa", "--url", c.at.TSA, "--rate", "0", "--no-hostile", "--verbose"}
		for _, server := range row.servers {
			args = append(args, "--ntp", server)
		}
		if code, text := conforming(t, args...); code != row.code || !strings.Contains(text, row.says) {
			t.Errorf("%d time servers: exit code %d\n%s", len(row.servers), code, text)
		}
	}
}

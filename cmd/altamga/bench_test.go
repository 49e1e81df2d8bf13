package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBenchCA measures for a moment: every line has its figures, and the
// measurement ends by itself.
func TestBenchCA(t *testing.T) {
	t.Setenv("ALTAMGA_TEST_AS_COMMAND", "1") // what it starts is the command
	bench := func(t *testing.T, args ...string) string {
		t.Helper()
		var out, fault bytes.Buffer
		if code := run(within(t, 2*time.Minute), append([]string{"bench", "ca"}, args...), streams{out: &out, err: &fault}); code != 0 {
			t.Fatalf("ended with %d\n%s%s", code, &out, &fault)
		}
		return out.String()
	}
	figures := func(t *testing.T, out string, columns int, names ...string) {
		t.Helper()
		for _, name := range names {
			line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(name) + ` .*$`).FindString(out)
			if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), name)); len(fields) != columns || fields[0] == "0" || fields[4] == "-" {
				t.Errorf("%s: %q", name, line)
			}
		}
		if t.Failed() {
			t.Log(out)
		}
	}
	t.Run("SQLite and files", func(t *testing.T) {
		out := bench(t, "--for", "600ms", "--clients", "1,4", "--stores", "sqlite", "--keys", "file", "--no-peers")
		figures(t, out, 6, "P-256 signature, hedged", "P-256 signature, deterministic", "P-256 verification", "parsing a certificate",
			"our lints on a certificate", "zlint on a certificate", "the shape of a certificate", "issuance, zlint by shape", "issuance, zlint on each",
			"issuance, zlint by shape, own signature verified", "issuance, zlint by shape, from a request with proof of possession",
			"issuance, all of these", "4 KiB written and flushed", "serials reserved in SQLite, 16 writers")
		figures(t, out, 8, "1 clients", "4 clients")
	})
	t.Run("PostgreSQL, a token and cfssl", func(t *testing.T) {
		out := bench(t, "--no-limits", "--time", "2s", "--clients", "4", "--stores", "postgres", "--keys", "softhsm")
		if strings.Contains(out, "Left out: ") {
			for _, program := range []string{"cfssl", "softhsm2-util", "pg_createcluster"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(out)
				}
			}
		}
		figures(t, out, 8, "4 clients")
		if !regexp.MustCompile(`(?m)^ *altamga on postgres, keys: softhsm  (.*\n.*)*4 clients .* [0-9]+\.[0-9]$`).MatchString(strings.ReplaceAll(out, "  \n", "\n")) {
			t.Errorf("no ratio to cfssl:\n%s", out)
		}
	})
	for _, wrong := range [][]string{{"--clients", "0"}, {"--clients", "100000"}, {"--for", "1ms"}, {"--for", "24h"}, {"--stores", "mysql"}, {"--centre", t.TempDir(), "--stores", "sqlite", "--no-limits", "--no-peers", "--keys", "file"}} {
		var out, fault bytes.Buffer
		if code := run(t.Context(), append([]string{"bench", "ca", "--for", "100ms"}, wrong...), streams{out: &out, err: &fault}); code == 0 {
			t.Errorf("bench ca %v ended with 0", wrong)
		}
	}
}

package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBenchCA measures for a moment: every line has its figures, and the
// measurement ends by itself.
func TestBenchCA(t *testing.T) {
	t.Setenv("ALTAMGA_TEST_AS_COMMAND", "1") // what it starts is the command
	var out, fault bytes.Buffer
	if code := run(within(t, 2*time.Minute), []string{"bench", "ca", "--for", "600ms", "--clients", "1,4"}, streams{out: &out, err: &fault}); code != 0 {
		t.Fatalf("ended with %d\n%s%s", code, &out, &fault)
	}
	for _, name := range []string{
		"P-256 signature, hedged", "P-256 signature, deterministic", "P-256 verification", "parsing a certificate", "linting a certificate",
		"issuance, lint on, nothing stored", "4 KiB written and flushed", "serials reserved in SQLite, 16 writers", "1 clients", "4 clients",
	} {
		line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(name) + ` .*$`).FindString(out.String())
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), name)); len(fields) != 6 || fields[0] == "0" || fields[4] == "-" {
			t.Errorf("%s: %q", name, line)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	for _, wrong := range [][]string{{"--clients", "0"}, {"--clients", "100000"}, {"--for", "1ms"}, {"--for", "24h"}, {"--centre", t.TempDir()}} {
		if code := run(t.Context(), append([]string{"bench", "ca", "--for", "100ms"}, wrong...), streams{out: &out, err: &fault}); code == 0 {
			t.Errorf("bench ca %v ended with 0", wrong)
		}
	}
}

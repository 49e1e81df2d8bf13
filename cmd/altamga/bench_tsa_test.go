package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBenchTSA measures for a moment: every line has its figures, every answer
// was checked, and the measurement ends by itself.
func TestBenchTSA(t *testing.T) {
	t.Setenv("ALTAMGA_TEST_AS_COMMAND", "1") // what it starts is the command
	var out, fault bytes.Buffer
	if code := run(within(t, 2*time.Minute), []string{"bench", "tsa", "--for", "300ms", "--clients", "1,4"}, streams{out: &out, err: &fault}); code != 0 {
		t.Fatalf("ended with %d\n%s%s", code, &out, &fault)
	}
	for _, name := range []string{
		"P-256 signature, deterministic", "P-256 verification", "token", "token, each verified", "token, journal, 16 at once", "token, journal, 64 at once", "digitorus' token", "1 clients", "4 clients",
	} {
		line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(name) + `  .*$`).FindString(out.String())
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), name)); len(fields) != 6 || fields[0] == "0" || fields[4] == "-" {
			t.Errorf("%s: %q", name, line)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if code := run(t.Context(), []string{"bench", "tsa", "--for", "1ms"}, streams{out: &out, err: &fault}); code == 0 {
		t.Error("bench tsa --for 1ms ended with 0")
	}
}

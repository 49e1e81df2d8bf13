package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBenchCRL measures short lists: every line has its figures.
func TestBenchCRL(t *testing.T) {
	t.Setenv("ALTAMGA_TEST_AS_COMMAND", "1") // what it starts is the command
	var out, fault bytes.Buffer
	if code := run(within(t, 2*time.Minute), []string{"bench", "crl", "--entries", "1000"}, streams{out: &out, err: &fault}); code != 0 {
		t.Fatalf("ended with %d\n%s%s", code, &out, &fault)
	}
	for _, part := range benchParts {
		line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(part.name) + ` .*$`).FindString(out.String())
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), part.name))
		if part.part == "openssl" && strings.Contains(line, "not installed") {
			continue
		}
		if len(fields) != 6 || (fields[3] == "-") != (part.than == "") {
			t.Errorf("%s: %q", part.name, line)
		}
	}
	for _, wrong := range []string{"10", "-5", "100000000"} {
		if code := run(t.Context(), []string{"bench", "crl", "--entries", wrong}, streams{out: &out, err: &fault}); code == 0 {
			t.Errorf("bench crl --entries %s ended with 0", wrong)
		}
	}
}

package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBenchOCSP measures for a moment: what needs no peer has its figures, and
// the measurement ends by itself.
func TestBenchOCSP(t *testing.T) {
	t.Setenv("ALTAMGA_TEST_AS_COMMAND", "1") // what it starts is the command
	var out, fault bytes.Buffer
	if code := run(within(t, 4*time.Minute), []string{"bench", "ocsp", "--for", "100ms", "--rounds", "1", "--clients", "8", "--certificates", "40", "--statuses", "1000"}, streams{out: &out, err: &fault}); code != 0 {
		t.Fatalf("ended with %d\n%s%s", code, &out, &fault)
	}
	for _, name := range []string{rawLoop, fromHere, rawP256, "altamga, signed on a miss", "altamga, signed with a nonce", rawRSA, "altamga, signed on a miss, RSA-2048"} {
		line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(name) + `  .*$`).FindString(out.String())
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), name)); len(fields) < 9 || fields[0] == "0" {
			t.Errorf("%s: %q", name, line)
		}
	}
	for _, text := range []string{"1,000 changes in a row were all answered anew after ", "Start to ready: ", "per million certificates "} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%q is missing", text)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	for _, wrong := range [][]string{{"--clients", "0"}, {"--for", "1ms"}, {"--rounds", "0"}, {"--certificates", "0"}, {"--statuses", "1"}} {
		if code := run(t.Context(), append([]string{"bench", "ocsp"}, wrong...), streams{out: &out, err: &fault}); code == 0 {
			t.Errorf("bench ocsp %v ended with 0", wrong)
		}
	}
}

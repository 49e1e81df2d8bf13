package main

import (
	"context"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// TestStories runs the binary as its users do; testdata/*.txt read like a
// manual.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: prepareStory(t), Condition: storyCondition})
}

// TestPrintedCommands runs every command that the tour prints for checking a
// step again, with the real openssl and curl, against the servers that the tour
// left up.
func TestPrintedCommands(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	c := startCentre(t, filepath.Join(t.TempDir(), "centre"))
	printed := regexp.MustCompile(`(?m)^ +again: +(.*)$`).FindAllStringSubmatch(c.toured(), -1)
	if len(printed) < 10 {
		t.Fatalf("the tour printed %d commands", len(printed))
	}
	// The command stands in the PATH under its own name.
	bin := t.TempDir()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "altamga"), []byte("#!/bin/sh\nALTAMGA_TEST_AS_COMMAND=1 exec '"+executable+"' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// What each tool says when it is content; a status of 0 alone is not that.
	content := map[string]*regexp.Regexp{
		"openssl x509 -in": regexp.MustCompile(`subject=|Subject: |Verified OK`),
		"openssl verify":   regexp.MustCompile(`(sample|citizen)\.pem: OK`),
		"openssl ocsp":     regexp.MustCompile(`(?s)Response verify OK.*(sample\.pem: good|revoked\.pem: revoked.*keyCompromise|held\.pem: revoked.*certificateHold)`),
		"openssl ts":       regexp.MustCompile(`Verification: OK`),
		"curl -s 'http":    regexp.MustCompile(`<html lang="en"`),
		"curl -s http":     regexp.MustCompile(`Certificate Revocation List|X509v3 Delta CRL Indicator`),
		"curl -s --cert":   regexp.MustCompile(`"position":1,`),
		"altamga audit":    regexp.MustCompile(`unbroken`),
		"altamga tsa":      regexp.MustCompile(`(?s)from below the roots.*in the signed journal`),
		"altamga interop":  regexp.MustCompile(`: verified|^trusted at |^recognised at .*: equivalent to CA/QC, status granted, since .*, because `),
		// The shell turns the refusal into what is expected.
		"! altamga interop": regexp.MustCompile(`^not recognised at .*: the certificate does not say`),
		"xmlsec1 --verify":  regexp.MustCompile(`^OK`),
	}
	for _, line := range printed {
		if _, err := exec.LookPath("xmlsec1"); err != nil && strings.HasPrefix(line[1], "xmlsec1 ") {
			t.Log("xmlsec1 is not installed (Debian: xmlsec1)")
			continue
		}
		command := exec.CommandContext(within(t, time.Minute), "sh", "-c", line[1])
		command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		output, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", line[1], err, output)
			continue
		}
		known := false
		for prefix, want := range content {
			if strings.HasPrefix(line[1], prefix) {
				known = true
				if !want.Match(output) {
					t.Errorf("%s\ndoes not answer %s, but\n%s", line[1], want, output)
				}
			}
		}
		if !known {
			t.Errorf("nothing is known of the answer to %s", line[1])
		}
	}
	c.stop()
}

// TestEverythingLints holds whatever a centre issued and published to the lints
// (design rule G3): hierarchy, servers, citizens and lists.
func TestEverythingLints(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "centre")
	c := startCentre(t, dir)
	c.toured()
	c.stop()
	ctx := within(t, time.Minute)
	opened, err := register.Open(ctx, filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	profiles := lintRegister(t, ctx, opened)
	for _, profile := range []string{"root", "policy", "issuing", "citizen-signature", "citizen-authentication", "ocsp-signer", "tsa-signer", "suite-root", "suite-server", "suite-client", "trust-list-signer", "package-signer"} {
		if profiles[profile] == 0 {
			t.Errorf("no certificate of profile %s was issued", profile)
		}
	}
	lists, err := filepath.Glob(filepath.Join(dir, "public", "*.crl"))
	if err != nil || len(lists) != 7 {
		t.Fatalf("published lists are %v (%v), not five and two delta lists", lists, err)
	}
	for _, path := range lists {
		der, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := lint.CRL(list); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// lintRegister lints every certificate of a register and counts them by
// profile.
func lintRegister(t *testing.T, ctx context.Context, opened *register.Register) map[string]int {
	t.Helper()
	entries, err := opened.Entries(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	profiles := map[string]int{}
	for _, e := range entries {
		if e.Kind != "issued" {
			continue
		}
		record, err := opened.Record(ctx, e.Serial)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(record.Certificate)
		if err != nil {
			t.Fatalf("certificate %s: %v", e.Serial, err)
		}
		if err := lint.Certificate(certificate); err != nil {
			t.Errorf("certificate %s of profile %s: %v", e.Serial, record.Profile, err)
		}
		profiles[record.Profile]++
	}
	return profiles
}

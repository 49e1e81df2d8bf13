package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// germanList is a list of the size of the largest national one, 2 MB, made of
// the services of a real one.
func germanList(t testing.TB) (data []byte, signer *identity) {
	t.Helper()
	l, err := interop.Read(corpus(t, "eu/*.xml")["CZ.xml"])
	if err != nil {
		t.Fatal(err)
	}
	l.Scheme.Version = 6
	providers := l.Providers
	for len(interop.Write(l)) < 2_000_000 {
		l.Providers = append(l.Providers, providers...)
	}
	signer = newCountry(t, "AZ").signer
	return sign(t, l, signer), signer
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A list of 2 MB is verified and read in less than twice the processor time
// that xmlsec1 takes to verify its signature.
func TestSpeedBesideXMLSec1(t *testing.T) {
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Skip("xmlsec1 is not installed (Debian: xmlsec1)")
	}
	data, signer := germanList(t)
	dir := t.TempDir()
	name, trusted := filepath.Join(dir, "list.xml"), filepath.Join(dir, "signer.der")
	for file, content := range map[string][]byte{name: data, trusted: signer.cert.Raw} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ours, theirs time.Duration
	const rounds = 5
	for range rounds {
		command := exec.Command("xmlsec1", "--verify", "--trusted-der", trusted, "--enabled-key-data", "x509", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", name)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("xmlsec1: %v\n%s", err, output)
		}
		theirs += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
		before := processorTime(t)
		if _, err := interop.Verify(data, []*interop.Certificate{signer.list()}, interop.Terms{}); err != nil {
			t.Fatal(err)
		}
		ours += processorTime(t) - before
	}
	ratio := float64(ours) / float64(theirs)
	t.Logf("%d octets: %v of processor time, xmlsec1 %v: ratio %.2f", len(data), ours/rounds, theirs/rounds, ratio)
	if limit := 2.0; ratio > limit && !raceEnabled {
		t.Errorf("%.2f times the processor time of xmlsec1, limit %.1f", ratio, limit)
	}
}

func BenchmarkVerify(b *testing.B) {
	data, signer := germanList(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := interop.Verify(data, []*interop.Certificate{signer.list()}, interop.Terms{}); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build unix

package ceremony_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/altamga/altamga/ca/ceremony"
	sqlite "github.com/altamga/altamga/internal/register"
)

// TestMain is also the process that a ceremony runs in to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CEREMONY_TO_KILL"); dir != "" {
		os.Exit(killed(dir, os.Getenv("CEREMONY_KILL_AT")))
	}
	os.Exit(m.Run())
}

// killed runs the ceremony in dir and ends the process, as a loss of power
// would, when as many points as at says are reached.
func killed(dir, at string) int {
	n, err := strconv.Atoi(at)
	if err != nil {
		return 2
	}
	b := &table{dir: dir, signed: filepath.Join(dir, "signed")}
	b.reached = func(point string) {
		if n--; n == 0 {
			fmt.Print(point)
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if err := b.run(); err != nil {
		fmt.Print(err)
		return 1
	}
	return 0
}

// runKilled runs the ceremony in a process of its own that dies at a point, and
// says which; done when the ceremony ended before.
func runKilled(t *testing.T, dir string, at int) (point string, done bool) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable)
	command.Env = append(os.Environ(), "CEREMONY_TO_KILL="+dir, "CEREMONY_KILL_AT="+strconv.Itoa(at))
	output, err := command.Output()
	exit, _ := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return "", true
	case exit != nil && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return string(output), false
	}
	t.Fatalf("the ceremony ended by itself: %v: %s", err, output)
	return "", false
}

// TestKill ends a ceremony at every point between two durable effects and goes
// on: it comes to the same end, and nothing that a key signed is lost. Under the
// race detector it takes a fifth of the points, since a ceremony has no more
// than one thing going on; make test takes all of them without it.
func TestKill(t *testing.T) {
	step := 1
	if raced {
		step = 5
	}
	for at := 1; ; at += step {
		b := newTable(t, founding)
		b.confirm("first", "second")
		b.signed = b.path("signed")
		point, done := runKilled(t, b.dir, at)
		if done {
			if at < 40 {
				t.Errorf("a ceremony has only %d points", at-1)
			}
			break
		}
		t.Run(fmt.Sprintf("%03d %s", at, point), func(t *testing.T) {
			b.t = t
			if err := b.run(); err != nil {
				t.Fatalf("going on: %v", err)
			}
			b.account(t)
		})
	}
}

// TestKillAgainAndAgain ends one ceremony again and again, so that it goes on from
// each end to the next.
func TestKillAgainAndAgain(t *testing.T) {
	b := newTable(t, founding)
	b.confirm("first", "second")
	b.signed = b.path("signed")
	runs := 0
	// A run that dies at its fifth point has written the line that it goes on,
	// and gone through signing a list to the line that says so.
	for ; runs < 500; runs++ {
		if _, done := runKilled(t, b.dir, 5); done {
			break
		}
	}
	if runs < 10 || runs == 500 {
		t.Errorf("the ceremony took %d runs", runs)
	}
	b.account(t)
}

// account checks that the ceremony is complete, once, and that everything that
// was signed is known.
func (b *table) account(t *testing.T) {
	t.Helper()
	if faults := b.verify(); faults != "" {
		t.Errorf("the minutes: %s", faults)
	}
	known := map[string]bool{}
	certificates := 0
	closed := ""
	for _, l := range b.lines() {
		switch l.Event {
		case ceremony.EventIntent:
			sum := sha256.Sum256(l.Data)
			known[hex.EncodeToString(sum[:])] = true
		case ceremony.EventDone:
			if _, err := x509.ParseCertificate(l.Data); err == nil {
				certificates++
			}
		case "closed":
			closed = l.Hash
		}
	}
	sum := sha256.Sum256(ceremony.MinutesStatement("test", closed))
	known[hex.EncodeToString(sum[:])] = true
	signed := strings.Fields(string(b.read("signed")))
	if len(signed) < 6 {
		t.Errorf("the keys signed %d times", len(signed))
	}
	for _, digest := range signed {
		if !known[digest] {
			t.Errorf("a key signed %s, and neither minutes nor register know of it", digest)
		}
	}
	ctx := context.Background()
	register, err := sqlite.Open(ctx, b.path("register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer register.Close()
	if err := register.Check(ctx); err != nil {
		t.Error(err)
	}
	if unfinished, err := register.Unfinished(ctx); err != nil || len(unfinished) > 0 {
		t.Errorf("%d intents are unfinished (%v)", len(unfinished), err)
	}
	entries, err := register.Entries(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, e := range entries {
		kinds[string(e.Kind)]++
	}
	if certificates != 2 || kinds["issued"] != 2 || kinds["revoked"] != 1 || kinds["listed"] < 2 {
		t.Errorf("%d certificates in the minutes, in the register %v", certificates, kinds)
	}
	first, second := b.list(t, "out/root.crl"), b.list(t, "out/root-2.crl")
	if first.Number.Cmp(second.Number) >= 0 || len(first.RevokedCertificateEntries) != 0 || len(second.RevokedCertificateEntries) != 1 {
		t.Errorf("lists %v and %v with %d and %d entries", first.Number, second.Number, len(first.RevokedCertificateEntries), len(second.RevokedCertificateEntries))
	}
}

func (b *table) list(t *testing.T, name string) *x509.RevocationList {
	t.Helper()
	list, err := x509.ParseRevocationList(b.read(name))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A line that was cut off in writing was never acted upon: it goes, and the
// ceremony with it does not.
func TestTornLine(t *testing.T) {
	whole := newTable(t, founding)
	whole.confirm("first", "second")
	runKilled(t, whole.dir, 20)
	path := whole.path("minutes/test.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, `{"seq":99,"at":"20`...), 0o644); err != nil {
		t.Fatal(err)
	}
	if faults := whole.verify(); !strings.Contains(faults, "cut off") {
		t.Errorf("the torn line is not seen: %s", faults)
	}
	whole.signed = whole.path("signed")
	if err := whole.run(); err != nil {
		t.Fatal(err)
	}
	if after := whole.read("minutes/test.jsonl"); !bytes.HasPrefix(after, data) {
		t.Error("lines that were whole are gone")
	}
	whole.account(t)
}

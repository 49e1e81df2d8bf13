package main

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/register/postgrestest"
)

// issuing issues certificates, eight at a time, until it is stopped, and goes
// on over failures.
type issuing struct {
	t    *testing.T
	one  func() (journal.Serial, error)
	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	answered map[journal.Serial]bool
	failures int
}

func (f *faulty) issueOn(t *testing.T) *issuing {
	i := &issuing{t: t, stop: make(chan struct{}), answered: map[journal.Serial]bool{}}
	i.one = func() (journal.Serial, error) { return f.issueOne(t.Context(), 1) }
	for range 8 {
		i.done.Go(func() {
			for {
				select {
				case <-i.stop:
					return
				default:
				}
				if !i.issue() {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	return i
}

// issue issues one more and reports whether it was answered.
func (i *issuing) issue() bool {
	serial, err := i.one()
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.failures++
		return false
	}
	i.answered[serial] = true
	return true
}

func (i *issuing) counts() (answered, failures int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.answered), i.failures
}

// further waits until so many more were answered and have failed.
func (i *issuing) further(what string, answered, failures int) {
	i.t.Helper()
	a, f := i.counts()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		nowA, nowF := i.counts()
		if nowA >= a+answered && nowF >= f+failures {
			return
		}
		if failures > 0 {
			// All the others may be waiting with a signature that they can't have
			// recorded now.
			i.issue()
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("%s: %d answered and %d failed, and no more", what, nowA-a, nowF-f)
		}
	}
}

// end stops issuing and returns the serials that were answered.
func (i *issuing) end() map[journal.Serial]bool {
	close(i.stop)
	i.done.Wait()
	return i.answered
}

// TestDatabaseRestartsWhileIssuing shuts PostgreSQL down and kills it while
// certificates are issued. Nothing is opened again, and no signature is lost:
// each is recorded when the database is back.
func TestDatabaseRestartsWhileIssuing(t *testing.T) {
	server := postgrestest.Start(t)
	dir := foundCentre(t)
	moveToPostgres(t, t.Context(), dir, server.Address(t))
	answered := map[journal.Serial]bool{}
	t.Run("issue", func(t *testing.T) {
		// A slow machine takes long to start a database.
		patient := func(c *ca.Config) { c.RecordFor = 25 * time.Second }
		load := newFaulty(t, dir, func(string) error { return nil }, patient).issueOn(t)
		load.further("at first", 50, 0)
		for _, end := range []func(testing.TB){server.Stop, server.Kill, server.Kill} {
			end(t)
			load.further("without a database", 0, 20)
			server.Resume(t)
			load.further("with the database", 50, 0)
		}
		answered = load.end()
		_, failures := load.counts()
		t.Logf("%d certificates, %d failures", len(answered), failures)
	})
	output := reconcileAll(t, []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"})
	if strings.Contains(output, string(ca.PerhapsSigned)+"\n") {
		t.Errorf("a signature was lost\n%s", output)
	}
	holdAllSerials(t, dir, answered)
}

// TestTokenAwayWhileIssuing takes a SoftHSM token away while certificates are
// issued, and gives it back.
func TestTokenAwayWhileIssuing(t *testing.T) {
	if ok, err := storyCondition("softhsm"); err != nil || !ok {
		t.Skip("SoftHSM is not installed (Debian: softhsm2), or this build has no PKCS #11")
	}
	work := t.TempDir()
	tokens := filepath.Join(work, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"softhsm2.conf": "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n",
		"pin":           "24680\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOFTHSM2_CONF", filepath.Join(work, "softhsm2.conf"))
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "fault", "--pin", "24680", "--so-pin", "13579").CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
	p := builtIn(t)
	uri := "pkcs11:token=fault?pin-source=" + url.QueryEscape(filepath.Join(work, "pin")) + "&module-path=" + softHSM()
	var err error
	if p.token, err = keys.Parse(uri); err != nil {
		t.Fatal(err)
	}
	dir := foundBy(t, p)
	answered := map[journal.Serial]bool{}
	t.Run("issue", func(t *testing.T) {
		f := newFaulty(t, dir, func(string) error { return nil })
		load := f.issueOn(t)
		load.further("at first", 50, 0)
		for range 3 {
			if err := os.Rename(tokens, tokens+".away"); err != nil {
				t.Fatal(err)
			}
			// What is open goes on: a token that is pulled out closes its sessions.
			if err := f.process.tokensReady(t.Context()); !errors.Is(err, keys.ErrUnavailable) {
				t.Errorf("without the token: %v", err)
			}
			load.further("without the token", 0, 20)
			if err := os.Rename(tokens+".away", tokens); err != nil {
				t.Fatal(err)
			}
			load.further("with the token", 50, 0)
		}
		answered = load.end()
		_, failures := load.counts()
		t.Logf("%d certificates, %d failures", len(answered), failures)
	})
	reconcileAll(t, []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"})
	holdAllSerials(t, dir, answered)
	t.Run("TSA-42 the next unit's key is made on the token", func(t *testing.T) { renewsOnToken(t, dir) })
}

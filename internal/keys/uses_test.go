package keys_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/altamga/altamga/internal/keys"
)

func sign(key crypto.Signer) error {
	digest := sha256.Sum256([]byte("message"))
	_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	return err
}

func uses(t *testing.T, uri, dir string) uint64 {
	t.Helper()
	used, err := keys.Uses(uri, dir)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func TestUses(t *testing.T) {
	t.Run("the limit is exact", func(t *testing.T) {
		dir, uri := t.TempDir(), "file:a.key?max-uses=7"
		key, err := keys.Generate(uri, dir, "p256")
		if err != nil {
			t.Fatal(err)
		}
		if used := uses(t, uri, dir); used != 0 {
			t.Errorf("a new key has %d uses", used)
		}
		for i := range 7 {
			if err := sign(key); err != nil {
				t.Fatalf("signature %d: %v", i, err)
			}
		}
		for range 2 {
			if err := sign(key); !errors.Is(err, keys.ErrUsedUp) || hint(err) == "" {
				t.Errorf("the eighth signature: %v", err)
			}
		}
		if err := keys.Close(key); err != nil {
			t.Error(err)
		}
		key, err = keys.Open(uri, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := sign(key); !errors.Is(err, keys.ErrUsedUp) || uses(t, uri, dir) != 7 {
			t.Errorf("opened again: %v, %d uses", err, uses(t, uri, dir))
		}
	})
	t.Run("what was not used is given back, unless the process dies", func(t *testing.T) {
		dir, uri := t.TempDir(), "file:a.key?counter=a.count"
		key, err := keys.Generate(uri, dir, "p256")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := sign(key); err != nil {
				t.Fatal(err)
			}
		}
		// As a crash would leave it.
		if used := uses(t, uri, dir); used < 3 || used > 1003 {
			t.Errorf("in the middle %d uses are counted", used)
		}
		if err := keys.Close(key); err != nil {
			t.Fatal(err)
		}
		if used := uses(t, uri, dir); used != 3 {
			t.Errorf("after closing %d uses are counted", used)
		}
		if err := sign(key); err != nil {
			t.Errorf("after closing: %v", err)
		}
	})
	t.Run("many keys at one counter", func(t *testing.T) {
		const limit = 5000
		dir, uri := t.TempDir(), fmt.Sprintf("file:a.key?max-uses=%d", limit)
		if _, err := keys.Generate(uri, dir, "p256"); err != nil {
			t.Fatal(err)
		}
		var made atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			key, err := keys.Open(uri, dir)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				all.Go(func() {
					for sign(key) == nil {
						made.Add(1)
					}
				})
			}
		}
		all.Wait()
		if made.Load() != limit || uses(t, uri, dir) != limit {
			t.Errorf("%d signatures, %d counted, want %d", made.Load(), uses(t, uri, dir), limit)
		}
	})
	t.Run("a lost counter is not begun at 0", func(t *testing.T) {
		dir, uri := t.TempDir(), "file:a.key?max-uses=9"
		if _, err := keys.Generate(uri, dir, "p256"); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "a.key.uses")); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(uri, dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(hint(err), "keys count --start") {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
		if err := keys.StartUses(uri, dir, 8); err != nil {
			t.Fatal(err)
		}
		if err := keys.StartUses(uri, dir, 0); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a counter is overwritten: %v", err)
		}
		key, err := keys.Open(uri, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := sign(key); err != nil {
			t.Error(err)
		}
		if err := sign(key); !errors.Is(err, keys.ErrUsedUp) {
			t.Errorf("the tenth signature: %v", err)
		}
		if _, err := keys.Uses("file:a.key", dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a counter: %v", err)
		}
	})
	t.Run("a refused key leaves no counter", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := keys.Generate("file:a.key?max-uses=9", dir, "dsa"); err == nil {
			t.Fatal("a key was made")
		}
		if _, err := keys.Generate("file:a.key?max-uses=9", dir, "p256"); err != nil {
			t.Error(err)
		}
	})
	// A write that a crash interrupts damages the slot that is being written.
	t.Run("one damaged line is survived, two are not", func(t *testing.T) {
		dir, uri := t.TempDir(), "file:a.key?max-uses=100"
		key, err := keys.Generate(uri, dir, "p256")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := sign(key); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "a.key.uses")
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			// The other line: this state or the one before it.
			if used := uses(t, uri, dir); used != 5 && used != 4 {
				t.Errorf("octet %d: %d uses", i, used)
			}
		}
		for _, damaged := range []string{"", string(whole[:100]), string(whole) + "x", strings.Repeat("x", 128)} {
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Open(uri, dir); err == nil || hint(err) == "" {
				t.Errorf("%q: error %v", damaged, err)
			}
			if err := sign(key); err == nil {
				t.Errorf("%q: signed without counting", damaged)
			}
		}
	})
}

// TestUsesCrash kills processes that sign and holds what they said they signed
// against the count.
func TestUsesCrash(t *testing.T) {
	if dir := os.Getenv("ALTAMGA_TEST_SIGN"); dir != "" {
		key, err := keys.Open("file:a.key?max-uses=1000000", dir)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if err := sign(key); err != nil {
				t.Fatal(err)
			}
			os.Stdout.WriteString("signed\n")
		}
	}
	dir, uri := t.TempDir(), "file:a.key?max-uses=1000000"
	if _, err := keys.Generate(uri, dir, "p256"); err != nil {
		t.Fatal(err)
	}
	var signed uint64
	for round := range 5 {
		var output strings.Builder
		process := exec.Command(os.Args[0], "-test.run", "^TestUsesCrash$")
		process.Env = append(os.Environ(), "ALTAMGA_TEST_SIGN="+dir)
		enough := make(chan struct{})
		process.Stdout = writer(func(p []byte) (int, error) {
			output.Write(p)
			if output.Len() > 7*(100+900*round) && enough != nil {
				close(enough)
				enough = nil
			}
			return len(p), nil
		})
		done := enough
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		<-done
		process.Process.Kill()
		process.Wait()
		signed += uint64(strings.Count(output.String(), "signed\n"))
		used := uses(t, uri, dir)
		if used < signed {
			t.Fatalf("round %d: %d signatures were made and %d counted", round, signed, used)
		}
		if used > signed+uint64(round+1)*1001 {
			t.Errorf("round %d: %d signatures were made and %d counted", round, signed, used)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// FuzzSlot reads a counter's line: what is read is written again octet for
// octet.
func FuzzSlot(f *testing.F) {
	f.Add(keys.WriteSlot(1, 0))
	f.Add(keys.WriteSlot(1<<62, 1<<63-1))
	f.Add([]byte("sequence "))
	f.Fuzz(func(t *testing.T, line []byte) {
		if sequence, used, ok := keys.ReadSlot(line); ok && string(keys.WriteSlot(sequence, used)) != string(line) {
			t.Errorf("%q is read as %d, %d", line, sequence, used)
		}
	})
}

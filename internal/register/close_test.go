package register_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// TestCloseReleasesFiles: a disk can be unmounted after Close.
func TestCloseReleasesFiles(t *testing.T) {
	dir := t.TempDir()
	open := func() (n int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not list a process's open files in /proc")
		}
		for _, e := range entries {
			if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, dir) {
				n++
			}
		}
		return n
	}
	store, err := register.Open(t.Context(), filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Complete(t.Context(), intent.Serial, certificate, nil); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() { store.Entries(t.Context(), 0, 10) })
	}
	readers.Wait()
	if open() == 0 {
		t.Fatal("the open register has no open file")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if n := open(); n > 0 {
		t.Errorf("%d files are still open", n)
	}
}

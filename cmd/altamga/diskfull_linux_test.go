package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

// TestDiskFull issues on a small file system until it is full, makes room, and
// reconciles.
func TestDiskFull(t *testing.T) {
	dir := foundCentre(t)
	disk := t.TempDir()
	if err := syscall.Mount("altamga-test", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small disk takes the rights of root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"register.db", "audit.log"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(disk, name), data, 0o600)
		}
		if err == nil {
			err = os.Remove(filepath.Join(dir, name))
		}
		if err == nil {
			err = os.Symlink(filepath.Join(disk, name), filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	answered := map[journal.Serial]bool{}
	t.Run("issue", func(t *testing.T) {
		f := newFaulty(t, dir, func(string) error { return nil })
		if failures := f.issueMany(t, 1000, func(s journal.Serial) { answered[s] = true }); failures == 0 || len(answered) == 0 {
			t.Errorf("%d failures and %d certificates on a disk of 1 MiB", failures, len(answered))
		}
	})
	if err := syscall.Mount("altamga-test", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	reconcileAll(t, []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"})
	holdAllSerials(t, dir, answered)
	t.Logf("%d certificates were answered before the disk was full", len(answered))
}

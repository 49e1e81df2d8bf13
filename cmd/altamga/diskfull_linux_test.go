package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register/postgrestest"
)

// smallDisk mounts a file system of a size in a new folder.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	// Not t.TempDir, which other accounts cannot enter.
	disk, err := os.MkdirTemp("", "altamga-disk-")
	if err == nil {
		err = os.Chmod(disk, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(disk) })
	if err := syscall.Mount("altamga-test", disk, "tmpfs", 0, "mode=755,size="+size); err != nil {
		t.Skipf("mounting a small disk takes the rights of root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// TestDiskFull issues on a small file system until it is full, makes room, and
// reconciles.
func TestDiskFull(t *testing.T) {
	dir := foundCentre(t)
	disk := smallDisk(t, "1m")
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
		// Nobody makes room meanwhile.
		f := newFaulty(t, dir, func(string) error { return nil }, func(c *ca.Config) { c.RecordFor = 100 * time.Millisecond })
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

// TestDatabaseDiskFull fills the disk that PostgreSQL is on while certificates
// are issued, and makes room again.
func TestDatabaseDiskFull(t *testing.T) {
	dir := foundCentre(t)
	disk := smallDisk(t, "96m")
	t.Setenv("TMPDIR", disk)
	server := postgrestest.Start(t)
	moveToPostgres(t, t.Context(), dir, server.Address(t))
	answered := map[journal.Serial]bool{}
	t.Run("issue", func(t *testing.T) {
		f := newFaulty(t, dir, func(string) error { return nil })
		load := f.issueOn(t)
		load.further("at first", 50, 0)
		ballast := filepath.Join(disk, "ballast")
		fill(t, ballast)
		load.further("with a full disk", 0, 20)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		// It gives up when it cannot write its log.
		server.Restart(t)
		load.further("with room again", 50, 0)
		if err := f.process.register.Ready(t.Context()); err != nil {
			t.Errorf("with room again: %v", err)
		}
		answered = load.end()
		_, failures := load.counts()
		t.Logf("%d certificates, %d failures", len(answered), failures)
	})
	reconcileAll(t, []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"})
	holdAllSerials(t, dir, answered)
}

// fill writes a file until nothing more goes onto its disk.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

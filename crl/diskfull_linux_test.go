package crl_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull publishes on a disk that has no room for the next list.
func TestDiskFull(t *testing.T) {
	c := newCentre(t, p256(t))
	if err := syscall.Mount("altamga-test", c.Dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a small disk takes the rights of root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(c.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	source := &many{n: 10_000}
	c.Source, c.Recheck = source, time.Nanosecond
	var reason string
	c.Observe = func(r string, _ time.Duration) { reason = r }
	p := c.publisher(t)
	c.publish2(t, p)
	good := readFile(t, filepath.Join(c.Dir, "ehm.crl"))
	filler := filepath.Join(c.Dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20+256<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("G9 a full disk keeps the last good list served, and alarms", func(t *testing.T) {
		p := c.publisher(t)
		err := p.Publish(t.Context(), "ehm")
		if err == nil || !strings.Contains(err.Error(), "no space left") || reason != "store" {
			t.Errorf("error %v, counted as %q", err, reason)
		}
		if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("ready says %v", err)
		}
		if got := body(t, ask(p, "GET", "/ehm.crl")); !bytes.Equal(got, good) || !bytes.Equal(readFile(t, filepath.Join(c.Dir, "ehm.crl")), good) {
			t.Error("the last good list is not there any more")
		}
		if names, _ := filepath.Glob(filepath.Join(c.Dir, ".*")); len(names) != 0 {
			t.Errorf("half a list was left: %v", names)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		c.publish2(t, p)
		if err := p.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

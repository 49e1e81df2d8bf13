package crl_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// run runs the publisher until the test or stop ends it.
func run(t *testing.T, p *crl.Publisher) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func numberOf(t *testing.T, p *crl.Publisher) uint64 {
	t.Helper()
	list, ok := p.Current("ehm")
	if !ok {
		return 0
	}
	return list.Number
}

func TestRun(t *testing.T) {
	t.Run("publishes at the start, after a change, and when the interval is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			defer run(t, p)()
			synctest.Wait()
			if got := numberOf(t, p); got != 1 {
				t.Fatalf("number at the start %d, want 1", got)
			}
			if there, err := os.ReadFile(filepath.Join(c.Dir, "ehm.cer")); err != nil || string(there) != string(c.ca.Raw) {
				t.Errorf("the certificate is not in the folder: %v", err)
			}
			c.put(entry(0x10, 1))
			c.put(entry(0x11, 1))
			time.Sleep(crl.DefaultDelay - time.Millisecond)
			synctest.Wait()
			if got := numberOf(t, p); got != 1 {
				t.Errorf("published %d before the delay was over", got)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			// Positions: list 1, changes 2 and 3, list 4.
			if list, _ := p.Current("ehm"); list.Number != 4 || list.Entries != 2 {
				t.Errorf("number %d with %d entries, want 4 with 2", list.Number, list.Entries)
			}
			// A list begins at a whole second, so the interval may end within one.
			time.Sleep(crl.DefaultInterval - time.Second)
			synctest.Wait()
			if got := numberOf(t, p); got != 4 {
				t.Errorf("published %d before the interval was over", got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := numberOf(t, p); got != 5 {
				t.Errorf("number after the interval %d, want 5", got)
			}
		})
	})
	t.Run("issued certificates, lists and other issuers do not trigger", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			defer run(t, p)()
			for range 3000 {
				c.issue("ehm")
				c.issue("hom")
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := numberOf(t, p); got > 6001 || got == 0 {
				t.Errorf("number %d", got)
			}
			first := numberOf(t, p)
			time.Sleep(time.Hour)
			if got := numberOf(t, p); got != first {
				t.Errorf("published %d after %d without a reason", got, first)
			}
		})
	})
	t.Run("CRL-09 there is a current list at every moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			defer run(t, p)()
			synctest.Wait()
			last := uint64(0)
			for range 3 * 24 * 60 {
				time.Sleep(time.Minute)
				list, _ := p.Current("ehm")
				if now := time.Now(); now.Before(list.ThisUpdate) || !now.Before(list.NextUpdate) || now.Sub(list.ThisUpdate) > 3*time.Hour {
					t.Fatalf("at %v the list is of %v to %v", now, list.ThisUpdate, list.NextUpdate)
				}
				if list.Number < last {
					t.Fatalf("number %d after %d", list.Number, last)
				}
				last = list.Number
				if err := p.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
	t.Run("G9 a failing register leaves the list in service and is tried again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			var reasons []string
			c.Observe = func(reason string, _ time.Duration) { reasons = append(reasons, reason) }
			p := c.publisher(t)
			defer run(t, p)()
			synctest.Wait()
			c.fail(errors.New("the disk is gone"))
			time.Sleep(crl.DefaultValidity / 4)
			synctest.Wait()
			if got := numberOf(t, p); got != 1 {
				t.Errorf("number %d, want 1", got)
			}
			if r := ask(p, "GET", "/ehm.crl"); r.StatusCode != 200 {
				t.Errorf("status %d", r.StatusCode)
			}
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
				t.Errorf("ready says %v", err)
			}
			if n := len(reasons); n < 10 || n > 1000 || reasons[n-1] != "source" {
				t.Errorf("%d attempts", n)
			}
			c.fail(nil)
			c.put(entry(0x10, 1))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if list, _ := p.Current("ehm"); list.Entries != 1 {
				t.Errorf("%d entries after the register came back, want 1", list.Entries)
			}
			if err := p.Ready(t.Context()); err != nil {
				t.Errorf("ready says %v", err)
			}
		})
	})
	t.Run("ready tells when half of the validity is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			c.Deadline = 48 * time.Hour
			p := c.publisher(t)
			if err := p.Ready(t.Context()); err == nil {
				t.Error("ready without a list")
			}
			c.publish(t, p)
			time.Sleep(crl.DefaultValidity / 2)
			if err := p.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "half") {
				t.Errorf("ready says %v", err)
			}
			time.Sleep(crl.DefaultValidity / 2)
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "ran out") {
				t.Errorf("ready says %v", err)
			}
		})
	})
	t.Run("ready tells when half of the time before the deadline is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			c.publish(t, p)
			half := crl.DefaultInterval + (crl.DefaultDeadline-crl.DefaultInterval)/2
			time.Sleep(half)
			if err := p.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "must not be older than 3h") {
				t.Errorf("ready says %v", err)
			}
			if got, want := p.Remaining("ehm"), crl.DefaultValidity-half-time.Second; got != want {
				t.Errorf("%v remain, want %v", got, want)
			}
		})
	})
	t.Run("a change while no publisher ran is published at the next start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			stop := run(t, c.publisher(t))
			synctest.Wait()
			stop()
			c.put(entry(0x10, 1))
			p := c.publisher(t)
			if got := numberOf(t, p); got != 1 {
				t.Fatalf("a new publisher serves number %d, want 1", got)
			}
			defer run(t, p)()
			time.Sleep(crl.DefaultDelay)
			synctest.Wait()
			if list, _ := p.Current("ehm"); list.Entries != 1 {
				t.Errorf("%d entries, want 1", list.Entries)
			}
		})
	})
	t.Run("the register is told of each list, and at the start of one that a crash kept from it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			stop := run(t, c.publisher(t))
			synctest.Wait()
			stop()
			if c.last != 1 {
				t.Errorf("told of %d, want 1", c.last)
			}
			c.last = 0
			stop = run(t, c.publisher(t))
			synctest.Wait()
			stop()
			if c.last != 1 {
				t.Errorf("told of %d at the next start, want 1", c.last)
			}
		})
	})
	t.Run("a fresh list is not replaced at a start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			stop := run(t, c.publisher(t))
			synctest.Wait()
			stop()
			p := c.publisher(t)
			defer run(t, p)()
			time.Sleep(time.Hour)
			if got := numberOf(t, p); got != 1 {
				t.Errorf("number %d, want 1", got)
			}
		})
	})
}

func TestNumbers(t *testing.T) {
	t.Run("CRL-12 numbers increase, also with many publishing at once and over a restart", func(t *testing.T) {
		c := newCentre(t, p256(t))
		for range 3 {
			p := c.publisher(t)
			before := numberOf(t, p)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if err := p.Publish(context.Background(), "ehm"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got := numberOf(t, p); got != before+20 {
				t.Errorf("number %d after %d and 20 lists", got, before)
			}
			if list := c.published(t); list.Number.Uint64() != numberOf(t, p) {
				t.Errorf("the folder holds %v", list.Number)
			}
		}
	})
	t.Run("CRL-12 a number that comes again is refused", func(t *testing.T) {
		c := newCentre(t, p256(t))
		p := c.publisher(t)
		c.publish(t, p)
		c.journal = nil
		if err := p.Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "gave the number 1 after 1") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("CRL-12 a register that was set back is refused", func(t *testing.T) {
		c := newCentre(t, p256(t))
		p := c.publisher(t)
		c.put(entry(0x10, 1))
		c.publish(t, p)
		c.register.journal = nil
		if err := p.Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "restored from a copy") {
			t.Errorf("error %v", err)
		}
		again := c.publisher(t)
		c.register.journal = nil
		if err := again.Publish(t.Context(), "ehm"); err == nil {
			t.Error("a lower number was published after a restart")
		}
		if got := c.published(t).Number.Int64(); got != 2 {
			t.Errorf("the folder holds %d, want 2", got)
		}
	})
	t.Run("CRL-12 a higher number that another publisher left is not replaced, but served", func(t *testing.T) {
		c := newCentre(t, p256(t))
		p := c.publisher(t)
		c.publish(t, p)
		rival := *c
		rival.register = &register{journal: []crl.Change{{Position: 100}}}
		rival.Source = rival.register
		rival.publish(t, rival.publisher(t))
		if err := p.Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "another publisher") {
			t.Errorf("error %v", err)
		}
		if got := numberOf(t, p); got != 101 {
			t.Errorf("serves %d, want 101", got)
		}
	})
	t.Run("an unknown issuer is fs.ErrNotExist", func(t *testing.T) {
		c := newCentre(t, p256(t))
		if err := c.publisher(t).Publish(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

func TestFolder(t *testing.T) {
	t.Run("files in the making are removed at the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			stray, foreign := filepath.Join(c.Dir, ".ehm.crl-123.tmp"), filepath.Join(c.Dir, ".hom.crl-123.tmp")
			for _, name := range []string{stray, foreign} {
				if err := os.WriteFile(name, []byte("half a li"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			stop := run(t, c.publisher(t))
			synctest.Wait()
			stop()
			if _, err := os.Stat(stray); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the stray file is there: %v", err)
			}
			if _, err := os.Stat(foreign); err != nil {
				t.Errorf("another's file is gone: %v", err)
			}
		})
	})
	t.Run("a damaged list is not served and replaced", func(t *testing.T) {
		for _, damage := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			func(b []byte) []byte { return nil },
		} {
			c := newCentre(t, p256(t))
			list := c.publish(t, c.publisher(t))
			name := filepath.Join(c.Dir, "ehm.crl")
			if err := os.WriteFile(name, damage(list.Raw), 0o644); err != nil {
				t.Fatal(err)
			}
			p := c.publisher(t)
			if _, ok := p.Current("ehm"); ok {
				t.Error("it is served")
			}
			c.publish(t, p)
		}
	})
	t.Run("another authority's list stops the start", func(t *testing.T) {
		c, other := newCentre(t, p256(t)), newCentre(t, p256(t))
		other.Dir = c.Dir
		other.publish(t, other.publisher(t))
		if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), "not of this authority") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a list that cannot be written stays unpublished", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Issuers[0].Path = "ehm.cer/ehm.crl"
		p := c.publisher(t)
		if err := os.WriteFile(filepath.Join(c.Dir, "ehm.cer"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(t.Context(), "ehm"); err == nil {
			t.Error("no error")
		}
		if r := ask(p, "GET", "/ehm.cer/ehm.crl"); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
	t.Run("published files are readable for web servers", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.publish(t, c.publisher(t))
		info, err := os.Stat(filepath.Join(c.Dir, "ehm.crl"))
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
}

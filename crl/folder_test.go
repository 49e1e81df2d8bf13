package crl_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// TestFolderMeanwhile changes published files behind a running publisher's back.
func TestFolderMeanwhile(t *testing.T) {
	t.Run("G9 what is not in the folder any more is made anew", func(t *testing.T) {
		for name, change := range map[string]func(t *testing.T, file string, older []byte){
			"removed":             func(t *testing.T, file string, _ []byte) { must(t, os.Remove(file)) },
			"cut short":           func(t *testing.T, file string, _ []byte) { must(t, os.Truncate(file, 100)) },
			"an older one":        func(t *testing.T, file string, older []byte) { must(t, os.WriteFile(file, older, 0o600)) },
			"a page of an editor": func(t *testing.T, file string, _ []byte) { must(t, os.WriteFile(file, []byte("<html>"), 0o600)) },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCentre(t, p256(t))
					older := c.publish(t, c.publisher(t)).Raw
					p := c.publisher(t)
					c.publish2(t, p)
					before := numberOf(t, p)
					stop := run(t, p)
					defer stop()
					synctest.Wait()
					change(t, filepath.Join(c.Dir, "ehm.crl"), older)
					if r := ask(p, "GET", "/ehm.crl"); r.StatusCode != 200 {
						t.Errorf("what is in memory is not served: %d", r.StatusCode)
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if list := c.published(t); list.Number.Uint64() <= before || numberOf(t, p) != list.Number.Uint64() {
						t.Errorf("the folder holds %v, served is %d, after %d", list.Number, numberOf(t, p), before)
					}
				})
			})
		}
	})
	t.Run("a file that was only touched stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			c.publish2(t, p)
			defer run(t, p)()
			synctest.Wait()
			must(t, os.Chtimes(filepath.Join(c.Dir, "ehm.crl"), time.Now(), time.Now()))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if got := numberOf(t, p); got != 1 {
				t.Errorf("number %d, want 1", got)
			}
		})
	})
	t.Run("a long list that somebody has written to is not served, and made anew", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Source, c.Journal = &many{n: 20_000}, nil
		p := c.publisher(t)
		c.publish2(t, p)
		whole := body(t, ask(p, "GET", "/ehm.crl"))
		must(t, os.Truncate(filepath.Join(c.Dir, "ehm.crl"), 300_000))
		if r := ask(p, "GET", "/ehm.crl"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || r.Header.Get("ETag") != "" {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
		list, _ := p.Current("ehm")
		if err := crl.Hash(&list); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("a mirror gets it: %v", err)
		}
		defer run(t, p)()
		for range 6000 {
			if r := ask(p, "GET", "/ehm.crl"); r.StatusCode == 200 {
				// A signature may have one octet more or less.
				if got := body(t, r); len(got) < len(whole)-8 {
					t.Errorf("%d octets, want about %d", len(got), len(whole))
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("it is not made anew")
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFolderAtTheStart begins with what others left in the folder.
func TestFolderAtTheStart(t *testing.T) {
	t.Run("CRL-25 a delta list is never served for a complete one", func(t *testing.T) {
		c := newCentre(t, p256(t)).withDelta()
		c.put(entry(1, 1))
		c.publish(t, c.publisher(t))
		must(t, os.Rename(filepath.Join(c.Dir, "ehm-delta.crl"), filepath.Join(c.Dir, "ehm.crl")))
		p := c.publisher(t)
		if r := ask(p, "GET", "/ehm.crl"); r.StatusCode != 503 {
			t.Errorf("status %d", r.StatusCode)
		}
		if list := c.publish(t, p); len(list.RevokedCertificateEntries) != 1 {
			t.Errorf("%d entries", len(list.RevokedCertificateEntries))
		}
	})
	t.Run("CRL-13 a list of another scope than the configured is replaced at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			c.publish(t, c.publisher(t))
			c.Issuers[0].URL = "http://127.0.0.1:1/ehm.crl"
			p := c.publisher(t)
			defer run(t, p)()
			synctest.Wait()
			if _, r := c.content(t, "ehm.crl"); len(r.Scope.URLs) != 1 || numberOf(t, p) != 2 {
				t.Errorf("number %d is about %v", numberOf(t, p), r.Scope.URLs)
			}
		})
	})
	t.Run("G9 a folder that cannot be written keeps nothing from being served", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			c.publish(t, c.publisher(t))
			// Neither can be removed, not even by root.
			stray, blocked := filepath.Join(c.Dir, ".ehm.crl-1.tmp"), filepath.Join(c.Dir, "ehm.cer")
			for _, dir := range []string{stray, blocked} {
				must(t, os.MkdirAll(filepath.Join(dir, "full"), 0o755))
			}
			p := c.publisher(t)
			defer run(t, p)()
			synctest.Wait()
			if r := ask(p, "GET", "/ehm.crl"); r.StatusCode != 200 {
				t.Errorf("status %d", r.StatusCode)
			}
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("ready says %v", err)
			}
			must(t, os.RemoveAll(blocked))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if err := p.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if got := readFile(t, blocked); !bytes.Equal(got, c.ca.Raw) {
				t.Error("the certificate is not published")
			}
		})
	})
}

// TestClockWrong begins with a list that was made while the clock was ahead.
func TestClockWrong(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"by hours": 5 * time.Hour, "by days": 50 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			var c *centre
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				c = newCentre(t, p256(t))
				c.Dir = dir
				time.Sleep(ahead)
				c.publish(t, c.publisher(t))
			})
			// Here the time is what it was at the beginning.
			synctest.Test(t, func(t *testing.T) {
				p := c.publisher(t)
				defer run(t, p)()
				synctest.Wait()
				if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "clock") {
					t.Errorf("ready says %v", err)
				}
				err := p.Publish(t.Context(), "ehm")
				if ahead > crl.DefaultValidity {
					if err == nil || !strings.Contains(err.Error(), "mend the clock") {
						t.Errorf("a list was published that ends before the last began: %v", err)
					}
					return
				}
				if err != nil || p.Ready(t.Context()) != nil {
					t.Errorf("%v, ready says %v", err, p.Ready(t.Context()))
				}
			})
		})
	}
	t.Run("CRL-09 a clock that was set back delays no list", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCentre(t, p256(t))
			p := c.publisher(t)
			// Within what a register's clock may be ahead.
			c.at = time.Now().Add(59 * time.Second)
			c.publish2(t, p)
			c.at = time.Time{}
			defer run(t, p)()
			time.Sleep(crl.DefaultInterval + time.Second)
			synctest.Wait()
			if got := numberOf(t, p); got != 2 {
				t.Errorf("number %d, want 2", got)
			}
		})
	})
}

// TestArchiveRemembers: numbers that were used once are used up.
func TestArchiveRemembers(t *testing.T) {
	c := newCentre(t, p256(t))
	c.Archive, c.Issuers[0].Path = t.TempDir(), "cdp/ehm.crl"
	for range 3 {
		c.publish2(t, c.publisher(t))
	}
	t.Run("CRL-12 folder and register restored from a copy", func(t *testing.T) {
		must(t, os.RemoveAll(filepath.Join(c.Dir, "cdp")))
		c.register.journal, c.last, c.before = nil, 0, 0
		p := c.publisher(t)
		for range 3 {
			if err := p.Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "the archive keeps 3") {
				t.Errorf("error %v", err)
			}
		}
		c.publish2(t, p)
		if got := numberOf(t, p); got != 4 {
			t.Errorf("number %d, want 4", got)
		}
	})
	t.Run("only lists of its own are removed, and no trouble with it stops a list", func(t *testing.T) {
		foreign, stuck := filepath.Join(c.Archive, "cdp", "notes.crl"), filepath.Join(c.Archive, "cdp", "ehm.1.crl")
		must(t, os.WriteFile(foreign, nil, 0o600))
		old := time.Now().Add(-2 * time.Hour)
		must(t, os.Chtimes(foreign, old, old))
		must(t, os.Chtimes(stuck, old, old))
		c.ArchiveFor = time.Hour
		c.publish2(t, c.publisher(t))
		if _, err := os.Stat(foreign); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(stuck); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the old list is there: %v", err)
		}
	})
	t.Run("the archive is another folder", func(t *testing.T) {
		same := c.Config
		same.Archive = filepath.Join(c.Dir, "cdp", "..")
		if _, err := crl.New(same); err == nil || !strings.Contains(err.Error(), "archived in the folder") {
			t.Errorf("error %v", err)
		}
	})
}

package crl_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
)

// TestContradiction has the register's table and journal tell two stories.
func TestContradiction(t *testing.T) {
	t.Run("a register that contradicts itself stops publication with an alarm", func(t *testing.T) {
		for name, spoil := range map[string]func([]crl.Entry) []crl.Entry{
			"one is missing in the table": func(e []crl.Entry) []crl.Entry { return e[1:] },
			"the last is missing":         func(e []crl.Entry) []crl.Entry { return e[:len(e)-1] },
			"one more in the table":       func(e []crl.Entry) []crl.Entry { return append(e, entry(0x99, 1)) },
			"another reason":              func(e []crl.Entry) []crl.Entry { e[0].Reason = 2; return e },
			"another date":                func(e []crl.Entry) []crl.Entry { e[1].Since = e[1].Since.Add(-time.Hour); return e },
			"a later date":                func(e []crl.Entry) []crl.Entry { e[1].Since = time.Now(); return e },
			"an invalidity date":          func(e []crl.Entry) []crl.Entry { e[1].InvalidityDate = e[1].Since; return e },
		} {
			t.Run(name, func(t *testing.T) {
				c := newCentre(t, &counting{Signer: p256(t)})
				var log bytes.Buffer
				c.Log, c.Recheck = slog.New(slog.NewTextHandler(&log, nil)), time.Nanosecond
				var reason string
				c.Observe = func(r string, _ time.Duration) { reason = r }
				p := c.publisher(t)
				c.put(entry(0x10, 1))
				c.put(entry(0x11, 6))
				good := c.publish(t, p)
				c.put(entry(0x12, 1))
				c.spoil = spoil
				signed := c.key.(*counting).n.Load()
				err := p.Publish(t.Context(), "ehm")
				if err == nil || reason != "contradiction" || !strings.Contains(log.String(), "ALARM") {
					t.Errorf("error %v, counted as %q, log %s", err, reason, &log)
				}
				if n := c.key.(*counting).n.Load(); n != signed {
					t.Errorf("the key signed %d times", n-signed)
				}
				if err := p.Ready(t.Context()); err == nil {
					t.Error("ready")
				}
				if got := body(t, ask(p, "GET", "/ehm.crl")); !bytes.Equal(got, good.Raw) {
					t.Error("the last good list is not served any more")
				}
				c.spoil = nil
				if got := c.publish(t, p); len(got.RevokedCertificateEntries) != 3 {
					t.Errorf("%d entries after the register was mended", len(got.RevokedCertificateEntries))
				}
			})
		}
	})
}

// The first list of all has none before it, and the journal from its beginning
// beside it.
func TestContradictionAtTheFirstList(t *testing.T) {
	c := newCentre(t, p256(t))
	c.put(entry(0x10, 1))
	c.spoil = func(e []crl.Entry) []crl.Entry { return nil }
	p := c.publisher(t)
	if err := p.Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "by the journal and not in the table") {
		t.Errorf("error %v", err)
	}
	if _, ok := p.Current("ehm"); ok {
		t.Error("it is published")
	}
}

// A list that is made after the clock was set back names its own time for what
// is later. That is no contradiction when the clock has come up to it.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre(t, p256(t))
		ahead := entry(0x10, 1)
		ahead.Since = time.Now().Add(5 * time.Second).Truncate(time.Second)
		c.put(ahead)
		if got := c.publish(t, c.publisher(t)).RevokedCertificateEntries[0].RevocationTime; !got.Before(ahead.Since) {
			t.Fatalf("the list names %s, after itself", got)
		}
		time.Sleep(time.Minute)
		// The first list of a process is compared with the table.
		if got := c.publish(t, c.publisher(t)).RevokedCertificateEntries[0].RevocationTime; !got.Equal(ahead.Since) {
			t.Errorf("since %s, want %s", got, ahead.Since)
		}
	})
}

// TestCarried looks at how the next list is made.
func TestCarried(t *testing.T) {
	c := newCentre(t, p256(t))
	p := c.publisher(t)
	for serial := range int64(50) {
		c.put(entry(0x100+serial, int(serial%7)))
	}
	c.publish(t, p)
	c.put(entry(0x10a, 1))
	c.take(0x102)
	c.put(entry(0x80, 1, time.Now()))
	c.put(entry(0xffff, 6))
	c.publish(t, p)
	tables := c.tables
	t.Run("CRL-19 the next list is the one before and the journal, and the table's", func(t *testing.T) {
		if tables != 1 {
			t.Errorf("the table was read %d times", tables)
		}
		got, _ := c.content(t, "ehm.crl")
		again := newCentre(t, p256(t))
		again.register, again.Source = c.register, c.register
		again.publish(t, again.publisher(t))
		want, _ := again.content(t, "ehm.crl")
		wantReasons(t, "carried", got, reasons(want))
	})
	t.Run("a list that was damaged meanwhile is not continued", func(t *testing.T) {
		// Neither is the register compared with it.
		for _, recheck := range []time.Duration{time.Hour, time.Nanosecond} {
			big := newCentre(t, c.key)
			big.Source, big.Recheck = &many{n: 20_000}, recheck
			q := big.publisher(t)
			big.publish(t, q)
			f, err := os.OpenFile(filepath.Join(big.Dir, "ehm.crl"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte{0x55}, 300_000); err != nil {
				t.Fatal(err)
			}
			f.Close()
			if err := q.Publish(t.Context(), "ehm"); err != nil {
				t.Fatal(err)
			}
			if entries, _ := big.content(t, "ehm.crl"); len(entries) != 20_000 {
				t.Errorf("%d entries", len(entries))
			}
		}
	})
	t.Run("more changes than are read at once: the table is read", func(t *testing.T) {
		c.register.limit = 2
		for serial := range int64(5) {
			c.put(entry(0x200+serial, 1))
		}
		before := c.tables
		if list := c.publish(t, p); len(list.RevokedCertificateEntries) != 56 {
			t.Errorf("%d entries, want 56", len(list.RevokedCertificateEntries))
		}
		if c.tables == before {
			t.Error("the table was not read")
		}
	})
	t.Run("a restarted publisher compares and continues", func(t *testing.T) {
		c.register.limit = 0
		c.register.spoil = func(e []crl.Entry) []crl.Entry { return e[1:] }
		if err := c.publisher(t).Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "by the journal and not in the table") {
			t.Errorf("error %v", err)
		}
		c.register.spoil = nil
		c.publish(t, c.publisher(t))
	})
}

// TestLarge publishes a list that is served from the disk.
func TestLarge(t *testing.T) {
	c := newCentre(t, p256(t))
	source := &many{n: 40_000}
	c.Source = source
	p := c.publisher(t)
	c.publish2(t, p)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.publish2(t, p)
	runtime.ReadMemStats(&after)
	t.Run("memory does not grow with the entries", func(t *testing.T) {
		if got := after.TotalAlloc - before.TotalAlloc; got > 3<<20 {
			t.Errorf("%d octets were allocated for a list of 40,000 entries", got)
		}
	})
	name := filepath.Join(c.Dir, "ehm.crl")
	list := readFile(t, name)
	server := httptest.NewServer(p)
	defer server.Close()
	get := func(headers ...string) (int, []byte) {
		t.Helper()
		r, err := server.Client().Do(request(t, server.URL+"/ehm.crl", headers...))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode, body(t, r)
	}
	t.Run("CRL-01 a long list over HTTP, whole and in ranges", func(t *testing.T) {
		if status, got := get(); status != 200 || !bytes.Equal(got, list) {
			t.Errorf("status %d, %d octets, want %d", status, len(got), len(list))
		}
		if status, got := get("Range", "bytes=1000000-1000099"); status != 206 || !bytes.Equal(got, list[1000000:1000100]) {
			t.Errorf("range: status %d, %d octets", status, len(got))
		}
		etag := ask(p, "HEAD", "/ehm.crl").Header.Get("ETag")
		if status, _ := get("If-None-Match", etag); status != 304 {
			t.Errorf("status %d", status)
		}
		if status, got := get("Range", "bytes=-100", "If-Range", `"another"`); status != 200 || len(got) != len(list) {
			t.Errorf("range of another list: status %d, %d octets", status, len(got))
		}
	})
	t.Run("CRL-01 who is being sent a list gets all of it when it is replaced, or its file is gone", func(t *testing.T) {
		r, err := server.Client().Do(request(t, server.URL+"/ehm.crl"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		part := make([]byte, 1000)
		if _, err := r.Body.Read(part); err != nil {
			t.Fatal(err)
		}
		c.publish2(t, p)
		if rest := body(t, r); len(rest) < len(list)-1000 {
			t.Errorf("%d octets more, want %d", len(rest), len(list)-1000)
		}
		list = readFile(t, name)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if status, got := get(); status != 200 || !bytes.Equal(got, list) {
			t.Errorf("without the file: status %d, %d octets", status, len(got))
		}
	})
	t.Run("a list grows over every boundary of lengths", func(t *testing.T) {
		sizes := []int{0, 1, 2, 3, 4, 5, 6, 1, 8, 1800, 1700, 1850, 40_000, 10}
		if os.Getenv("ALTAMGA_LONG") != "" {
			sizes = append(sizes, 400_000) // three octets of length become four
		}
		for _, n := range sizes {
			source.n, c.Recheck = n, time.Nanosecond
			source.number += 1000
			c.Dir = t.TempDir()
			c.publish2(t, c.publisher(t))
			if _, r := c.content(t, "ehm.crl"); r.Entries() != n {
				t.Errorf("%d entries, want %d", r.Entries(), n)
			}
		}
	})
}

// TestArchive keeps old lists.
func TestArchive(t *testing.T) {
	c := newCentre(t, p256(t))
	c.Archive, c.Issuers[0].Path = t.TempDir(), "cdp/ehm.crl"
	p := c.publisher(t)
	var numbers []uint64
	for range 3 {
		c.publish2(t, p)
		numbers = append(numbers, numberOf(t, p))
	}
	for _, n := range numbers {
		if _, r := readArchived(t, filepath.Join(c.Archive, "cdp", fmt.Sprintf("ehm.%d.crl", n)), c.ca); r.CRLNumber.Cmp(new(big.Int).SetUint64(n)) != 0 {
			t.Errorf("ehm.%d.crl has number %v", n, r.CRLNumber)
		}
	}
	c.ArchiveFor = time.Hour
	old := filepath.Join(c.Archive, "cdp", fmt.Sprintf("ehm.%d.crl", numbers[0]))
	if err := os.Chtimes(old, time.Now(), time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.publish2(t, c.publisher(t))
	names, _ := filepath.Glob(filepath.Join(c.Archive, "cdp", "*"))
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) || len(names) != 3 {
		t.Errorf("the archive holds %v", names)
	}
}

// TestTamperedRegister changes the real register's table and its journal behind
// its back: a certificate that was on a list, and one that was not yet.
func TestTamperedRegister(t *testing.T) {
	for name, row := range map[string]struct{ tamper, want string }{
		"a row set back":          {"UPDATE certificate SET state = 'valid', reason = 0, since = NULL WHERE serial = x'%s'", "%s"},
		"another reason":          {"UPDATE certificate SET reason = 2 WHERE serial = x'%s'", "%s"},
		"another date":            {"UPDATE certificate SET since = since - 3600000000 WHERE serial = x'%s'", "%s"},
		"an invalidity date":      {"UPDATE certificate SET invalidity_date = since WHERE serial = x'%s'", "%s"},
		"a version to come":       {"UPDATE certificate SET version = 1000 WHERE serial = x'%s'", "%s"},
		"a row moved away":        {"UPDATE certificate SET issuer = 'hom' WHERE serial = x'%s'", "%s"},
		"a row without entries":   {"UPDATE certificate SET state = 'revoked', since = 1 WHERE serial = x'6003' AND x'%s' <> x''", "6003"},
		"a row deleted":           {"DELETE FROM certificate WHERE serial = x'%s'", "not there|%s"},
		"an entry deleted":        {"DELETE FROM entry WHERE kind = 'revoked' AND certificate = (SELECT id FROM certificate WHERE serial = x'%s')", "%s"},
		"an entry of another day": {"UPDATE entry SET effective_at = effective_at - 86400000000 WHERE kind = 'revoked' AND certificate = (SELECT id FROM certificate WHERE serial = x'%s')", "%s"},
		"entries in another order": {`UPDATE entry SET position = -position WHERE certificate = (SELECT id FROM certificate WHERE serial = x'%s');
			UPDATE entry SET position = position + 1000 WHERE position < 0`, "%s|revoked"},
	} {
		for serial, listed := range map[string]bool{"6001": true, "6002": false} {
			t.Run(fmt.Sprintf("%s, listed %v", name, listed), func(t *testing.T) {
				t.Parallel()
				tampered(t, fmt.Sprintf(row.tamper, serial), strings.ReplaceAll(row.want, "%s", serial), serial)
			})
		}
	}
}

// tampered revokes 6001, publishes, revokes 6002, and tampers. The next list
// must not come, and why has one of the words.
func tampered(t *testing.T, change, words, serial string) {
	c, db := realCentre(t)
	var serials []journal.Serial
	for n := range int64(3) {
		serials = append(serials, c.issueInto(t, db, 0x6001+n, time.Now().Add(time.Hour)))
	}
	revoke := func(i int) {
		if _, _, err := db.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: serials[i]}, nil); err != nil {
			t.Fatal(err)
		}
	}
	revoke(0)
	c.publish(t, c.publisher(t))
	revoke(1)
	raw, err := sql.Open("sqlite", c.Source.(stored).address+"?_pragma=foreign_keys(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, statement := range append([]string{"entry_is_never_changed", "entry_is_never_removed", "certificate_is_never_removed"}, change) {
		if statement != change {
			statement = "DROP TRIGGER " + statement
		}
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	reason := ""
	c.Observe = func(r string, _ time.Duration) { reason = r }
	err = c.publisher(t).Publish(t.Context(), "ehm")
	if err == nil || reason != "contradiction" {
		t.Errorf("error %v, counted as %q", err, reason)
	} else if !slices.ContainsFunc(strings.Split(words, "|"), func(word string) bool { return strings.Contains(err.Error(), word) }) {
		t.Errorf("error %v, want one about %s", err, words)
	}
	if list := c.published(t); len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("%d entries are published", len(list.RevokedCertificateEntries))
	}
}

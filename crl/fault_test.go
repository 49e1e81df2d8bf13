package crl_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
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
		big := newCentre(t, c.key)
		big.Source, big.Recheck = &many{n: 20_000}, time.Hour
		q := big.publisher(t)
		big.publish(t, q)
		name := filepath.Join(big.Dir, "ehm.crl")
		f, err := os.OpenFile(name, os.O_RDWR, 0)
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

// TestTamperedRegister changes the real register's table behind its back.
func TestTamperedRegister(t *testing.T) {
	c, db := realCentre(t)
	serial := c.issueInto(t, db, 0x6001, time.Now().Add(time.Hour))
	c.issueInto(t, db, 0x6002, time.Now().Add(time.Hour))
	p := c.publisher(t)
	if _, _, err := db.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: serial}, nil); err != nil {
		t.Fatal(err)
	}
	c.publish(t, p)
	address := c.Source.(stored).address
	raw, err := sql.Open("sqlite", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(context.Background(), "UPDATE certificate SET state = 'valid' WHERE serial = x'6001'"); err != nil {
		t.Fatal(err)
	}
	if err := c.publisher(t).Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "serial 6001 is revoked by the journal and not in the table") {
		t.Errorf("error %v", err)
	}
	if list := c.published(t); len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("%d entries are published", len(list.RevokedCertificateEntries))
	}
}

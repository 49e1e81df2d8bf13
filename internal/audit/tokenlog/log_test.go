package tokenlog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/audit/tokenlog"
)

// signer returns a key of its own for a journal.
func signer(t testing.TB) *audit.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := audit.NewSigner("tsa.example/tokens", key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// record returns the nth record of a moment.
func record(n int, at time.Time) tokenlog.Record {
	r := tokenlog.Record{Time: at.Truncate(time.Microsecond).UTC()}
	binary.BigEndian.PutUint64(r.Serial[8:], uint64(n)+1)
	binary.BigEndian.PutUint64(r.Statement[:], uint64(n)+1)
	return r
}

func open(t testing.TB, c tokenlog.Config) *tokenlog.Log {
	t.Helper()
	l, err := tokenlog.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func add(t testing.TB, l *tokenlog.Log, records ...tokenlog.Record) {
	t.Helper()
	for _, r := range records {
		if err := l.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t testing.TB, dir string, key audit.Verifier, want int64) tokenlog.Report {
	t.Helper()
	report, err := tokenlog.Verify(dir, key)
	if err != nil || report.Records != want {
		t.Fatalf("%d records, %v, want %d", report.Records, err, want)
	}
	return report
}

// daysOf writes a journal of several days and returns its records.
func daysOf(t *testing.T, dir string, key *audit.Signer, counts ...int) []tokenlog.Record {
	t.Helper()
	var all []tokenlog.Record
	synctest.Test(t, func(t *testing.T) {
		var sealed []string
		l, err := tokenlog.Open(tokenlog.Config{Dir: dir, Key: key, Interval: 6 * time.Hour, Sealed: func(day string, _ audit.Checkpoint) { sealed = append(sealed, day) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx) })
		for _, n := range counts {
			for range n {
				r := record(len(all), time.Now())
				add(t, l, r)
				all = append(all, r)
			}
			time.Sleep(24 * time.Hour)
		}
		stop()
		running.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(counts) {
			t.Errorf("the last roots of %v were told, want %d days", sealed, len(counts))
		}
	})
	return all
}

func TestProofs(t *testing.T) {
	dir, key := t.TempDir(), signer(t)
	all := daysOf(t, dir, key, 1, 7, 3, 20)
	verify(t, dir, key, 31)
	for i, r := range all {
		file, err := tokenlog.Prove(dir, key, r)
		if err != nil {
			t.Fatalf("token %d: %v", i, err)
		}
		p, err := tokenlog.CheckProof(file, key)
		if err != nil || p.Record != r || p.Index != int64(i) {
			t.Fatalf("token %d: %+v, %v", i, p, err)
		}
		// Every octet counts, and so does the key.
		for at := 0; at < len(file); at += 7 {
			changed := bytes.Clone(file)
			changed[at] ^= 1
			if p, err := tokenlog.CheckProof(changed, key); err == nil {
				t.Fatalf("octet %d changed and the proof is taken for %+v", at, p)
			}
		}
		if _, err := tokenlog.CheckProof(file, signer(t)); err == nil {
			t.Fatal("another key's proof is taken")
		}
	}
	foreign := all[3]
	foreign.Statement[0] ^= 1
	if _, err := tokenlog.Prove(dir, key, foreign); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a token that is not there: %v", err)
	}
}

func TestUnsigned(t *testing.T) {
	dir, key := t.TempDir(), signer(t)
	l := open(t, tokenlog.Config{Dir: dir, Key: key})
	r := record(0, time.Now())
	add(t, l, r)
	if _, err := tokenlog.Prove(dir, key, r); !errors.Is(err, tokenlog.ErrUnsigned) {
		t.Errorf("got %v, want ErrUnsigned", err)
	}
	if report := verify(t, dir, key, 1); report.Open != 1 {
		t.Errorf("%d open, want 1", report.Open)
	}
	if err := l.Sign(); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenlog.Prove(dir, key, r); err != nil {
		t.Error(err)
	}
	if !l.Latest().Equal(r.Time) {
		t.Errorf("the latest is %v, want %v", l.Latest(), r.Time)
	}
}

// Whatever is changed behind the key's back is found.
func TestTampering(t *testing.T) {
	key := signer(t)
	for name, change := range map[string]func(t *testing.T, day, file, root string, last bool){
		"a record altered":    func(t *testing.T, _, file, _ string, _ bool) { patch(t, file, -100, 1) },
		"a header altered":    func(t *testing.T, _, file, _ string, _ bool) { patch(t, file, 12, 1) },
		"a root altered":      func(t *testing.T, _, _, root string, _ bool) { patch(t, root, -20, 1) },
		"a record removed":    func(t *testing.T, _, file, _ string, _ bool) { cut(t, file, 64) },
		"half a record left":  func(t *testing.T, _, file, _ string, _ bool) { cut(t, file, 30) },
		"two records swapped": func(t *testing.T, _, file, _ string, _ bool) { swap(t, file) },
		"a day removed": func(t *testing.T, _, file, root string, last bool) {
			if last {
				t.Skip("needs a root that was kept elsewhere: see below")
			}
			os.Remove(file)
			os.Remove(root)
		},
		"a record added": func(t *testing.T, _, file, _ string, last bool) {
			if last {
				t.Skip("a record after the last root may be the authority's")
			}
			data, _ := os.ReadFile(file)
			os.WriteFile(file, append(data, data[len(data)-64:]...), 0o600)
		},
	} {
		for i := range 3 {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				daysOf(t, dir, key, 2, 3, 4)
				days, err := filepath.Glob(filepath.Join(dir, "*.log"))
				if err != nil || len(days) != 3 {
					t.Fatal(days, err)
				}
				day := strings.TrimSuffix(filepath.Base(days[i]), ".log")
				change(t, day, days[i], strings.TrimSuffix(days[i], ".log")+".root", i == 2)
				if _, err := tokenlog.Verify(dir, key); err == nil {
					t.Errorf("day %d: not found", i)
				} else if i == 2 && name != "half a record left" {
					if l, err := tokenlog.Open(tokenlog.Config{Dir: dir, Key: key}); err == nil {
						l.Close()
						t.Error("the journal goes on from it")
					}
				}
			})
		}
	}
	t.Run("the end cut off with its root", func(t *testing.T) {
		dir := t.TempDir()
		daysOf(t, dir, key, 2, 3)
		kept := verify(t, dir, key, 5).Root
		days, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		os.Remove(days[1])
		os.Remove(strings.TrimSuffix(days[1], ".log") + ".root")
		if _, err := tokenlog.Verify(dir, key); err != nil {
			t.Fatal(err)
		}
		if _, err := tokenlog.Verify(dir, key, kept); err == nil {
			t.Error("the root that was kept is contradicted, and nobody says so")
		}
	})
}

func patch(t *testing.T, file string, at int, mask byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= mask
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, file string, n int64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-n); err != nil {
		t.Fatal(err)
	}
}

func swap(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := len(data)
	data = append(append(data[:n-128:n-128], data[n-64:n]...), data[n-128:n-64]...)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a crash leaves of a write that nobody was told of is cut off; what was
// flushed stays.
func TestTornWrites(t *testing.T) {
	for name, torn := range map[string][]byte{
		"nothing": nil, "part of a record": bytes.Repeat([]byte{1}, 10), "a block of zeros": make([]byte, 4096), "garbage": bytes.Repeat([]byte{0xa5}, 200),
	} {
		dir, key := t.TempDir(), signer(t)
		l := open(t, tokenlog.Config{Dir: dir, Key: key})
		add(t, l, record(0, time.Now()))
		if err := l.Sign(); err != nil {
			t.Fatal(err)
		}
		add(t, l, record(1, time.Now()))
		copied := t.TempDir() // as the disk is when the power goes
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		days, _ := filepath.Glob(filepath.Join(copied, "*.log"))
		f, err := os.OpenFile(days[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		// What is written ahead are zeros; the torn write is behind the records.
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(info.Size() - 1<<20 + 2*64); err != nil {
			t.Fatal(err)
		}
		f.Write(torn)
		f.Close()
		again := open(t, tokenlog.Config{Dir: copied, Key: key})
		if want := int64(len(bytes.TrimRight(torn, "\x00"))); again.Cut() != want {
			t.Errorf("%s: %d octets cut, want %d", name, again.Cut(), want)
		}
		add(t, again, record(2, time.Now()))
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		verify(t, copied, key, 3)
	}
	// Five records, each acknowledged and under no root yet.
	five := func(t *testing.T, damage func(octets []byte)) (string, *audit.Signer) {
		dir, key := t.TempDir(), signer(t)
		l := open(t, tokenlog.Config{Dir: dir, Key: key})
		for i := range 5 {
			add(t, l, record(i, time.Now()))
		}
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		days, _ := filepath.Glob(filepath.Join(copied, "*.log"))
		data, err := os.ReadFile(days[0])
		if err != nil {
			t.Fatal(err)
		}
		damage(data[bytes.IndexByte(data, '\n')+1:])
		if err := os.WriteFile(days[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		return copied, key
	}
	t.Run("an altered record is no torn write", func(t *testing.T) {
		for name, damage := range map[string]func([]byte){
			"a bit": func(octets []byte) { octets[2*64+7] ^= 1 }, "the first": func(octets []byte) { octets[40] ^= 0x80 }, "a record written over": func(octets []byte) { copy(octets[64:128], bytes.Repeat([]byte{0xa5}, 64)) },
		} {
			dir, key := five(t, damage)
			for what, open := range map[string]func() error{
				"opened":   func() error { _, err := tokenlog.Open(tokenlog.Config{Dir: dir, Key: key}); return err },
				"verified": func() error { _, err := tokenlog.Verify(dir, key); return err },
			} {
				if err := open(); err == nil || !strings.Contains(err.Error(), "is damaged") {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			}
		}
	})
	t.Run("a sector that was not written", func(t *testing.T) {
		dir, key := five(t, func(octets []byte) { clear(octets[2*64 : 3*64]) })
		if l := open(t, tokenlog.Config{Dir: dir, Key: key}); l.Cut() != 3*64 {
			t.Errorf("%d octets cut, want those of three records", l.Cut())
		}
		verify(t, dir, key, 2)
	})
	t.Run("a header", func(t *testing.T) {
		dir, key := t.TempDir(), signer(t)
		if err := os.WriteFile(filepath.Join(dir, "2026-11-22.log"), []byte(`{"journal":"tsa`), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, tokenlog.Config{Dir: dir, Key: key})
		add(t, l, record(0, time.Now()))
		l.Close()
		verify(t, dir, key, 1)
	})
}

func TestRefusals(t *testing.T) {
	dir, key := t.TempDir(), signer(t)
	l := open(t, tokenlog.Config{Dir: dir, Key: key})
	if _, err := tokenlog.Open(tokenlog.Config{Dir: dir, Key: key}); err == nil {
		t.Error("a second process opens it")
	}
	add(t, l, record(0, time.Now()))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), record(1, time.Now())); !errors.Is(err, tokenlog.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	for name, c := range map[string]tokenlog.Config{
		"no folder": {Dir: filepath.Join(dir, "none"), Key: key}, "no key": {Dir: dir}, "another key": {Dir: dir, Key: signer(t)},
	} {
		if _, err := tokenlog.Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// Disks that fail: full, nothing is lost and it goes on; after a flush that
// failed, nothing is taken any more.
func TestDisk(t *testing.T) {
	var fault error
	dir, key := t.TempDir(), signer(t)
	c := tokenlog.OnDisk(tokenlog.Config{Dir: dir, Key: key}, func(octets []byte, real func([]byte) error) error {
		if fault != nil {
			return fault
		}
		return real(octets)
	})
	l := open(t, c)
	add(t, l, record(0, time.Now()))
	fault = tokenlog.Unwritten(errors.New("no space left"))
	if err := l.Append(t.Context(), record(1, time.Now())); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if err := l.Ready(t.Context()); err == nil {
		t.Error("ready with a full disk")
	}
	fault = nil
	add(t, l, record(2, time.Now()))
	if err := l.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	fault = errors.New("input/output error")
	if err := l.Append(t.Context(), record(3, time.Now())); err == nil {
		t.Error("taken")
	}
	fault = nil
	if err := l.Append(t.Context(), record(4, time.Now())); err == nil {
		t.Error("it goes on after a flush that failed")
	}
	l.Close()
	verify(t, dir, key, 2)
}

// Many appenders share flushes, and every one finds its record.
func TestGroups(t *testing.T) {
	t.Run("while the disk is slow", func(t *testing.T) {
		groups(t, func() {}, func() { time.Sleep(time.Millisecond) })
	})
	t.Run("while the processor is busy", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		groups(t, func() {
			for began := time.Now(); time.Since(began) < 50*time.Microsecond; {
			}
		}, func() {})
	})
}

// groups has many appenders do some work for each record.
func groups(t *testing.T, work, disk func()) {
	writes := 0
	dir, key := t.TempDir(), signer(t)
	l := open(t, tokenlog.OnDisk(tokenlog.Config{Dir: dir, Key: key}, func(octets []byte, real func([]byte) error) error {
		writes++
		disk()
		return real(octets)
	}))
	var all sync.WaitGroup
	const clients, each = 32, 10
	for c := range clients {
		all.Go(func() {
			for i := range each {
				work()
				if err := l.Append(t.Context(), record(c*each+i, time.Now())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, dir, key, clients*each)
	if writes > clients*each/4 {
		t.Errorf("%d flushes for %d records", writes, clients*each)
	}
}

// A key that is away at midnight stops no token; the root follows when it is
// back.
func TestKeyAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		key, away := tokenlog.Breakable(signer(t))
		l, err := tokenlog.Open(tokenlog.Config{Dir: dir, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		add(t, l, record(0, time.Now()))
		*away = true
		time.Sleep(3 * 24 * time.Hour)
		late := record(1, time.Now())
		add(t, l, late)
		if err := l.Sign(); err == nil || l.Ready(t.Context()) == nil {
			t.Errorf("the key signs: %v", err)
		}
		*away = false
		add(t, l, record(2, time.Now()))
		if err := l.Sign(); err != nil || l.Ready(t.Context()) != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if report := verify(t, dir, key, 3); report.Days != 2 || report.Open != 0 {
			t.Errorf("%+v", report)
		}
		if _, err := tokenlog.Prove(dir, key, late); err != nil {
			t.Errorf("a token of days after its file's: %v", err)
		}
	})
}

func TestSerialOf(t *testing.T) {
	for _, value := range [][]byte{{1}, {0, 0x81, 2}, bytes.Repeat([]byte{0x7f}, 16), append([]byte{0}, bytes.Repeat([]byte{0xff}, 16)...)} {
		if got, ok := tokenlog.SerialOf(value); !ok || !bytes.HasSuffix(append(make([]byte, 16), bytes.TrimLeft(value, "\x00")...), got[16-len(bytes.TrimLeft(value, "\x00")):]) {
			t.Errorf("%x: %x, %v", value, got, ok)
		}
	}
	for _, value := range [][]byte{nil, bytes.Repeat([]byte{1}, 17)} {
		if _, ok := tokenlog.SerialOf(value); ok {
			t.Errorf("%x is taken", value)
		}
	}
}

// FuzzParseRecord checks that what is a record becomes the same octets again.
func FuzzParseRecord(f *testing.F) {
	f.Add(tokenlog.Octets(record(1, time.Unix(1e9, 0))))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := tokenlog.ParseRecord(in); err == nil && !bytes.Equal(tokenlog.Octets(r), in) {
			t.Errorf("%x became %x", in, tokenlog.Octets(r))
		}
	})
}

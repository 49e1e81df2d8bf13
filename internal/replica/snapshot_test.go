package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/replica"
)

const week = 7 * 24 * time.Hour

// snapshot writes one of the authority's statuses.
func snapshot(t testing.TB, a *authority, signer replica.Signer, at time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	var last journal.Entry
	if n := len(a.entries); n > 0 {
		last = a.entries[n-1]
	}
	w, err := replica.NewSnapshot(&out, signer, last, at, int64(len(a.fold)))
	if err != nil {
		t.Fatal(err)
	}
	for serial, status := range a.fold {
		if err := w.Add(journal.Standing{Issuer: a.issuer[serial], Serial: serial, Profile: a.profile[serial], Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func empty(t *testing.T) (*replica.Replica, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "replica.db")
	r, err := replica.Create(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, path
}

// TestSnapshot begins a replica from a snapshot and lets it follow on from
// there: the entries before it are not asked for, and one that is not the one
// of the snapshot is noticed.
func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, signer := newAuthority(), newKey("pki.example/audit", 1)
		a.live(rand.New(rand.NewPCG(3, 3)), 3000)
		text := snapshot(t, a, signer, time.Now())
		r, _ := empty(t)
		if _, err := r.Status(t.Context(), "ehm", "1001"); !errors.Is(err, replica.ErrNotBegun) {
			t.Errorf("before anything was loaded: %v", err)
		}
		head, err := r.Load(t.Context(), bytes.NewReader(text), signer, week, nil)
		if err != nil || head.Position != 3000 || head.Statuses != int64(len(a.fold)) {
			t.Fatalf("got %+v, %v", head, err)
		}
		agree(t, r, a)
		least := uint64(3000)
		a.tear(func(after uint64, page []journal.Entry) []journal.Entry { least = min(least, after); return page })
		a.live(rand.New(rand.NewPCG(4, 4)), 100)
		end := follow(t, r, a)
		time.Sleep(time.Minute)
		synctest.Wait()
		agree(t, r, a)
		if least != 2999 {
			t.Errorf("asked for the journal behind position %d", least)
		}
		end()

		// A later one may take the place of what there is, an earlier one not.
		later := snapshot(t, a, signer, time.Now())
		if _, err := r.Load(t.Context(), bytes.NewReader(later), signer, week, nil); err != nil {
			t.Errorf("a snapshot of the same position: %v", err)
		}
		if _, err := r.Load(t.Context(), bytes.NewReader(text), signer, week, nil); !errors.Is(err, replica.ErrOld) {
			t.Errorf("a snapshot of an earlier position: %v", err)
		}
		agree(t, r, a)

		// The snapshot of one authority and the journal of another.
		other, _ := empty(t)
		if _, err := other.Load(t.Context(), bytes.NewReader(later), signer, week, nil); err != nil {
			t.Fatal(err)
		}
		b := newAuthority()
		b.live(rand.New(rand.NewPCG(5, 5)), 3200)
		defer follow(t, other, b)()
		time.Sleep(time.Second)
		synctest.Wait()
		if err := other.Ready(t.Context(), time.Hour); !errors.Is(err, replica.ErrContradiction) {
			t.Errorf("behind another authority, ready: %v", err)
		}
		agree(t, other, a)
	})
}

// TestSnapshotRefused loads what is not to be relied on into a replica that
// knows something, which it keeps, and into an empty one, which stays empty.
func TestSnapshotRefused(t *testing.T) {
	a, signer := newAuthority(), newKey("pki.example/audit", 1)
	for i := range 3 {
		a.add(journal.Entry{Kind: journal.Issued, Issuer: "ehm", Serial: journal.Serial(fmt.Sprint(i + 1))})
	}
	a.add(journal.Entry{Kind: journal.Held, Issuer: "ehm", Serial: "2", Owner: journal.Court})
	known, _ := empty(t)
	now := time.Now()
	if _, err := known.Load(t.Context(), bytes.NewReader(snapshot(t, a, signer, now)), signer, week, nil); err != nil {
		t.Fatal(err)
	}
	a.add(journal.Entry{Kind: journal.Revoked, Issuer: "ehm", Serial: "3", Owner: journal.Holder, Reason: journal.KeyCompromise})
	text := snapshot(t, a, signer, now)
	nothing, _ := empty(t)
	refuse := func(name string, text []byte, key replica.Verifier, want error) {
		t.Helper()
		for _, r := range []*replica.Replica{known, nothing} {
			if _, err := r.Load(t.Context(), bytes.NewReader(text), key, week, nil); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		if got, err := known.Status(t.Context(), "ehm", "3"); err != nil || got.Status.State != journal.Valid || got.Position != 4 {
			t.Errorf("%s: something of it was taken over: %+v, %v", name, got, err)
		}
		if _, err := nothing.Position(t.Context()); !errors.Is(err, replica.ErrNotBegun) {
			t.Errorf("%s: the empty replica: %v", name, err)
		}
	}
	for i := range text {
		altered := slices.Clone(text)
		altered[i] ^= 1 << (i % 8)
		if err := readOnly(altered, signer); !errors.Is(err, replica.ErrSnapshot) {
			t.Errorf("octet %d altered: %v", i, err)
		}
		if err := readOnly(text[:i], signer); !errors.Is(err, replica.ErrSnapshot) {
			t.Errorf("cut off at %d: %v", i, err)
		}
	}
	lines := strings.SplitAfter(string(text), "\n")
	join := func(l ...string) []byte { return []byte(strings.Join(l, "")) }
	refuse("a line left out", join(slices.Delete(slices.Clone(lines), 1, 2)...), signer, replica.ErrSnapshot)
	refuse("a line twice", join(slices.Insert(slices.Clone(lines), 1, lines[1])...), signer, replica.ErrSnapshot)
	refuse("lines exchanged", join(lines[0], lines[2], lines[1], lines[3], lines[4]), signer, replica.ErrSnapshot)
	refuse("the status of another", []byte(strings.Replace(string(text), `"state":"revoked"`, `"state":"valid"`, 1)), signer, replica.ErrSnapshot)
	refuse("something behind it", append(slices.Clone(text), '\n'), signer, replica.ErrSnapshot)
	refuse("two in one file", append(slices.Clone(text), text...), signer, replica.ErrSnapshot)
	refuse("another spelling", []byte(strings.Replace(string(text), `{"snapshot"`, `{ "snapshot"`, 1)), signer, replica.ErrSnapshot)
	refuse("a long line", append(bytes.Repeat([]byte(" "), 5000), text...), signer, replica.ErrSnapshot)
	refuse("nothing", nil, signer, replica.ErrSnapshot)
	refuse("another log's", text, newKey("other.example/audit", 1), replica.ErrSnapshot)
	refuse("another key of the same name", text, newKey("pki.example/audit", 2), replica.ErrSnapshot)
	refuse("by another key of the same name", snapshot(t, a, newKey("pki.example/audit", 2), now), signer, replica.ErrSnapshot)
	refuse("from a week ago", snapshot(t, a, signer, now.Add(-week-time.Minute)), signer, replica.ErrOld)
	refuse("from tomorrow", snapshot(t, a, signer, now.Add(24*time.Hour)), signer, replica.ErrSnapshot)
	// Signed, and yet nothing that a journal leads to.
	for name, change := range map[string]func(b *authority){
		"held by nobody":     func(b *authority) { s := b.fold["2"]; s.Holds = nil; b.fold["2"] = s },
		"held twice by one":  func(b *authority) { s := b.fold["2"]; s.Holds = append(s.Holds, s.Holds...); b.fold["2"] = s },
		"held by a stranger": func(b *authority) { s := b.fold["2"]; s.Holds[0].Owner = "x"; b.fold["2"] = s },
		"of a later version": func(b *authority) { s := b.fold["2"]; s.Version = 99; b.fold["2"] = s },
		"of no state":        func(b *authority) { b.fold["2"] = journal.Status{Version: 2} },
		"valid for a reason": func(b *authority) { s := b.fold["1"]; s.Reason = journal.Superseded; b.fold["1"] = s },
		"valid since":        func(b *authority) { s := b.fold["1"]; s.Since = now; b.fold["1"] = s },
		"of no issuer":       func(b *authority) { b.issuer["1"] = "" },
		"of a serial 01": func(b *authority) {
			b.fold["01"], b.issuer["01"] = b.fold["1"], "ehm"
			delete(b.fold, "1")
		},
	} {
		b := newAuthority()
		for _, e := range a.entries {
			b.add(e)
		}
		change(b)
		refuse(name, snapshot(t, b, signer, now), signer, replica.ErrSnapshot)
	}
	failing := io.MultiReader(bytes.NewReader(text[:len(text)/2]), failingReader{})
	if _, err := nothing.Load(t.Context(), failing, signer, week, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a disk that fails: %v", err)
	}
	// The good one is good all the same.
	if _, err := nothing.Load(t.Context(), bytes.NewReader(text), signer, week, nil); err != nil {
		t.Error(err)
	}
}

// readOnly reads a snapshot and keeps nothing of it.
func readOnly(text []byte, key replica.Verifier) error {
	return replica.ReadSnapshot(bytes.NewReader(text), key, func(replica.Head) error { return nil },
		func(journal.Standing) error { return nil })
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, fs.ErrClosed }

// TestStore: a store is made by a command and not by accident.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "replica.db")
	if _, err := replica.Open(t.Context(), path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none there: %v", err)
	}
	r, err := replica.Create(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := replica.Open(t.Context(), path, nil); !errors.Is(err, replica.ErrNotBegun) {
		t.Errorf("not begun: %v", err)
	}
	// Whoever was interrupted before he could begin it tries again.
	if r, err = replica.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := replica.Create(t.Context(), path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over one that has begun: %v", err)
	}
	if err := r.Begin(t.Context()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("begun twice: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replica.Open(t.Context(), other, nil); err == nil {
		t.Error("a file that is no database was opened")
	}
}

// FuzzReadSnapshot: what is read, though nobody vouches for it, is what a
// writer writes, octet for octet.
func FuzzReadSnapshot(f *testing.F) {
	a, signer, at := newAuthority(), newKey("pki.example/audit", 1), time.Unix(1_800_000_000, 0).UTC()
	f.Add(snapshot(f, a, signer, at))
	a.add(journal.Entry{EffectiveAt: at, Kind: journal.Issued, Issuer: "ehm", Serial: "1f", Profile: "citizen-signature"})
	a.add(journal.Entry{EffectiveAt: at, Kind: journal.Issued, Issuer: "hom", Serial: "2e"})
	a.add(journal.Entry{EffectiveAt: at, Kind: journal.Held, Issuer: "ehm", Serial: "1f", Owner: journal.Court})
	a.add(journal.Entry{EffectiveAt: at, Kind: journal.Revoked, Issuer: "hom", Serial: "2e", Owner: journal.Holder, Reason: journal.Superseded})
	f.Add(snapshot(f, a, signer, at))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out bytes.Buffer
		var head replica.Head
		var rows []journal.Standing
		err := replica.ReadSnapshot(bytes.NewReader(text), signer, func(h replica.Head) error { head = h; return nil },
			func(s journal.Standing) error {
				rows = append(rows, s)
				return nil
			})
		if err != nil {
			if !errors.Is(err, replica.ErrSnapshot) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		// It is signed, so it is one of the seeds: write it again.
		last := journal.Entry{}
		if head.Position > 0 {
			last = a.entries[head.Position-1]
		}
		w, err := replica.NewSnapshot(&out, signer, last, head.At, head.Statuses)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if err := w.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), text) {
			t.Errorf("got %v\n%s\nfrom\n%s", err, &out, text)
		}
	})
}

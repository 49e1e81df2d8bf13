package dossier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"database/sql"

	"github.com/altamga/altamga/internal/dossier"
)

var key = bytes.Repeat([]byte{7}, dossier.KeySize)

func open(t *testing.T, path string) *dossier.SQLite {
	t.Helper()
	s, err := dossier.Open(context.Background(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *dossier.SQLite, id string, version uint64, document string, index, sole []string) {
	t.Helper()
	if err := s.Put(context.Background(), id, version, []byte(document), []byte("event of "+document), index, sole); err != nil {
		t.Fatal(err)
	}
}

func TestCaseLife(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "case files.db")
	s := open(t, path)
	put(t, s, "a", 0, "first", []string{"fin:1"}, []string{"open:1"})
	put(t, s, "b", 0, "other", []string{"fin:1"}, nil)
	put(t, s, "a", 1, "second", []string{"fin:1"}, nil)
	s.Close()

	// What was answered is there after a restart.
	s = open(t, path)
	document, version, err := s.Read(ctx, "a")
	if err != nil || string(document) != "second" || version != 2 {
		t.Errorf("Read = %q, %d, %v; want second, 2", document, version, err)
	}
	events, err := s.Events(ctx, "a")
	if err != nil || len(events) != 2 || string(events[0]) != "event of first" || string(events[1]) != "event of second" {
		t.Errorf("Events = %q, %v", events, err)
	}
	for index, want := range map[string][]string{"fin:1": {"a", "b"}, "open:1": nil, "fin:": nil, "": nil} {
		if got, err := s.Find(ctx, index); err != nil || !slices.Equal(got, want) {
			t.Errorf("Find(%q) = %q, %v; want %q", index, got, err, want)
		}
	}
}

func TestVersionWithoutEvent(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	put(t, s, "a", 0, "first", nil, nil)
	if err := s.Put(ctx, "a", 1, []byte("second"), nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", 2, "third", nil, nil)
	if events, err := s.Events(ctx, "a"); err != nil || len(events) != 2 || string(events[1]) != "event of third" {
		t.Errorf("Events = %q, %v; want those of first and third", events, err)
	}
	// It is passed over, not left out: that it is gone would be noticed.
	raw(t, path, "DROP TRIGGER events_are_not_removed", "DELETE FROM events WHERE version = 2")
	if events, err := s.Events(ctx, "a"); err == nil {
		t.Errorf("a removed event was not noticed: %q", events)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	s := open(t, filepath.Join(t.TempDir(), "c.db"))
	put(t, s, "a", 0, "first", nil, []string{"only"})
	put(t, s, "a", 1, "second", nil, []string{"only"})
	for _, c := range []struct {
		name    string
		id      string
		version uint64
		sole    []string
		want    error
	}{
		{"id taken", "a", 0, nil, fs.ErrExist},
		{"old version", "a", 1, nil, fs.ErrExist},
		{"version to come", "a", 3, nil, fs.ErrExist},
		{"no such case", "x", 1, nil, fs.ErrNotExist},
		{"sole string of another", "x", 0, []string{"mine", "only"}, fs.ErrExist},
	} {
		if err := s.Put(ctx, c.id, c.version, []byte("new"), []byte("new"), []string{"trace"}, c.sole); !errors.Is(err, c.want) {
			t.Errorf("%s: Put = %v, want %v", c.name, err, c.want)
		}
	}
	for _, index := range []string{"trace", "mine"} {
		if ids, _ := s.Find(ctx, index); len(ids) != 0 {
			t.Errorf("a refused Put left %q in the index", index)
		}
	}
	if events, _ := s.Events(ctx, "a"); len(events) != 2 {
		t.Errorf("refused Puts left events: %d, want 2", len(events))
	}
	if _, _, err := s.Read(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read = %v, want not exist", err)
	}
	if _, err := s.Events(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Events = %v, want not exist", err)
	}
	// A sole string is free again once its case lets go of it.
	put(t, s, "a", 2, "third", nil, nil)
	put(t, s, "b", 0, "first", nil, []string{"only"})
}

func TestOneOfManyWins(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "c.db")
	stores := []*dossier.SQLite{open(t, path), open(t, path)}
	put(t, stores[0], "a", 0, "first", nil, nil)
	var wins atomic.Int32
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			switch err := stores[i%2].Put(ctx, "a", 1, fmt.Append(nil, i), []byte("won"), nil, nil); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d writers replaced version 1, want 1", wins.Load())
	}
	if events, err := stores[1].Events(ctx, "a"); err != nil || len(events) != 2 {
		t.Errorf("%d events, %v; want 2", len(events), err)
	}
}

func TestNothingInClear(t *testing.T) {
	t.Run("G8 no document, event or index string is readable in the files", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, filepath.Join(dir, "c.db"))
		secrets := []string{"1ABC2D3", "Əliyeva", "person@example.org"}
		for i, secret := range secrets {
			put(t, s, fmt.Sprint("case-", i), 0, secret, []string{secret}, []string{"sole:" + secret})
			put(t, s, fmt.Sprint("case-", i), 1, secret+" again", []string{secret}, nil)
		}
		check := func(when string) {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, secret := range secrets {
					if bytes.Contains(data, []byte(secret)) {
						t.Errorf("%s: %s holds %q", when, filepath.Base(file), secret)
					}
				}
				if info, _ := os.Stat(file); info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s: %s has mode %v", when, filepath.Base(file), info.Mode())
				}
			}
		}
		check("open")
		s.Close()
		check("closed")
	})
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	put(t, s, "a", 0, "text", nil, nil)
	s.Close()
	if _, err := dossier.Open(ctx, path, bytes.Repeat([]byte{8}, dossier.KeySize)); err == nil || !strings.Contains(err.Error(), "data key") {
		t.Errorf("another key: %v", err)
	}
	if _, err := dossier.Open(ctx, path, key[:16]); err == nil {
		t.Error("a short key was taken")
	}
	if _, err := dossier.Open(ctx, filepath.Join(t.TempDir(), "none", "c.db"), key); err == nil {
		t.Error("a file in no folder was opened")
	}
	raw(t, path, "PRAGMA user_version = 99")
	if _, err := dossier.Open(ctx, path, key); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("newer schema: %v", err)
	}
}

// raw runs statements on the file, as somebody with write access to it may.
func raw(t *testing.T, path string, statements ...string) (failed error) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			failed = err
		}
	}
	return failed
}

func TestTampering(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	put(t, s, "a", 0, "of a", nil, nil)
	put(t, s, "b", 0, "of b", nil, nil)
	if err := raw(t, path, "DELETE FROM events"); err == nil {
		t.Error("events were removed")
	}
	if err := raw(t, path, "UPDATE events SET version = 7"); err == nil {
		t.Error("events were altered")
	}
	raw(t, path, "UPDATE cases SET sealed = (SELECT sealed FROM cases WHERE id = 'a') WHERE id = 'b'")
	if _, _, err := s.Read(ctx, "b"); err == nil {
		t.Error("one case's document was read as another's")
	}
	raw(t, path, "UPDATE cases SET version = 2 WHERE id = 'a'")
	if _, _, err := s.Read(ctx, "a"); err == nil {
		t.Error("a document was read as another version's")
	}
	raw(t, path, "DROP TRIGGER events_are_not_altered", "UPDATE events SET sealed = (SELECT sealed FROM events LIMIT 1)")
	if _, err := s.Events(ctx, "b"); err == nil {
		t.Error("one case's event was read as another's")
	}
}

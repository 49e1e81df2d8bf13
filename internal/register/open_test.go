package register_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

func TestOpenRefuses(t *testing.T) {
	for _, row := range []struct {
		name, want string
		prepare    func(t *testing.T, path string)
	}{
		{"newer schema", "schema version 1000 is newer", func(t *testing.T, path string) {
			s, err := register.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			mustExec(t, rawOpen(t, path), "INSERT INTO schema_version VALUES (1000, 0)")
		}},
		{"another program's database", "database of something else", func(t *testing.T, path string) {
			mustExec(t, rawOpen(t, path), "CREATE TABLE cookies (name TEXT)")
		}},
		{"no database", "not a database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("certificates\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"no folder", "no such file", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "register.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			row.prepare(t, path)
			before, _ := os.ReadFile(path)
			s, err := register.Open(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.HasPrefix(err.Error(), "opening register "+path) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %q, want one that says %q", err, row.want)
			}
			if after, _ := os.ReadFile(path); row.name == "no database" && string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s, err := register.Open(ctx, newPath(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, error %v, want %v", s, err, context.Canceled)
		}
	})
}

func TestOpenAtOnce(t *testing.T) {
	path := newPath(t)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			s, err := register.Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b#c?d%41.db") // nothing of it is a parameter
	store := openAt(t, path)
	intent, _ := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("got mode %v of the file%s, want 0600", got, suffix)
		}
	}
}

// TestReopen finds everything again in a store that was closed.
func TestReopen(t *testing.T) {
	path := newPath(t)
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	first := openAt(t, path)
	issued, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	reserved, _ := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	for _, intent := range []journal.Intent{issued, reserved} {
		if err := first.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Complete(ctx, issued.Serial, certificate, &journal.Ticket{Actor: "a", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := first.Change(ctx, journal.Entry{Kind: journal.Held, Serial: issued.Serial, Owner: journal.Court}, nil); err != nil {
		t.Fatal(err)
	}
	list, err := first.List(ctx, "ehm")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.SetPosition(ctx, "ocsp", 2); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := openAt(t, path)
	if err := second.Reserve(ctx, issued); !errors.Is(err, fs.ErrExist) {
		t.Errorf("reservation of a used serial: got error %v, want %v", err, fs.ErrExist)
	}
	if got, err := second.Unfinished(ctx); err != nil || len(got) != 1 || got[0].Serial != reserved.Serial {
		t.Errorf("got unfinished %v, error %v", got, err)
	}
	if status, n, err := second.Status(ctx, "ehm", issued.Serial); err != nil || n != 3 || status.State != journal.OnHold {
		t.Errorf("got status %+v at %d, error %v", status, n, err)
	}
	if got, err := second.Position(ctx, "ocsp"); err != nil || got != 2 {
		t.Errorf("got position %d, error %v, want 2", got, err)
	}
	again, err := second.List(ctx, "ehm")
	if err != nil || again.Number != list.Number+1 || !reflect.DeepEqual(again.Entries, list.Entries) {
		t.Errorf("got list %+v, error %v, want the entries of %+v under the next number", again, err, list)
	}
	if err := second.Check(ctx); err != nil {
		t.Error(err)
	}
}

// askEverything calls whatever a register offers, so that its queries are known.
func askEverything(t *testing.T, store *register.Register) {
	t.Helper()
	ctx := t.Context()
	intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	store.Reserve(ctx, intent)
	store.Complete(ctx, intent.Serial, certificate, &journal.Ticket{Actor: "a", Key: "k"})
	store.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: intent.Serial}, nil)
	store.Expire(ctx, time.Now())
	store.Redeemed(ctx, "a", "k")
	store.Record(ctx, intent.Serial)
	store.RecordsByKey(ctx, intent.KeyHash)
	store.RecordsBetween(ctx, 0, 2)
	store.Unfinished(ctx)
	store.Status(ctx, "ehm", intent.Serial)
	store.History(ctx, intent.Serial)
	store.Entries(ctx, 0, 10)
	store.Head(ctx)
	list, _ := store.List(ctx, "ehm")
	store.Published(ctx, "ehm", list.Number)
	store.SetPosition(ctx, "ocsp", 1)
	store.Position(ctx, "ocsp")
	store.Abandon(ctx, intent.Serial, "a")
	request := journal.Pending{ID: "p", State: journal.Open, RequestedBy: "a", Requester: "A", RequestedAt: time.Now(), ExpiresAt: time.Now()}
	store.Propose(ctx, request)
	store.Pending(ctx, "p")
	store.Undecided(ctx)
	request.State, request.DecidedBy, request.Decider = journal.Confirmed, "b", "B"
	store.Decide(ctx, journal.Open, request)
}

// TestQueriesUseIndexes asks SQLite how it carries out each query, since a
// register of a million certificates must not be read through for one of them.
func TestQueriesUseIndexes(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	ctx := t.Context()
	askEverything(t, store)
	conn := rawOpen(t, path)
	explained := 0
	for _, query := range store.Queries() {
		if verb, _, _ := strings.Cut(query, " "); verb != "SELECT" && verb != "UPDATE" {
			continue
		}
		explained++
		rows, err := conn.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			// The indexes of the unfinished and undecided are read through: they hold
			// nothing else.
			table, scan := strings.CutPrefix(step, "SCAN ")
			if scan && table != "h" && !strings.HasSuffix(table, "certificate_unfinished") && !strings.HasSuffix(table, "pending_undecided") || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s: %s", query, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if explained < 12 {
		t.Errorf("got %d queries only", explained)
	}
}

func TestJournalIsAppendOnly(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Complete(t.Context(), intent.Serial, certificate, nil); err != nil {
		t.Fatal(err)
	}
	conn := rawOpen(t, path)
	for _, query := range []string{"UPDATE entry SET actor = 'x'", "DELETE FROM entry", "DELETE FROM certificate"} {
		if _, err := conn.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s: no error", query)
		}
	}
}

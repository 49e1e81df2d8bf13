package register_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// rawOpen opens the file beside the register, as anybody with sqlite3 can.
func rawOpen(t testing.TB, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func mustExec(t testing.TB, conn *sql.Conn, query string, args ...any) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// TestGroupCommit keeps the writer waiting for the lock while many writes
// gather, some of which will be refused, and counts the commits.
func TestGroupCommit(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	end := time.Now().AddDate(1, 0, 0)
	taken, takenDER := issuer.Certificate(t, end, nil)
	if err := store.Reserve(ctx, taken); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Complete(ctx, taken.Serial, takenDER, nil); err != nil {
		t.Fatal(err)
	}

	const writers = 60
	intents := make([]journal.Intent, writers)
	certificates := make([][]byte, writers)
	for i := range writers {
		intents[i], certificates[i] = issuer.Certificate(t, end, nil)
	}
	other := rawOpen(t, path)
	// gathered runs f for all writers at once, with the lock taken until they wait.
	gathered := func(f func(i int)) uint64 {
		mustExec(t, other, "BEGIN IMMEDIATE")
		before := store.Commits()
		var group sync.WaitGroup
		var started atomic.Int32
		for i := range writers {
			group.Go(func() {
				started.Add(1)
				f(i)
			})
		}
		for started.Load() < writers {
			runtime.Gosched()
		}
		mustExec(t, other, "COMMIT")
		group.Wait()
		return store.Commits() - before
	}
	reserving := gathered(func(i int) {
		if i%3 == 0 {
			if err := store.Reserve(ctx, taken); !errors.Is(err, fs.ErrExist) {
				t.Errorf("got error %v, want %v", err, fs.ErrExist)
			}
		} else if err := store.Reserve(ctx, intents[i]); err != nil {
			t.Error(err)
		}
	})
	completing := gathered(func(i int) {
		entry, err := store.Complete(ctx, intents[i].Serial, certificates[i], &journal.Ticket{Actor: "a", Key: string(intents[i].Serial)})
		if i%3 == 0 {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got error %v, want %v", err, fs.ErrNotExist)
			}
		} else if err != nil || entry.Serial != intents[i].Serial {
			t.Errorf("got entry %+v, error %v", entry, err)
		}
	})
	t.Logf("%d writers: %d commits for the reservations, %d for the completions", writers, reserving, completing)
	if most := uint64(writers / 4); reserving > most || completing > most {
		t.Errorf("got %d and %d commits, want at most %d for %d writes", reserving, completing, most, writers)
	}
	if got, err := store.Head(ctx); err != nil || got != 1+writers*2/3 {
		t.Errorf("got head %d, error %v, want %d", got, err, 1+writers*2/3)
	}
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
}

// TestWriteGivenUp has a caller leave while another process keeps the lock.
func TestWriteGivenUp(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	issuer := registertest.NewIssuer(t, "ehm")
	first, _ := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	second, _ := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	other := rawOpen(t, path)
	mustExec(t, other, "BEGIN IMMEDIATE")
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	for _, intent := range []journal.Intent{first, second} {
		go func() { errs <- store.Reserve(ctx, intent) }()
	}
	cancel()
	mustExec(t, other, "COMMIT")
	for range 2 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	}
	if got, err := store.Unfinished(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got unfinished %v, error %v, want none", got, err)
	}
}

// TestBatchFails breaks the commit itself: nothing of the batch may stay, and
// everybody in it must hear of it.
func TestBatchFails(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	// The trigger leaves a reference that only the commit finds broken.
	other := rawOpen(t, path)
	mustExec(t, other, "CREATE TRIGGER sabotage AFTER INSERT ON entry BEGIN INSERT INTO ticket VALUES (1000000, 'x', 'x', x'00'); END")
	if _, err := store.Complete(ctx, intent.Serial, certificate, nil); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want the commit's", err)
	}
	mustExec(t, other, "DROP TRIGGER sabotage")
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
	entry, err := store.Complete(ctx, intent.Serial, certificate, nil)
	if err != nil || entry.Position != 1 {
		t.Errorf("after the repair: got entry %+v, error %v, want position 1", entry, err)
	}
}

// TestDiskFull fills the disk under many writers and then makes room again.
func TestDiskFull(t *testing.T) {
	store := openAt(t, newPath(t))
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	intents := make([]journal.Intent, 64)
	certificates := make([][]byte, len(intents))
	for i := range intents {
		intents[i], certificates[i] = issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	}
	if err := store.LimitPages(1); err != nil {
		t.Fatal(err)
	}
	reserved := make([]bool, len(intents))
	var group sync.WaitGroup
	for i, intent := range intents {
		group.Go(func() {
			err := store.Reserve(ctx, intent)
			reserved[i] = err == nil
			if err != nil && (!errors.Is(err, register.ErrUnavailable) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)) {
				t.Errorf("a full disk was told to be %v", err)
			}
		})
	}
	group.Wait()
	if err := store.LimitPages(100000); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, intent := range intents {
		_, err := store.Record(ctx, intent.Serial)
		switch {
		case reserved[i] && err != nil:
			t.Errorf("an answered reservation is gone: %v", err)
		case !reserved[i] && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("a refused reservation is there: error %v", err)
		}
		if !reserved[i] {
			refused++
			if err := store.Reserve(ctx, intent); err != nil {
				t.Errorf("with room again: %v", err)
			}
		}
		if _, err := store.Complete(ctx, intent.Serial, certificates[i], nil); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	t.Logf("%d of %d reservations were refused", refused, len(intents))
	if refused == 0 {
		t.Error("the disk was not full")
	}
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
}

package register_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// load issues certificates, reads and follows the journal on a store until it
// is stopped, and keeps on through the loss of the database.
type load struct {
	t      *testing.T
	store  *register.Register
	stop   chan struct{}
	group  sync.WaitGroup
	issued atomic.Int64
	read   atomic.Int64
	lost   atomic.Int64 // writes that ended with ErrUnavailable
	blind  atomic.Int64 // reads that did
	seen   atomic.Uint64

	mu      sync.Mutex
	answers map[journal.Serial]uint64 // positions, as they were answered
}

func newLoad(t *testing.T, store *register.Register) *load {
	l := &load{t: t, store: store, stop: make(chan struct{}), answers: make(map[journal.Serial]uint64)}
	issuer := registertest.NewIssuer(t, "ehm")
	for range 6 {
		l.group.Go(func() { l.until(func() { l.issue(issuer) }) })
	}
	for range 2 {
		l.group.Go(func() {
			l.until(func() {
				_, _, err := store.Status(context.Background(), "ehm", "abc")
				l.expect("reading", err, &l.blind)
				l.read.Add(1)
			})
		})
	}
	l.group.Go(func() { l.until(l.follow) })
	return l
}

func (l *load) until(do func()) {
	for {
		select {
		case <-l.stop:
			return
		default:
			do()
		}
	}
}

// expect reports whether an error is nil, and refuses any other than the loss
// of the database.
func (l *load) expect(what string, err error, count *atomic.Int64) bool {
	if errors.Is(err, register.ErrUnavailable) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		count.Add(1)
		time.Sleep(5 * time.Millisecond)
	} else if err != nil {
		l.t.Errorf("%s: %v", what, err)
	}
	return err == nil
}

// issue takes a certificate through the store as a client does that asks again
// until it is answered.
func (l *load) issue(issuer *registertest.Issuer) {
	ctx := context.Background()
	intent, certificate := issuer.Certificate(l.t, time.Now().AddDate(1, 0, 0), nil)
	for {
		err := l.store.Reserve(ctx, intent)
		if errors.Is(err, fs.ErrExist) {
			// The first try got through, and its answer was lost.
			err = nil
		}
		if l.expect("reserving", err, &l.lost) {
			break
		}
	}
	for {
		entry, err := l.store.Complete(ctx, intent.Serial, certificate, nil)
		if errors.Is(err, fs.ErrExist) {
			var history []journal.Entry
			if history, err = l.store.History(ctx, intent.Serial); len(history) > 0 {
				entry = history[0]
			}
		}
		if l.expect("completing", err, &l.lost) {
			l.mu.Lock()
			l.answers[intent.Serial] = entry.Position
			l.mu.Unlock()
			l.issued.Add(1)
			return
		}
	}
}

// follow waits for the journal and reads on from where it is.
func (l *load) follow() {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := l.store.Wait(ctx, l.seen.Load())
	if ctx.Err() != nil || !l.expect("waiting", err, &l.blind) {
		return
	}
	entries, err := l.store.Entries(context.Background(), l.seen.Load(), 0)
	if l.expect("following", err, &l.blind) && len(entries) > 0 {
		l.seen.Store(entries[len(entries)-1].Position)
	}
}

// progress waits until more of everything was done than now.
func (l *load) progress(what string) {
	l.t.Helper()
	issued, read, seen := l.issued.Load(), l.read.Load(), l.seen.Load()
	for start := time.Now(); l.issued.Load() < issued+20 || l.read.Load() < read+20 || l.seen.Load() <= seen; {
		if time.Since(start) > time.Minute {
			l.t.Fatalf("%s: nothing goes on: %d issued, %d read, followed to %d", what, l.issued.Load()-issued, l.read.Load()-read, l.seen.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// end stops the load and holds the register to what it has answered.
func (l *load) end() {
	l.t.Helper()
	close(l.stop)
	l.group.Wait()
	ctx := l.t.Context()
	for serial, position := range l.answers {
		entries, err := l.store.Entries(ctx, position-1, 1)
		if err != nil || len(entries) != 1 || entries[0].Serial != serial || entries[0].Kind != journal.Issued {
			l.t.Fatalf("serial %s was answered with position %d, where there is %+v (error %v)", serial, position, entries, err)
		}
	}
	if head, err := l.store.Head(ctx); err != nil || head != uint64(len(l.answers)) {
		l.t.Errorf("got head %d, error %v, want %d: one entry for each certificate", head, err, len(l.answers))
	}
	if err := l.store.Check(ctx); err != nil {
		l.t.Error(err)
	}
	l.t.Logf("%d issued, %d writes and %d reads ended with ErrUnavailable", l.issued.Load(), l.lost.Load(), l.blind.Load())
}

// testLoss takes the database away under load in each of the ways, and gives it
// back; nothing is opened again.
func testLoss(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	l := newLoad(t, store)
	l.progress("at first")
	const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'altamga register'`
	for range 5 {
		server.Exec(t, address, others)
		l.progress("after the connections were cut")
	}
	for _, end := range []struct {
		what string
		do   func(testing.TB)
	}{{"stop", server.Stop}, {"kill", server.Kill}} {
		end.do(t)
		lost, blind := l.lost.Load(), l.blind.Load()
		for l.lost.Load() == lost || l.blind.Load() == blind {
			time.Sleep(time.Millisecond)
		}
		// Callers are not kept waiting for what is not there.
		start := time.Now()
		// A database that is away is not one that knows nothing.
		if _, err := store.Record(t.Context(), "abc"); !errors.Is(err, register.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got error %v, want %v and nothing else", end.what, err, register.ErrUnavailable)
		}
		if _, err := store.List(t.Context(), "ehm"); !errors.Is(err, register.ErrUnavailable) {
			t.Errorf("%s: list: got error %v, want %v", end.what, err, register.ErrUnavailable)
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("%s: told so after %v", end.what, took)
		}
		if _, err := register.OpenExisting(t.Context(), address); !errors.Is(err, register.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: opening: got error %v, want %v and nothing else", end.what, err, register.ErrUnavailable)
		}
		server.Resume(t)
		l.progress("after " + end.what + " and start")
	}
	l.end()
	if l.lost.Load() == 0 || l.blind.Load() == 0 {
		t.Error("the loss was not noticed")
	}
}

// testCut cuts only the connections that idle: nobody may notice.
func testCut(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	issuer := registertest.NewIssuer(t, "ehm")
	for range 3 {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := store.Head(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		server.Exec(t, address, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND application_name = 'altamga register'`)
		intent, _ := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := store.Reserve(t.Context(), intent); err != nil {
			t.Errorf("write: %v", err)
		}
		if _, err := store.Record(t.Context(), intent.Serial); err != nil {
			t.Errorf("read: %v", err)
		}
		if _, err := store.List(t.Context(), "ehm"); err != nil {
			t.Errorf("list: %v", err)
		}
	}
}

// testDeaf waits for another's entry while the server's notifications are not
// heard.
func testDeaf(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	a, b := openAt(t, address), openAt(t, address)
	issuer := registertest.NewIssuer(t, "ehm")
	for round := range uint64(5) {
		done := make(chan error, 1)
		go func() { done <- a.Wait(t.Context(), round) }()
		server.Exec(t, address, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE application_name = 'altamga register' AND query = 'LISTEN altamga_journal'`)
		intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := b.Reserve(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Complete(t.Context(), intent.Serial, certificate, nil); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		// Promised is one second; the rest is for a busy machine.
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("woken after %v", took)
		}
	}
}

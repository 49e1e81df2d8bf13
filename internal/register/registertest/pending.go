package registertest

import (
	"errors"
	"io/fs"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// pending is an open request of the client ops1, for which the person Aynur
// acts.
func pending(id string) journal.Pending {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return journal.Pending{
		ID: id, State: journal.Open, Action: "hold", Serial: "abc", Request: []byte(`{"owner":"centre"}`), Hash: [32]byte{1, 2, 3},
		RequestedBy: "ops1", Requester: "Aynur", RequestedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// decided is the request after the client ops2 of the person Kamran moved it to
// a state.
func decided(p journal.Pending, state journal.PendingState) journal.Pending {
	p.State, p.DecidedBy, p.Decider, p.DecidedAt = state, "ops2", "Kamran", p.RequestedAt.Add(time.Minute)
	return p
}

func testPending(t *testing.T, s Store) {
	ctx := t.Context()
	_, err := s.Pending(ctx, "a")
	wantError(t, "unknown request", err, fs.ErrNotExist)
	wantError(t, "deciding an unknown request", s.Decide(ctx, journal.Open, decided(pending("a"), journal.Confirmed)), fs.ErrNotExist)
	a, b := pending("a"), pending("b")
	for _, p := range []journal.Pending{b, a} {
		if err := s.Propose(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "same id again", s.Propose(ctx, a), fs.ErrExist)
	if got, err := s.Undecided(ctx); err != nil || !reflect.DeepEqual(got, []journal.Pending{b, a}) {
		t.Errorf("got %+v, error %v, want both in the order of their coming", got, err)
	}
	confirmed, done := decided(a, journal.Confirmed), decided(a, journal.Done)
	done.Outcome = "it is so"
	for _, step := range []struct {
		from journal.PendingState
		next journal.Pending
	}{{journal.Open, confirmed}, {journal.Confirmed, done}} {
		if err := s.Decide(ctx, step.from, step.next); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Pending(ctx, "a"); err != nil || !reflect.DeepEqual(got, step.next) {
			t.Errorf("got %+v, error %v, want %+v", got, err, step.next)
		}
	}
	wantError(t, "deciding what is done", s.Decide(ctx, journal.Open, decided(a, journal.Refused)), fs.ErrExist)
	lapsed := b
	lapsed.State, lapsed.DecidedAt = journal.Unanswered, b.ExpiresAt
	if err := s.Decide(ctx, journal.Open, lapsed); err != nil {
		t.Error(err)
	}
	if got, err := s.Undecided(ctx); err != nil || len(got) != 0 {
		t.Errorf("got undecided %+v, error %v", got, err)
	}
	if got := head(t, s); got != 0 {
		t.Errorf("pending requests left entry %d", got)
	}
}

func testPendingPersons(t *testing.T, s Store) {
	ctx := t.Context()
	p := pending("a")
	if err := s.Propose(ctx, p); err != nil {
		t.Fatal(err)
	}
	for what, who := range map[string][2]string{
		"same client": {p.RequestedBy, "Kamran"}, "same person by another client": {"ops2", p.Requester},
		"nobody": {"", ""}, "client without a person": {"ops2", ""}, "person without a client": {"", "Kamran"},
	} {
		for _, state := range []journal.PendingState{journal.Confirmed, journal.Done, journal.Failed} {
			next := decided(p, state)
			next.DecidedBy, next.Decider = who[0], who[1]
			if err := s.Decide(ctx, journal.Open, next); err == nil || errors.Is(err, fs.ErrExist) {
				t.Errorf("%s moved the request to %s: error %v", what, state, err)
			}
		}
	}
	for what, spoil := range map[string]func(*journal.Pending){
		"unknown state": func(p *journal.Pending) { p.State = "gone" }, "text that no store can keep": func(p *journal.Pending) { p.Outcome = "a\x00" },
	} {
		next := decided(p, journal.Refused)
		spoil(&next)
		if err := s.Decide(ctx, journal.Open, next); err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	// To take one's own request back needs nobody else.
	next := decided(p, journal.Refused)
	next.DecidedBy, next.Decider = p.RequestedBy, p.Requester
	if err := s.Decide(ctx, journal.Open, next); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*journal.Pending){
		"id": func(p *journal.Pending) { p.ID = "" }, "client": func(p *journal.Pending) { p.RequestedBy = "" },
		"person": func(p *journal.Pending) { p.Requester = "" }, "end": func(p *journal.Pending) { p.ExpiresAt = time.Time{} },
		"text that a store can keep": func(p *journal.Pending) { p.Action = "a\x00" }, "open state": func(p *journal.Pending) { p.State = journal.Confirmed },
	} {
		bad := pending("b")
		spoil(&bad)
		if err := s.Propose(ctx, bad); err == nil {
			t.Errorf("a request without %s was recorded", what)
		}
	}
}

func testPendingRace(t *testing.T, s Store) {
	ctx := t.Context()
	for n := range 5 {
		p := pending(strconv.Itoa(n))
		if err := s.Propose(ctx, p); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				next := decided(p, []journal.PendingState{journal.Confirmed, journal.Refused}[i%2])
				next.Outcome = strconv.Itoa(i)
				switch err := s.Decide(ctx, journal.Open, next); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, fs.ErrExist):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 8 decisions won", won.Load())
		}
	}
}

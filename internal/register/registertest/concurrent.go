package registertest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

// testConcurrent has many writers issue and be refused at once.
func testConcurrent(t *testing.T, s Store) {
	hammer(t, s, s)
}

// hammer has writers on both stores, which hold the same register, and checks
// the journal that they leave.
func hammer(t *testing.T, a, b Store) {
	t.Helper()
	const writers, each = 8, 10
	issuer := NewIssuer(t, "ehm")
	taken, _ := issue(t, a, issuer, year())
	type work struct {
		intent      journal.Intent
		certificate []byte
	}
	works := make([][]work, writers)
	for w := range works {
		for range each {
			intent, certificate := issuer.Certificate(t, year(), nil)
			works[w] = append(works[w], work{intent, certificate})
		}
	}
	ctx := t.Context()
	var group sync.WaitGroup
	for w := range writers {
		s := a
		if w%2 == 1 {
			s = b
		}
		group.Go(func() {
			for i, work := range works[w] {
				if err := s.Reserve(ctx, taken); !errors.Is(err, fs.ErrExist) {
					t.Errorf("reservation of a taken serial: got error %v", err)
				}
				if err := s.Reserve(ctx, work.intent); err != nil {
					t.Error(err)
				}
				// All writers use the same keys: one of them wins.
				entry, err := s.Complete(ctx, work.intent.Serial, work.certificate, &journal.Ticket{Actor: "a", Key: fmt.Sprint(i)})
				if errors.Is(err, fs.ErrExist) {
					entry, err = s.Complete(ctx, work.intent.Serial, work.certificate, nil)
				}
				if err != nil {
					t.Error(err)
				}
				// What was answered is there.
				if got, err := s.History(ctx, work.intent.Serial); err != nil || !slices.Equal(got, []journal.Entry{entry}) {
					t.Errorf("got history %v, error %v, want %v", got, err, entry)
				}
				if _, _, err := s.Change(ctx, journal.Entry{Kind: journal.Released, Serial: work.intent.Serial, Owner: journal.Court}, nil); err == nil {
					t.Error("release without hold was accepted")
				}
			}
		})
	}
	group.Wait()
	if got, want := head(t, a), uint64(1+writers*each); got != want {
		t.Errorf("got head %d, want %d", got, want)
	}
	entries, err := b.Entries(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.Position != uint64(i+1) {
			t.Fatalf("entry %d has position %d", i+1, e.Position)
		}
	}
	if err := b.Check(ctx); err != nil {
		t.Error(err)
	}
}

func testContext(t *testing.T, s Store) {
	intent, _ := NewIssuer(t, "ehm").Certificate(t, year(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "reservation", s.Reserve(ctx, intent), context.Canceled)
	_, err := s.Record(t.Context(), intent.Serial)
	wantError(t, "record", err, fs.ErrNotExist)
}

func testClosed(t *testing.T, s Store) {
	intent, _ := NewIssuer(t, "ehm").Certificate(t, year(), nil)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "reservation", s.Reserve(t.Context(), intent), fs.ErrClosed)
	_, err := s.Head(t.Context())
	wantError(t, "head", err, fs.ErrClosed)
}

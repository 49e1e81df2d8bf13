package registertest

import (
	"context"
	"slices"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

func testEntries(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	var want []journal.Entry
	for range 7 {
		_, e := issue(t, s, issuer, year())
		want = append(want, e)
	}
	var got []journal.Entry
	for {
		page, err := s.Entries(ctx, uint64(len(got)), 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 3 {
			t.Fatalf("got %d entries, want at most 3", len(page))
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, after := range []uint64{7, 100, 1 << 63, 1<<64 - 1} {
		if page, err := s.Entries(ctx, after, 3); err != nil || len(page) != 0 {
			t.Errorf("after %d: got %v, error %v, want none", after, page, err)
		}
	}
}

func testWait(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	issue(t, s, issuer, year())
	if err := s.Wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
	const followers = 5
	done := make(chan error, followers)
	for range followers {
		go func() { done <- s.Wait(ctx, 1) }()
	}
	issue(t, s, issuer, year())
	for range followers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	go func() { done <- s.Wait(ended, 2) }()
	cancel()
	wantError(t, "waiting", <-done, context.Canceled)
	go func() { done <- s.Wait(ctx, 2) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("waiting went on after the store was closed")
	}
}

func testPosition(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	for range 3 {
		issue(t, s, issuer, year())
	}
	for _, row := range []struct{ set, want uint64 }{{2, 2}, {1, 2}, {3, 3}, {0, 3}} {
		if err := s.SetPosition(ctx, "ocsp", row.set); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Position(ctx, "ocsp"); err != nil || got != row.want {
			t.Errorf("after setting %d: got %d, error %v, want %d", row.set, got, err, row.want)
		}
	}
	if err := s.SetPosition(ctx, "ocsp", 4); err == nil {
		t.Error("a position after the last entry was accepted")
	}
	if got, err := s.Position(ctx, "crl"); err != nil || got != 0 {
		t.Errorf("of an unknown follower: got %d, error %v, want 0", got, err)
	}
}

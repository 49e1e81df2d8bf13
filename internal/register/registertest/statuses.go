package registertest

import (
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

func testStatuses(t *testing.T, s Store) {
	ctx := t.Context()
	read := func(between func()) (last journal.Entry, statuses int64, rows []journal.Standing) {
		t.Helper()
		err := s.Statuses(ctx, func(l journal.Entry, n int64) error {
			last, statuses = l, n
			between()
			return nil
		}, func(s journal.Standing) error {
			rows = append(rows, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return last, statuses, rows
	}
	nothing := func() {}
	if last, n, rows := read(nothing); last != (journal.Entry{}) || n != 0 || len(rows) != 0 {
		t.Errorf("of an empty store: %+v, %d, %v", last, n, rows)
	}
	ehm, hom := NewIssuer(t, "ehm"), NewIssuer(t, "hom")
	first, _ := issue(t, s, ehm, year())
	second, _ := issue(t, s, hom, year())
	reserved, _ := ehm.Certificate(t, year(), nil)
	if err := s.Reserve(ctx, reserved); err != nil {
		t.Fatal(err)
	}
	held, heldStatus := change(t, s, journal.Entry{Kind: journal.Held, Owner: journal.Court, Serial: first.Serial})
	want := []journal.Standing{
		{Issuer: "ehm", Serial: first.Serial, Profile: first.Profile, Status: heldStatus},
		{Issuer: "hom", Serial: second.Serial, Profile: second.Profile, Status: journal.Status{State: journal.Valid, Version: 2}},
	}
	// What happens meanwhile is of another moment.
	last, n, rows := read(func() {
		change(t, s, journal.Entry{Kind: journal.Revoked, Owner: journal.Holder, Serial: first.Serial})
		issue(t, s, ehm, year())
	})
	if !reflect.DeepEqual(last, held) || n != 2 || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %+v, %d, %+v, want %+v and %+v", last, n, rows, held, want)
	}
	if last, n, rows := read(nothing); last.Position != 5 || n != 3 || len(rows) != 3 || rows[0].State != journal.Gone {
		t.Errorf("later: %+v, %d, %+v", last, n, rows)
	}
	_, _, rows = read(nothing)
	testStandings(t, s, rows)
	// Whoever has seen enough ends it.
	err := s.Statuses(ctx, func(journal.Entry, int64) error { return io.EOF }, nil)
	wantError(t, "ended before the first", err, io.EOF)
	err = s.Statuses(ctx, func(journal.Entry, int64) error { return nil }, func(journal.Standing) error { return io.EOF })
	wantError(t, "ended after the first", err, io.EOF)
}

// testStandings holds the pages of each issuer to all standings in one row.
func testStandings(t *testing.T, s Store, all []journal.Standing) {
	t.Helper()
	for _, issuer := range []string{"ehm", "hom", "nobody"} {
		want := slices.DeleteFunc(slices.Clone(all), func(s journal.Standing) bool { return s.Issuer != issuer })
		for _, limit := range []int{1, 2, 100} {
			var got []journal.Standing
			for after := journal.Serial(""); ; after = got[len(got)-1].Serial {
				page, err := s.Standings(t.Context(), issuer, after, limit)
				if err != nil || len(page) > limit {
					t.Fatalf("got %d of %d, %v", len(page), limit, err)
				}
				if got = append(got, page...); len(page) < limit {
					break
				}
			}
			if !slices.EqualFunc(got, want, func(a, b journal.Standing) bool { return reflect.DeepEqual(a, b) }) {
				t.Errorf("%s, %d at a time: got %+v, want %+v", issuer, limit, got, want)
			}
		}
	}
	if _, err := s.Standings(t.Context(), "ehm", "0x", 1); err == nil {
		t.Error("a serial that is none is followed")
	}
}

package registertest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

func testAbandon(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	intent, certificate := issuer.Certificate(t, year(), nil)
	_, err := s.Abandon(ctx, intent.Serial, "reconcile")
	wantError(t, "abandoning an unknown serial", err, fs.ErrNotExist)
	if err := s.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	entry, err := s.Abandon(ctx, intent.Serial, "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	want := journal.Entry{Position: 1, Kind: journal.Abandoned, Issuer: "ehm", Serial: intent.Serial, Profile: intent.Profile, EffectiveAt: entry.EffectiveAt, Actor: "reconcile"}
	if entry != want {
		t.Errorf("got entry %+v, want %+v", entry, want)
	}
	record, err := s.Record(ctx, intent.Serial)
	if err != nil {
		t.Fatal(err)
	}
	status := journal.Status{State: journal.Gone, Since: entry.EffectiveAt, Version: 1}
	if record.Certificate != nil || !bytes.Equal(record.ToBeSigned, intent.ToBeSigned) || !reflect.DeepEqual(record.Status, status) {
		t.Errorf("got record %+v, want the intent with status %+v", record, status)
	}
	if got, n, err := s.Status(ctx, "ehm", intent.Serial); err != nil || n != 1 || !reflect.DeepEqual(got, status) {
		t.Errorf("got status %+v at %d, error %v", got, n, err)
	}
	if got, err := s.Unfinished(ctx); err != nil || len(got) != 0 {
		t.Errorf("got unfinished %v, error %v", got, err)
	}
	_, err = s.Abandon(ctx, intent.Serial, "reconcile")
	wantError(t, "abandoning twice", err, fs.ErrExist)
	_, err = s.Complete(ctx, intent.Serial, certificate, nil)
	wantError(t, "completing an abandoned serial", err, fs.ErrExist)
	wantError(t, "reserving an abandoned serial", s.Reserve(ctx, intent), fs.ErrExist)
	_, _, err = s.Change(ctx, journal.Entry{Kind: journal.Held, Owner: journal.Court, Serial: intent.Serial}, nil)
	if _, ok := errors.AsType[*journal.TransitionError](err); !ok {
		t.Errorf("holding an abandoned serial: got error %v", err)
	}
	issued, _ := issue(t, s, issuer, year())
	_, err = s.Abandon(ctx, issued.Serial, "reconcile")
	wantError(t, "abandoning an issued serial", err, fs.ErrExist)
	if got := head(t, s); got != 2 {
		t.Errorf("got head %d, want 2", got)
	}
}

// testAbandonedLife takes abandoned serials onto the list and past their
// validity, and counts.
func testAbandonedLife(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	var last journal.Serial
	for i := range 3 {
		intent, _ := issuer.Certificate(t, year(), nil)
		if err := s.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		if _, err := s.Abandon(ctx, intent.Serial, "reconcile"); err != nil {
			t.Fatal(err)
		}
		last = intent.Serial
	}
	issue(t, s, issuer, year())
	if got, err := s.Tally(ctx); err != nil || got != (journal.Tally{Issued: 1, Abandoned: 2, Unfinished: 1}) {
		t.Errorf("got tally %+v, error %v", got, err)
	}
	list, err := s.List(ctx, "ehm")
	isLast := func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(last.Int()) == 0 && e.ReasonCode == 0 }
	if err != nil || len(list.Entries) != 2 || !slices.ContainsFunc(list.Entries, isLast) {
		t.Errorf("got list %+v, error %v", list, err)
	}
	if n, err := s.Expire(ctx, year().Add(time.Hour)); err != nil || n != 3 {
		t.Errorf("got %d expired, error %v, want 3", n, err)
	}
	if status, _, err := s.Status(ctx, "ehm", last); err != nil || status.State != journal.Gone || !status.Expired {
		t.Errorf("got status %+v, error %v", status, err)
	}
}

// testAbandonRace lets a certificate come back from a slow key while somebody
// gives its serial up.
func testAbandonRace(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	for range 20 {
		intent, certificate := issuer.Certificate(t, year(), nil)
		if err := s.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		var completed, abandoned error
		var wg sync.WaitGroup
		wg.Go(func() { _, completed = s.Complete(ctx, intent.Serial, certificate, nil) })
		wg.Go(func() { _, abandoned = s.Abandon(ctx, intent.Serial, "reconcile") })
		wg.Wait()
		record, err := s.Record(ctx, intent.Serial)
		switch {
		case err != nil:
			t.Fatal(err)
		case completed == nil && errors.Is(abandoned, fs.ErrExist) && record.Status.State == journal.Valid:
		case abandoned == nil && errors.Is(completed, fs.ErrExist) && record.Status.State == journal.Gone:
		default:
			t.Fatalf("completion: %v; abandonment: %v; status %+v", completed, abandoned, record.Status)
		}
	}
}

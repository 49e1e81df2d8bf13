package registertest

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

func testChange(t *testing.T, s Store) {
	ctx := t.Context()
	intent, issued := issue(t, s, NewIssuer(t, "ehm"), year())
	received := time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	invalid := received.Add(-time.Hour)
	entries := []journal.Entry{issued}
	var fold journal.Status
	fold, _ = fold.Apply(issued)
	for _, e := range []journal.Entry{
		{Kind: journal.Held, Owner: journal.Court, ReceivedAt: received, Actor: "ra.test", Reason: journal.CertificateHold},
		{Kind: journal.Held, Owner: journal.Holder},
		{Kind: journal.Released, Owner: journal.Court},
		{Kind: journal.Released, Owner: journal.Holder},
		{Kind: journal.Held, Owner: journal.Centre},
		{Kind: journal.Revoked, Reason: journal.KeyCompromise, InvalidityDate: invalid, ReceivedAt: received, Actor: "ra.test"},
	} {
		e.Serial = intent.Serial
		got, status := change(t, s, e)
		if e.Kind == journal.Held {
			e.Reason = journal.Unspecified // the kind says it already
		}
		e.Position, e.Issuer, e.EffectiveAt = uint64(len(entries)+1), "ehm", got.EffectiveAt
		if got != e {
			t.Fatalf("got entry %+v, want %+v", got, e)
		}
		entries = append(entries, e)
		var err error
		if fold, err = fold.Apply(e); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(status, fold) {
			t.Errorf("after %s by %s: got status %+v, want %+v", e.Kind, e.Owner, status, fold)
		}
		read, n, err := s.Status(ctx, "ehm", intent.Serial)
		if err != nil || n != e.Position || !reflect.DeepEqual(read, fold) {
			t.Errorf("after %s by %s: read status %+v at %d, error %v, want %+v", e.Kind, e.Owner, read, n, err, fold)
		}
	}
	if got, err := s.History(ctx, intent.Serial); err != nil || !slices.Equal(got, entries) {
		t.Errorf("got history %+v, error %v, want %+v", got, err, entries)
	}
	if got, err := s.Entries(ctx, 0, 0); err != nil || !slices.Equal(got, entries) {
		t.Errorf("got journal %+v, error %v, want %+v", got, err, entries)
	}
}

func testChangeRefused(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	intent, _ := issue(t, s, issuer, year())
	change(t, s, journal.Entry{Kind: journal.Held, Serial: intent.Serial, Owner: journal.Court})
	_, _, err := s.Change(ctx, journal.Entry{Kind: journal.Released, Serial: intent.Serial, Owner: journal.Holder}, &journal.Ticket{Actor: "a", Key: "k"})
	illegal, ok := errors.AsType[*journal.TransitionError](err)
	if !ok {
		t.Fatalf("release by another owner: got error %v, want a transition error", err)
	}
	if got, want := illegal.Legal(), []journal.Kind{journal.Held, journal.Revoked}; !slices.Equal(got, want) {
		t.Errorf("got legal %v, want %v", got, want)
	}
	_, _, err = s.Redeemed(ctx, "a", "k")
	wantError(t, "ticket of a refused change", err, fs.ErrNotExist)

	reserved, _ := issuer.Certificate(t, year(), nil)
	if err := s.Reserve(ctx, reserved); err != nil {
		t.Fatal(err)
	}
	for _, serial := range []journal.Serial{reserved.Serial, "abc"} {
		_, _, err = s.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: serial}, nil)
		wantError(t, "change of a serial without certificate", err, fs.ErrNotExist)
	}
	for _, e := range []journal.Entry{
		{Kind: journal.Issued},
		{Kind: journal.Expired},
		{Kind: journal.Listed},
		{Kind: "renewed"},
		{Kind: journal.Held},
		{Kind: journal.Held, Owner: "neighbour"},
		{Kind: journal.Held, Owner: journal.Holder, Reason: journal.KeyCompromise},
		{Kind: journal.Held, Owner: journal.Holder, InvalidityDate: time.Now()},
		{Kind: journal.Revoked, Reason: journal.CertificateHold},
		{Kind: journal.Revoked, Reason: 7},
		{Kind: journal.Revoked, Owner: "neighbour"},
	} {
		e.Serial = intent.Serial
		if _, _, err := s.Change(ctx, e, nil); err == nil {
			t.Errorf("entry %+v was accepted", e)
		}
	}
	if got := head(t, s); got != 2 {
		t.Errorf("got head %d after refusals, want 2", got)
	}
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: intent.Serial})
	for _, kind := range []journal.Kind{journal.Held, journal.Released, journal.Revoked} {
		_, _, err := s.Change(ctx, journal.Entry{Kind: kind, Serial: intent.Serial, Owner: journal.Court}, nil)
		if _, ok := errors.AsType[*journal.TransitionError](err); !ok {
			t.Errorf("%s after revocation: got error %v, want a transition error", kind, err)
		}
	}
}

func testTicket(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	first, firstDER := issuer.Certificate(t, year(), nil)
	second, secondDER := issuer.Certificate(t, year(), nil)
	for _, intent := range []journal.Intent{first, second} {
		if err := s.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
	}
	ticket := &journal.Ticket{Actor: "ra.test", Key: "k1", Request: [32]byte{1, 2, 3}}
	issued, err := s.Complete(ctx, first.Serial, firstDER, ticket)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Complete(ctx, second.Serial, secondDER, ticket)
	wantError(t, "completion with a used ticket", err, fs.ErrExist)
	if got, err := s.Unfinished(ctx); err != nil || len(got) != 1 || got[0].Serial != second.Serial {
		t.Errorf("got unfinished %v, error %v, want the second serial", got, err)
	}
	hold := journal.Entry{Kind: journal.Held, Serial: first.Serial, Owner: journal.Holder}
	_, _, err = s.Change(ctx, hold, ticket)
	wantError(t, "change with a used ticket", err, fs.ErrExist)

	// The key is the actor's: another actor's same key is another ticket.
	other := &journal.Ticket{Actor: "other.test", Key: "k1", Request: [32]byte{9}}
	held, _, err := s.Change(ctx, hold, other)
	if err != nil {
		t.Fatal(err)
	}
	// The repeated request would be an illegal change, but is told to be a repetition.
	_, _, err = s.Change(ctx, hold, other)
	wantError(t, "repeated change", err, fs.ErrExist)
	for _, row := range []struct {
		ticket *journal.Ticket
		entry  journal.Entry
	}{{ticket, issued}, {other, held}} {
		gotTicket, gotEntry, err := s.Redeemed(ctx, row.ticket.Actor, row.ticket.Key)
		if err != nil || gotTicket != *row.ticket || gotEntry != row.entry {
			t.Errorf("got ticket %+v and entry %+v, error %v, want %+v and %+v", gotTicket, gotEntry, err, *row.ticket, row.entry)
		}
	}
	if _, _, err := s.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: first.Serial}, &journal.Ticket{Actor: "a"}); err == nil {
		t.Error("a ticket without key was accepted")
	}
}

func testExpire(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	end := year()
	early, _ := issue(t, s, issuer, end)
	held, _ := issue(t, s, issuer, end)
	late, _ := issue(t, s, issuer, end.Add(time.Hour))
	unfinished, _ := issuer.Certificate(t, end, nil)
	if err := s.Reserve(ctx, unfinished); err != nil {
		t.Fatal(err)
	}
	change(t, s, journal.Entry{Kind: journal.Held, Serial: held.Serial, Owner: journal.Court})

	// RFC 5280, Section 4.1.2.5: the validity includes notAfter itself.
	if n, err := s.Expire(ctx, end); err != nil || n != 0 {
		t.Errorf("at notAfter: got %d expired, error %v, want none", n, err)
	}
	if n, err := s.Expire(ctx, end.Add(time.Second)); err != nil || n != 2 {
		t.Errorf("got %d expired, error %v, want 2", n, err)
	}
	if n, err := s.Expire(ctx, end.Add(time.Second)); err != nil || n != 0 {
		t.Errorf("second time: got %d expired, error %v, want none", n, err)
	}
	for serial, want := range map[journal.Serial]journal.State{early.Serial: journal.Valid, held.Serial: journal.OnHold} {
		status, _, err := s.Status(ctx, "ehm", serial)
		if err != nil || status.State != want || !status.Expired {
			t.Errorf("got status %+v, error %v, want %s and expired", status, err, want)
		}
	}
	if status, _, err := s.Status(ctx, "ehm", late.Serial); err != nil || status.Expired {
		t.Errorf("got status %+v, error %v, want not expired", status, err)
	}
	_, _, err := s.Change(ctx, journal.Entry{Kind: journal.Released, Serial: held.Serial, Owner: journal.Court}, nil)
	if _, ok := errors.AsType[*journal.TransitionError](err); !ok {
		t.Errorf("release after expiry: got error %v, want a transition error", err)
	}
}

func testChangeAfterExpiry(t *testing.T, s Store) {
	intent, _ := issue(t, s, NewIssuer(t, "ehm"), time.Now().Add(-time.Minute).Truncate(time.Second))
	_, _, err := s.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: intent.Serial}, nil)
	if _, ok := errors.AsType[*journal.TransitionError](err); !ok {
		t.Errorf("got error %v, want a transition error", err)
	}
}

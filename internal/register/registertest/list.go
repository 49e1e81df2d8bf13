package registertest

import (
	"bytes"
	"errors"
	"io/fs"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
)

func testListNumber(t *testing.T, s Store) {
	ctx := t.Context()
	issue(t, s, NewIssuer(t, "ehm"), year())
	for i, issuer := range []string{"ehm", "hom", "ehm"} {
		list, err := s.List(ctx, issuer)
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(i + 2); list.Number != want {
			t.Errorf("got number %d, want %d", list.Number, want)
		}
		entries, err := s.Entries(ctx, list.Number-1, 1)
		want := journal.Entry{Position: list.Number, Kind: journal.Listed, Issuer: issuer, EffectiveAt: list.At}
		if err != nil || !slices.Equal(entries, []journal.Entry{want}) {
			t.Errorf("got entries %+v, error %v, want %+v", entries, err, want)
		}
	}
	if _, err := s.List(ctx, ""); err == nil {
		t.Error("a list without issuer was made")
	}
}

func testList(t *testing.T, s Store) {
	ctx := t.Context()
	issuer, other := NewIssuer(t, "ehm"), NewIssuer(t, "hom")
	issue(t, s, issuer, year())
	revoked, _ := issue(t, s, issuer, year())
	held, _ := issue(t, s, issuer, year())
	released, _ := issue(t, s, issuer, year())
	foreign, _ := issue(t, s, other, year())
	invalid := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	heldAt, _ := change(t, s, journal.Entry{Kind: journal.Held, Serial: held.Serial, Owner: journal.Court})
	change(t, s, journal.Entry{Kind: journal.Held, Serial: held.Serial, Owner: journal.Holder})
	revokedAt, _ := change(t, s, journal.Entry{Kind: journal.Revoked, Serial: revoked.Serial, Reason: journal.KeyCompromise, InvalidityDate: invalid})
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: foreign.Serial})
	change(t, s, journal.Entry{Kind: journal.Held, Serial: released.Serial, Owner: journal.Court})
	change(t, s, journal.Entry{Kind: journal.Released, Serial: released.Serial, Owner: journal.Court})

	list, err := s.List(ctx, "ehm")
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Entries) != 2 {
		t.Fatalf("got %d entries, want 2: %+v", len(list.Entries), list.Entries)
	}
	got := list.Entries[0]
	if got.SerialNumber.Cmp(revoked.Serial.Int()) != 0 || !got.RevocationTime.Equal(revokedAt.EffectiveAt) || got.ReasonCode != int(journal.KeyCompromise) {
		t.Errorf("got %+v, want the revoked certificate", got)
	}
	if len(got.ExtraExtensions) != 1 || got.ExtraExtensions[0].Id.String() != "2.5.29.24" ||
		!bytes.Equal(got.ExtraExtensions[0].Value, []byte("\x18\x0f20260102030405Z")) {
		t.Errorf("got extensions %+v, want the invalidity date", got.ExtraExtensions)
	}
	got = list.Entries[1]
	if got.SerialNumber.Cmp(held.Serial.Int()) != 0 || !got.RevocationTime.Equal(heldAt.EffectiveAt) ||
		got.ReasonCode != int(journal.CertificateHold) || len(got.ExtraExtensions) != 0 {
		t.Errorf("got %+v, want the held certificate", got)
	}
	for _, e := range list.Entries {
		if e.RevocationTime.After(list.At) {
			t.Errorf("entry of %v is after the list of %v", e.RevocationTime, list.At)
		}
	}
}

// testListExpired waits for a certificate to expire. It does so in real time:
// a database that is another process knows no other.
func testListExpired(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	short, _ := issue(t, s, issuer, end)
	long, _ := issue(t, s, issuer, year())
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: short.Serial})
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: long.Serial})
	both, one := []*big.Int{short.Serial.Int(), long.Serial.Int()}, []*big.Int{long.Serial.Int()}
	list := func(what string, want []*big.Int) uint64 {
		t.Helper()
		l, err := s.List(ctx, "ehm")
		if err != nil {
			t.Fatal(err)
		}
		var got []*big.Int
		for _, e := range l.Entries {
			got = append(got, e.SerialNumber)
		}
		if !slices.EqualFunc(got, want, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) {
			t.Errorf("%s: got serials %v, want %v", what, got, want)
		}
		return l.Number
	}
	published := func(number uint64) {
		t.Helper()
		if err := s.Published(ctx, "ehm", number); err != nil {
			t.Fatal(err)
		}
	}
	before := list("before expiry", both)
	published(before)
	time.Sleep(time.Until(end) + 1100*time.Millisecond)
	if n, err := s.Expire(ctx, time.Now()); err != nil || n != 1 {
		t.Fatalf("got %d expired, error %v, want 1", n, err)
	}
	list("first after expiry", both)
	after := list("after a list that was never published", both)
	published(after)
	list("after a published list", one)
	published(before)
	list("after an older list was published again", one)

	wantError(t, "publication of another issuer's number", s.Published(ctx, "hom", after), fs.ErrNotExist)
	wantError(t, "publication of an entry that is no list", s.Published(ctx, "ehm", 1), fs.ErrNotExist)
	wantError(t, "publication of a number to come", s.Published(ctx, "ehm", 1000), fs.ErrNotExist)
}

// testListWhileChanging lists while certificates are held, released and
// revoked, and holds each list to what the journal says up to its number.
func testListWhileChanging(t *testing.T, s Store) {
	ctx := t.Context()
	issuer, other := NewIssuer(t, "ehm"), NewIssuer(t, "hom")
	const certificates, lists = 12, 8
	var serials []journal.Serial
	for range certificates {
		intent, _ := issue(t, s, issuer, year())
		foreign, _ := issue(t, s, other, year())
		serials = append(serials, intent.Serial, foreign.Serial)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				e := journal.Entry{Kind: journal.Held, Owner: journal.Court, Serial: serials[(i*4+w)%len(serials)]}
				if i%3 == 1 {
					e.Kind = journal.Released
				}
				if i%50 == 49 {
					e.Kind, e.Owner = journal.Revoked, ""
				}
				// Many of these are refused, which is not the point here.
				_, _, err := s.Change(ctx, e, nil)
				if _, illegal := errors.AsType[*journal.TransitionError](err); err != nil && !illegal {
					t.Error(err)
				}
			}
		})
	}
	var snapshots []register.Snapshot
	for range lists {
		list, err := s.List(ctx, "ehm")
		if err != nil {
			t.Error(err)
		}
		snapshots = append(snapshots, list)
	}
	close(done)
	group.Wait()
	for _, list := range snapshots {
		var want []*big.Int
		for i := 0; i < len(serials); i += 2 {
			if state := stateAt(t, s, serials[i], list.Number); state == journal.OnHold || state == journal.Gone {
				want = append(want, serials[i].Int())
			}
		}
		var got []*big.Int
		for _, e := range list.Entries {
			got = append(got, e.SerialNumber)
		}
		if !slices.EqualFunc(got, want, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) {
			t.Errorf("list %d: got serials %v, want %v", list.Number, got, want)
		}
	}
}

// stateAt folds a certificate's history up to a position.
func stateAt(t *testing.T, s Store, serial journal.Serial, position uint64) journal.State {
	t.Helper()
	history, err := s.History(t.Context(), serial)
	if err != nil {
		t.Fatal(err)
	}
	var status journal.Status
	for _, e := range history {
		if e.Position > position {
			break
		}
		if status, err = status.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return status.State
}

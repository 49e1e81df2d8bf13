package registertest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"maps"
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
	slices.SortFunc(list.Entries, func(a, b x509.RevocationListEntry) int { return b.ReasonCode%6 - a.ReasonCode%6 })
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
	slices.SortFunc(both, byOctets)
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
	var points []register.Point
	var contents []map[string]register.Listed
	for range lists {
		n, err := s.Number(ctx, "ehm")
		if err != nil {
			t.Error(err)
		}
		point := register.Point{Number: n.Number, Dropped: n.Published, At: n.At}
		points, contents = append(points, point), append(contents, contentOf(t, s, point))
	}
	close(done)
	group.Wait()
	for n, point := range points {
		got := contents[n]
		listed := 0
		for i := 0; i < len(serials); i += 2 {
			state := stateAt(t, s, serials[i], point.Number)
			want := state == journal.OnHold || state == journal.Gone
			if _, ok := got[string(serials[i].Int().Bytes())]; ok != want {
				t.Errorf("list %d: serial %s is on it: %v, want %v", point.Number, serials[i], ok, want)
			}
			if want {
				listed++
			}
		}
		if len(got) != listed {
			t.Errorf("list %d has %d entries, want %d", point.Number, len(got), listed)
		}
		// Read later, it is the same, and any earlier list with the changes since
		// is this one.
		if again := contentOf(t, s, point); !maps.EqualFunc(again, got, sameListed) {
			t.Errorf("list %d: got %v later, %v before", point.Number, again, got)
		}
		for m := range n {
			changes, err := s.Changes(ctx, "ehm", points[m], point, 1000)
			if err != nil {
				t.Fatal(err)
			}
			folded := maps.Clone(contents[m])
			for _, c := range changes {
				serial := string(c.Serial)
				c.Serial = nil
				if folded[serial] = c; c.Reason == register.Removed {
					delete(folded, serial)
				}
			}
			if !maps.EqualFunc(folded, got, sameListed) {
				t.Errorf("list %d with the changes since is %v, list %d is %v", points[m].Number, folded, point.Number, got)
			}
			if len(changes) > 0 {
				_, err := s.Changes(ctx, "ehm", points[m], point, len(changes)-1)
				wantError(t, "more changes than wanted", err, register.ErrTooMany)
			}
		}
	}
}

// contentOf reads a list, by serial.
func contentOf(t *testing.T, s Store, at register.Point) map[string]register.Listed {
	t.Helper()
	content, last := make(map[string]register.Listed), ""
	err := s.EachListed(t.Context(), "ehm", at, func(l register.Listed) error {
		serial := string(l.Serial)
		if serial <= last {
			t.Errorf("serial %x comes after %x", serial, last)
		}
		last = serial
		l.Serial = nil
		content[serial] = l
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return content
}

func sameListed(a, b register.Listed) bool {
	return a.Since.Equal(b.Since) && a.Reason == b.Reason && a.InvalidityDate.Equal(b.InvalidityDate)
}

// byOctets is the order of lists.
func byOctets(a, b *big.Int) int { return bytes.Compare(a.Bytes(), b.Bytes()) }

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

package journal_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// at returns a moment that is told apart by its number.
func at(n int) time.Time { return time.Date(2026, 1, 1, 0, n, 0, 0, time.UTC) }

// life numbers and dates entries from 1.
func life(entries ...journal.Entry) []journal.Entry {
	for i := range entries {
		entries[i].Position = uint64(i + 1)
		entries[i].EffectiveAt = at(i + 1)
	}
	return entries
}

func held(o journal.Owner) journal.Entry     { return journal.Entry{Kind: journal.Held, Owner: o} }
func released(o journal.Owner) journal.Entry { return journal.Entry{Kind: journal.Released, Owner: o} }

var (
	issued    = journal.Entry{Kind: journal.Issued}
	abandoned = journal.Entry{Kind: journal.Abandoned}
	revoked   = journal.Entry{Kind: journal.Revoked, Reason: journal.KeyCompromise, InvalidityDate: at(0)}
	expired   = journal.Entry{Kind: journal.Expired}
)

func TestStatusFold(t *testing.T) {
	for _, row := range []struct {
		name    string
		entries []journal.Entry
		want    journal.Status
	}{
		{"nothing", nil, journal.Status{}},
		{"issued", life(issued), journal.Status{State: journal.Valid, Version: 1}},
		{"held", life(issued, held(journal.Court)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Court, Since: at(2)}},
			Reason: journal.CertificateHold, Since: at(2), Version: 2,
		}},
		{"held by two", life(issued, held(journal.Court), held(journal.Holder)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Court, Since: at(2)}, {Owner: journal.Holder, Since: at(3)}},
			Reason: journal.CertificateHold, Since: at(2), Version: 3,
		}},
		{"older of two holds released", life(issued, held(journal.Court), held(journal.Holder), released(journal.Court)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Holder, Since: at(3)}},
			Reason: journal.CertificateHold, Since: at(3), Version: 4,
		}},
		{"younger of two holds released", life(issued, held(journal.Court), held(journal.Holder), released(journal.Holder)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Court, Since: at(2)}},
			Reason: journal.CertificateHold, Since: at(2), Version: 4,
		}},
		{"last hold released", life(issued, held(journal.Court), released(journal.Court)), journal.Status{State: journal.Valid, Version: 3}},
		{"held again", life(issued, held(journal.Court), released(journal.Court), held(journal.Court)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Court, Since: at(4)}},
			Reason: journal.CertificateHold, Since: at(4), Version: 4,
		}},
		{"held by all", life(issued, held(journal.Holder), held(journal.Organisation), held(journal.Court), held(journal.Centre)), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{
				{Owner: journal.Holder, Since: at(2)}, {Owner: journal.Organisation, Since: at(3)},
				{Owner: journal.Court, Since: at(4)}, {Owner: journal.Centre, Since: at(5)},
			},
			Reason: journal.CertificateHold, Since: at(2), Version: 5,
		}},
		{"revoked", life(issued, revoked), journal.Status{
			State: journal.Gone, Reason: journal.KeyCompromise, Since: at(2), InvalidityDate: at(0), Version: 2,
		}},
		{"revoked while held", life(issued, held(journal.Court), revoked), journal.Status{
			State: journal.Gone, Reason: journal.KeyCompromise, Since: at(3), InvalidityDate: at(0), Version: 3,
		}},
		{"expired", life(issued, expired), journal.Status{State: journal.Valid, Expired: true, Version: 2}},
		{"expired while held", life(issued, held(journal.Court), expired), journal.Status{
			State: journal.OnHold, Holds: []journal.Hold{{Owner: journal.Court, Since: at(2)}},
			Reason: journal.CertificateHold, Since: at(2), Expired: true, Version: 3,
		}},
		{"expired after revocation", life(issued, revoked, expired), journal.Status{
			State: journal.Gone, Reason: journal.KeyCompromise, Since: at(2), InvalidityDate: at(0), Expired: true, Version: 3,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got journal.Status
			for _, e := range row.entries {
				var err error
				if got, err = got.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

// TestStatusLegal tries every kind by every owner on statuses of each sort:
// what Legal names is accepted, all else is refused and changes nothing.
func TestStatusLegal(t *testing.T) {
	kinds := []journal.Kind{journal.Issued, journal.Held, journal.Released, journal.Revoked, journal.Expired, journal.Listed, journal.Abandoned, "renewed"}
	for _, row := range []struct {
		name    string
		entries []journal.Entry
		// court and holder are what these owners may do.
		court, holder []journal.Kind
	}{
		{"not issued", nil, []journal.Kind{journal.Issued, journal.Abandoned}, []journal.Kind{journal.Issued, journal.Abandoned}},
		{"abandoned", life(abandoned), []journal.Kind{journal.Expired}, []journal.Kind{journal.Expired}},
		{"valid", life(issued),
			[]journal.Kind{journal.Held, journal.Revoked, journal.Expired}, []journal.Kind{journal.Held, journal.Revoked, journal.Expired}},
		{"held by court", life(issued, held(journal.Court)),
			[]journal.Kind{journal.Released, journal.Revoked, journal.Expired}, []journal.Kind{journal.Held, journal.Revoked, journal.Expired}},
		{"held by both", life(issued, held(journal.Court), held(journal.Holder)),
			[]journal.Kind{journal.Released, journal.Revoked, journal.Expired}, []journal.Kind{journal.Released, journal.Revoked, journal.Expired}},
		{"revoked", life(issued, revoked), []journal.Kind{journal.Expired}, []journal.Kind{journal.Expired}},
		{"expired", life(issued, expired), nil, nil},
		{"held by court and expired", life(issued, held(journal.Court), expired), nil, nil},
		{"revoked and expired", life(issued, revoked, expired), nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			var status journal.Status
			for _, e := range row.entries {
				status, _ = status.Apply(e)
			}
			for owner, want := range map[journal.Owner][]journal.Kind{journal.Court: row.court, journal.Holder: row.holder} {
				if got := status.Legal(owner); !slices.Equal(got, want) {
					t.Errorf("%s: got legal %v, want %v", owner, got, want)
				}
				for _, kind := range kinds {
					next, err := status.Apply(journal.Entry{Kind: kind, Owner: owner, Position: 99, EffectiveAt: at(99)})
					if slices.Contains(want, kind) {
						if err != nil || next.Version != 99 {
							t.Errorf("%s by %s: got %+v, error %v", kind, owner, next, err)
						}
						continue
					}
					illegal, ok := errors.AsType[*journal.TransitionError](err)
					if !ok || illegal.Kind != kind || illegal.Owner != owner || !reflect.DeepEqual(illegal.From, status) {
						t.Errorf("%s by %s: got error %v, want a transition error", kind, owner, err)
					}
					if !reflect.DeepEqual(next, status) {
						t.Errorf("refused %s by %s changed the status to %+v", kind, owner, next)
					}
				}
			}
		})
	}
}

// TestStatusIsAValue keeps an earlier status as it was while later ones are
// made from it.
func TestStatusIsAValue(t *testing.T) {
	var status journal.Status
	for _, e := range life(issued, held(journal.Court), held(journal.Holder)) {
		status, _ = status.Apply(e)
	}
	want := slices.Clone(status.Holds)
	for _, e := range []journal.Entry{released(journal.Court), held(journal.Centre), revoked, expired} {
		if _, err := status.Apply(e); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(status.Holds, want) {
			t.Fatalf("%s changed the holds of the status before it to %v", e.Kind, status.Holds)
		}
	}
}

func TestTransitionError(t *testing.T) {
	for _, row := range []struct {
		entries []journal.Entry
		entry   journal.Entry
		want    string
		legal   []journal.Kind
	}{
		{nil, held(journal.Court), "a certificate that is not issued cannot be held by court", nil},
		{life(issued), released(journal.Court), "a certificate that is valid cannot be released by court", []journal.Kind{journal.Held, journal.Revoked}},
		{life(issued, held(journal.Court), held(journal.Centre)), released(journal.Holder),
			"a certificate that is held by court, centre cannot be released by holder", []journal.Kind{journal.Held, journal.Revoked}},
		{life(issued, revoked), revoked, "a certificate that is revoked cannot be revoked", nil},
		{life(issued, expired), revoked, "a certificate that is valid and expired cannot be revoked", nil},
	} {
		var status journal.Status
		for _, e := range row.entries {
			status, _ = status.Apply(e)
		}
		_, err := status.Apply(row.entry)
		illegal, ok := errors.AsType[*journal.TransitionError](err)
		if !ok {
			t.Errorf("got error %v, want %q", err, row.want)
			continue
		}
		if got := illegal.Error(); got != row.want {
			t.Errorf("got %q, want %q", got, row.want)
		}
		if got := illegal.Legal(); !slices.Equal(got, row.legal) {
			t.Errorf("%q: got legal %v, want %v", row.want, got, row.legal)
		}
	}
}

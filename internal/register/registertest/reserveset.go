package registertest

import (
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

// testReserveSet: whoever reserves sees what his key was certified for before,
// and what he refuses leaves nothing.
func testReserveSet(t *testing.T, s Store) {
	ctx, issuer := t.Context(), NewIssuer(t, "ehm")
	first, _ := issue(t, s, issuer, year())
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: first.Serial, Reason: journal.KeyCompromise})
	second, _ := issuer.Certificate(t, year(), nil)
	third, _ := issuer.Certificate(t, year(), nil)
	fresh, _ := issuer.Certificate(t, year(), nil)
	fresh.KeyHash = [32]byte{1}

	refused := errors.New("refused")
	err := s.ReserveSet(ctx, []journal.Intent{fresh, second}, func(i int, sameKey []journal.Record) error {
		if i == 0 {
			if len(sameKey) != 0 {
				t.Errorf("a new key has %d records", len(sameKey))
			}
			return nil
		}
		if len(sameKey) != 1 || sameKey[0].Serial != first.Serial || sameKey[0].Status.State != journal.Gone {
			t.Errorf("got %+v, want the revoked certificate", sameKey)
		}
		return refused
	})
	wantError(t, "set of which one is refused", err, refused)
	for _, intent := range []journal.Intent{fresh, second} {
		_, err := s.Record(ctx, intent.Serial)
		wantError(t, "record of a refused set", err, fs.ErrNotExist)
	}
	admit := func(int, []journal.Record) error { return nil }
	wantError(t, "set with a serial that is taken", s.ReserveSet(ctx, []journal.Intent{second, first}, admit), fs.ErrExist)
	_, err = s.Record(ctx, second.Serial)
	wantError(t, "record of a set with a serial that is taken", err, fs.ErrNotExist)
	if err := s.ReserveSet(ctx, []journal.Intent{second, third}, admit); err != nil {
		t.Fatal(err)
	}
	if records, err := s.RecordsByKey(ctx, first.KeyHash); err != nil || len(records) != 3 {
		t.Errorf("got %d records, error %v, want 3", len(records), err)
	}
}

// testReserveSetRace: of many who reserve for one key at the same time, each sees
// those before him as they are, in one commit or in several.
func testReserveSetRace(t *testing.T, s Store) {
	ctx, issuer := t.Context(), NewIssuer(t, "ehm")
	taken := errors.New("taken")
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []journal.Serial
	for range 20 {
		intent, certificate := issuer.Certificate(t, year(), nil)
		wg.Go(func() {
			err := s.ReserveSet(ctx, []journal.Intent{intent}, func(_ int, sameKey []journal.Record) error {
				for _, record := range sameKey {
					if record.Status.State != journal.Gone {
						return taken
					}
				}
				return nil
			})
			if errors.Is(err, taken) {
				return
			}
			// The key is free again for the next when this one is revoked.
			if err == nil {
				_, err = s.Complete(ctx, intent.Serial, certificate, nil)
			}
			if err == nil {
				_, _, err = s.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: intent.Serial, Reason: journal.KeyCompromise}, nil)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			winners = append(winners, intent.Serial)
		})
	}
	wg.Wait()
	if len(winners) == 0 {
		t.Fatal("nobody had the key")
	}
	// The journal shows whether two had it at once: between a reservation and its
	// revocation no other certificate of the key was issued.
	entries, err := s.Entries(ctx, 0, 0)
	if err != nil || len(entries) != 2*len(winners) {
		t.Fatalf("got %d entries, error %v, want 2 for each of %d", len(entries), err, len(winners))
	}
	for i := 0; i < len(entries); i += 2 {
		if entries[i].Kind != journal.Issued || entries[i+1].Kind != journal.Revoked || entries[i].Serial != entries[i+1].Serial {
			t.Errorf("entries %d and %d are of two who had the key at once", i+1, i+2)
		}
	}
}

package registertest

import (
	"io/fs"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

// testCompleteSet completes certificates that belong together.
func testCompleteSet(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	reserve := func() journal.Signed {
		intent, certificate := issuer.Certificate(t, year(), nil)
		if err := s.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		return journal.Signed{Serial: intent.Serial, Certificate: certificate}
	}
	set := []journal.Signed{reserve(), reserve(), reserve()}
	before := head(t, s)
	ticket := &journal.Ticket{Actor: "ra", Key: "set", Request: [32]byte{7}}

	// The last one is not reserved, so none of them is completed and the ticket
	// is not used.
	unknown, certificate := issuer.Certificate(t, year(), nil)
	_, err := s.CompleteSet(ctx, append(set[:2:2], journal.Signed{Serial: unknown.Serial, Certificate: certificate}), ticket)
	wantError(t, "set with an unknown serial", err, fs.ErrNotExist)
	_, err = s.CompleteSet(ctx, append(set[:2:2], set[0]), ticket)
	wantError(t, "set with a serial twice", err, fs.ErrExist)
	swapped := []journal.Signed{set[0], {Serial: set[1].Serial, Certificate: set[2].Certificate}}
	if _, err := s.CompleteSet(ctx, swapped, ticket); err == nil {
		t.Error("a certificate of another serial was taken")
	}
	if _, err := s.CompleteSet(ctx, nil, ticket); err == nil {
		t.Error("an empty set was taken")
	}
	for _, signed := range set {
		if record, err := s.Record(ctx, signed.Serial); err != nil || record.Certificate != nil {
			t.Errorf("serial %s was completed by a set that was refused: %v", signed.Serial, err)
		}
	}
	if got := head(t, s); got != before {
		t.Errorf("a set that was refused left entries up to %d", got)
	}
	_, _, err = s.Redeemed(ctx, "ra", "set")
	wantError(t, "ticket of a set that was refused", err, fs.ErrNotExist)

	entries, err := s.CompleteSet(ctx, set, ticket)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.Kind != journal.Issued || e.Serial != set[i].Serial || e.Position != before+uint64(i)+1 {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	if len(entries) != len(set) {
		t.Fatalf("got %d entries for %d certificates", len(entries), len(set))
	}
	redeemed, first, err := s.Redeemed(ctx, "ra", "set")
	if err != nil || redeemed != *ticket || first.Position != entries[0].Position {
		t.Errorf("ticket leads to %+v of %+v, error %v, want the first entry", first, redeemed, err)
	}
	again := []journal.Signed{reserve(), reserve()}
	_, err = s.CompleteSet(ctx, again, ticket)
	wantError(t, "second use of the ticket", err, fs.ErrExist)
	if record, err := s.Record(ctx, again[0].Serial); err != nil || record.Certificate != nil {
		t.Errorf("a used ticket completed a certificate: %v", err)
	}
}

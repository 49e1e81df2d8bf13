package register_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register/registertest"
)

// TestListAfterClockSetBack revokes at one o'clock and lists at midnight of the
// same day: each bubble's clock starts anew.
func TestListAfterClockSetBack(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		store := openAt(t, path)
		time.Sleep(time.Hour)
		intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := store.Reserve(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Complete(t.Context(), intent.Serial, certificate, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: intent.Serial}, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("CRL-16 no entry is later than its list", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			list, err := openAt(t, path).List(t.Context(), "ehm")
			if err != nil || len(list.Entries) != 1 {
				t.Fatalf("got %d entries, error %v, want 1", len(list.Entries), err)
			}
			if got := list.Entries[0].RevocationTime; !list.At.Equal(time.Now()) || got.After(list.At) {
				t.Errorf("got an entry of %v on a list of %v", got, list.At)
			}
		})
	})
}

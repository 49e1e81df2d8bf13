package register_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// TestListAfterClockSetBack revokes at one o'clock and lists at midnight of the
// same day: each bubble's clock starts anew.
func TestListAfterClockSetBack(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		store := openAt(t, path)
		time.Sleep(time.Hour)
		revokeOne(t, store)
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

// revokeOne issues a certificate of ehm and revokes it.
func revokeOne(t *testing.T, store *register.Register) {
	t.Helper()
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
}

// TestListOfOlderSchema opens a register whose lists were read from an index.
func TestListOfOlderSchema(t *testing.T) {
	path := newPath(t)
	if err := register.MakeSQLite(t.Context(), path, 4); err != nil {
		t.Fatal(err)
	}
	conn := rawOpen(t, path)
	for id, state := range []string{"valid", "held", "revoked"} {
		mustExec(t, conn, `INSERT INTO certificate (id, serial, issuer, profile, set_name, key_hash, actor, not_after, reserved_at, state, reason, since, version, certificate)
			VALUES (?, ?, 'ehm', 'p', '', zeroblob(32), '', 0, 0, ?, 6, 1700000000000000, 1, x'3000')`, id+1, []byte{byte(id + 1)}, state)
	}
	var serials []byte
	err := openAt(t, path).EachListed(t.Context(), "ehm", register.Point{Number: 1, At: time.Now()}, func(l register.Listed) error {
		serials = append(serials, l.Serial...)
		return nil
	})
	if want := []byte{2, 3}; err != nil || !bytes.Equal(serials, want) {
		t.Errorf("got serials %x, error %v, want %x", serials, err, want)
	}
}

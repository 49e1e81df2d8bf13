package register_test

import (
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register/registertest"
)

func TestCheck(t *testing.T) {
	checkFinds(t, newPath, func(t *testing.T, path, spoil string) {
		conn := rawOpen(t, path)
		for _, trigger := range []string{"entry_is_never_changed", "entry_is_never_removed"} {
			mustExec(t, conn, "DROP TRIGGER "+trigger)
		}
		mustExec(t, conn, spoil)
	})
	for want, spoil := range map[string]string{
		"of 1 held or revoked certificates 0 are listed": "DELETE FROM listed",
		"1 are listed, 0 of them as their rows say":      "UPDATE listed SET listing = zeroblob(47)",
		"2 are listed, 1 of them as their rows say":      "INSERT INTO listed VALUES ('ehm', zeroblob(47))",
	} {
		t.Run(want, func(t *testing.T) {
			path := newPath(t)
			store := openAt(t, path)
			revokeOne(t, store)
			mustExec(t, rawOpen(t, path), spoil)
			if err := store.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error that says %q", err, want)
			}
		})
	}
	t.Run("damaged index", func(t *testing.T) {
		path := newPath(t)
		store := openAt(t, path)
		intent, _ := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := store.Reserve(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
		conn := rawOpen(t, path)
		mustExec(t, conn, "PRAGMA writable_schema = ON")
		mustExec(t, conn, "DELETE FROM sqlite_schema WHERE name = 'certificate_key'")
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		again := openAt(t, path)
		if err := again.Check(t.Context()); err == nil {
			t.Error("no error")
		}
	})
}

// checkFinds spoils sound registers behind their backs in one way after
// another.
func checkFinds(t *testing.T, newAddress func(testing.TB) string, spoil func(t *testing.T, address, script string)) {
	for _, row := range []struct{ name, want, spoil string }{
		{"gap", "the journal has 3 entries from position 1 to 4", "DELETE FROM entry WHERE position = 2"},
		{"first entry gone", "from position 2 to 4", "DELETE FROM entry WHERE position = 1"},
		{"status without entry", "its entries say", "UPDATE certificate SET state = 'valid', reason = 0, since = NULL WHERE id = 2"},
		{"entry without status", "its entries say", "INSERT INTO entry SELECT 5, 'held', issuer, certificate, 0, 'court', NULL, effective_at, NULL, '' FROM entry WHERE position = 1"},
		{"illegal entry", "cannot be revoked", "INSERT INTO entry SELECT 5, 'revoked', issuer, certificate, 0, '', NULL, effective_at, NULL, '' FROM entry WHERE position = 2"},
		{"entry of another issuer", "its issuer is hom", "UPDATE entry SET issuer = 'hom' WHERE position = 1"},
		{"exchanged certificates", "its certificate has serial", "UPDATE certificate SET certificate = (SELECT certificate FROM certificate WHERE id = 2) WHERE id = 1"},
		{"cut certificate", "not the DER encoding", "UPDATE certificate SET certificate = x'3000' WHERE id = 1"},
		{"other end of validity", "its certificate ends at", "UPDATE certificate SET not_after = not_after + 1000000 WHERE id = 1"},
		{"other key", "another key", "UPDATE certificate SET key_hash = zeroblob(32) WHERE id = 1"},
		{"entry of nothing", "that is not there", "UPDATE entry SET certificate = 77 WHERE position = 1"},
		{"follower ahead", "after the last entry", "INSERT INTO follower VALUES ('ocsp', 5)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			address := newAddress(t)
			store := openAt(t, address)
			ctx := t.Context()
			issuer := registertest.NewIssuer(t, "ehm")
			for range 2 {
				intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
				if err := store.Reserve(ctx, intent); err != nil {
					t.Fatal(err)
				}
				entry, err := store.Complete(ctx, intent.Serial, certificate, nil)
				if err != nil {
					t.Fatal(err)
				}
				if entry.Position == 2 {
					if _, _, err := store.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: intent.Serial, Reason: journal.Superseded}, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := store.List(ctx, "ehm"); err != nil {
				t.Fatal(err)
			}
			if err := store.Check(ctx); err != nil {
				t.Fatal(err)
			}
			spoil(t, address, row.spoil)
			if err := store.Check(ctx); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error that says %q", err, row.want)
			}
		})
	}
}

package register_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/register/registertest"
)

// A register that cannot commit is not ready at once, and is again when it can,
// without anybody else writing to it.
func TestReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register.db")
	store := openAt(t, path)
	if err := store.Ready(t.Context()); err != nil {
		t.Fatalf("a new register: %v", err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"certificate", "follower"} {
		execute("CREATE TRIGGER full_" + table + " BEFORE INSERT ON " + table + " BEGIN SELECT RAISE(ABORT, 'no room'); END")
	}
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("before anybody has written: %v", err)
	}
	intent, _ := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err == nil {
		t.Fatal("the register has taken an intent")
	}
	for range 2 {
		if err := store.Ready(t.Context()); err == nil {
			t.Error("after a commit that failed: ready")
		}
	}
	execute("DROP TRIGGER full_certificate")
	execute("DROP TRIGGER full_follower")
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Error(err)
	}
	if err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

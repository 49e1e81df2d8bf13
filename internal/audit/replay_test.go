package audit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/altamga/altamga/internal/audit"
)

// An open log tells what it took down, and nothing once a line was altered.
func TestReplay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log := open(t, path)
	told := func() (actions []string, err error) {
		return actions, log.Replay(func(e audit.Entry) error {
			actions = append(actions, e.Action)
			return nil
		})
	}
	for _, action := range []string{"one", "two", "three"} {
		if err := log.Append(t.Context(), action, slog.String("of", action)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := told(); err != nil || !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("the log tells %q, %v", got, err)
	}
	stop := errors.New("enough")
	if err := log.Replay(func(audit.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's error is lost: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(whole, []byte(`"of":"one"`), []byte(`"of":"two"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := told(); err == nil {
		t.Errorf("an altered log tells %q", got)
	}
}

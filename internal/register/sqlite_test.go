package register_test

import (
	"path/filepath"
	"testing"

	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// openAt opens the register at path and closes it with the test.
func openAt(t testing.TB, path string) *register.Register {
	t.Helper()
	s, err := register.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "register.db") }

func TestContract(t *testing.T) {
	t.Parallel()
	registertest.Contract(t, func(t testing.TB) registertest.Store { return openAt(t, newPath(t)) })
}

func TestShared(t *testing.T) {
	registertest.Shared(t, func(t testing.TB) (registertest.Store, registertest.Store) {
		path := newPath(t)
		return openAt(t, path), openAt(t, path)
	})
}

package register_test

import (
	"testing"

	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

func TestPostgresContract(t *testing.T) {
	server := postgrestest.Start(t)
	registertest.Contract(t, func(t testing.TB) registertest.Store { return openAt(t, server.Address(t)) })
	registertest.Shared(t, func(t testing.TB) (registertest.Store, registertest.Store) {
		address := server.Address(t)
		return openAt(t, address), openAt(t, address)
	})
}

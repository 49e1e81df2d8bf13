package register_test

import (
	"context"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// BenchmarkList lists two hundred thousand revoked certificates while another writer
// goes on, and reports how long that one's slowest write took.
func BenchmarkList(b *testing.B) {
	const certificates = 200_000
	b.Run("sqlite", func(b *testing.B) {
		path := newPath(b)
		store := openAt(b, path)
		conn := rawOpen(b, path)
		mustExec(b, conn, "PRAGMA synchronous = OFF")
		mustExec(b, conn, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO certificate SELECT i, randomblob(16), 'ehm', 'p', '', randomblob(32), '', 4000000000000000, 0, 'revoked', NULL, 1,
			1700000000000000 + i, NULL, 0, i, NULL, x'3000' FROM n`, certificates)
		mustExec(b, conn, `INSERT INTO entry SELECT id, 'issued', 'ehm', id, 0, '', NULL, 0, NULL, '' FROM certificate`)
		listBeside(b, store, certificates)
	})
	b.Run("postgres", func(b *testing.B) {
		server := postgrestest.Start(b)
		address := server.Address(b)
		store := openAt(b, address)
		server.Exec(b, address, `SET session_replication_role = replica;
			INSERT INTO certificate SELECT i, uuid_send(gen_random_uuid()), 'ehm', 'p', '', sha256(i::text::bytea), '', 4000000000000000, 0, 'revoked', NULL, 1,
			1700000000000000 + i, NULL, 0, i, NULL, '\x3000' FROM generate_series(1, 200000) i;
			INSERT INTO entry SELECT id, 'issued', 'ehm', id, 0, '', NULL, 0, NULL, '' FROM certificate;
			ANALYZE certificate; ANALYZE entry`)
		listBeside(b, store, certificates)
	})
}

func listBeside(b *testing.B, store *register.Register, certificates int) {
	issuer := registertest.NewIssuer(b, "hom")
	ctx, cancel := context.WithCancel(b.Context())
	slowest := make(chan time.Duration)
	go func() {
		var longest time.Duration
		for ctx.Err() == nil {
			intent, _ := issuer.Certificate(b, time.Now().AddDate(1, 0, 0), nil)
			start := time.Now()
			if err := store.Reserve(b.Context(), intent); err != nil {
				b.Error(err)
			}
			longest = max(longest, time.Since(start))
		}
		slowest <- longest
	}()
	for b.Loop() {
		n, err := store.Number(b.Context(), "ehm")
		if err != nil {
			b.Fatal(err)
		}
		got := 0
		err = store.EachListed(b.Context(), "ehm", register.Point{Number: n.Number, At: n.At}, func(register.Listed) error {
			got++
			return nil
		})
		if err != nil || got != certificates {
			b.Fatalf("got %d entries, error %v, want %d", got, err, certificates)
		}
	}
	cancel()
	b.ReportMetric(float64((<-slowest).Milliseconds()), "slowest-write-ms")
}

package replica_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/replica"
)

// BenchmarkReplica loads a snapshot of 100,000 statuses and reads them.
func BenchmarkReplica(b *testing.B) {
	const n = 100_000
	signer := newKey("pki.example/audit", 1)
	var out bytes.Buffer
	last := journal.Entry{Position: n, Kind: journal.Issued, Issuer: "ehm", Serial: "1", EffectiveAt: time.Now()}
	w, err := replica.NewSnapshot(&out, signer, last, time.Now(), n)
	if err != nil {
		b.Fatal(err)
	}
	serials := make([]journal.Serial, n)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range serials {
		serials[i] = journal.Serial(fmt.Sprintf("%x%016x", 1+random.Uint64()>>1, random.Uint64()))
		if err := w.Add(journal.Standing{Issuer: "ehm", Serial: serials[i], Profile: "citizen-signature", Status: journal.Status{State: journal.Valid, Version: uint64(i + 1)}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			path := filepath.Join(b.TempDir(), "replica.db")
			r, err := replica.Create(b.Context(), path, nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Load(b.Context(), bytes.NewReader(out.Bytes()), signer, week, nil); err != nil {
				b.Fatal(err)
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/n, "octets/status")
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "statuses/s")
	})
	b.Run("status", func(b *testing.B) {
		r, err := replica.Create(b.Context(), filepath.Join(b.TempDir(), "replica.db"), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Load(b.Context(), bytes.NewReader(out.Bytes()), signer, week, nil); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if _, err := r.Status(b.Context(), "ehm", serials[i*7919%n]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

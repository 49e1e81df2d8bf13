package register_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// BenchmarkIssue measures what the register adds to an issuance: Reserve and
// Complete, each durable when it returns. One operation is both.
func BenchmarkIssue(b *testing.B) {
	// Signing is not measured: all certificates are one whose serial is replaced
	// and whose signature is therefore wrong, which no register looks at.
	intent, certificate := registertest.NewIssuer(b, "ehm").Certificate(b, time.Now().AddDate(3, 0, 0), nil)
	for len(intent.Serial) != 32 { // 16 octets, the common case
		intent, certificate = registertest.NewIssuer(b, "ehm").Certificate(b, time.Now().AddDate(3, 0, 0), nil)
	}
	serial := intent.Serial.Int().Bytes()
	at, atTBS := bytes.Index(certificate, serial), bytes.Index(intent.ToBeSigned, serial)
	next := func() (journal.Intent, []byte) {
		random := make([]byte, len(serial)+32)
		rand.Read(random)
		random[0] = random[0]&0x3f | 0x40 // neither negative nor shorter
		i, c := intent, slices.Clone(certificate)
		i.ToBeSigned = slices.Clone(intent.ToBeSigned)
		copy(c[at:], random[:len(serial)])
		copy(i.ToBeSigned[atTBS:], random[:len(serial)])
		i.Serial = journal.Serial(fmt.Sprintf("%x", random[:len(serial)]))
		copy(i.KeyHash[:], random[len(serial):])
		return i, c
	}
	for _, engine := range []struct {
		name string
		at   func(testing.TB) string
	}{{"sqlite", newPath}, {"postgres", func(b testing.TB) string { return postgrestest.Start(b).Address(b) }}} {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/writers=%d", engine.name, writers), func(b *testing.B) {
				store := openAt(b, engine.at(b))
				ctx := b.Context()
				var left atomic.Int64
				left.Store(int64(b.N))
				start := store.Commits()
				b.ResetTimer()
				var group sync.WaitGroup
				for range writers {
					group.Go(func() {
						for left.Add(-1) >= 0 {
							i, c := next()
							if err := store.Reserve(ctx, i); err != nil {
								b.Error(err)
							}
							if _, err := store.Complete(ctx, i.Serial, c, &journal.Ticket{Actor: "ra", Key: string(i.Serial)}); err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "issued/s")
				b.ReportMetric(float64(store.Commits()-start)/float64(b.N), "commits/op")
			})
		}
	}
}

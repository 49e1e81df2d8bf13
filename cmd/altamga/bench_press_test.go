package main

import (
	"context"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// BenchmarkPress is issuance in process beside the signature alone, by processor
// time: the goal is at least 0.55 of it.
//
//	go test -run '^$' -bench Press -benchmem ./cmd/altamga
func BenchmarkPress(b *testing.B) {
	centre := filepath.Join(b.TempDir(), "centre")
	if err := benchCentre(b.Context(), centre, "", ""); err != nil {
		b.Fatal(err)
	}
	press, err := newBenchPress(centre)
	if err != nil {
		b.Fatal(err)
	}
	issue, err := press.issuing(b.Context(), "shape", "tokens", true)
	if err != nil {
		b.Fatal(err)
	}
	hedged, err := newHedged()
	if err != nil {
		b.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(collectAt))
	for _, row := range []struct {
		name string
		op   func(context.Context, int) error
	}{{"signature", hedged}, {"issuance", issue}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			before := ownCPU()
			for i := 0; b.Loop(); i++ {
				if err := row.op(b.Context(), i); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(ownCPU()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

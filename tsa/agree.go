package tsa

import (
	"cmp"
	"slices"
	"time"
)

// span is one source's word: UTC, as a distance from the clock's own count,
// lies between low and high.
type span struct{ low, high time.Duration }

// agree finds where UTC lies when at least need sources are right: between the
// first and the last point that so many of them hold possible. With need above
// half of the sources nothing that the others say can move UTC out of there.
//
// It is the idea of RFC 5905, Section 11.2.1, with one difference. That
// algorithm first assumes that nobody is wrong and then one source more at a
// time, and stops at the first number that fits: which tells a daemon best where
// to steer, but lets a source that is a little wrong cut UTC off. What is proven
// here must hold for every number of wrong sources below half, so the largest
// is assumed from the start.
func agree(spans []span, need int) (low, high time.Duration, ok bool) {
	type edge struct {
		at time.Duration
		// step is 1 where a span begins and -1 behind its end.
		step int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.low, 1}, edge{s.high, -1})
	}
	// Spans that only touch have the point in common.
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), b.step-a.step) })
	possible := 0
	for _, e := range edges {
		if possible += e.step; possible == need && e.step > 0 && !ok {
			low, ok = e.at, true
		} else if possible == need-1 && e.step < 0 {
			high = e.at
		}
	}
	return low, high, ok
}

// member reports whether the span holds any of what was agreed upon.
func (s span) member(low, high time.Duration) bool { return s.low <= high && low <= s.high }

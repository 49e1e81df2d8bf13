package tsa

import (
	"slices"
	"time"
)

// span is one source's word: UTC, as a distance from the clock's own count,
// lies between low and high and most likely at mid.
type span struct{ low, mid, high time.Duration }

// agree finds where UTC lies when a majority of the sources is right, and who
// is in that majority. Need is how many must be.
//
// RFC 5905, Section 11.2.1: the smallest interval that holds points of at least
// m-f of m sources and in which the midpoints of all but f are; f, the number of
// sources that are wrong, is tried from 0 upward and stays below half.
func agree(spans []span, need int) (low, high time.Duration, members []bool, ok bool) {
	type edge struct {
		at time.Duration
		// kind is -1 for a low point, 0 for a midpoint, +1 for a high point.
		kind int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.low, -1}, edge{s.mid, 0}, edge{s.high, 1})
	}
	slices.SortStableFunc(edges, func(a, b edge) int {
		if a.at != b.at {
			return int(max(-1, min(1, a.at-b.at)))
		}
		return a.kind - b.kind
	})
	m := len(spans)
	for f := 0; 2*f < m; f++ {
		low, high = 1, 0
		outside, count := 0, 0
		for _, e := range edges {
			count -= e.kind
			if count >= m-f {
				low = e.at
				break
			}
			if e.kind == 0 {
				outside++
			}
		}
		count = 0
		foundHigh := false
		for _, e := range slices.Backward(edges) {
			count += e.kind
			if count >= m-f {
				high, foundHigh = e.at, true
				break
			}
			if e.kind == 0 {
				outside++
			}
		}
		if !foundHigh || outside > f || low > high {
			continue
		}
		members = make([]bool, m)
		n := 0
		for i, s := range spans {
			if members[i] = s.mid >= low && s.mid <= high; members[i] {
				n++
			}
		}
		return low, high, members, n >= need
	}
	return 0, 0, nil, false
}

package tsa_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

func TestAgree(t *testing.T) {
	ms := time.Millisecond
	for name, row := range map[string]struct {
		spans     [][2]time.Duration // middle and half width
		need      int
		low, high time.Duration
		ok        bool
	}{
		"one":                        {[][2]time.Duration{{5 * ms, 2 * ms}}, 1, 3 * ms, 7 * ms, true},
		"two that agree":             {[][2]time.Duration{{0, 3 * ms}, {1 * ms, 3 * ms}}, 2, -2 * ms, 3 * ms, true},
		"two that do not":            {[][2]time.Duration{{0, 1 * ms}, {10 * ms, 1 * ms}}, 2, 0, 0, false},
		"three, one lies":            {[][2]time.Duration{{0, 2 * ms}, {1 * ms, 2 * ms}, {900 * ms, 1 * ms}}, 2, -1 * ms, 2 * ms, true},
		"three, all apart":           {[][2]time.Duration{{0, 1 * ms}, {10 * ms, 1 * ms}, {20 * ms, 1 * ms}}, 2, 0, 0, false},
		"four, two lie together":     {[][2]time.Duration{{0, 1 * ms}, {0, 1 * ms}, {90 * ms, 1 * ms}, {90 * ms, 1 * ms}}, 3, 0, 0, false},
		"five, two lie together":     {[][2]time.Duration{{0, 2 * ms}, {1 * ms, 2 * ms}, {0, 3 * ms}, {90 * ms, 1 * ms}, {90 * ms, 1 * ms}}, 3, -1 * ms, 2 * ms, true},
		"fewer answer than needed":   {[][2]time.Duration{{0, 1 * ms}, {0, 1 * ms}}, 3, -1 * ms, 1 * ms, false},
		"a vague one helps a little": {[][2]time.Duration{{0, 500 * ms}, {10 * ms, 1 * ms}, {11 * ms, 1 * ms}}, 2, 9 * ms, 12 * ms, true},
	} {
		low, high, ok := tsa.Agree(row.spans, row.need)
		if ok != row.ok || ok && (low != row.low || high != row.high) {
			t.Errorf("%s: [%v, %v], %v; want [%v, %v], %v", name, low, high, ok, row.low, row.high, row.ok)
		}
	}
}

// Whatever fewer than half of the sources say, the interval that is found holds
// the truth.
func TestAgreeWithLiars(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		n := 1 + random.IntN(9)
		liars := random.IntN((n + 1) / 2)
		var spans [][2]time.Duration
		for i := range n {
			width := time.Duration(1 + random.IntN(50_000_000))
			// An honest source is off by no more than it says.
			middle := time.Duration(random.Int64N(int64(2*width)+1)) - width
			if i < liars {
				middle = time.Duration(random.IntN(400_000_000) - 200_000_000)
			}
			spans = append(spans, [2]time.Duration{middle, width})
		}
		if low, high, ok := tsa.Agree(spans, n/2+1); ok && (low > 0 || high < 0) {
			t.Fatalf("%d liars of %d: the truth is not in [%v, %v] of %v", liars, n, low, high, spans)
		}
	}
}

package main

import "testing"

// TestCollectPercent: the step is the same whatever lives, but for the smallest
// and the largest heaps.
func TestCollectPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 16 << 20: 100, 64 << 20: 25, 512 << 20: 3, 64 << 30: 3} {
		if got := collectPercent(live); got != want {
			t.Errorf("%d octets live: %d%%, not %d%%", live, got, want)
		}
	}
}

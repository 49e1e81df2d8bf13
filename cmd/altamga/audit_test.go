package main

import (
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/audit"
)

// What the log does not have yet is told with its age, and as a danger when a
// server would have put it there.
func TestNotYet(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		entries uint64
		age     time.Duration
		want    string
		warns   bool
	}{
		{0, 0, "", false},
		{3, 2 * time.Second, "; 3 newer ones are not in it yet, the oldest of which is 2s old", false},
		{3, -time.Second, "; 3 newer ones are not in it yet, the oldest of which is 0s old", false},
		{3, 26 * time.Hour, "; 3 newer ones are not in it yet, the oldest of which is 26h0m0s old", true},
	} {
		told, warning, warned := strings.Cut(notYet(audit.Further{Entries: row.entries, Since: now.Add(-row.age)}, now), "\nWARNING: ")
		if told != row.want || warned != row.warns || warned && !strings.Contains(warning, "2026-11-21T10:00:00Z") {
			t.Errorf("%d entries of %v: %q, warning %q", row.entries, row.age, told, warning)
		}
	}
}

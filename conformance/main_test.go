package conformance_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/altamga/altamga/conformance"
)

// TestMain prints what the switchboard adds up to, and, when all of it ran,
// holds that every requirement had a fault planted.
func TestMain(m *testing.M) {
	code := m.Run()
	s := &switchboard
	if s.planted > 0 {
		fmt.Printf("switchboard: %d faults planted, %d found under the right id (%.1f %%), %d false alarms\n", s.planted, s.caught, 100*float64(s.caught)/float64(s.planted), s.falseAlarms)
	}
	var without []string
	for _, r := range conformance.Requirements() {
		if !s.ids[r.ID] {
			without = append(without, r.ID)
		}
	}
	// With -run some tests are left out, and nothing can be said.
	if code == 0 && s.planted > 300 {
		fmt.Printf("switchboard: %d of %d requirements have a planted fault\n", len(conformance.Requirements())-len(without), len(conformance.Requirements()))
		if len(without) > 0 {
			fmt.Println("without a planted fault:", without)
			code = 1
		}
	}
	os.Exit(code)
}

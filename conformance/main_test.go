package conformance_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/altamga/altamga/conformance"
)

// TestMain prints what the switchboard adds up to, and, when all of it ran,
// holds requirements.md to it and every requirement to a planted fault.
func TestMain(m *testing.M) {
	code := m.Run()
	s := &switchboard
	line := fmt.Sprintf("Switchboard: %d faults planted, %d found under the right id, %d false alarms.", s.planted, s.caught, s.falseAlarms)
	fmt.Println(line)
	// With -run some tests are left out, and nothing can be said of the whole.
	if code == 0 && s.planted > 350 {
		code = wholeSwitchboard(s, line)
	}
	os.Exit(code)
}

// wholeSwitchboard judges a run of all tests.
func wholeSwitchboard(s *tally, line string) (code int) {
	var without []string
	for _, r := range conformance.Requirements() {
		if !s.ids[r.ID] {
			without = append(without, r.ID)
		}
	}
	if len(without) > 0 {
		fmt.Println("without a planted fault:", without)
		code = 1
	}
	page, err := os.ReadFile("requirements.md")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if *update {
		page = figuresLine.ReplaceAll(page, []byte(line))
		if err := os.WriteFile("requirements.md", page, 0o644); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	if got := figuresLine.FindString(string(page)); got != line {
		fmt.Printf("requirements.md says %q: run all tests with -update\n", got)
		code = 1
	}
	return code
}

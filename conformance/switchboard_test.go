package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/conformance"
)

// tally is what the switchboard adds up to over all kinds of subjects.
type tally struct {
	mu              sync.Mutex
	planted, caught int
	falseAlarms     int
	ids             map[string]bool
}

// found are the ids that a report finds fault with.
func found(r *conformance.Report) (ids []string) {
	for _, s := range r.Sections {
		for _, one := range s.Results {
			if one.Verdict == conformance.Fail && !slices.Contains(ids, one.ID) {
				ids = append(ids, one.ID)
			}
		}
	}
	return ids
}

// explain says what a report found, for the log of a test.
func explain(r *conformance.Report) string {
	var b strings.Builder
	for _, s := range r.Sections {
		for _, one := range s.Results {
			if one.Verdict == conformance.Fail || one.Verdict == conformance.CouldNotTest {
				fmt.Fprintf(&b, "\n\t%s %s: %s", one.Verdict, one.ID, strings.Join(one.Details, "; "))
			}
		}
	}
	return b.String()
}

// planted is one fault: the requirement that it breaks, in whose name the rest
// of the subtest's name says what is wrong, and the other requirements that the
// same fault cannot help breaking.
type planted struct {
	name string
	also []string
}

func (p planted) id() string { id, _, _ := strings.Cut(p.name, " "); return id }

// judged compares what a report finds with what was planted.
func (c *tally) judged(t *testing.T, p planted, r *conformance.Report) {
	t.Helper()
	ids := found(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planted++
	if c.ids == nil {
		c.ids = map[string]bool{}
	}
	c.ids[p.id()] = true
	if slices.Contains(ids, p.id()) {
		c.caught++
	} else {
		t.Errorf("%s is not found%s", p.id(), explain(r))
	}
	var others []string
	for _, id := range ids {
		if id != p.id() && !slices.Contains(p.also, id) {
			others = append(others, id)
		}
	}
	if c.falseAlarms += len(others); len(others) > 0 {
		t.Errorf("%s found, and not planted%s", strings.Join(others, ", "), explain(r))
	}
	unbroken(t, r)
}

// unbroken: no test broke over what it was given.
func unbroken(t testing.TB, r *conformance.Report) {
	t.Helper()
	for _, s := range r.Sections {
		for _, one := range s.Results {
			for _, d := range one.Details {
				if strings.Contains(d, "the test itself broke") {
					t.Errorf("%s: %s", one.ID, d)
				}
			}
		}
	}
}

// sound: a report of something without a fault finds nothing and tests
// everything.
func (c *tally) sound(t *testing.T, r *conformance.Report, untested ...string) {
	t.Helper()
	for _, s := range r.Sections {
		for _, one := range s.Results {
			switch {
			case one.Verdict == conformance.Fail:
				c.falseAlarms++
				t.Errorf("%s is found where nothing is wrong: %s", one.ID, strings.Join(one.Details, "; "))
			case one.Verdict == conformance.CouldNotTest && !slices.Contains(untested, one.ID):
				t.Errorf("%s could not be tested: %s", one.ID, strings.Join(one.Details, "; "))
			}
		}
	}
	unbroken(t, r)
}

// switchboard adds up every planted fault of the package's tests.
var switchboard tally

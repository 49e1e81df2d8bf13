package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Verdict is what came of testing one requirement.
type Verdict string

// The verdicts, from best to worst known.
const (
	Pass          Verdict = "pass"
	NotApplicable Verdict = "not applicable"
	CouldNotTest  Verdict = "could not test"
	Fail          Verdict = "fail"
)

// Result is the verdict on one requirement for one subject, with what it rests
// on.
type Result struct {
	Requirement
	Verdict Verdict `json:"verdict"`
	// Details say what is wrong, or why there is no verdict. They repeat nothing
	// of a subject's name.
	Details []string `json:"details,omitempty"`
	// Figures are what was measured, whatever the verdict.
	Figures []string `json:"figures,omitempty"`
	// Evidence numbers the report's exchanges that the verdict rests on.
	Evidence []int `json:"evidence,omitempty"`

	exchanges []*Exchange
}

// trial is one requirement on its way to a verdict.
type trial struct {
	ctx    context.Context
	now    time.Time
	result Result
	failed bool // the level of the result is that of its worst finding
}

// halt ends a check early: there is nothing more to find, or nothing to find it
// with. It is thrown and caught within this package.
type halt struct{}

// fail records that the requirement is not met. The check goes on.
func (t *trial) fail(format string, args ...any) { t.find(Must, format, args...) }

// should records that a recommendation within the requirement is not met.
func (t *trial) should(format string, args ...any) { t.find(Should, format, args...) }

// miss records that the requirement is not met, at the level it has itself.
func (t *trial) miss(format string, args ...any) { t.find(t.result.Level, format, args...) }

func (t *trial) find(level Level, format string, args ...any) {
	if !t.failed || level == Must {
		t.result.Level = level
	}
	t.failed = true
	t.result.Verdict = Fail
	// A hostile server must not fill the report with one complaint.
	if detail := fmt.Sprintf(format, args...); len(t.result.Details) < maxDetails && !slices.Contains(t.result.Details, detail) {
		t.result.Details = append(t.result.Details, detail)
	}
}

const maxDetails = 8

// brokenTest is what a report says of a fault of this package.
const brokenTest = "the test itself broke, please report it"

// measured adds to the figures.
func (t *trial) measured(format string, args ...any) {
	t.result.Figures = append(t.result.Figures, fmt.Sprintf(format, args...))
}

// skip ends the check: the requirement says nothing about this subject.
func (t *trial) skip(format string, args ...any) { t.end(NotApplicable, format, args...) }

// couldNot ends the check: no verdict can be had.
func (t *trial) couldNot(format string, args ...any) { t.end(CouldNotTest, format, args...) }

func (t *trial) end(v Verdict, format string, args ...any) {
	// What was found before stands.
	if !t.failed {
		t.result.Verdict = v
		t.result.Details = append(t.result.Details, fmt.Sprintf(format, args...))
	}
	panic(halt{})
}

// saw adds an exchange to the evidence.
func (t *trial) saw(exchanges ...*Exchange) {
	for _, x := range exchanges {
		if x != nil && !slices.Contains(t.result.exchanges, x) {
			t.result.exchanges = append(t.result.exchanges, x)
		}
	}
}

// try runs one check on a subject.
func try[S any](ctx context.Context, c check[S], subject S, now time.Time) Result {
	t := &trial{ctx: ctx, now: now, result: Result{Requirement: c.requirement(), Verdict: Pass}}
	func() {
		defer func() {
			if thrown := recover(); thrown != nil {
				if _, ours := thrown.(halt); !ours {
					// A hostile answer must not end the run, nor pass.
					t.result.Verdict = CouldNotTest
					t.result.Details = append(t.result.Details, fmt.Sprintf("%s: %v", brokenTest, thrown))
				}
			}
		}()
		if err := ctx.Err(); err != nil {
			t.couldNot("the time for the whole run is over")
		}
		c.run(t, subject)
	}()
	return t.result
}

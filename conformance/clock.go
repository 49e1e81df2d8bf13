package conformance

import (
	"context"
	"fmt"
	"time"
)

// Reading is what a clock that the user trusts says.
type Reading struct {
	// Ahead is how much it is ahead of this machine's clock.
	Ahead time.Duration
	// Within is how far UTC may be from it.
	Within time.Duration
	// By says who told it, for the report.
	By string
}

// ownClock is what is thought of this machine's clock when no other is named:
// that it may be wrong by a second without being noticed.
var ownClock = Reading{Within: time.Second, By: "this machine's own clock, which nobody attests"}

// drift is how fast two clocks may part, 100 in a million, since the one was
// read by the other.
const drift = 1e-4

// clock is the time that tokens are judged by: read once, when first needed.
type clock struct {
	read    func(context.Context) (Reading, error) // nil: this machine's own
	reading *Reading
	at      time.Time
	err     error
}

func (c *clock) now(t *trial) Reading {
	switch {
	case c == nil || c.read == nil:
		return ownClock
	case c.reading == nil && c.err == nil:
		r, err := c.read(t.ctx)
		c.reading, c.at, c.err = &r, time.Now(), err
	}
	if c.err != nil {
		t.couldNot("the trusted clock: %v", c.err)
	}
	return *c.reading
}

// telling judges whether UTC may have been within the accuracy of genTime at
// some moment between the query and its answer.
func (c *clock) telling(t *trial, r *stampReply) {
	by := c.now(t)
	within := by.Within
	if !c.at.IsZero() {
		within += time.Duration(float64(c.at.Sub(r.x.At).Abs()) * drift)
	}
	from, until := r.x.At.Add(by.Ahead-within), r.x.At.Add(r.x.Took+by.Ahead+within)
	at, accuracy := r.tst.info.at, r.tst.info.accuracy
	const form = "15:04:05.000"
	says := fmt.Sprintf("%s: genTime is %s, give or take %v; UTC was between %s and %s", r.x.Name, at.UTC().Format(form), accuracy, from.UTC().Format(form), until.UTC().Format(form))
	if at.Add(accuracy).Before(from) || at.Add(-accuracy).After(until) {
		t.fail("%s by %s", says, by.By)
	} else {
		t.note("%s by %s", says, by.By)
	}
}

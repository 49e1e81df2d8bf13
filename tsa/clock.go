package tsa

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Clock tells the time of tokens, and refuses when it cannot prove it.
type Clock interface {
	// Now returns a time and how far UTC may be from it, or an error that says
	// why it cannot. An error becomes the answer timeNotAvailable, and so does
	// a distance that the accuracy of the policy has no room for. An authority
	// makes tokens wait for it: a Clock that asks time servers does so beside
	// Now, not within.
	Now() (now time.Time, within time.Duration, err error)
}

// ErrUnproven is wrapped by the errors of the clocks of this package.
var ErrUnproven = errors.New("the clock is not proven")

// SystemClock is the machine's clock, guarded against steps.
//
// A machine has two clocks: the wall clock, which tells UTC and which anyone
// with the right can set, and the monotonic clock, which nobody can. Time
// daemons that keep a machine right slew both alike; so whatever moves one
// against the other is a step: an operator or a daemon setting the time, a leap
// second that was not smeared, or a suspension of the machine, during which
// the monotonic clock stands still. After a step one of them is wrong, and the
// machine alone cannot tell which.
//
// The rule: the clock is anchored when it is made, and is taken as right at
// that moment. As long as the wall clock has since moved as far as the
// monotonic clock, to within the tolerance, Now returns the wall clock's time.
// Once it has not, Now fails. It heals by itself only when the wall clock has
// come back to where the monotonic clock says it should be, and has been found
// there for the settling time without an exception. It never takes the new time
// as right by itself: that is [SystemClock.Anchor], which a person calls who
// has compared the clock with UTC; starting the process again is the same.
//
// What it does not do is compare with UTC: a wall clock that is already wrong
// at the anchor, or that is slewed away slowly, stays unnoticed. A Clock that
// asks time servers does: see [ProvenClock].
type SystemClock struct {
	tolerance time.Duration
	settle    time.Duration
	read      func() (wall time.Time, elapsed time.Duration)

	mu sync.Mutex
	// anchorWall and anchorElapsed are one reading of both clocks.
	anchorWall    time.Time
	anchorElapsed time.Duration
	lost          bool
	// healing is set while a lost clock agrees again, since agreedSince.
	healing     bool
	agreedSince time.Duration
}

// Limits and defaults of [NewSystemClock].
const (
	// DefaultTolerance is below the smallest step that the usual daemons make
	// instead of slewing (128 ms).
	DefaultTolerance = 100 * time.Millisecond
	// SettlingTime is how long a clock that came back must agree again.
	SettlingTime = 10 * time.Second
)

// NewSystemClock returns the machine's clock, anchored now. Tolerance is the
// largest step that passes, at most a second; 0 means [DefaultTolerance].
func NewSystemClock(tolerance time.Duration) (*SystemClock, error) {
	start := time.Now()
	return newSystemClock(tolerance, func() (time.Time, time.Duration) {
		now := time.Now()
		// Sub takes the monotonic readings; Round strips them from the wall.
		return now.Round(0), now.Sub(start)
	})
}

func newSystemClock(tolerance time.Duration, read func() (time.Time, time.Duration)) (*SystemClock, error) {
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	if tolerance < 0 || tolerance > time.Second {
		return nil, fmt.Errorf("tsa: a clock tolerance of %v is not between 0 and 1s", tolerance)
	}
	c := &SystemClock{tolerance: tolerance, settle: SettlingTime, read: read}
	c.Anchor()
	return c, nil
}

// Anchor takes the wall clock as right from now on. Only a person who has
// compared it with UTC should cause this.
func (c *SystemClock) Anchor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchorWall, c.anchorElapsed = c.read()
	c.lost, c.healing = false, false
}

// Now returns the wall clock's time in UTC, or an error that wraps
// [ErrUnproven]. The distance is 0: nothing is known of it, and a policy whose
// tokens have this clock's time must say so.
func (c *SystemClock) Now() (time.Time, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed, step := c.compare()
	if step.Abs() > c.tolerance {
		c.lost, c.healing = true, false
		return time.Time{}, 0, fmt.Errorf("tsa: %w: the wall clock moved by %v against the monotonic clock", ErrUnproven, step)
	}
	if !c.lost {
		return wall.UTC(), 0, nil
	}
	if !c.healing {
		c.healing, c.agreedSince = true, elapsed
	}
	if rest := c.settle - (elapsed - c.agreedSince); rest > 0 {
		return time.Time{}, 0, fmt.Errorf("tsa: %w: the wall clock came back and must agree for another %v", ErrUnproven, rest)
	}
	c.lost, c.healing = false, false
	return wall.UTC(), 0, nil
}

// compare reads both clocks and returns how far the wall clock is from where
// the monotonic clock says it should be. A process that loses the processor
// between the two readings sees a step that is none, so a reading that
// disagrees is repeated and the smallest difference counts.
func (c *SystemClock) compare() (wall time.Time, elapsed, step time.Duration) {
	for attempt := range 3 {
		w, e := c.read()
		s := w.Sub(c.anchorWall) - (e - c.anchorElapsed)
		if attempt == 0 || s.Abs() < step.Abs() {
			wall, elapsed, step = w, e, s
		}
		if step.Abs() <= c.tolerance {
			break
		}
	}
	return wall, elapsed, step
}

package tsa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Leap is what a source says of the end of the UTC month (RFC 5905, Section
// 7.3, leap indicator).
type Leap int

// The warnings that sources give. What is not synchronised measures nothing.
const (
	NoLeap     Leap = iota
	LeapInsert      // the last minute has 61 seconds
	LeapDelete      // the last minute has 59 seconds
)

// Measurement is what a source said.
type Measurement struct {
	// UTC is the source's time at the moment Taken, which holds a reading of the
	// monotonic clock.
	UTC, Taken time.Time
	// Distance is how far the source's time may be from UTC, all told: RFC 5905,
	// Appendix A.5.5.2 calls it the root distance.
	Distance time.Duration
	Leap     Leap
	// Evidence says how it was come by, for the record: stratum, reference,
	// authentication.
	Evidence string
}

// Source is one who tells the time.
type Source struct {
	// Name tells it from the others in the record.
	Name string
	// Measure asks it. An error means that it says nothing now.
	Measure func(context.Context) (Measurement, error)
}

// ProvenConfig is what a [ProvenClock] is made of.
type ProvenConfig struct {
	// Sources that are asked; more than half of all of them must agree. With
	// one there is nobody to doubt it; three survive one that lies.
	Sources []Source
	// Accuracy is what the clock must hold at least: the coarsest accuracy of
	// the authority's policies. Default 1s.
	Accuracy time.Duration
	// Poll is how often the sources are asked, by default [DefaultPoll]; while
	// nothing is proven, more often. All clocks of a virtual machine that is paused
	// from outside stand still: that is found with the next poll, so ask servers of
	// your own every few seconds.
	Poll time.Duration
	// MaxAge is how long a proof lasts. Default 5 polls.
	MaxAge time.Duration
	// Elapsed counts the time on a clock that nobody sets and nobody slews. Nil
	// takes the monotonic clock, which daemons slew together with the wall clock,
	// chrony by up to a tenth: Drift then has to bound that, too.
	Elapsed func() time.Duration
	// Drift bounds the error of Elapsed, in parts per million. Default 500, more
	// than an oscillator that works is ever off.
	Drift int
	// Step is how far the wall clock may move against Elapsed between two proofs,
	// besides what Drift bounds. Default 100ms.
	Step time.Duration
	// Record is how often the evidence goes into the audit log while nothing
	// changes. Default 10m.
	Record time.Duration
	// Audit records evidence ("tsa.clock"); a proof that cannot be recorded when
	// it is due is none. Nil records nothing.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	Log   *slog.Logger

	// wall, when a test sets it, reads the wall clock.
	wall func(now time.Time) time.Time
}

// ProvenClock is the machine's wall clock, as long as time sources prove that it
// is right.
//
// It does not set the clock: a time daemon does that. It asks the sources for
// itself, and counts from their answers on a clock that the daemon does not
// touch. So at every moment it knows where UTC must be: where a majority of the
// sources said it was, plus what has been counted since, give or take the
// sources' own distance and the drift. The wall clock's time is told
// together with the farthest that UTC may be from it; when that is more than the
// accuracy, when the wall clock was stepped, when the last proof is too old,
// and around a leap second, there is none.
//
// All of it ends by itself: the sources are asked again within seconds, and the
// first proof that holds opens the clock. Only when the sources, all together,
// moved against the count (a machine that was suspended, or sources that were
// led astray at once) three proofs in a row must agree.
type ProvenClock struct {
	config ProvenConfig
	log    *slog.Logger
	start  time.Time
	need   int

	mu sync.Mutex
	// proof is the last one; valid says that nothing has voided it.
	proof proof
	valid bool
	why   string // why there is none, for the operator
	// doubted is a proof that contradicts the one before, and how often it has
	// been repeated.
	doubted  proof
	repeated int
	// proving says that the last round proved the time; lost is why a proof ended
	// since. recorded is when evidence was last recorded, and interval what the
	// rounds have found since then.
	proving  bool
	lost     string
	recorded time.Time
	interval interval
	wake     chan struct{}
}

// proof says where UTC is. Times are those that have elapsed since the clock's
// start.
type proof struct {
	// at is when it was made.
	at time.Duration
	// low and high are the bounds of UTC at the clock's start, as distances from
	// start's wall time.
	low, high time.Duration
	// wall is how far the wall clock was ahead of what had elapsed when it was made.
	wall time.Duration
	// leapAt is the end of a month with a leap second; zero when none is near.
	leapAt time.Time
}

// DefaultPoll is how often sources are asked by default, which public servers
// take.
const DefaultPoll = 64 * time.Second

// settled is how many proofs in a row must agree after sources moved.
const settled = 3

// NewProvenClock returns a clock that proves nothing until [ProvenClock.Run] has.
func NewProvenClock(config ProvenConfig) (*ProvenClock, error) {
	setDefault(&config.Accuracy, time.Second)
	setDefault(&config.Poll, DefaultPoll)
	setDefault(&config.MaxAge, 5*config.Poll)
	setDefault(&config.Drift, 500)
	setDefault(&config.Step, DefaultTolerance)
	setDefault(&config.Record, 10*time.Minute)
	var errs []error
	if len(config.Sources) == 0 {
		errs = append(errs, errors.New("no source"))
	}
	names := map[string]bool{}
	for _, s := range config.Sources {
		if s.Name == "" || s.Measure == nil || names[s.Name] {
			errs = append(errs, fmt.Errorf("source %q has no name or another's, or nothing to measure with", s.Name))
		}
		names[s.Name] = true
	}
	if config.Accuracy < 0 || config.Poll < 0 || config.Step < 0 || config.Record < 0 || config.Drift < 0 || config.Drift > 100_000 {
		errs = append(errs, errors.New("a negative duration, or a drift that is not between 0 and 100000 ppm"))
	}
	if config.MaxAge < config.Poll {
		errs = append(errs, fmt.Errorf("a proof that lasts %v is over before the next poll, %v later", config.MaxAge, config.Poll))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("tsa: configuring clock: %w", err)
	}
	c := &ProvenClock{config: config, log: config.Log, start: time.Now(), need: len(config.Sources)/2 + 1,
		why: "no source has been asked yet", wake: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.config.wall == nil {
		c.config.wall = func(now time.Time) time.Time { return now }
	}
	if elapsed := c.config.Elapsed; elapsed == nil {
		c.config.Elapsed = func() time.Duration { return time.Since(c.start) }
	} else {
		start := elapsed()
		c.config.Elapsed = func() time.Duration { return elapsed() - start }
	}
	return c, nil
}

// read returns how far the wall clock is ahead of what has elapsed, both since
// start, and the latter. The two are read one after the other, at most that far
// apart: the closest of some readings counts, since a process may lose the
// processor between them.
func (c *ProvenClock) read() (wall, elapsed, apart time.Duration) {
	for attempt := range 3 {
		now := time.Now()
		count := c.config.Elapsed()
		gap := time.Since(now) * 11 / 10 // what measures it may be slewed
		if attempt == 0 || gap < apart {
			// Round strips the monotonic readings, so that the walls are compared.
			wall, elapsed, apart = c.config.wall(now).Round(0).Sub(c.start.Round(0))-count, count, gap
		}
		if apart < 100*time.Microsecond {
			break
		}
	}
	return wall, elapsed, apart
}

// drift is how much the count of what has elapsed may be off after a time.
func (c *ProvenClock) drift(age time.Duration) time.Duration {
	return time.Duration(float64(age.Abs()) * float64(c.config.Drift) / 1e6)
}

// Now returns the wall clock's time in UTC and how far UTC may be from it, or an
// error that wraps [ErrUnproven].
func (c *ProvenClock) Now() (time.Time, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.valid {
		return time.Time{}, 0, fmt.Errorf("tsa: %w: %s", ErrUnproven, c.why)
	}
	wall, elapsed, apart := c.read()
	age := elapsed - c.proof.at
	drift := c.drift(age)
	if step := wall - c.proof.wall; step.Abs() > c.config.Step+drift+apart {
		return c.void("the wall clock moved by %v against the monotonic clock", step)
	}
	if age > c.config.MaxAge {
		return c.void("no proof for %v", c.config.MaxAge)
	}
	low, high := c.proof.low-drift, c.proof.high+drift
	within := max((wall-low).Abs(), (high-wall).Abs()) + apart
	if within > c.config.Accuracy {
		// The proof holds: it proves that the clock is off.
		return time.Time{}, 0, fmt.Errorf("tsa: %w: UTC is between %v and %v from the wall clock, the accuracy is %v", ErrUnproven, low-wall, high-wall, c.config.Accuracy)
	}
	now := c.start.Round(0).Add(elapsed + wall).UTC()
	if !c.proof.leapAt.IsZero() && !now.Add(within+time.Second).Before(c.proof.leapAt) {
		return c.void("a leap second is on at %v", c.proof.leapAt)
	}
	return now, within, nil
}

// void ends the proof and asks for another one. The caller holds mu.
func (c *ProvenClock) void(format string, args ...any) (time.Time, time.Duration, error) {
	c.valid, c.why = false, fmt.Sprintf(format, args...)
	c.lost = c.why
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return time.Time{}, 0, fmt.Errorf("tsa: %w: %s", ErrUnproven, c.why)
}

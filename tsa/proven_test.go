package tsa_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

// sky is the truth, three sources that tell it, and a machine whose wall clock
// may be off. It lives in a bubble, whose clock is the monotonic one.
type sky struct {
	t  *testing.T
	mu sync.Mutex
	// utc is how far UTC is from the bubble's clock, wall how far the machine's
	// wall clock is.
	utc, wall time.Duration
	// lies are what the sources add to UTC; silent ones do not answer.
	lies     [3]time.Duration
	silent   [3]bool
	distance time.Duration
	leap     tsa.Leap
	asked    int
	evidence []string
	auditErr error

	clock *tsa.ProvenClock
	stop  func()
}

func newSky(t *testing.T, change func(*sky, *tsa.ProvenConfig)) *sky {
	t.Helper()
	s := &sky{t: t, distance: 5 * time.Millisecond}
	config := tsa.ProvenConfig{Audit: s.audit}
	for i := range s.lies {
		config.Sources = append(config.Sources, tsa.Source{Name: fmt.Sprintf("ntp%d", i), Measure: func(context.Context) (tsa.Measurement, error) { return s.measure(i) }})
	}
	if change != nil {
		change(s, &config)
	}
	var err error
	if s.clock, err = tsa.NewProvenClock(tsa.WallOf(config, func(now time.Time) time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return now.Add(s.wall)
	})); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.clock.Run(ctx) })
	s.stop = func() { stop(); running.Wait() }
	synctest.Wait()
	return s
}

func (s *sky) measure(i int) (tsa.Measurement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.silent[i] {
		return tsa.Measurement{}, errors.New("no answer")
	}
	now := time.Now()
	return tsa.Measurement{UTC: now.Add(s.utc + s.lies[i]), Taken: now, Distance: s.distance, Leap: s.leap, Evidence: "stratum 1"}, nil
}

func (s *sky) audit(_ context.Context, action string, attrs ...slog.Attr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.auditErr != nil {
		return s.auditErr
	}
	s.evidence = append(s.evidence, fmt.Sprint(action, " ", attrs))
	return nil
}

// records returns what was recorded so far.
func (s *sky) records() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.evidence)
}

// questions returns how often a source was asked.
func (s *sky) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *sky) set(change func(*sky)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// proven checks that the clock tells the time, and that what it says of UTC is
// true.
func (s *sky) proven(when string) time.Duration {
	s.t.Helper()
	now, within, err := s.clock.Now()
	if err != nil {
		s.t.Errorf("%s: %v", when, err)
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if away := time.Now().Add(s.utc).Sub(now).Abs(); away > within || within > time.Second {
		s.t.Errorf("%s: UTC is %v away, and the clock says %v at most", when, away, within)
	}
	return within
}

func (s *sky) unproven(when, says string) {
	s.t.Helper()
	if now, _, err := s.clock.Now(); !errors.Is(err, tsa.ErrUnproven) || !strings.Contains(err.Error(), says) {
		s.t.Errorf("%s: %v, %v, want an error that says %q", when, now, err, says)
	}
}

// inSky runs a test under a sky.
func inSky(t *testing.T, name string, change func(*sky, *tsa.ProvenConfig), test func(*sky)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSky(t, change)
			defer s.stop()
			test(s)
		})
	})
}

func TestProvenClock(t *testing.T) {
	inSky(t, "TSA-14 the distance to UTC is told and true", nil, func(s *sky) {
		for range 100 {
			s.proven("in order")
			time.Sleep(13 * time.Second)
		}
	})
	inSky(t, "TSA-41 skewed beyond the accuracy, and back", nil, func(s *sky) {
		for _, off := range []time.Duration{-2 * time.Second, 2 * time.Second, -999 * time.Millisecond, time.Hour} {
			s.set(func(s *sky) { s.utc, s.wall = 0, 0 })
			time.Sleep(10 * time.Minute)
			s.proven("in order")
			// The sources say that the wall clock is off; nothing was stepped.
			s.set(func(s *sky) { s.wall = off })
			if off.Abs() > 100*time.Millisecond {
				s.unproven("at once", "the wall clock moved")
			}
			time.Sleep(5 * time.Second)
			s.unproven("after a proof of it", "UTC is between")
			s.set(func(s *sky) { s.wall = 0 })
			s.unproven("put right", "the wall clock moved")
			time.Sleep(5 * time.Second)
			s.proven("by itself")
		}
	})
	inSky(t, "TSA-41 a small step opens again with the next proof", nil, func(s *sky) {
		s.set(func(s *sky) { s.wall = 300 * time.Millisecond })
		s.unproven("stepped", "moved by 300ms")
		time.Sleep(3 * time.Second)
		if within := s.proven("proven anew"); within < 300*time.Millisecond {
			s.t.Errorf("within %v", within)
		}
	})
	inSky(t, "TSA-41 slewed away slowly", nil, func(s *sky) {
		refused := false
		for range 200 {
			s.set(func(s *sky) { s.wall += 10 * time.Millisecond })
			if _, _, err := s.clock.Now(); err == nil {
				s.proven("on the way")
			} else {
				refused = true
			}
			time.Sleep(30 * time.Second)
		}
		if !refused {
			s.t.Error("two seconds away and never refused")
		}
	})
	// Chrony slews by up to a tenth, and the monotonic clock with the wall clock: six
	// seconds between two polls, of which the two of them show nothing.
	inSky(t, "TSA-41 slewed away fast, with the monotonic clock", func(s *sky, c *tsa.ProvenConfig) {
		began := time.Now()
		c.Elapsed = func() time.Duration {
			s.mu.Lock()
			defer s.mu.Unlock()
			return time.Since(began) + s.utc
		}
	}, func(s *sky) {
		time.Sleep(10 * time.Minute)
		s.proven("in order")
		refused := false
		for range 60 {
			time.Sleep(time.Second)
			s.set(func(s *sky) { s.utc -= 100 * time.Millisecond })
			if _, _, err := s.clock.Now(); err == nil {
				s.proven("on the way")
			} else {
				refused = true
			}
		}
		if !refused {
			s.t.Error("six seconds away and never refused")
		}
	})
	inSky(t, "TSA-41 cut off from the sources", nil, func(s *sky) {
		s.set(func(s *sky) { s.silent = [3]bool{true, true, true} })
		time.Sleep(4 * time.Minute)
		if within := s.proven("for a while"); within < 125*time.Millisecond {
			s.t.Errorf("within %v after four minutes, which may be 120ms of drift", within)
		}
		time.Sleep(2 * time.Minute)
		s.unproven("too long", "no proof for")
		time.Sleep(time.Hour)
		s.unproven("an hour", "0 of 3 sources answer")
		s.set(func(s *sky) { s.silent = [3]bool{true} })
		time.Sleep(3 * time.Second)
		s.proven("two are back")
	})
	inSky(t, "TSA-41 a majority must agree", nil, func(s *sky) {
		s.set(func(s *sky) { s.lies[1] = 5 * time.Second })
		time.Sleep(10 * time.Minute)
		s.proven("one lies")
		s.set(func(s *sky) { s.lies[2] = -5 * time.Second })
		time.Sleep(10 * time.Minute)
		s.unproven("two lie", "no 2 of 3 sources agree")
		s.set(func(s *sky) { s.lies[1] = 0 })
		time.Sleep(5 * time.Second)
		s.proven("one lies")
		s.set(func(s *sky) { s.silent[1] = true })
		time.Sleep(10 * time.Minute)
		s.unproven("one lies and one is silent", "no 2 of 3 sources agree")
	})
	inSky(t, "TSA-41 half of the sources are no majority", func(s *sky, c *tsa.ProvenConfig) {
		c.Sources = append(c.Sources, tsa.Source{Name: "ntp3", Measure: func(context.Context) (tsa.Measurement, error) { return s.measure(0) }})
	}, func(s *sky) {
		s.set(func(s *sky) { s.lies[1] = 5 * time.Second })
		time.Sleep(10 * time.Minute)
		s.proven("one of four lies")
		s.set(func(s *sky) { s.lies[2] = 5 * time.Second })
		time.Sleep(10 * time.Minute)
		s.unproven("two of four agree on a lie", "no 3 of 4 sources agree")
	})
	inSky(t, "TSA-41 sources that move together are doubted", nil, func(s *sky) {
		s.set(func(s *sky) { s.utc = 400 * time.Millisecond })
		time.Sleep(65 * time.Second)
		s.unproven("moved", "the sources")
		time.Sleep(20 * time.Second)
		s.proven("they go on saying so")
		// Once is nothing: it goes, and the truth is back.
		s.set(func(s *sky) { s.utc += 20 * time.Second })
		for range 700 {
			if _, _, err := s.clock.Now(); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		s.unproven("moved far", "the sources")
		s.set(func(s *sky) { s.utc -= 20 * time.Second })
		time.Sleep(5 * time.Second)
		s.proven("it was a slip")
	})
	inSky(t, "TSA-41 a source that is vague proves nothing to a second", func(s *sky, _ *tsa.ProvenConfig) { s.distance = 1200 * time.Millisecond }, func(s *sky) {
		s.unproven("vague", "the accuracy is 1s")
		s.set(func(s *sky) { s.distance = time.Millisecond })
		time.Sleep(3 * time.Second)
		s.proven("exact")
	})
	inSky(t, "unproven at first", func(s *sky, _ *tsa.ProvenConfig) { s.silent = [3]bool{true, true, true} }, func(s *sky) {
		s.unproven("at first", "0 of 3 sources answer")
		before := s.questions()
		time.Sleep(time.Minute)
		if asked := s.questions() - before; asked > 3*40 {
			s.t.Errorf("asked %d times in a minute", asked)
		}
	})
}

func TestLeapSecond(t *testing.T) {
	inSky(t, "TSA-41 a leap second announced and on", func(s *sky, _ *tsa.ProvenConfig) {
		s.leap = tsa.LeapInsert
		// The bubble begins with a year; UTC is brought near a month's end.
		s.utc = time.Until(time.Date(2016, 12, 31, 23, 55, 0, 0, time.UTC))
		s.wall = s.utc
	}, func(s *sky) {
		s.proven("announced")
		time.Sleep(5*time.Minute - 1500*time.Millisecond)
		s.proven("1.5 s before")
		time.Sleep(700 * time.Millisecond)
		s.unproven("just before", "a leap second")
		time.Sleep(time.Second)
		// 23:59:60: the sources and, as kernels do, the machine count it twice.
		s.set(func(s *sky) { s.leap, s.utc, s.wall = tsa.NoLeap, s.utc-time.Second, s.wall-time.Second })
		time.Sleep(800 * time.Millisecond)
		s.unproven("on", "")
		time.Sleep(5 * time.Second)
		s.proven("after it")
	})
}

func TestEvidence(t *testing.T) {
	inSky(t, "evidence is recorded per interval and at each change", nil, func(s *sky) {
		time.Sleep(time.Hour)
		first := s.records()
		n := len(first)
		if n < 6 || n > 8 {
			s.t.Errorf("%d records in an hour, want about 6", n)
		}
		for _, word := range []string{"tsa.clock", "state=proven", "utc_min=", "source.ntp0=agrees: utc ", "distance 5ms, stratum 1"} {
			if !strings.Contains(first[0], word) {
				s.t.Errorf("the record does not hold %q: %s", word, first[0])
			}
		}
		s.set(func(s *sky) { s.silent = [3]bool{true, true}; s.lies[2] = time.Hour })
		time.Sleep(2 * time.Minute)
		if all := s.records(); len(all) != n+1 || !strings.Contains(all[len(all)-1], "state=unproven") || !strings.Contains(all[len(all)-1], "source.ntp0=silent: no answer") {
			s.t.Errorf("the change was recorded as %s", all[n:])
		}
		s.set(func(s *sky) { s.silent, s.lies = [3]bool{}, [3]time.Duration{0, 0, time.Hour} })
		time.Sleep(2 * time.Minute)
		if all := s.records(); len(all) != n+2 || !strings.Contains(all[len(all)-1], "source.ntp2=outvoted") {
			s.t.Errorf("the change was recorded as %s", all[n:])
		}
	})
	inSky(t, "a step that nobody's query met is recorded, and what an interval proved", nil, func(s *sky) {
		s.set(func(s *sky) { s.wall = 20 * time.Millisecond })
		time.Sleep(9 * time.Minute)
		s.set(func(s *sky) { s.wall = 0 })
		time.Sleep(2 * time.Minute)
		all := s.records()
		if last := all[len(all)-1]; !strings.Contains(last, "proofs=10 utc_min=-25ms utc_max=5ms") {
			s.t.Errorf("the interval was recorded as %s", last)
		}
		s.set(func(s *sky) { s.wall = 300 * time.Millisecond })
		s.unproven("stepped", "moved by 300ms")
		time.Sleep(3 * time.Second)
		s.proven("proven anew")
		all = s.records()
		if last := all[len(all)-1]; !strings.Contains(last, "lost=the wall clock moved by 300ms") {
			s.t.Errorf("the step was recorded as %s", last)
		}
		time.Sleep(11 * time.Minute)
		if all := s.records(); strings.Contains(all[len(all)-1], "lost=") {
			s.t.Errorf("the step was recorded again: %s", all[len(all)-1])
		}
	})
	inSky(t, "a proof that cannot be recorded is none", nil, func(s *sky) {
		s.set(func(s *sky) { s.auditErr = errors.New("disk full") })
		time.Sleep(11 * time.Minute)
		s.unproven("the record is due", "disk full")
		s.set(func(s *sky) { s.auditErr = nil })
		time.Sleep(3 * time.Second)
		s.proven("recorded")
		// Lost, and found soon after with a disk that is full: the find is not
		// recorded, so it is none, however often it is proven again.
		s.set(func(s *sky) { s.silent = [3]bool{true, true, true} })
		time.Sleep(6 * time.Minute)
		s.unproven("lost", "")
		s.set(func(s *sky) { s.silent, s.auditErr = [3]bool{}, errors.New("disk full") })
		for range 20 {
			time.Sleep(time.Second)
			s.unproven("found and not recorded", "")
		}
		s.set(func(s *sky) { s.auditErr = nil })
		time.Sleep(3 * time.Second)
		s.proven("recorded again")
	})
}

func TestProvenClockRefuses(t *testing.T) {
	source := tsa.Source{Name: "a", Measure: func(context.Context) (tsa.Measurement, error) { return tsa.Measurement{}, nil }}
	for name, config := range map[string]tsa.ProvenConfig{
		"no source":         {},
		"a source twice":    {Sources: []tsa.Source{source, source}},
		"nothing to ask":    {Sources: []tsa.Source{{Name: "a"}}},
		"a negative poll":   {Sources: []tsa.Source{source}, Poll: -1},
		"too short a proof": {Sources: []tsa.Source{source}, Poll: time.Minute, MaxAge: time.Second},
		"a wild drift":      {Sources: []tsa.Source{source}, Drift: 1e6},
	} {
		if _, err := tsa.NewProvenClock(config); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

package tsa_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

// machine has the two clocks of a machine, each of which a test can move.
type machine struct {
	wall    time.Time
	elapsed time.Duration
	// glitches makes that many readings lose the processor between the clocks.
	glitches int
}

func (m *machine) read() (time.Time, time.Duration) {
	if m.glitches > 0 {
		m.glitches--
		return m.wall, m.elapsed + time.Second
	}
	return m.wall, m.elapsed
}

// pass lets time pass, as both clocks see it.
func (m *machine) pass(d time.Duration) { m.wall, m.elapsed = m.wall.Add(d), m.elapsed+d }

// step sets the wall clock.
func (m *machine) step(d time.Duration) { m.wall = m.wall.Add(d) }

func newMachine(t *testing.T) (*machine, *tsa.SystemClock) {
	t.Helper()
	m := &machine{wall: noon, elapsed: time.Hour}
	c, err := tsa.NewSystemClockReading(0, m.read)
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

func proven(t *testing.T, c *tsa.SystemClock, m *machine) {
	t.Helper()
	if got, _, err := c.Now(); err != nil || !got.Equal(m.wall) || got.Location() != time.UTC {
		t.Errorf("got %v, %v, want %v", got, err, m.wall)
	}
}

func unproven(t *testing.T, c *tsa.SystemClock) {
	t.Helper()
	if got, _, err := c.Now(); !errors.Is(err, tsa.ErrUnproven) {
		t.Errorf("got %v, %v, want ErrUnproven", got, err)
	}
}

func TestSystemClock(t *testing.T) {
	t.Run("TSA-41 a stepped clock is not proven", func(t *testing.T) {
		for _, step := range []time.Duration{101 * time.Millisecond, -101 * time.Millisecond, time.Second, -time.Second, time.Hour, -24 * time.Hour, 10 * 365 * 24 * time.Hour} {
			m, c := newMachine(t)
			m.pass(time.Minute)
			proven(t, c, m)
			m.step(step)
			unproven(t, c)
			m.pass(time.Hour)
			unproven(t, c) // time alone does not heal it
		}
	})
	t.Run("a step within the tolerance passes", func(t *testing.T) {
		for _, step := range []time.Duration{tsa.DefaultTolerance, -tsa.DefaultTolerance} {
			m, c := newMachine(t)
			m.step(step)
			proven(t, c, m)
		}
	})
	t.Run("small steps add up", func(t *testing.T) {
		m, c := newMachine(t)
		m.step(60 * time.Millisecond)
		proven(t, c, m)
		m.step(60 * time.Millisecond)
		unproven(t, c)
	})
	t.Run("a suspended machine is not proven", func(t *testing.T) {
		m, c := newMachine(t)
		m.wall = m.wall.Add(time.Hour) // the monotonic clock stood still
		unproven(t, c)
	})
	t.Run("it heals when the wall clock comes back and stays", func(t *testing.T) {
		m, c := newMachine(t)
		m.step(time.Hour)
		unproven(t, c)
		m.step(-time.Hour)
		unproven(t, c)
		m.pass(tsa.SettlingTime - 1)
		unproven(t, c)
		m.pass(1)
		proven(t, c, m)
	})
	t.Run("an exception while it settles begins again", func(t *testing.T) {
		m, c := newMachine(t)
		m.step(time.Hour)
		unproven(t, c)
		m.step(-time.Hour)
		unproven(t, c)
		m.pass(tsa.SettlingTime / 2)
		m.step(-time.Second)
		unproven(t, c)
		m.step(time.Second)
		unproven(t, c)
		m.pass(tsa.SettlingTime / 2)
		unproven(t, c)
		m.pass(tsa.SettlingTime / 2)
		proven(t, c, m)
	})
	t.Run("an anchor takes the new time as right", func(t *testing.T) {
		m, c := newMachine(t)
		m.step(time.Hour)
		unproven(t, c)
		c.Anchor()
		proven(t, c, m)
		m.step(-time.Hour)
		unproven(t, c)
	})
	t.Run("a reading that lost the processor is repeated", func(t *testing.T) {
		m, c := newMachine(t)
		m.glitches = 2
		proven(t, c, m)
		m.glitches = 3
		unproven(t, c)
	})
	t.Run("the tolerance has bounds", func(t *testing.T) {
		for _, tolerance := range []time.Duration{-1, time.Second + 1} {
			if _, err := tsa.NewSystemClock(tolerance); err == nil {
				t.Errorf("a tolerance of %v was taken", tolerance)
			}
		}
	})
}

func TestSystemClockOfMachine(t *testing.T) {
	c, err := tsa.NewSystemClock(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	got, _, err := c.Now()
	if err != nil {
		t.Fatal(err)
	}
	if got.Before(before.Round(0).Add(-time.Second)) || got.After(time.Now().Add(time.Second)) {
		t.Errorf("got %v, want about %v", got, before)
	}
}

func TestSystemClockInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := tsa.NewSystemClock(0)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.Sleep(1000 * time.Hour)
		got, _, err := c.Now()
		if err != nil || !got.Equal(start.Add(1000*time.Hour)) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

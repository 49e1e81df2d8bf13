package tsa

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxUnits is how many have a bit in what is remembered of a token's tries.
const maxUnits = 64

// AddUnit lets a further unit make tokens, as if New had been given it: from
// now on, or from when its period begins. It is how a unit's key gives way to
// the next without a restart.
func (a *Authority) AddUnit(u Unit) error {
	if err := a.add(u); err != nil {
		return fmt.Errorf("tsa: adding unit: %w", err)
	}
	return nil
}

func (a *Authority) add(u Unit) error {
	made, err := newUnit(u, a.config.Policies)
	if err != nil {
		return err
	}
	if a.config.Standing != nil {
		made.barred.Store(&notAsked)
	}
	a.adding.Lock()
	defer a.adding.Unlock()
	units := a.units()
	if len(units) == maxUnits {
		return fmt.Errorf("there are %d units already", maxUnits)
	}
	a.all.Store(new(append(slices.Clip(units), made)))
	return nil
}

func (a *Authority) units() []*unit { return *a.all.Load() }

// pick chooses the unit for a token: in turn among those that may make it and
// were not tried. A unit whose key did not sign just now is left out while there
// is another.
func (a *Authority) pick(genTime time.Time, tried uint64) (int, error) {
	now, units := time.Now(), a.units()
	var able [maxUnits]uint8
	n, fallback := 0, -1
	for i, u := range units {
		switch {
		case tried>>i&1 != 0 || !u.may(genTime):
		case !u.resting(now):
			able[n] = uint8(i)
			n++
		case fallback < 0:
			fallback = i
		}
	}
	switch {
	case n > 0:
		return int(able[a.turn.Add(1)%uint64(n)]), nil
	case fallback >= 0:
		return fallback, nil
	}
	var reasons []error
	for _, u := range units {
		reasons = append(reasons, u.why(genTime))
	}
	return 0, errors.Join(reasons...)
}

// another reports whether a unit is left that was not tried.
func (a *Authority) another(genTime time.Time, tried uint64) bool {
	_, err := a.pick(genTime, tried)
	return err == nil && tried != 1<<len(a.units())-1
}

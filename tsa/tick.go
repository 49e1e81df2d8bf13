package tsa

import (
	"context"
	"fmt"
	"time"
)

// tick reads the clock and draws a serial number. Both happen under one lock,
// so that serial numbers grow in the order of the times.
func (a *Authority) tick(ctx context.Context, policy int) (genTime time.Time, serial []byte, err error) {
	genTime, serial, ahead, err := a.draw(policy)
	if err != nil || ahead <= 0 {
		return genTime, serial, err
	}
	// Only tokens under an ordering policy, more than one in the last digit of
	// genTime, come here: they wait until their time has come.
	if ahead > a.config.MaxWait {
		return time.Time{}, nil, reject(SystemFailure, "ordered tokens are asked for faster than genTime can tell them apart")
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return genTime, serial, nil
	case <-ctx.Done():
		return time.Time{}, nil, &Rejection{Failure: SystemFailure, Text: "the query was abandoned", cause: ctx.Err()}
	}
}

// draw returns the time and the serial number of the next token, and how long
// to wait before its time has come.
func (a *Authority) draw(policy int) (genTime time.Time, serial []byte, ahead time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, within, err := a.config.Clock.Now()
	if err != nil {
		return time.Time{}, nil, 0, err
	}
	p := &a.config.Policies[policy]
	if genTime, err = p.fit(now, within, a.latest[policy]); err != nil {
		return time.Time{}, nil, 0, err
	}
	a.latest[policy] = genTime
	if p.Ordering {
		ahead = genTime.Sub(now)
	}
	return genTime, a.serials.next(now), ahead, nil
}

// fit returns the genTime of a token that is made now, where UTC is within
// the given distance of now. It is proven to be within the policy's accuracy of
// UTC, or there is no token.
//
// Cutting the time to the policy's digits takes away up to one of the last; when
// that is more than the accuracy leaves, the next one is taken if it fits.
//
// The time never goes backwards (ETSI EN 319 421, Section 7.7): a clock that
// goes back gets the last token's time until it has caught up, as long as that
// is still a true statement within the accuracy.
func (p *Policy) fit(now time.Time, within time.Duration, latest time.Time) (time.Time, error) {
	step := resolution(p.Fraction)
	now = now.UTC()
	genTime := now.Truncate(step)
	if now.Sub(genTime)+within > p.Accuracy {
		genTime = genTime.Add(step)
	}
	if p.Ordering && !genTime.After(latest) {
		genTime = latest.Add(step)
	}
	if genTime.Before(latest) {
		genTime = latest
	}
	away := now.Sub(genTime).Abs() + within
	if ahead := genTime.Sub(now); p.Ordering && ahead > 0 && ahead <= p.Accuracy {
		// The token waits until its time has come: see tick.
		away = step + within
	}
	if away > p.Accuracy {
		if genTime.Equal(latest) && genTime.After(now) {
			return time.Time{}, fmt.Errorf("tsa: %w: it went back by %v since the last token", ErrUnproven, genTime.Sub(now))
		}
		return time.Time{}, fmt.Errorf("tsa: %w: it may be %v from UTC, which leaves no token within %v", ErrUnproven, within, p.Accuracy)
	}
	return genTime.UTC(), nil
}

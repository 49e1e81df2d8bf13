package tsa

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// brokenFor is how long a failure to make a token keeps the authority from
// being ready. It ends by itself, since a server that is taken out of service
// for it would get no query to prove itself with.
const brokenFor = 30 * time.Second

// Ready reports why the authority would not stamp now: its clock, its
// certificates, or what kept it from making the last token.
func (a *Authority) Ready(ctx context.Context) error {
	a.mu.Lock()
	now, within, err := a.config.Clock.Now()
	if err == nil {
		// The first policy stands for all.
		_, err = a.config.Policies[0].fit(now, within, a.latest[0])
	}
	a.mu.Unlock()
	if refused := a.noteClock(ctx, 0, err); refused != nil {
		return refused
	}
	if err := a.usableNow(now); err != nil {
		return err
	}
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	if a.broken != nil && time.Since(a.brokenAt) < brokenFor {
		return fmt.Errorf("tsa: making the last token: %w", a.broken)
	}
	return nil
}

// noteClock turns an error of the clock into the refusal for it, and records
// and logs when the clock is lost for a policy and found again.
//
// ETSI EN 319 421: events that concern the clock's synchronisation
// are recorded. When they cannot be, nothing is signed.
func (a *Authority) noteClock(ctx context.Context, policy int, clock error) *Rejection {
	if clock == nil && !a.clockLost[policy].Load() {
		return nil
	}
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	if lost := clock != nil; lost != a.clockLost[policy].Load() {
		action, attrs := "tsa.clock_found", []slog.Attr{slog.String("policy", a.config.Policies[policy].ID.String())}
		if lost {
			action, attrs = "tsa.clock_lost", append(attrs, slog.String("reason", clock.Error()))
			a.log.ErrorContext(ctx, "clock lost: no tokens until it is found", "error", clock)
		} else {
			a.log.WarnContext(ctx, "clock found: tokens again")
		}
		var err error
		if a.config.Audit != nil {
			err = a.config.Audit(ctx, action, attrs...)
		}
		switch {
		case err == nil:
			a.clockLost[policy].Store(lost)
		case !lost:
			return &Rejection{Failure: SystemFailure, Text: "the token could not be made", cause: fmt.Errorf("recording clock: %w", err)}
		}
	}
	if clock != nil {
		// RFC 3161, Section 2.4.2: timeNotAvailable.
		return &Rejection{Failure: TimeNotAvailable, Text: "the authority's clock is not proven", cause: clock}
	}
	return nil
}

// noteToken remembers and logs whether a token could be made.
func (a *Authority) noteToken(ctx context.Context, err error) {
	if err == nil && !a.wasBroken.Load() {
		return
	}
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	a.broken = err
	a.wasBroken.Store(err != nil)
	if err != nil {
		a.brokenAt = time.Now()
		a.log.ErrorContext(ctx, "no token", "error", err)
	}
}

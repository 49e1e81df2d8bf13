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
// certificate, or what kept it from making the last token.
func (a *Authority) Ready(ctx context.Context) error {
	a.mu.Lock()
	now, err := a.now()
	a.mu.Unlock()
	if refused := a.noteClock(ctx, err); refused != nil {
		return refused
	}
	if !a.period.contains(now) {
		return fmt.Errorf("tsa: the certificate's key may be used from %v to %v only", a.period.from.UTC(), a.period.to.UTC())
	}
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	if a.broken != nil && time.Since(a.brokenAt) < brokenFor {
		return fmt.Errorf("tsa: making the last token: %w", a.broken)
	}
	return nil
}

// noteClock turns an error of the clock into the refusal for it, and records
// and logs when the clock is lost and found.
//
// ETSI EN 319 421: events that concern the clock's synchronisation
// are recorded. When they cannot be, nothing is signed.
func (a *Authority) noteClock(ctx context.Context, clock error) *Rejection {
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	if lost := clock != nil; lost != a.clockLost {
		action, attrs := "tsa.clock_found", []slog.Attr(nil)
		if lost {
			action, attrs = "tsa.clock_lost", []slog.Attr{slog.String("reason", clock.Error())}
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
			a.clockLost = lost
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
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	a.broken = err
	if err != nil {
		a.brokenAt = time.Now()
		a.log.ErrorContext(ctx, "no token", "error", err)
	}
}

package tsa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// notAsked bars a unit of which nobody has been asked yet, so that no restart
// lets one that is held or revoked make a token.
var notAsked = "whether the certificate is held or revoked has not been asked yet"

// Run looks after the units until ctx ends: it asks for the standing of their
// certificates, and records and logs when a unit begins, ends or is kept from
// working. Without Run no standing is asked for, and none of a Config with
// Standing makes tokens.
func (a *Authority) Run(ctx context.Context) error {
	every := min(a.config.StandingEvery, time.Second)
	next := time.Now()
	for {
		if now := time.Now(); a.config.Standing != nil && (!now.Before(next) || a.added()) {
			next = now.Add(a.config.StandingEvery)
			if !a.askStanding(ctx) {
				// Soon again while nobody knows.
				next = now.Add(every)
			}
			if ctx.Err() == nil {
				a.firstTime.Do(func() { close(a.asked) })
			}
		}
		a.noteUnits(ctx)
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// awaitStanding waits a little for the first word of the units' standing: a query
// that comes with the start is not refused for being early.
func (a *Authority) awaitStanding(ctx context.Context) {
	select {
	case <-a.asked:
		return
	default:
	}
	timer := time.NewTimer(a.config.MaxWait)
	defer timer.Stop()
	select {
	case <-a.asked:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// added reports whether there is a unit that was not asked for yet.
func (a *Authority) added() bool {
	return slices.ContainsFunc(a.units(), func(u *unit) bool { return u.barred.Load() == &notAsked })
}

// askStanding asks for every unit whose period is not over, and reports whether
// all were known.
func (a *Authority) askStanding(ctx context.Context) bool {
	all := true
	for _, u := range a.units() {
		now := time.Now()
		if u.knownAt.IsZero() {
			u.knownAt = now
		}
		if !u.period.to.IsZero() && now.After(u.period.to) {
			u.barred.CompareAndSwap(&notAsked, nil)
			continue
		}
		good, err := a.config.Standing(ctx, u.Certificate)
		if ctx.Err() != nil {
			return true
		}
		switch {
		case err == nil && good:
			u.knownAt = now
			u.barred.Store(nil)
		case err == nil:
			u.knownAt = now
			u.bar("the certificate is held or revoked")
		default:
			all = false
			unknown := now.Sub(u.knownAt)
			a.log.WarnContext(ctx, "standing of a unit's certificate not known", "unit", u.label, "for", unknown.Round(time.Second), "error", err)
			// What was held stays so; what was good, or is new, is so for a while.
			u.barred.CompareAndSwap(&notAsked, nil)
			if u.barred.Load() == nil && unknown >= a.config.StandingGrace {
				u.bar(fmt.Sprintf("whether the certificate is held or revoked has not been known for %v", a.config.StandingGrace))
			}
		}
	}
	return all
}

func (u *unit) bar(reason string) { u.barred.Store(&reason) }

// noteUnits records what has changed of the units.
func (a *Authority) noteUnits(ctx context.Context) {
	now, _, err := a.config.Clock.Now()
	if err != nil {
		return // there are no tokens either
	}
	for _, u := range a.units() {
		state := "active"
		switch why := u.why(now); {
		case why == nil:
		case u.barred.Load() != nil:
			state = *u.barred.Load()
		case now.Before(u.period.from):
			state = "not yet"
		default:
			state = "over"
		}
		if state == u.said {
			continue
		}
		if a.config.Audit != nil {
			if err := a.config.Audit(ctx, "tsa.unit", slog.String("unit", u.label), slog.String("state", state),
				slog.Time("from", u.period.from.UTC()), slog.Time("to", u.period.to.UTC())); err != nil {
				a.log.ErrorContext(ctx, "recording unit", "error", err)
				return // again with the next round
			}
		}
		a.log.InfoContext(ctx, "time-stamping unit", "unit", u.label, "state", state, "until", u.period.to)
		u.said = state
	}
}

// Until returns when the last unit's key may no longer be used, as far as the
// units follow upon one another from now without a gap; zero when none may be
// used now.
func (a *Authority) Until(now time.Time) time.Time {
	var until time.Time
	for again := true; again; {
		again = false
		for _, u := range a.units() {
			at := now
			if !until.IsZero() {
				at = until
			}
			if u.barred.Load() == nil && u.period.contains(at) && u.period.to.After(until) {
				until, again = u.period.to, true
			}
		}
	}
	return until
}

// usableNow reports why no unit may make a token, nil when one may.
func (a *Authority) usableNow(now time.Time) error {
	var reasons []error
	for _, u := range a.units() {
		err := u.why(now)
		if err == nil {
			return nil
		}
		reasons = append(reasons, err)
	}
	return fmt.Errorf("tsa: no unit may make tokens: %w", errors.Join(reasons...))
}

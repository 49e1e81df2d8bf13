package replica

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ready returns why the replica is not what it should be: the journal
// contradicts it, or cannot be read and was last read to its end longer than
// grace ago.
func (r *Replica) Ready(ctx context.Context, grace time.Duration) error {
	s, err := r.state(ctx, r.db)
	if err != nil {
		return fmt.Errorf("reading replica: %w", err)
	}
	r.mu.Lock()
	failing := r.failing
	r.mu.Unlock()
	if errors.Is(failing, ErrContradiction) {
		return fmt.Errorf("following the authority's journal from position %d: %w", s.position, failing)
	}
	if failing == nil {
		// A question for news is under way, and may take so long.
		grace += pollFor + answerWithin
	}
	asOf := "never"
	if !s.asOf.IsZero() {
		asOf = s.asOf.Format(time.RFC3339)
		if age := time.Since(s.asOf); age <= grace && age > -time.Second {
			return nil
		}
	}
	if failing == nil {
		return fmt.Errorf("the authority's journal was read up to position %d, and last to its end: %s", s.position, asOf)
	}
	return fmt.Errorf("the authority's journal was read up to position %d, and last to its end: %s: %w", s.position, asOf, failing)
}

// Lag returns how long ago the journal was last read to its end, -1 ns when it
// never was or that is not known.
func (r *Replica) Lag(ctx context.Context) time.Duration {
	s, err := r.state(ctx, r.db)
	if err != nil || s.asOf.IsZero() {
		return -1
	}
	return max(0, time.Since(s.asOf))
}

// Alarm reports whether the journal contradicts the replica.
func (r *Replica) Alarm() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Is(r.failing, ErrContradiction)
}

package ocsp

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"time"
)

// followBatch is how many entries are read at a time.
const followBatch = 1000

// Follow reads the journal from behind position after, and leaves a floor for
// every certificate that it tells of, until ctx ends; then it returns nil.
// Errors of the journal are logged and tried again.
//
// after is the journal's last position before the responder was started, when
// nothing had been answered yet: no answer is made from an older one.
func (r *Responder) Follow(ctx context.Context, journal Journal, after uint64) error {
	r.floors.leaveAll(after)
	r.follower.position.Store(after)
	const least, most = 50 * time.Millisecond, 5 * time.Second
	pause := least
	for ctx.Err() == nil {
		entries, err := journal.Entries(ctx, after, followBatch)
		if err == nil {
			after = r.take(ctx, entries, after)
			if len(entries) > 0 {
				r.follower.succeeded()
				continue
			}
			// Seen to the end. Wait may last long without anything being wrong.
			r.follower.succeeded()
			err = journal.Wait(ctx, after)
		}
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			pause = least
			continue
		}
		r.follower.failed(err, time.Now())
		r.log.ErrorContext(ctx, "following journal", "after", after, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, most)
	}
	return nil
}

// take leaves the floors of entries and returns the position of the last one.
func (r *Responder) take(ctx context.Context, entries []Change, after uint64) uint64 {
	for _, e := range entries {
		if e.Position <= after {
			// Told before: a floor never sinks.
			continue
		}
		if e.Position != after+1 {
			// The journal has no gaps, so something is missing here. Whatever
			// it was about, nothing from before it is sent any more.
			r.log.ErrorContext(ctx, "journal has a gap", "after", after, "next", e.Position)
			r.floors.leaveAll(e.Position)
		}
		if e.Serial != nil {
			r.Invalidate(e.Issuer, e.Serial, e.Position)
		}
		after = e.Position
		r.follower.position.Store(after)
	}
	return after
}

// Invalidate says that the journal has an entry about the certificate at
// position. When it returns, no answer made from before that entry is sent any
// more. [Responder.Follow] calls it; a process that writes the journal itself
// may do so before it acknowledges a change.
func (r *Responder) Invalidate(issuer string, serial *big.Int, position uint64) {
	r.floors.leave(certificate{issuer, string(serial.Bytes())}, position)
}

// InvalidateAll is Invalidate for every certificate of an issuer: no answer
// made from a position before this one is sent any more.
func (r *Responder) InvalidateAll(issuer string, position uint64) {
	r.floors.leaveIssuer(issuer, position)
}

// Position returns up to where the journal was followed; the roof compares it
// with the journal's head.
func (r *Responder) Position() uint64 { return r.follower.position.Load() }

// follower is the state of Follow.
type follower struct {
	position atomic.Uint64
	mu       sync.Mutex
	begun    bool
	failing  error
	since    time.Time // when failing began
}

func (f *follower) succeeded() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun, f.failing = true, nil
}

func (f *follower) failed(err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		f.since = now
	}
	f.failing = err
}

// ready tolerates a journal that was lost less than grace ago.
func (f *follower) ready(now time.Time, grace time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failing != nil && (!f.begun || now.Sub(f.since) > grace):
		return fmt.Errorf("following journal since %s: %w", f.since.UTC().Format(time.RFC3339), f.failing)
	case f.failing == nil && !f.begun:
		return errors.New("the journal was not read yet")
	}
	return nil
}

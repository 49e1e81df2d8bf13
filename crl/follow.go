package crl

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// After a failure the next attempt waits for minBackoff, and twice as long
	// each time up to maxBackoff.
	minBackoff, maxBackoff = time.Second, time.Minute
	// maxPause bounds a wait, so that a step of the wall clock, which timers do
	// not see, delays a list by no more.
	maxPause = time.Minute
	// batch is how many entries of the journal are read at once.
	batch = 1000
)

// Run publishes lists until ctx ends, then returns nil. While the folder cannot
// be written it serves what is there and tries again.
func (p *Publisher) Run(ctx context.Context) error {
	if err := p.clean(); err != nil {
		p.config.Log.ErrorContext(ctx, "what was left of lists in the making is not removed", "err", err)
	}
	var loops, first sync.WaitGroup
	if !p.certified(ctx) {
		loops.Go(func() {
			for failures := 1; ctx.Err() == nil && !p.certified(ctx); failures++ {
				pause(ctx, backoff(failures), nil)
			}
		})
	}
	for _, a := range p.authorities {
		first.Add(1)
		loops.Go(func() { p.keep(ctx, a, sync.OnceFunc(first.Done)) })
	}
	if p.config.Journal != nil {
		loops.Go(func() {
			// A list published just now spares reading the journal up to it.
			first.Wait()
			p.follow(ctx)
		})
	}
	for _, m := range p.config.Mirrors {
		loops.Go(func() { p.mirror(ctx, m) })
	}
	loops.Wait()
	return nil
}

// certified publishes the authorities' certificates and remembers whether they
// are.
func (p *Publisher) certified(ctx context.Context) bool {
	err := p.certify()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.uncertified == nil {
		p.config.Log.ErrorContext(ctx, "certificates not published", "err", err)
	}
	p.uncertified = err
	return err == nil
}

// keep publishes one issuer's lists whenever they are due. It calls tried when
// the first attempt was made or turned out not to be needed.
func (p *Publisher) keep(ctx context.Context, a *authority, tried func()) {
	defer tried()
	if main := a.lists[0].complete.current.Load(); main != nil {
		// The process may have died between publishing a list and telling.
		p.tell(ctx, a, main.Number)
	}
	for ctx.Err() == nil {
		p.inspect(a)
		wait, complete := p.plan(a)
		if wait > 0 {
			tried()
			pause(ctx, min(wait, maxPause), a.wake)
			continue
		}
		var err error
		if complete {
			err = p.Publish(ctx, a.ID)
		} else {
			err = p.PublishDelta(ctx, a.ID)
		}
		if err != nil && ctx.Err() == nil {
			p.config.Log.ErrorContext(ctx, "list not published", "issuer", a.ID, "err", err)
		}
		tried()
	}
}

// plan returns after what time the issuer's lists are to be published, and
// whether the complete ones.
func (p *Publisher) plan(a *authority) (wait time.Duration, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &p.config
	until := func(s *slot, interval time.Duration, missed time.Time, delay time.Duration) time.Duration {
		current := s.current.Load()
		if current == nil || s.stale.Load() {
			return 0
		}
		wait := time.Duration(1<<63 - 1)
		if !a.Last || !current.NextUpdate.Equal(endOfTime) {
			wait = time.Until(current.ThisUpdate.Add(interval))
			if !current.served.IsZero() {
				// A wall clock that was set back delays nothing.
				wait = min(wait, interval-time.Since(current.served))
			}
		}
		if !missed.IsZero() {
			wait = min(wait, delay-time.Since(missed))
		}
		return wait
	}
	wait, delta := time.Duration(1<<63-1), time.Duration(1<<63-1)
	for _, l := range a.lists {
		wait = min(wait, until(l.complete, c.Interval, a.missed, c.Delay))
		if l.delta != nil {
			delta = min(delta, until(l.delta, c.DeltaInterval, a.missedByDelta, c.DeltaDelay))
		}
	}
	if delta < 1<<63-1 && !a.based {
		// Which list the last process counted from is not known, and what has come
		// since could not be told.
		wait = 0
	}
	complete = wait <= max(0, delta)
	wait = min(wait, delta)
	if a.failures > 0 {
		wait = max(wait, backoff(a.failures)-time.Since(a.attempted))
	}
	return wait, complete
}

// miss notes that the issuer's lists do not tell of a change.
func (a *authority) miss(position uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = max(a.wanted, position)
	note := func(s *slot, since *time.Time) {
		if s == nil {
			return
		}
		if current := s.current.Load(); since.IsZero() && (current == nil || current.Number < position) {
			*since = time.Now()
		}
	}
	for _, l := range a.lists {
		note(l.complete, &a.missed)
		note(l.delta, &a.missedByDelta)
	}
}

// follow reads the journal from where the lists are and marks the lists that
// miss a change. The number of a list is a journal position, so the folder
// itself remembers how far the publisher has come.
func (p *Publisher) follow(ctx context.Context) {
	after, failures := p.position(), 0
	for ctx.Err() == nil {
		n, err := p.advance(ctx, &after)
		if err == nil && n == 0 {
			err = p.config.Journal.Wait(ctx, after)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
		} else if failures++; failures == 1 {
			p.config.Log.ErrorContext(ctx, "journal not followed", "after", after, "err", err)
		}
		p.mu.Lock()
		if p.behind = nil; err != nil {
			p.behind = fmt.Errorf("following journal: %w", err)
		}
		p.mu.Unlock()
		if err != nil {
			pause(ctx, backoff(failures), nil)
		}
	}
}

// position returns the journal position that every published list tells of. A
// list that is missing will be published and then tells of more.
func (p *Publisher) position() uint64 {
	position := uint64(0)
	for _, a := range p.authorities {
		for _, s := range a.slots() {
			if current := s.current.Load(); current != nil && (position == 0 || current.Number < position) {
				position = current.Number
			}
		}
	}
	return position
}

// advance reads entries after the position, moves it, and returns how many
// there were.
func (p *Publisher) advance(ctx context.Context, after *uint64) (int, error) {
	entries, err := p.config.Journal.Entries(ctx, *after, batch)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.Position <= *after {
			return 0, fmt.Errorf("entry %d came after entry %d", e.Position, *after)
		}
		*after = e.Position
		if !e.Status {
			continue
		}
		for _, a := range p.about[e.Issuer] {
			a.miss(e.Position)
			a.nudge()
		}
	}
	return len(entries), nil
}

// backoff returns the wait after a number of failures in a row.
func backoff(failures int) time.Duration {
	return min(minBackoff<<min(failures-1, 10), maxBackoff)
}

// pause waits for d, for wake, or for the end of ctx.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

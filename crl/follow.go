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

// Run publishes lists until ctx ends, then returns nil. It returns an error
// only when the folder cannot be written at the start.
func (p *Publisher) Run(ctx context.Context) error {
	if err := p.prepare(); err != nil {
		return fmt.Errorf("preparing folder of lists: %w", err)
	}
	var loops, first sync.WaitGroup
	for _, l := range p.lists {
		first.Add(1)
		loops.Go(func() { p.keep(ctx, l, sync.OnceFunc(first.Done)) })
	}
	if p.config.Journal != nil {
		loops.Go(func() {
			// A list published just now spares reading the journal up to it.
			first.Wait()
			p.follow(ctx)
		})
	}
	loops.Wait()
	return nil
}

// keep publishes one issuer's list whenever it is due. It calls tried when the
// first attempt was made or turned out not to be needed.
func (p *Publisher) keep(ctx context.Context, l *list, tried func()) {
	defer tried()
	if l.current.Load() != nil {
		// The process may have died between publishing a list and telling.
		p.tell(ctx, l)
	}
	for ctx.Err() == nil {
		wait, settled := p.plan(l)
		if settled {
			tried()
			pause(ctx, min(wait, maxPause), l.wake)
			continue
		}
		pause(ctx, wait, nil)
		if ctx.Err() != nil {
			return
		}
		// Somebody may have published on demand meanwhile.
		if _, settled := p.plan(l); settled {
			continue
		}
		if err := p.Publish(ctx, l.ID); err != nil && ctx.Err() == nil {
			p.config.Log.ErrorContext(ctx, "list not published", "issuer", l.ID, "err", err)
		}
		tried()
	}
}

// plan returns after what time the list is to be published. It is settled when
// only the interval makes it due, so that news may shorten the wait; a failure
// or a change that is being waited out is not interrupted by more of them.
func (p *Publisher) plan(l *list) (wait time.Duration, settled bool) {
	l.mu.Lock()
	failures := l.failures
	l.mu.Unlock()
	if failures > 0 {
		return backoff(failures), false
	}
	current := l.current.Load()
	if current == nil {
		return 0, false
	}
	wait = time.Until(current.ThisUpdate.Add(p.config.Interval))
	switch {
	case wait <= 0:
		return 0, false
	case l.wanted.Load() > current.Number:
		return min(wait, p.config.Delay), false
	}
	return wait, true
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
	for _, l := range p.lists {
		if current := l.current.Load(); current != nil && (position == 0 || current.Number < position) {
			position = current.Number
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
		l, ours := p.byID[e.Issuer]
		if !ours || !e.Status {
			continue
		}
		l.wanted.Store(e.Position)
		l.nudge()
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

package crl

import (
	"context"
	"fmt"
	"time"
)

// Mirror is another place that lists are published at.
type Mirror interface {
	// Put stores the list durably and in one piece. It refuses to replace a list
	// of a higher number. It may be given the same list twice.
	Put(ctx context.Context, l *List) error
	// String names the mirror for people.
	String() string
}

// nudgeMirrors lets the mirrors know that there is something new.
func (p *Publisher) nudgeMirrors() {
	for _, wake := range p.mirrorWakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// mirror keeps one mirror like the folder until ctx ends.
func (p *Publisher) mirror(ctx context.Context, m Mirror) {
	put, failures := make(map[*slot]*List), 0
	for ctx.Err() == nil {
		err := p.mirrorOnce(ctx, m, put)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		p.mirrors[m] = err
		p.mu.Unlock()
		if err == nil {
			failures = 0
			pause(ctx, maxPause, p.mirrorWakes[m])
			continue
		}
		if failures++; failures == 1 {
			p.config.Log.ErrorContext(ctx, "mirror is behind", "mirror", m.String(), "err", err)
		}
		pause(ctx, backoff(failures), nil)
	}
}

func (p *Publisher) mirrorOnce(ctx context.Context, m Mirror, put map[*slot]*List) error {
	for _, a := range p.authorities {
		for _, s := range a.slots() {
			current := s.current.Load()
			if current == nil || put[s] == current {
				continue
			}
			began := time.Now()
			if err := m.Put(ctx, current); err != nil {
				p.config.Observe("mirror", time.Since(began))
				return fmt.Errorf("mirroring list %s to %s: %w", s.path, m, err)
			}
			p.config.Observe("mirrored", time.Since(began))
			put[s] = current
		}
	}
	return nil
}

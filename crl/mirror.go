package crl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
	var problems []error
	for _, a := range p.authorities {
		for _, l := range a.lists {
			err := p.mirrorList(ctx, m, l, put)
			if err != nil {
				problems = append(problems, err)
			}
			if _, away := errors.AsType[*url.Error](err); away || ctx.Err() != nil {
				// Nobody answers, and would not for the next list either.
				return errors.Join(problems...)
			}
		}
	}
	return errors.Join(problems...)
}

// mirrorList puts a complete list and its delta list. The delta list is looked
// up first and put last: the complete one is then at least as new as its base,
// which a delta list never comes before.
func (p *Publisher) mirrorList(ctx context.Context, m Mirror, l *list, put map[*slot]*List) error {
	var delta *List
	if l.delta != nil {
		delta = l.delta.current.Load()
	}
	for _, next := range []struct {
		*slot
		list *List
	}{{l.complete, l.complete.current.Load()}, {l.delta, delta}} {
		if next.list == nil || put[next.slot] == next.list {
			continue
		}
		began := time.Now()
		if err := m.Put(ctx, next.list); err != nil {
			p.config.Observe("mirror", time.Since(began))
			return fmt.Errorf("mirroring list %s to %s: %w", next.path, m, err)
		}
		p.config.Observe("mirrored", time.Since(began))
		put[next.slot] = next.list
	}
	return nil
}

package crl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// maxAhead is by how much the source's clock may be ahead of ours.
	maxAhead = time.Minute
	// maxChanges is how many changes are read at once. Where there are more, the
	// table is read instead, which takes no memory.
	maxChanges = 50_000
	// maxJournal is how long a journal is read from its beginning where the list
	// before is not known.
	maxJournal = 4 * maxChanges
)

// fault is an error with the word that metrics count it under.
type fault struct {
	reason string
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func because(reason string, err error) error {
	if f, ok := errors.AsType[*fault](err); ok {
		return &fault{f.reason, err}
	}
	return &fault{reason, err}
}

// Publish makes, signs and publishes new lists of the issuer now: complete ones
// and, where there are any, delta lists. When it returns nil, they are on the
// disk and being served. An unknown issuer is [fs.ErrNotExist].
func (p *Publisher) Publish(ctx context.Context, issuer string) error {
	a, ok := p.byID[issuer]
	if !ok {
		return fmt.Errorf("publishing list of %q: %w", issuer, fs.ErrNotExist)
	}
	return p.attempt(ctx, a, true)
}

// PublishDelta makes, signs and publishes new delta lists of the issuer. Where
// no complete list of this process is there for them to count from, it does as
// [Publisher.Publish].
func (p *Publisher) PublishDelta(ctx context.Context, issuer string) error {
	a, ok := p.byID[issuer]
	if !ok {
		return fmt.Errorf("publishing delta list of %q: %w", issuer, fs.ErrNotExist)
	}
	return p.attempt(ctx, a, false)
}

func (p *Publisher) attempt(ctx context.Context, a *authority, complete bool) error {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	began := time.Now()
	r := &round{p: p, a: a, complete: complete || !a.hasDeltas()}
	err := r.run(ctx)
	took := time.Since(began)
	if err == nil {
		a.settle(r, nil)
		p.config.Observe("published", took)
		for _, l := range r.published {
			p.config.Log.InfoContext(ctx, "list published", "issuer", a.ID, "path", l.Path, "number", l.Number, "base", l.Base,
				"entries", l.Entries, "next_update", l.NextUpdate, "took", took)
		}
		return nil
	}
	err = fmt.Errorf("publishing list of %s: %w", a.ID, err)
	if ctx.Err() != nil {
		// The caller gave up, which says nothing about the list.
		return err
	}
	a.settle(r, err)
	a.nudge()
	if f, ok := errors.AsType[*fault](err); ok {
		p.config.Observe(f.reason, took)
		if f.reason == "contradiction" {
			p.config.Log.ErrorContext(ctx, "ALARM: the register contradicts itself; no list is published until it does not", "issuer", a.ID, "err", err)
		}
	}
	return err
}

// settle remembers how the last attempt ended.
func (a *authority) settle(r *round, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = err
	if err != nil {
		a.failures++
		a.attempted = time.Now()
		return
	}
	a.failures, a.based = 0, true
	// What came while the lists were made is still to be told.
	still := time.Time{}
	if a.wanted > r.n.Number {
		still = time.Now()
	}
	a.missedByDelta = still
	if r.complete {
		a.missed = still
	}
}

// nudge makes the loop of the authority look again.
func (a *authority) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// round is the making of all lists of one number.
type round struct {
	p        *Publisher
	a        *authority
	complete bool
	n        Numbered
	to       Point
	drafts   []*drafted
	base     Point // what deltas count from

	published []*List
}

// drafted is a draft and where it is going to be.
type drafted struct {
	*draft
	list *list
	slot *slot
}

func (r *round) run(ctx context.Context) (err error) {
	p, a := r.p, r.a
	if r.n, err = p.config.Source.Number(ctx, a.series()); err != nil {
		return because("source", fmt.Errorf("numbering list: %w", err))
	}
	if err := p.checkNumber(a, r.n); err != nil {
		return err
	}
	r.to = r.point(r.n.Number, r.n.Published)
	r.to.At = r.n.At
	defer func() {
		for _, d := range r.drafts {
			d.discard()
		}
	}()
	// Deltas first: without a base they make the round a complete one.
	var deltas []Entry
	if a.hasDeltas() {
		if deltas, err = r.deltas(ctx); err != nil {
			return err
		}
	}
	if r.complete {
		if err := r.draftComplete(ctx); err != nil {
			return err
		}
	}
	if err := r.draftDeltas(deltas); err != nil {
		return err
	}
	// All are signed before the first is published.
	for _, d := range r.drafts {
		if err := p.sign(ctx, a, d); err != nil {
			return fmt.Errorf("list %s: %w", d.slot.path, err)
		}
	}
	for _, d := range r.drafts {
		l, err := p.store(a, d)
		if err != nil {
			return fmt.Errorf("list %s: %w", d.slot.path, err)
		}
		r.published = append(r.published, l)
	}
	r.remember()
	if r.complete {
		p.tell(ctx, a, r.n.Number)
	}
	p.nudgeMirrors()
	return nil
}

// point is what a list of that number is made of.
func (r *round) point(number, dropped uint64) Point {
	if !r.a.ExpiredSince.IsZero() {
		dropped = 0
	}
	return Point{Number: number, Dropped: dropped}
}

// remember keeps what the next round starts from. A base is given up when it is
// as old as a complete list may become, so that whoever has the complete list
// of the last time can use the delta lists of this time.
func (r *round) remember() {
	if !r.complete {
		return
	}
	r.a.last = r.to
	if r.base.Number == r.to.Number || r.to.At.Sub(r.base.At) >= r.p.config.Interval {
		r.base = r.to
	}
	r.a.base = r.base
}

// tell tells the source what is published. A source that was not told keeps
// entries for longer than it has to, so a failure is reported and no more.
func (p *Publisher) tell(ctx context.Context, a *authority, number uint64) {
	if err := p.config.Source.Published(ctx, a.series(), number); err != nil {
		p.config.Log.WarnContext(ctx, "register not told of list", "issuer", a.ID, "number", number, "err", err)
	}
}

// checkNumber refuses a round before any work is done for it.
func (p *Publisher) checkNumber(a *authority, n Numbered) error {
	now := time.Now()
	if n.At.After(now.Add(maxAhead)) {
		return because("source", fmt.Errorf("the register's clock is ahead of this server's by %v", n.At.Sub(now)))
	}
	if signer := a.signer(); n.At.Truncate(time.Second).Before(signer.NotBefore) || n.At.After(signer.NotAfter) {
		return because("source", errors.New("the authority's certificate is not valid at this time"))
	}
	if n.At.Before(now.Add(-maxAhead)) {
		return because("source", fmt.Errorf("the register's clock is behind this server's by %v", now.Sub(n.At)))
	}
	if n.Number == 0 {
		return because("number", errors.New("the register gave the list no number"))
	}
	for _, s := range a.slots() {
		if n.Number <= s.used {
			return because("number", fmt.Errorf("the register gave the number %d, and the archive keeps %d: was it restored from a copy?", n.Number, s.used))
		}
		current := s.current.Load()
		if current == nil {
			continue
		}
		// RFC 5280, Section 5.2.3: numbers increase, and lists that differ have
		// numbers that differ.
		if n.Number <= current.Number {
			return because("number", fmt.Errorf("the register gave the number %d after %d: was it restored from a copy?", n.Number, current.Number))
		}
		if n.At.Add(p.config.Validity).Before(current.ThisUpdate) {
			return because("source", fmt.Errorf("it is %s, and the published list was made at %s: mend the clock, or move the list away if the clock was wrong then",
				n.At.UTC().Format(time.RFC3339), current.ThisUpdate.Format(time.RFC3339)))
		}
		if n.At.Before(current.ThisUpdate) {
			p.config.Log.Error("clock went back", "issuer", a.ID, "published", current.ThisUpdate, "now", n.At)
		}
	}
	return nil
}

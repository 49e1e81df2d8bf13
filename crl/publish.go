package crl

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// maxAhead is by how much the source's clock may be ahead of ours.
const maxAhead = time.Minute

// fault is an error with the word that metrics count it under.
type fault struct {
	reason string
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func because(reason string, err error) error { return &fault{reason, err} }

// Publish makes, signs and publishes a new list of the issuer now. When it
// returns nil, the list is on the disk and being served. An unknown issuer is
// [fs.ErrNotExist].
func (p *Publisher) Publish(ctx context.Context, issuer string) error {
	l, ok := p.byID[issuer]
	if !ok {
		return fmt.Errorf("publishing list of %q: %w", issuer, fs.ErrNotExist)
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	began := time.Now()
	err := p.publish(ctx, l)
	took := time.Since(began)
	if err == nil {
		l.settle(nil)
		p.config.Observe("published", took)
		current := l.current.Load()
		p.config.Log.InfoContext(ctx, "list published", "issuer", l.ID, "number", current.Number,
			"entries", current.Entries, "next_update", current.NextUpdate, "took", took)
		return nil
	}
	err = fmt.Errorf("publishing list of %s: %w", l.ID, err)
	if ctx.Err() != nil {
		// The caller gave up, which says nothing about the list.
		return err
	}
	l.settle(err)
	l.nudge()
	if f, ok := errors.AsType[*fault](err); ok {
		p.config.Observe(f.reason, took)
	}
	return err
}

// settle remembers how the last attempt ended.
func (l *list) settle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
	if err == nil {
		l.failures = 0
	} else {
		l.failures++
	}
}

// nudge makes the loop of the list look again.
func (l *list) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (p *Publisher) publish(ctx context.Context, l *list) error {
	s, err := p.config.Source.List(ctx, l.ID)
	if err != nil {
		return because("source", fmt.Errorf("reading register: %w", err))
	}
	if err := p.checkSnapshot(l, s); err != nil {
		return err
	}
	r, err := p.rehearse(l, s)
	if err != nil {
		return err
	}
	encoded, err := p.sign(ctx, l, r)
	if err != nil {
		return err
	}
	next := newList(l.ID, s.Number, r.parsed, encoded)
	if err := p.store(l, next); err != nil {
		return err
	}
	l.serve(next)
	p.tell(ctx, l)
	return nil
}

// tell tells the source what is published.
//
// RFC 5280, Section 3.3: an entry stays until it was on one list issued after
// the certificate expired. A source that was not told keeps entries for
// longer than it has to, so a failure is reported and no more.
func (p *Publisher) tell(ctx context.Context, l *list) {
	number := l.current.Load().Number
	if err := p.config.Source.Published(ctx, l.ID, number); err != nil {
		p.config.Log.WarnContext(ctx, "register not told of list", "issuer", l.ID, "number", number, "err", err)
	}
}

// checkSnapshot refuses a list before any work is done for it.
func (p *Publisher) checkSnapshot(l *list, s Snapshot) error {
	now := time.Now()
	if s.At.After(now.Add(maxAhead)) {
		return because("source", fmt.Errorf("the register's clock is ahead of this server's by %v", s.At.Sub(now)))
	}
	if s.At.Truncate(time.Second).Before(l.Certificate.NotBefore) || s.At.After(l.Certificate.NotAfter) {
		return because("source", errors.New("the authority's certificate is not valid at this time"))
	}
	current := l.current.Load()
	if current == nil {
		if s.Number == 0 {
			return because("number", errors.New("the register gave the list no number"))
		}
		return nil
	}
	// RFC 5280, Section 5.2.3: numbers increase, and lists that differ have
	// numbers that differ.
	if s.Number <= current.Number {
		return because("number", fmt.Errorf("the register gave the number %d after %d: was it restored from a copy?", s.Number, current.Number))
	}
	if s.At.Before(current.ThisUpdate) {
		p.config.Log.Error("clock went back", "issuer", l.ID, "published", current.ThisUpdate, "now", s.At)
	}
	return nil
}

// newList describes an encoded list; parsed is what it says.
func newList(issuer string, number uint64, parsed *x509.RevocationList, encoded []byte) *List {
	return &List{
		Issuer: issuer, Number: number,
		ThisUpdate: parsed.ThisUpdate, NextUpdate: parsed.NextUpdate,
		Entries: len(parsed.RevokedCertificateEntries), DER: encoded,
		etag:     fmt.Sprintf(`"%x"`, sha256.Sum256(encoded)),
		modified: parsed.ThisUpdate,
	}
}

// serve puts next before the public. RFC 9110, Section 8.8.2.2: a date does not
// tell apart two versions of one second, so the second of them goes without.
func (l *list) serve(next *List) {
	if last := l.current.Load(); last != nil && !next.ThisUpdate.After(last.ThisUpdate) {
		next.modified = time.Time{}
	}
	l.current.Store(next)
}

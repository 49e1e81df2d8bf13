package rediscache

import (
	"sync"
	"time"
)

// breaker leaves Redis alone for a while when it fails again and again: a
// server that hangs would otherwise cost every request its whole budget.
//
// Closed, everything goes through. After limit failures in a row it opens for
// pause; then one question is let through as a probe, and its success closes
// the breaker, its failure opens it for another pause.
type breaker struct {
	limit int
	pause time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time
	probing  bool
}

// allow reports whether Redis may be asked now.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true
	}
	if now.Before(b.until) || b.probing {
		return false
	}
	b.probing = true
	return true
}

// report tells how a question that was allowed ended.
func (b *breaker) report(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if err == nil {
		b.failures = 0
		return
	}
	if b.failures++; b.failures >= b.limit {
		b.until = now.Add(b.pause)
	}
}

// open reports whether Redis is being left alone.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.limit
}

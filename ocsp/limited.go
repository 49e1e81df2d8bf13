package ocsp

import (
	"context"
	"sync"
	"time"
)

// limited is a context that ends at a time. Its timer runs from when somebody
// first waits for that: a source that answers from memory never does, and one
// that asks a database always.
type limited struct {
	context.Context // the one that it is made of
	until           time.Time

	mu     sync.Mutex
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

func (l *limited) start() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.until)
	}
	return l.timed
}

// release ends what waits.
func (l *limited) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed != nil {
		l.cancel()
	}
}

// Deadline implements [context.Context].
func (l *limited) Deadline() (time.Time, bool) {
	if at, ok := l.Context.Deadline(); ok && at.Before(l.until) {
		return at, true
	}
	return l.until, true
}

// Done implements [context.Context].
func (l *limited) Done() <-chan struct{} { return l.start().Done() }

// Err implements [context.Context].
func (l *limited) Err() error { return l.start().Err() }

// Value implements [context.Context]. Contexts made of this one find by it whom
// to follow.
func (l *limited) Value(key any) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed != nil {
		return l.timed.Value(key)
	}
	return l.Context.Value(key)
}

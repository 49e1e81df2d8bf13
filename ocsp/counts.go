package ocsp

import (
	"context"
	"sync/atomic"
	"time"
)

// Counts returns how many answers were given about certificates of each class
// (see [Status.Class]), that is about one certificate each: those about several
// are counted under the class of the first. Nothing else is remembered of whom
// they were about.
func (r *Responder) Counts() map[uint8]uint64 {
	out := make(map[uint8]uint64)
	for class := range r.classes {
		if n := r.classes[class].Load(); n > 0 {
			out[uint8(class)] = n
		}
	}
	return out
}

// sample lets a log line through once in a while: what goes wrong for one
// request goes wrong for thousands, and the metrics count them all.
type sample struct {
	next    atomic.Int64
	skipped atomic.Int64
}

const sampleEvery = time.Second

// due reports whether to log now, and how many were not since the last time.
func (s *sample) due(now time.Time) (skipped int64, ok bool) {
	next := s.next.Load()
	if now.UnixNano() < next || !s.next.CompareAndSwap(next, now.Add(sampleEvery).UnixNano()) {
		s.skipped.Add(1)
		return 0, false
	}
	return s.skipped.Swap(0), true
}

// fault logs an error, sampled.
func (r *Responder) fault(ctx context.Context, message string, attrs ...any) {
	if skipped, ok := r.faults.due(time.Now()); ok {
		r.log.ErrorContext(ctx, message, append(attrs, "skipped", skipped)...)
	}
}

// warn logs a warning, sampled.
func (r *Responder) warn(ctx context.Context, message string, attrs ...any) {
	if skipped, ok := r.warnings.due(time.Now()); ok {
		r.log.WarnContext(ctx, message, append(attrs, "skipped", skipped)...)
	}
}

package ca

import (
	"math"
	"sync"
	"time"
)

// limiter is a token bucket for each client.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]bucket
	swept   time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
	// full is when it is full again, and as good as none.
	full time.Time
}

// maxBuckets bounds the memory of a limiter. Whoever comes when so many others
// have asked a moment ago shares one bucket with all who do.
const maxBuckets = 4096

// take takes a token of the client, or says how long until there is one.
func (l *limiter) take(client string, perSecond float64, burst int, now time.Time) (wait time.Duration) {
	if perSecond <= 0 {
		return 0
	}
	size := math.Max(1, float64(burst))
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[client]
	if !known && len(l.buckets) >= maxBuckets {
		l.sweep(now)
	}
	if !known && len(l.buckets) >= maxBuckets {
		client = ""
		b, known = l.buckets[client]
	}
	if !known {
		b = bucket{tokens: size, at: now}
	}
	b.tokens = math.Min(size, b.tokens+now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / perSecond * float64(time.Second))
	}
	b.full = now.Add(time.Duration((size - b.tokens) / perSecond * float64(time.Second)))
	if l.buckets == nil {
		l.buckets = map[string]bucket{}
	}
	l.buckets[client] = b
	return wait
}

// sweep forgets the buckets that are full, at most once a second.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for client, b := range l.buckets {
		if !now.Before(b.full) {
			delete(l.buckets, client)
		}
	}
}

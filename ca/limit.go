package ca

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// limiter is a token bucket for each client.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the memory of a limiter. Clients have certificates of the
// centre, so that more than this are a mistake; they then share one bucket.
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
	l.buckets[client] = b
	return wait
}

// moderate refuses a client that asks more often than it may.
//
// RFC 6585, Section 4: 429 with Retry-After, here in whole seconds.
func (a *Authority) moderate(w http.ResponseWriter, client string) error {
	perSecond, burst := a.config.Access.Rate(client)
	wait := a.limiter.take(client, perSecond, burst, time.Now())
	if wait == 0 {
		return nil
	}
	a.config.Observe("rate_limited", 0)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return problem.New(http.StatusTooManyRequests, "rate_limited", "this client asks more often than it may")
}

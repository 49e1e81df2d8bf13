package ra

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// limiter is a token bucket for each key: a member of staff, or a network, which
// is an IPv4 address or the /64 that an IPv6 host moves in.
type limiter[K comparable] struct {
	perSecond, burst float64
	mu               sync.Mutex
	buckets          map[K]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// bucketLimit bounds the memory of a limiter. Keys beyond it share one bucket
// until others are idle again.
const bucketLimit = 1 << 16

// newLimiter returns a limiter that lets perMinute through, a quarter of them
// at once; nil, which lets everything through, when perMinute is negative.
func newLimiter[K comparable](perMinute int) *limiter[K] {
	if perMinute < 0 {
		return nil
	}
	return &limiter[K]{perSecond: float64(perMinute) / 60, burst: max(1, float64(perMinute)/4), buckets: make(map[K]bucket)}
}

// allow takes a token of the key, if there is one.
func (l *limiter[K]) allow(key K, now time.Time) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= bucketLimit {
			l.sweep(now)
		}
		if len(l.buckets) >= bucketLimit {
			key = *new(K)
			b, known = l.buckets[key]
		}
		if !known {
			b = bucket{tokens: l.burst, at: now}
		}
	}
	b.tokens = min(l.burst, b.tokens+now.Sub(b.at).Seconds()*l.perSecond)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.buckets[key] = b
	return ok
}

// sweep forgets keys whose bucket is full again.
func (l *limiter[K]) sweep(now time.Time) {
	for key, b := range l.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.perSecond >= l.burst {
			delete(l.buckets, key)
		}
	}
}

func networkOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		// No address at all: all such clients are one.
		return netip.Prefix{}
	}
	return prefix
}

// ForwardedAddress is the address that a proxy in front of the office has told
// last in X-Forwarded-For, for [Config.ClientAddress]; what stands before it is
// the client's own word. Without one it is the connection's.
func ForwardedAddress(r *http.Request) netip.Addr {
	told := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	last := strings.TrimSpace(told[strings.LastIndexByte(told, ',')+1:])
	if address, err := netip.ParseAddr(last); err == nil {
		return address
	}
	if from, err := netip.ParseAddrPort(last); err == nil {
		return from.Addr()
	}
	return connectionAddress(r)
}

// connectionAddress is the address at the other end of the connection.
func connectionAddress(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr()
}

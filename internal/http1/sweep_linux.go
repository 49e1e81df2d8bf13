package http1

import "time"

// sweepEvery is how often the time limits are looked at.
const sweepEvery = time.Second

// leastWait is for how long a connection has waited before it is shed.
const leastWait = time.Second

// sweep ends connections that have run out of time, and those that wait for a
// request when the server stops; if there are none and the server is crowded, the
// one that has waited longest. It returns how many are left.
func (l *loop) sweep(now time.Time) int {
	stopping := l.server.stopping.Load()
	crowded := l.crowded.Swap(false)
	l.mu.Lock()
	var out []*polled
	var longest *polled
	for _, c := range l.conns {
		switch {
		case c.expired(l.server, now, stopping):
			out = append(out, c)
		case crowded && c.waiting(now) && (longest == nil || c.since.Before(longest.since)):
			longest = c
		}
	}
	if longest != nil && len(out) == 0 {
		out = append(out, longest)
	}
	left := len(l.conns) - len(out)
	l.mu.Unlock()
	for _, c := range out {
		l.end(c)
	}
	return left
}

func (c *polled) expired(s *Server, now time.Time, stopping bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.busy:
		return false
	case stopping && c.in == nil:
		return true
	case c.in != nil || !c.heard:
		return now.Sub(c.since) >= s.ReadTimeout
	}
	return now.Sub(c.since) >= s.IdleTimeout
}

// waiting reports whether the connection waits for a request, and has for so
// long that its peer is not just about to send one.
func (c *polled) waiting(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.busy && c.in == nil && now.Sub(c.since) >= leastWait
}

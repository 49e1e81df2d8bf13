package ocsp

import (
	"context"
	"sync"
)

// priority orders those who wait for their turn to read and sign.
type priority int

const (
	// changed: the certificate's kept answer was overtaken by the journal.
	changed priority = iota
	// missed: no answer is kept.
	missed
	// refreshed: an answer that is still good is made anew ahead of time.
	refreshed
	// bypassed: a nonce or several certificates, which no cache can help.
	bypassed
	priorities
)

// queue bounds how many answers are made at a time, and lets those who wait
// take turns by priority. A full queue is said to be full at once: an answer
// that comes after the client has gone helps nobody.
type queue struct {
	mu sync.Mutex
	// free turns, of which bypassed may have no more than its quota.
	free, quota int
	// waiting are those who wait, first come first, n in all of at most limit.
	waiting  [priorities][]*turn
	n, limit int
}

// turn is what one waits for: nil, or errBusy when displaced.
type turn chan error

func newQueue(turns, limit int) *queue {
	return &queue{free: turns, quota: max(1, turns/2), limit: limit}
}

// enter waits for a turn. Who got one must leave.
func (q *queue) enter(ctx context.Context, p priority) error {
	q.mu.Lock()
	if q.may(p) {
		q.take(p)
		q.mu.Unlock()
		return nil
	}
	// Nonces may fill a quarter of the queue and refreshing nothing of it:
	// the kept answer is still good.
	if p == refreshed || p == bypassed && len(q.waiting[p]) >= (q.limit+3)/4 || q.n >= q.limit && !q.displace(p) {
		q.mu.Unlock()
		return errBusy
	}
	t := make(turn, 1)
	q.waiting[p] = append(q.waiting[p], &t)
	q.n++
	q.mu.Unlock()
	select {
	case err := <-t:
		return err
	case <-ctx.Done():
	}
	if !q.drop(p, &t) {
		// The turn came just now.
		if err := <-t; err == nil {
			q.leave(p)
		}
	}
	return ctx.Err()
}

func (q *queue) may(p priority) bool { return q.free > 0 && (p != bypassed || q.quota > 0) }

func (q *queue) take(p priority) {
	q.free--
	if p == bypassed {
		q.quota--
	}
}

// leave gives the turn to whoever is next.
func (q *queue) leave(p priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	if p == bypassed {
		q.quota++
	}
	for next := range q.waiting {
		p := priority(next)
		for len(q.waiting[p]) > 0 && q.may(p) {
			q.take(p)
			*q.remove(p, 0) <- nil
		}
	}
}

// displace makes room for p by turning away the last of those less urgent.
func (q *queue) displace(p priority) bool {
	for less := priorities - 1; less > p; less-- {
		if n := len(q.waiting[less]); n > 0 {
			*q.remove(less, n-1) <- errBusy
			return true
		}
	}
	return false
}

func (q *queue) remove(p priority, i int) *turn {
	t := q.waiting[p][i]
	q.waiting[p] = append(q.waiting[p][:i], q.waiting[p][i+1:]...)
	q.n--
	return t
}

// drop removes one who stopped waiting.
func (q *queue) drop(p priority, t *turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, waiting := range q.waiting[p] {
		if waiting == t {
			q.remove(p, i)
			return true
		}
	}
	return false
}

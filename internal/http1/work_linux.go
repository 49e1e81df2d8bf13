package http1

import (
	"sync"
	"syscall"
	"time"
)

// workers are the goroutines that make answers for a loop. They are kept when
// they have nothing to do: what signs needs a deep stack, and growing that of a
// new goroutine, again and again, costs more than waking one that has it.
//
// As long as making an answer does not block, one of them makes those of a whole
// turn of the loop, its stack and buffers warm in the processor's cache. Each that
// takes a connection while others wait rouses one more worker, which comes to
// run when this one blocks, or on another processor, and does the same: there
// are as many at work as block and as there are processors.
type workers struct {
	mu sync.Mutex
	// waiting are the connections without a worker yet, first come first.
	waiting []*polled
	// idle are where the workers that have nothing to do wait, the last first.
	idle []chan struct{}
	// roused says that a worker is on its way to waiting.
	roused    bool
	dismissed bool
}

// maxIdle bounds the workers of a loop that have nothing to do. More than that
// may be at work: how much is made at a time is for the Handler to bound.
const maxIdle = 256

// hand gives the connection, which is busy, to a worker.
func (l *loop) hand(c *polled) {
	w := &l.workers
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, c)
	l.rouse()
}

// rouse sees to it that a worker is coming. workers.mu is held.
func (l *loop) rouse() {
	w := &l.workers
	if w.roused {
		return
	}
	w.roused = true
	if last := len(w.idle) - 1; last >= 0 {
		w.idle[last] <- struct{}{}
		w.idle = w.idle[:last]
		return
	}
	go l.work()
}

// dismiss ends the workers when the loop has no connection left.
func (l *loop) dismiss() {
	w := &l.workers
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dismissed = true
	for _, wake := range w.idle {
		wake <- struct{}{}
	}
	w.idle = nil
}

// work makes answers until there are workers enough without it.
func (l *loop) work() {
	x := &exchange{server: l.server, in: make([]byte, maxBuffer)}
	wake := make(chan struct{}, 1)
	w := &l.workers
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.roused = false; ; {
		for len(w.waiting) > 0 {
			c := w.waiting[0]
			if w.waiting = w.waiting[1:]; len(w.waiting) > 0 {
				l.rouse()
			} else {
				w.waiting = nil
			}
			w.mu.Unlock()
			l.make(c, x)
			w.mu.Lock()
		}
		if w.dismissed || len(w.idle) >= maxIdle {
			return
		}
		w.idle = append(w.idle, wake)
		w.mu.Unlock()
		<-wake
		w.mu.Lock()
		w.roused = false
	}
}

// make answers what is left of the connection's requests, the first of which
// has no ready answer, and gives it back to the loop.
func (l *loop) make(c *polled, x *exchange) {
	x.start, x.end = 0, copy(x.in, c.in)
	x.next() // which the loop has found whole
	l.proceed(c, x, time.Now(), slow, true)
	x.sent()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if c.muted && !c.gone {
		c.muted = false
		_ = l.control(syscall.EPOLL_CTL_ADD, c.fd, syscall.EPOLLIN)
	}
}

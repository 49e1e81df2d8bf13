package http1

import (
	"sync/atomic"
	"syscall"
	"time"
)

// workers are the goroutines that make answers for a loop. They are kept when
// they have nothing to do: what signs needs a deep stack, and growing that of a
// new goroutine, again and again, costs more than waking one that has it.
type workers struct {
	// given is where those that have nothing to do wait, idle of them. It has no
	// room, so that what is given is taken at once.
	given chan *polled
	idle  atomic.Int32
}

// maxIdle bounds the workers of a loop that have nothing to do. More than that
// may be at work: how much is made at a time is for the Handler to bound.
const maxIdle = 256

func newWorkers() workers { return workers{given: make(chan *polled)} }

// hand gives the connection, which is busy, to a worker.
func (l *loop) hand(c *polled) {
	select {
	case l.given <- c:
	default:
		go l.work(c)
	}
}

// dismiss ends the workers when the loop has no connection left.
func (l *loop) dismiss() { close(l.given) }

// work makes answers for c and then for whatever is given.
func (l *loop) work(c *polled) {
	x := &exchange{server: l.server, in: make([]byte, maxBuffer)}
	for ok := true; ok; {
		l.make(c, x)
		if l.idle.Add(1) > maxIdle {
			l.idle.Add(-1)
			return
		}
		c, ok = <-l.given
		l.idle.Add(-1)
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

package http1

import (
	"syscall"
	"time"
)

// maxIdle bounds the makers of a loop that wait for work.
const maxIdle = 64

// give has an answer made for the connection, which is marked as busy.
func (l *loop) give(c *polled) {
	select {
	case l.work <- c:
	default:
		go l.maker(c)
	}
}

// maker makes answers, for c first and then for whatever connection needs one.
// A goroutine for each answer would find the stack too small for a signature and
// have it grown and copied every time.
func (l *loop) maker(c *polled) {
	x := &exchange{server: l.server, in: make([]byte, maxBuffer)}
	for ok := true; ok; {
		l.make(c, x)
		if l.idle.Add(1) > maxIdle {
			l.idle.Add(-1)
			return
		}
		c, ok = <-l.work
		l.idle.Add(-1)
	}
}

// make answers what is left of the connection's requests and gives it back to
// the loop.
func (l *loop) make(c *polled, x *exchange) {
	x.start, x.end = 0, copy(x.in, c.in)
	l.proceed(c, x, time.Now(), true)
	x.sent()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if c.muted && !c.gone {
		c.muted = false
		_ = l.control(syscall.EPOLL_CTL_MOD, c.fd, syscall.EPOLLIN)
	}
}

package http1

import (
	"errors"
	"net"
	"os"
	"runtime/debug"
	"time"
)

// conn is a connection that is served by a goroutine of its own: any
// connection where poll_linux.go is not, and there those whose peers take their
// time to read.
type conn struct {
	net.Conn
	exchange

	// heard says that octets have come.
	heard bool
	// began is when the first octet of a partial request came, zero when there
	// is none.
	began time.Time
	// ended says that nothing follows what is pending already.
	ended bool
	// readUntil and writeUntil are the deadlines that are set. Setting one
	// costs, so they are moved only when half of their time is gone.
	readUntil, writeUntil time.Time
}

// serve answers until the connection ends or is handed over.
func (c *conn) serve() {
	kept := true
	defer func() {
		if v := recover(); v != nil {
			c.failed(v, debug.Stack())
			_ = c.flush(time.Now())
		}
		if kept {
			c.Close()
		}
		c.server.remove(c)
	}()
	if c.in == nil {
		c.in = make([]byte, maxBuffer)
	}
	halt := full // sends what may be pending already
	if c.ended {
		halt = last
	}
	for {
		now := time.Now()
		if c.flush(now) != nil {
			return
		}
		switch halt {
		case last:
			return
		case handOver:
			kept = false
			_ = c.SetDeadline(time.Time{})
			c.server.Handover(&replay{Conn: c.Conn, rest: c.in[c.start:c.end]})
			return
		case slow:
			c.began = time.Time{}
			halt = c.make()
			continue
		case more:
			if !c.fill(now) {
				return
			}
			now = time.Now()
		}
		// What follows an answer began to come just now.
		if halt = c.answer(now); halt != more || c.start > 0 || c.end == 0 {
			c.began = time.Time{}
		}
	}
}

// flush sends what is pending.
func (c *conn) flush(now time.Time) error {
	if len(c.out) == 0 {
		return nil
	}
	if limit := c.server.WriteTimeout; c.writeUntil.Sub(now) < limit/2 {
		c.writeUntil = now.Add(limit)
		if err := c.SetWriteDeadline(c.writeUntil); err != nil {
			return err
		}
	}
	_, err := c.Write(c.out)
	c.sent()
	return err
}

// fill reads more octets. It reports false when the connection has ended or
// has run out of time.
func (c *conn) fill(now time.Time) bool {
	if c.start > 0 {
		c.end = copy(c.in, c.in[c.start:c.end])
		c.start = 0
	}
	for {
		if err := c.armRead(now); err != nil {
			return false
		}
		if c.end == 0 && c.server.stopping.Load() {
			return false
		}
		n, err := c.Read(c.in[c.end:])
		c.end += n
		if n > 0 {
			c.heard = true
			return true
		}
		if err == nil {
			continue
		}
		// Shutdown wakes connections that wait; a request that has begun to
		// come gets the rest of its time.
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.end == 0 || !c.server.stopping.Load() {
			return false
		}
		now = time.Now()
		if !now.Before(c.began.Add(c.server.ReadTimeout)) {
			return false
		}
		c.readUntil = time.Time{}
	}
}

// armRead sets the time until which octets must come.
func (c *conn) armRead(now time.Time) error {
	until := now.Add(c.server.IdleTimeout)
	if c.end > 0 {
		// The limit of a request that has begun is not moved by its octets.
		if c.began.IsZero() {
			c.began = now
		}
		until = c.began.Add(c.server.ReadTimeout)
		if until.Equal(c.readUntil) {
			return nil
		}
	} else if !c.heard {
		// Who opens a connection has something to ask.
		if !c.readUntil.IsZero() {
			return nil
		}
		until = now.Add(c.server.ReadTimeout)
	} else if left := c.readUntil.Sub(now); left > c.server.IdleTimeout/2 {
		return nil
	}
	c.readUntil = until
	return c.SetReadDeadline(until)
}

// replay is a connection whose first octets were read already.
type replay struct {
	net.Conn
	rest []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.rest = nil
	}
	return n, nil
}

// CloseWrite lets net/http say that nothing follows without cutting off what the
// peer has still to read.
func (r *replay) CloseWrite() error { return closeWrite(r.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

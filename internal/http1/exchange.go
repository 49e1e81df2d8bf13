package http1

import "time"

// maxPending bounds the answers that are gathered before they are sent.
const maxPending = 32 << 10

// step says why an exchange has come to a halt.
type step int

const (
	// more octets are needed.
	more step = iota
	// slow: the next request, already in exchange.request, has no ready answer.
	slow
	// handOver: the next request is odd.
	handOver
	// full: enough is pending to be sent first.
	full
	// last: the connection ends with what is pending.
	last
)

// exchange is what was read from a connection and what is to be written: the
// part of serving that does not depend on how octets come and go.
type exchange struct {
	server *Server
	// in[start:end] was read and not answered yet.
	in         []byte
	start, end int
	// out is appended to and not sent yet.
	out []byte
	// request is the next one, of length octets.
	request Request
	length  int
}

// answer answers as many of the requests that were read as have ready answers.
func (x *exchange) answer(now time.Time) step {
	for x.start < x.end {
		switch x.next() {
		case partial:
			return more
		case odd:
			return handOver
		}
		out, ok := x.server.Handler.Ready(x.out, &x.request, now)
		if !ok {
			return slow
		}
		if halt := x.answered(out); halt != more {
			return halt
		}
	}
	return more
}

// next reads the next request.
func (x *exchange) next() (e extent) {
	x.length, e = x.request.read(x.in[x.start:x.end])
	if x.server.stopping.Load() {
		x.request.Close = true
	}
	return e
}

// make answers the request that had no ready answer, and goes on with those
// behind it. It may block.
func (x *exchange) make() step {
	out, ok := x.server.Handler.Make(x.server.ctx, x.out, &x.request)
	if !ok {
		return handOver
	}
	if halt := x.answered(out); halt != more {
		return halt
	}
	return x.answer(time.Now())
}

// answered takes the answer to the next request, in out.
func (x *exchange) answered(out []byte) step {
	x.out = out
	if x.start += x.length; x.start == x.end {
		x.start, x.end = 0, 0
	}
	switch {
	case x.request.Close:
		return last
	case len(x.out) > maxPending:
		return full
	}
	return more
}

// sent forgets what was pending.
func (x *exchange) sent() {
	if cap(x.out) > 2*maxPending {
		x.out = nil
	}
	x.out = x.out[:0]
}

// failed gives up after a panic of the Handler.
func (x *exchange) failed(v any, stack []byte) {
	if x.server.Panicked != nil {
		x.server.Panicked(v, stack)
	}
	x.out = append(x.out, "HTTP/1.1 500 Internal Server Error\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"...)
}

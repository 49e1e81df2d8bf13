// Package http1 serves the plain case of HTTP/1.1 at the cost of little more
// than its system calls, for servers whose answers lie ready in memory or cost
// little to make.
//
// The plain case is a GET, HEAD or POST in origin form that fits with its body
// into one small buffer and has a header whose meaning is not in doubt.
// Everything else is odd: another version or method, a body in chunks or with
// Expect, credentials, a folded or doubled header line, a header that is too
// long. An odd request is not refused here but handed over to net/http with its
// connection and every octet that was read, so that there is one place that
// knows the rest of the standard, and nothing is lost by not being understood
// here. That is also why it can be so strict: two parsers that disagree on where
// a request ends are how requests are smuggled, and the second one here sees the
// same octets from the start.
//
// The life of a request:
//
//	server.go   a connection is accepted and gets a goroutine and its buffer
//	conn.go     octets are read, within the time limits
//	request.go  a whole plain request is recognised; an odd one goes to net/http
//	conn.go     the [Handler] appends an answer that lies ready,
//	conn.go     or what is pending is sent, and the Handler makes one
//	            (on Linux by a worker, work_linux.go)
//	conn.go     answers to requests that came together are sent together
//
// It knows nothing of TLS: a server with TLS is net/http's alone.
package http1

package conformance

import (
	"errors"
	"net/http"
	"syscall"
)

// malformedBodies sends what no client sends. RFC 6960, Section 4.2.1: an error
// has no responseBytes.
func malformedBodies(t *trial, r *responder) {
	r.still(t)
	before := r.ended
	sound := inquiry{ids: [][]byte{r.id(r.good.serial)}}.marshal()
	for _, bad := range []struct {
		name string
		body []byte
	}{
		{"no body", []byte{}},
		{"torn request", sound[:len(sound)-7]},
		{"one octet", []byte{0x30}},
		{"octets behind the request", append(append([]byte{}, sound...), 0, 0)},
		{"indefinite length", append(append([]byte{0x30, 0x80}, sound[2:]...), 0, 0)},
		{"empty list of requests", []byte{0x30, 4, 0x30, 2, 0x30, 0}},
		{"length of 2 GiB", []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x30}},
		{"deep nesting", nested(400)},
		{"text", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"64 KiB of zeros", make([]byte, 64<<10)},
	} {
		x := r.post(t, "malformed: "+bad.name, bad.body)
		switch {
		case cutOff(x):
			continue
		case x.Err != nil:
			t.fail("%s: %v", bad.name, x.Err)
			if r.gone {
				return
			}
			continue
		case x.Status >= 500:
			t.fail("%s: the server answers HTTP %d", bad.name, x.Status)
			continue
		case x.Status != http.StatusOK:
			continue // a refusal by HTTP is one, too
		}
		a, err := parseAnswer(x.Response)
		switch {
		case err != nil:
			t.fail("%s: %v", bad.name, err)
		case a.status != statusMalformed:
			t.fail("%s: the answer is %s", bad.name, statusName(a.status))
		case a.hasBody:
			t.fail("%s: a refusal has responseBytes", bad.name)
		}
	}
	if r.gone = r.gone || !r.back(t); r.gone {
		t.fail("after malformed requests the server does not answer honest ones")
	}
	if ended := r.ended - before; ended > 0 {
		t.fail("the server ended itself over them, %d times", ended)
	}
}

// cutOff reports whether a server ended the connection while a body was on its
// way that is longer than any request: a refusal, too.
func cutOff(x *Exchange) bool {
	return len(x.Request) > 4<<10 && (errors.Is(x.Err, syscall.ECONNRESET) || errors.Is(x.Err, syscall.EPIPE))
}

// nested is that many SEQUENCEs in each other.
func nested(levels int) []byte {
	out := []byte{5, 0}
	for range levels {
		switch n := len(out); {
		case n < 0x80:
			out = append([]byte{0x30, byte(n)}, out...)
		case n < 0x100:
			out = append([]byte{0x30, 0x81, byte(n)}, out...)
		default:
			out = append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, out...)
		}
	}
	return out
}

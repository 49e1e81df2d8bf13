package conformance

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
)

// The nonce: RFC 9654 obsoletes RFC 8954 and says for each length
// what becomes of it.
var rfc9654 = []check[*responder]{
	{"OCSP-30", "RFC 9654, Section 2.1", Must, "a nonce of 16 to 32 octets is echoed exactly, if nonces are supported", "ask with 16, 20 and 32 octets, twice", wire, func(t *trial, r *responder) {
		echoed, ignored := 0, 0
		for _, again := range []string{"", ", another"} {
			for _, length := range []int{16, 20, 32} {
				switch r.nonced(t, length, again) {
				case nonceEchoed:
					echoed++
				case nonceIgnored:
					ignored++
				}
			}
		}
		switch {
		case t.failed:
		case echoed == 0 && ignored > 0:
			t.skip("the responder does not support nonces")
		case ignored > 0:
			t.fail("%d of 6 nonces are left out, and others are echoed", ignored)
		}
	}},
	{"OCSP-31", "RFC 9654, Section 2.1", Must, "a nonce of 1 to 15 or 33 to 128 octets is echoed or ignored", "ask with 1, 15, 33 and 128 octets", wire, func(t *trial, r *responder) {
		for _, length := range []int{1, 15, 33, 128} {
			r.nonced(t, length, "")
		}
	}},
	{"OCSP-32", "RFC 9654, Section 2.1", Must, "a nonce of 0 octets is answered malformedRequest", "ask with an empty nonce", wire, func(t *trial, r *responder) {
		r.badNonce(t, 0)
	}},
	{"OCSP-33", "RFC 9654, Section 2.1", Must, "a nonce of more than 128 octets is answered malformedRequest; no nonce unless asked", "ask with 129 and 4096 octets, and with none", wire, func(t *trial, r *responder) {
		r.badNonce(t, 129)
		r.badNonce(t, 4096)
		if _, there, _ := r.first(t).nonce(); there {
			t.fail("there is a nonce in an answer to a request without one")
		}
	}},
}

type nonceFate int

const (
	nonceIgnored nonceFate = iota
	nonceEchoed
	nonceWrong
)

// nonced asks with a nonce of a length and says what became of it. again tells
// questions of one length apart.
func (r *responder) nonced(t *trial, length int, again string) nonceFate {
	r.sound(t)
	name := fmt.Sprintf("nonce of %d octets%s", length, again)
	nonce := make([]byte, length)
	if x, ok := r.asked[name]; ok {
		nonce = r.nonceIn(x)
	} else {
		rand.Read(nonce)
	}
	x := r.ask(t, name, inquiry{ids: [][]byte{r.id(r.good.serial)}, nonce: nonce})
	a := r.honest(t, x)
	if a == nil {
		return nonceWrong
	}
	if a.status != statusSuccessful {
		t.fail("%s: the answer is %s", name, statusName(a.status))
		return nonceWrong
	}
	got, there, good := a.nonce()
	switch {
	case !there:
		return nonceIgnored
	case !good:
		t.fail("%s: the nonce in the answer is no OCTET STRING", name)
		return nonceWrong
	case !bytes.Equal(got, nonce):
		t.fail("%s: the answer has another nonce of %d octets", name, len(got))
		return nonceWrong
	}
	return nonceEchoed
}

// nonceIn finds the nonce of a request that was sent.
func (r *responder) nonceIn(x *Exchange) []byte {
	// The nonce ends the request: it is the last extension.
	var length int
	fmt.Sscanf(x.Name, "nonce of %d octets", &length)
	return x.Request[len(x.Request)-length:]
}

func (r *responder) badNonce(t *trial, length int) {
	r.sound(t)
	name := fmt.Sprintf("nonce of %d octets", length)
	nonce := random(length)
	a := r.honest(t, r.ask(t, name, inquiry{ids: [][]byte{r.id(r.good.serial)}, nonce: nonce}))
	if a == nil {
		return
	}
	// A request that is too long may be refused before it is read.
	if a.status != statusMalformed && a.status != -http.StatusRequestEntityTooLarge {
		t.fail("%s: the answer is %s", name, statusName(a.status))
	}
}

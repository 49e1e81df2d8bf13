package conformance

import (
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"net/http"
	"strconv"

	"github.com/altamga/altamga/internal/pki"
)

const (
	queryType = "application/timestamp-query"
	replyType = "application/timestamp-reply"
)

// authority is a time-stamping authority on trial, or one token out of a file.
type authority struct {
	client *client // nil: a file
	url    string
	policy asn1.ObjectIdentifier // nil: not known
	// trust are certificates of the authority's issuers.
	trust []*certificate
	clock *clock

	file  *stampReply
	asked map[string]*stampReply
	// nonces are those of the standing queries.
	digest []byte
}

// plain is a query that every authority must answer.
func (a *authority) plain() stampQuery {
	if a.digest == nil {
		sum := sha256.Sum256(random(32))
		a.digest = sum[:]
	}
	return stampQuery{version: 1, hash: pki.Algorithm{ID: pki.OIDSHA256}, digest: a.digest, certReq: true}
}

// ask sends a query once in a run, and reads the reply; nil, with the exchange's
// Err or a parse error, when there is none.
func (a *authority) ask(t *trial, name string, q stampQuery) (*stampReply, error) {
	return a.post(t, name, q.marshal(), q)
}

func (a *authority) post(t *trial, name string, body []byte, q stampQuery) (*stampReply, error) {
	if r, ok := a.asked[name]; ok {
		t.saw(r.x)
		return a.read(r.x, r)
	}
	x := a.client.ask(t.ctx, question{name: name, method: http.MethodPost, url: a.url, body: body, header: map[string]string{"Content-Type": queryType, "Accept": replyType}})
	t.saw(x)
	r := &stampReply{x: x, query: q}
	if a.asked == nil {
		a.asked = map[string]*stampReply{}
	}
	a.asked[name] = r
	return a.read(x, r)
}

func (a *authority) read(x *Exchange, r *stampReply) (*stampReply, error) {
	if x.Err != nil {
		return r, x.Err
	}
	parsed, err := parseReply(x.Response)
	if err != nil {
		return r, err
	}
	parsed.x, parsed.query = x, r.query
	return parsed, nil
}

// alive ends the check when the server does not answer at all.
func (a *authority) alive(t *trial) {
	if a.client == nil {
		t.skip("there is a file and no server")
	}
	if r, err := a.baseline(t); r.x.Err != nil {
		t.couldNot("%v", err)
	}
}

func (a *authority) baseline(t *trial) (*stampReply, error) {
	q := a.plain()
	q.nonce = []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x01}
	return a.ask(t, "a time stamp with nonce and certificates", q)
}

// first is the reply to the plainest query, which must be granted.
func (a *authority) first(t *trial) *stampReply {
	a.alive(t)
	r, err := a.baseline(t)
	return r.mustBeGranted(t, "an honest query", err)
}

// granted is the reply to a query that must be granted for the check to go on.
func (a *authority) granted(t *trial, name string, q stampQuery) *stampReply {
	a.alive(t)
	r, err := a.ask(t, name, q)
	return r.mustBeGranted(t, name, err)
}

func (r *stampReply) mustBeGranted(t *trial, name string, err error) *stampReply {
	switch {
	case err != nil:
		t.couldNot("%s: %v", name, err)
	case !r.granted():
		t.couldNot("%s: the query is refused: %s", name, r.refusal())
	case r.tst == nil && r.tokenErr != nil:
		t.couldNot("%s: %v", name, r.tokenErr)
	case r.tst == nil:
		t.couldNot("%s: there is no token", name)
	}
	return r
}

// replies are those that every check of contents looks at, each with a token.
func (a *authority) replies(t *trial) []*stampReply {
	if a.file != nil {
		t.saw(a.file.x)
		switch {
		case a.file.tokenErr != nil:
			t.couldNot("%v", a.file.tokenErr)
		case a.file.tst == nil:
			t.skip("the reply holds no token")
		}
		return []*stampReply{a.file}
	}
	a.alive(t)
	var all []*stampReply
	problem := errors.New("there is no token to judge")
	first, err := a.baseline(t)
	bare, bareErr := a.ask(t, "a time stamp without nonce and certificates", a.bare())
	for _, one := range []struct {
		r   *stampReply
		err error
	}{{first, err}, {bare, bareErr}} {
		switch {
		case one.err != nil:
			problem = one.err
		case one.r.tokenErr != nil:
			problem = one.r.tokenErr
		case one.r.tst == nil && one.r.granted():
			problem = errors.New("the query is granted without a token")
		case one.r.tst == nil:
			problem = errors.New("the query is refused: " + one.r.refusal())
		default:
			all = append(all, one.r)
		}
	}
	if len(all) == 0 {
		t.couldNot("%v", problem)
	}
	return all
}

func (a *authority) bare() stampQuery {
	q := a.plain()
	q.certReq = false
	return q
}

// unit is the certificate of the unit that signed a token: the one in it, or,
// when none was asked for, the one of the first reply.
func (a *authority) unit(t *trial, r *stampReply) *certificate {
	others := a.trust
	if a.client != nil {
		if first, err := a.baseline(t); err == nil && first.tst != nil {
			others = append(append([]*certificate{}, first.tst.certificates...), a.trust...)
		}
	}
	c := r.tst.signer(others...)
	if c == nil {
		t.couldNot("the certificate of the signer is not in the token; name it with --trust")
	}
	return c
}

// failNames are the bits of PKIFailureInfo that RFC 3161, Section 2.4.2 lets an
// authority set.
var failNames = map[int]string{0: "badAlg", 2: "badRequest", 5: "badDataFormat", 14: "timeNotAvailable", 15: "unacceptedPolicy", 16: "unacceptedExtension", 17: "addInfoNotAvailable", 25: "systemFailure"}

// refusal says in words why a query was refused.
func (r *stampReply) refusal() string {
	if len(r.failBits) == 0 {
		return "no reason given"
	}
	name := ""
	for _, bit := range r.failBits {
		if name != "" {
			name += " and "
		}
		if known := failNames[bit]; known != "" {
			name += known
		} else {
			name += "bit " + strconv.Itoa(bit)
		}
	}
	return name
}

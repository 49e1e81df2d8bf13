package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// standing is what a source of status says of a certificate.
type standing string

const (
	standsGood    standing = "good"
	standsHeld    standing = "on hold"
	standsRevoked standing = "revoked"
)

// Reasons of RFC 5280, Section 5.3.1.
const (
	reasonHold   = 6
	reasonRemove = 8
)

// source is one place that tells how a certificate stands.
type source struct {
	what string
	list bool
	// ask returns what the source says at this moment; an error when it says
	// nothing that can be read.
	ask func(*trial) (said, error)

	// notYet is the last time that it was asked and did not say so; known is
	// when it had said so first.
	notYet, known time.Time
	last          said        // its last word that could be read
	evidence      []*Exchange // what both times rest on
	problem       error
	relapse       error // it took it back
}

// said is one word of a source.
type said struct {
	x      *Exchange
	stands standing
	at     time.Time // since when, as the source states it
	reason int       // -1 when none is stated
	list   *list     // the list that was asked; nil when it is none
}

// stand is how a certificate stands that is not good, by the reason for it.
func stand(reason int) standing {
	switch reason {
	case reasonHold:
		return standsHeld
	case reasonRemove:
		return standsGood
	}
	return standsRevoked
}

// sources makes all that tell the status of one certificate. Name is what they
// are called in a report; each call of the function makes them anew.
func (t *Tester) sources(responder OCSPTarget, point ListTarget) (name string, all func() []*source, err error) {
	var makes []func() *source
	if responder.URL != "" {
		r, err := t.responder(responder)
		if err != nil {
			return "", nil, err
		}
		name = responder.URL
		makes = append(makes, func() *source { return r.source("OCSP by POST", r.statusByPost) }, func() *source { return r.source("OCSP by GET", r.statusByGet) })
	}
	if point.URL != "" {
		l, err := t.lists(point)
		if err != nil {
			return "", nil, err
		}
		if l.leaf == nil {
			return "", nil, errors.New("a list is watched for a certificate")
		}
		name = strings.TrimSpace(name + " " + l.url)
		makes = append(makes, l.source)
		if l.deltaURL != "" {
			makes = append(makes, l.deltaSource)
		}
	}
	if makes == nil {
		return "", nil, errors.New("a change is watched by a responder or a list")
	}
	return name, func() (all []*source) {
		for _, one := range makes {
			all = append(all, one())
		}
		return all
	}, nil
}

func (r *responder) source(what string, ask func(*trial) *Exchange) *source {
	return &source{what: what, ask: func(t *trial) (said, error) {
		x := ask(t)
		if err := x.read(); err != nil {
			return said{x: x}, err
		}
		a, err := parseAnswer(x.Response)
		if err != nil {
			return said{x: x}, err
		}
		one := a.single(r.id(r.good.serial))
		if a.status != statusSuccessful || one == nil {
			return said{x: x}, fmt.Errorf("the answer is %s, or about another certificate", statusName(a.status))
		}
		word := said{x: x, stands: standsGood, at: one.revokedAt.at, reason: -1}
		if one.hasReason {
			word.reason = one.reason
		}
		if one.status == stateRevoked {
			word.stands = stand(word.reason)
		}
		return word, nil
	}}
}

// read says why an exchange has nothing to be read.
func (x *Exchange) read() error {
	if x.Err == nil && x.Status != http.StatusOK {
		return fmt.Errorf("the server answers HTTP %d", x.Status)
	}
	return x.Err
}

// statusByPost and statusByGet ask anew each time.
func (r *responder) statusByPost(t *trial) *Exchange {
	r.settle(t)
	return r.client.ask(t.ctx, question{name: "status by POST", method: http.MethodPost, url: r.url, body: inquiry{ids: [][]byte{r.id(r.good.serial)}}.marshal(),
		header: map[string]string{"Content-Type": requestType, "Accept": responseType}})
}

func (r *responder) statusByGet(t *trial) *Exchange {
	r.settle(t)
	return r.client.ask(t.ctx, r.byGet(t, "status by GET", inquiry{ids: [][]byte{r.id(r.good.serial)}}))
}

// now fetches a list as it is at this moment.
func (l *lists) now(t *trial, what, url string) (*Exchange, *list, error) {
	x := l.client.ask(t.ctx, question{name: what, method: http.MethodGet, url: url, limit: maxDownload})
	if err := x.read(); err != nil {
		return x, nil, err
	}
	parsed, err := parseList(x.Response)
	return x, parsed, err
}

// listed is what a list, or several together of which the first that has the
// certificate counts, say of it.
func (l *lists) listed(x *Exchange, lists ...*list) said {
	for _, one := range lists {
		if e := one.entry(l.leaf.serial); e != nil {
			return said{x: x, stands: stand(e.reason), at: e.at.at, reason: e.reason, list: lists[0]}
		}
	}
	return said{x: x, stands: standsGood, reason: -1, list: lists[0]}
}

func (l *lists) source() *source {
	return &source{what: "the list", list: true, ask: func(t *trial) (said, error) {
		x, full, err := l.now(t, "the list", l.url)
		if err != nil {
			return said{x: x}, err
		}
		return l.listed(x, full), nil
	}}
}

// deltaSource is a client that keeps the complete list which it has, and fetches
// another when the delta is no longer for it (RFC 5280, Section 5.2.4).
func (l *lists) deltaSource() *source {
	var kept *list
	return &source{what: "the delta list", list: true, ask: func(t *trial) (said, error) {
		x, delta, err := l.now(t, "the delta list", l.deltaURL)
		if err != nil {
			return said{x: x}, err
		}
		if base := delta.base(); kept == nil || kept.number == nil || base == nil || kept.number.Cmp(base) < 0 {
			at, full, err := l.now(t, "the list that the delta is for", l.url)
			if err != nil {
				return said{x: at}, err
			}
			l.client.forget(at)
			kept = full
		}
		return l.listed(x, delta, kept), nil
	}}
}

// look asks a source once more. Of what it said only what counts stays in the
// report: its last word before it knew, the first after, and what went wrong.
func (s *source) look(t *trial, c *change) {
	word, err := s.ask(t)
	s.problem = err
	if err == nil {
		s.last = word
	}
	came := word.x.At.Add(word.x.Took)
	switch so := word.stands == c.to; {
	case err != nil && s.known.IsZero():
		s.keep(c, word.x, len(s.evidence))
	case err != nil || so && !s.known.IsZero():
		c.client.forget(word.x)
	case !so && !s.known.IsZero():
		if s.relapse == nil {
			s.relapse = fmt.Errorf("%v after it had said that the certificate is %s, it says that it is %s", came.Sub(s.known).Round(time.Millisecond), c.to, word.stands)
			s.keep(c, word.x, len(s.evidence))
		}
	case !so:
		s.notYet = word.x.At
		s.keep(c, word.x, 0)
	default:
		s.known = came
		s.keep(c, word.x, len(s.evidence))
		if c.acknowledged.IsZero() {
			c.acknowledged = word.at
		}
	}
}

// keep puts an exchange behind the first n that the source rests on, and takes
// the others out of the report.
func (s *source) keep(c *change, x *Exchange, n int) {
	n = min(n, maxDetails)
	for _, old := range s.evidence[n:] {
		c.client.forget(old)
	}
	s.evidence = append(s.evidence[:n], x)
}

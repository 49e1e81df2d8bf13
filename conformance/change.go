package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ChangeTarget is a certificate that its centre lets be revoked for the test,
// and the sources of status that must then say so.
type ChangeTarget struct {
	// Responder has the certificate as Good; its URL is "" when there is none.
	Responder OCSPTarget
	// List has it as Leaf; its URL is "" when there is none.
	List ListTarget
	// Revoke revokes the certificate, and returns once that was acknowledged.
	// Nil leaves it to a person: then the time that the sources state counts.
	Revoke func(context.Context) error
	// Wait bounds how long the sources are asked. Default 2 minutes.
	Wait time.Duration
}

// change is a certificate on its way from good to revoked.
type change struct {
	client  *client
	sources []*source
	revoke  func(context.Context) error
	wait    time.Duration

	made bool // it was tried
	// acknowledged is when the change was; zero until that is known.
	acknowledged time.Time
	problem      error // why nothing can be said
}

// source is one place that tells whether the certificate is revoked.
type source struct {
	what string
	list bool
	// ask returns what the source says at this moment; an error when it says
	// nothing that can be read.
	ask func(*trial) (said, error)

	// notYet is the last time that it was asked and did not say so; known is
	// when it had said so first.
	notYet, known time.Time
	evidence      []*Exchange // what both rest on
	problem       error
	relapse       error // it took it back
}

// said is one word of a source.
type said struct {
	x       *Exchange
	revoked bool
	at      time.Time // since when, as the source states it
}

// Change has a certificate revoked, and measures how long it takes until every
// source of status says so.
func (t *Tester) Change(ctx context.Context, target ChangeTarget) error {
	c := &change{client: t.client, revoke: target.Revoke, wait: target.Wait}
	if c.wait == 0 {
		c.wait = 2 * time.Minute
	}
	name := ""
	if target.Responder.URL != "" {
		r, err := t.responder(target.Responder)
		if err != nil {
			return err
		}
		name = target.Responder.URL
		c.sources = append(c.sources, bySource("OCSP by POST", r, r.statusByPost), bySource("OCSP by GET", r, r.statusByGet))
	}
	if target.List.URL != "" {
		l, err := t.lists(target.List)
		if err != nil {
			return err
		}
		if l.leaf == nil {
			return errors.New("a list is watched for a certificate")
		}
		name = strings.TrimSpace(name + " " + l.url)
		c.sources = append(c.sources, l.listed("the list", l.url))
		if l.deltaURL != "" {
			c.sources = append(c.sources, l.listed("the delta list", l.deltaURL))
		}
	}
	if len(c.sources) == 0 {
		return errors.New("a change is watched by a responder or a list")
	}
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *change) { return r.change })
	t.section("revocation", name, judgeAll(ctx, append(asked(t.config.Profile, changeChecks), rules...), c, t.options("revocation", false)))
	return nil
}

func bySource(what string, r *responder, ask func(*trial) *Exchange) *source {
	return &source{what: what, ask: func(t *trial) (said, error) {
		x := ask(t)
		if x.Err != nil {
			return said{x: x}, x.Err
		}
		if x.Status != http.StatusOK {
			return said{x: x}, fmt.Errorf("the server answers HTTP %d", x.Status)
		}
		a, err := parseAnswer(x.Response)
		if err != nil {
			return said{x: x}, err
		}
		one := a.single(r.id(r.good.serial))
		if a.status != statusSuccessful || one == nil {
			return said{x: x}, fmt.Errorf("the answer is %s, or about another certificate", statusName(a.status))
		}
		return said{x: x, revoked: one.status == stateRevoked, at: one.revokedAt.at}, nil
	}}
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

func (l *lists) listed(what, url string) *source {
	return &source{what: what, list: true, ask: func(t *trial) (said, error) {
		x := l.client.ask(t.ctx, question{name: what, method: http.MethodGet, url: url, limit: maxDownload})
		if x.Err != nil {
			return said{x: x}, x.Err
		}
		if x.Status != http.StatusOK {
			return said{x: x}, fmt.Errorf("the server answers HTTP %d", x.Status)
		}
		parsed, err := parseList(x.Response)
		if err != nil {
			return said{x: x}, err
		}
		if e := parsed.entry(l.leaf.serial); e != nil && e.reason != 8 { // removeFromCRL
			return said{x: x, revoked: true, at: e.at.at}, nil
		}
		return said{x: x}, nil
	}}
}

// watched makes the change, once, and asks all sources until they have all told
// it, or the time for it is over. It ends the check when there was no change.
func (c *change) watched(t *trial) {
	if !c.made {
		c.made = true
		c.problem = c.watch(t)
	}
	if c.problem != nil {
		for _, s := range c.sources {
			t.saw(s.evidence...)
		}
		t.couldNot("%v", c.problem)
	}
}

func (c *change) watch(t *trial) error {
	for _, s := range c.sources {
		if s.look(t, c); s.problem != nil {
			return fmt.Errorf("%s, before anything was changed: %w", s.what, s.problem)
		}
		if !s.known.IsZero() {
			return fmt.Errorf("%s says that the certificate is revoked already", s.what)
		}
	}
	if c.revoke != nil {
		if err := c.revoke(t.ctx); err != nil {
			return fmt.Errorf("the certificate was not revoked: %w", err)
		}
		c.acknowledged = time.Now()
	}
	every := max(c.wait/1000, 100*time.Millisecond)
	after := 3 // rounds, once all know
	for end := time.Now().Add(c.wait); time.Now().Before(end) && after > 0; {
		select {
		case <-t.ctx.Done():
			return errors.New("the time for the whole run is over before the watch is")
		case <-time.After(every):
		}
		// Those that know are asked on: they must not take it back.
		for _, s := range c.sources {
			s.look(t, c)
		}
		if c.told() {
			after--
		}
	}
	if c.acknowledged.IsZero() {
		return fmt.Errorf("nobody revoked the certificate within %v", c.wait)
	}
	return nil
}

// told reports whether every source knows.
func (c *change) told() bool {
	return !slices.ContainsFunc(c.sources, func(s *source) bool { return s.known.IsZero() })
}

// look asks a source once more. Of what it said only what counts stays in the
// report: its last word before it knew, the first after, and what went wrong.
func (s *source) look(t *trial, c *change) {
	word, err := s.ask(t)
	s.problem = err
	came := word.x.At.Add(word.x.Took)
	switch {
	case err != nil && s.known.IsZero():
		s.keep(c, word.x, len(s.evidence))
	case err != nil || word.revoked && !s.known.IsZero():
		c.client.forget(word.x)
	case !word.revoked && !s.known.IsZero():
		if s.relapse == nil {
			s.relapse = fmt.Errorf("%v after it had said revoked, it does not say so any more", came.Sub(s.known).Round(time.Millisecond))
			s.keep(c, word.x, len(s.evidence))
		}
	case !word.revoked:
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

// within judges how long sources took against the time that they have. What is
// late is told before what is not known.
func (c *change) within(t *trial, sources []*source, most time.Duration) {
	var unknown []string
	for _, s := range sources {
		t.saw(s.evidence...)
		last := s.notYet.Sub(c.acknowledged)
		switch {
		case last > most:
			t.miss("%s did not say so %s after the acknowledgement; it has %v", s.what, ago(last), most)
		case !s.known.IsZero():
			t.measured("%s said so %v after the acknowledgement, and has %v", s.what, max(s.known.Sub(c.acknowledged), 0).Round(time.Millisecond), most)
		case s.problem != nil:
			unknown = append(unknown, fmt.Sprintf("%s: %v", s.what, s.problem))
		default:
			unknown = append(unknown, fmt.Sprintf("%s did not say so %s after the acknowledgement, and has %v: wait longer", s.what, ago(max(last, 0)), most))
		}
	}
	if len(unknown) > 0 {
		t.couldNot("%s", strings.Join(unknown, "; "))
	}
}

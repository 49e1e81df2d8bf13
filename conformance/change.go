package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Revoke revokes the certificate. Nil leaves it to a person: then the time
	// that the sources state counts.
	Revoke Act
	// Wait bounds how long the sources are asked. Default 2 minutes.
	Wait time.Duration
}

// Act asks a centre for a change, and returns when that was acknowledged; the
// zero time is the moment that it returns.
type Act func(context.Context) (time.Time, error)

// defaultWait is how long sources are asked for one change.
const defaultWait = 2 * time.Minute

// change is a certificate on its way from one standing to another.
type change struct {
	client   *client
	sources  []*source
	from, to standing // from is "" for whatever is not to
	act      Act      // nil: a person
	wait     time.Duration

	made  bool // it was watched
	acted bool // it was asked for, whatever came of that
	// acknowledged is when the change was; zero until that is known.
	acknowledged time.Time
	problem      error // why nothing can be said
}

// Change has a certificate revoked, and measures how long it takes until every
// source of status says so.
func (t *Tester) Change(ctx context.Context, target ChangeTarget) error {
	name, sources, err := t.sources(target.Responder, target.List)
	if err != nil {
		return err
	}
	c := &change{client: t.client, sources: sources(), from: standsGood, to: standsRevoked, act: target.Revoke, wait: cmp.Or(target.Wait, defaultWait)}
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *change) { return r.change })
	t.section("revocation", name, judgeAll(ctx, append(asked(t.config.Profile, changeChecks), rules...), c, t.options("revocation", false)))
	return nil
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
		if s.last.stands == c.to || c.from != "" && s.last.stands != c.from {
			return fmt.Errorf("%s says that the certificate is %s already", s.what, s.last.stands)
		}
	}
	if c.act != nil {
		c.acted = true
		var err error
		if c.acknowledged, err = c.act(t.ctx); err != nil {
			return fmt.Errorf("the certificate was not made %s: %w", c.to, err)
		}
		if c.acknowledged.IsZero() {
			c.acknowledged = time.Now()
		}
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
		return fmt.Errorf("nobody made the certificate %s within %v", c.to, c.wait)
	}
	return nil
}

// told reports whether every source knows.
func (c *change) told() bool {
	return !slices.ContainsFunc(c.sources, func(s *source) bool { return s.known.IsZero() })
}

// those returns the sources that are lists, or are not; it ends the check when
// there was no change, or there are none.
func (c *change) those(t *trial, lists bool) (some []*source) {
	c.watched(t)
	for _, s := range c.sources {
		if s.list == lists {
			some = append(some, s)
		}
	}
	if some == nil {
		t.skip("no such source is named")
	}
	return some
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
			t.miss("%s did not say %s %s after the acknowledgement; it has %v", s.what, c.to, ago(last), most)
		case !s.known.IsZero():
			t.measured("%s said %s %v after the acknowledgement, and has %v", s.what, c.to, max(s.known.Sub(c.acknowledged), 0).Round(time.Millisecond), most)
		case s.problem != nil:
			unknown = append(unknown, fmt.Sprintf("%s: %v", s.what, s.problem))
		default:
			unknown = append(unknown, fmt.Sprintf("%s did not say %s %s after the acknowledgement, and has %v: wait longer", s.what, c.to, ago(max(last, 0)), most))
		}
	}
	if len(unknown) > 0 {
		t.couldNot("%s", strings.Join(unknown, "; "))
	}
}

// steady judges that no source takes back what it said.
func (c *change) steady(t *trial) {
	c.watched(t)
	for _, s := range c.sources {
		t.saw(s.evidence...)
		if s.relapse != nil {
			t.fail("%s: %v", s.what, s.relapse)
		}
	}
}

package conformance

import (
	"cmp"
	"context"
	"errors"
	"math/big"
	"slices"
	"time"
)

// HoldTarget is a certificate that its centre lets be put on hold and released
// again for the test, and the sources of status that must then say so.
type HoldTarget struct {
	// Responder has the certificate as Good; its URL is "" when there is none.
	Responder OCSPTarget
	// List has it as Leaf; its URL is "" when there is none.
	List ListTarget
	// Hold and Release change the certificate. Release is called whenever Hold
	// was, whatever came of it.
	Hold, Release Act
	// Wait bounds how long the sources are asked after each of both. Default 2
	// minutes.
	Wait time.Duration
}

// suspension is a certificate that goes on hold and comes back.
type suspension struct {
	hold, release *change
	made          bool
}

// releaseWithin is how long a release has for which nobody waits any more.
const releaseWithin = time.Minute

// Hold has a certificate put on hold and released, and measures how long each
// takes until every source of status says so.
func (t *Tester) Hold(ctx context.Context, target HoldTarget) error {
	if target.Hold == nil || target.Release == nil {
		return errors.New("a hold is tested with what makes it and what ends it")
	}
	name, sources, err := t.sources(target.Responder, target.List)
	if err != nil {
		return err
	}
	wait := cmp.Or(target.Wait, defaultWait)
	s := &suspension{
		hold:    &change{client: t.client, sources: sources(), from: standsGood, to: standsHeld, act: target.Hold, wait: wait},
		release: &change{client: t.client, sources: sources(), to: standsGood, act: target.Release, wait: wait},
	}
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *suspension) {
		if r.change == nil {
			return nil
		}
		return func(t *trial, s *suspension) {
			s.watched(t)
			r.change(t, s.hold)
			r.change(t, s.release)
		}
	})
	t.section("hold", name, judgeAll(ctx, append(asked(t.config.Profile, holdChecks), rules...), s, t.options("hold", false)))
	return nil
}

// watched makes both changes, once. It leaves no certificate on hold.
func (s *suspension) watched(t *trial) {
	if s.made {
		return
	}
	s.made = true
	s.hold.made, s.release.made = true, true
	if s.hold.problem = s.hold.watch(t); s.hold.problem != nil {
		s.release.problem = errors.New("the certificate was not seen on hold")
	} else if s.see(); len(s.release.sources) == 0 {
		s.release.problem = errors.New("nobody said that the certificate is on hold")
	} else {
		s.release.problem = s.release.watch(t)
	}
	if !s.hold.acted || s.release.acted {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), releaseWithin)
	defer cancel()
	if _, err := s.release.act(ctx); err != nil {
		t.note("the certificate may still be on hold: %v", err)
	}
}

// see leaves those sources to be asked for the release that saw the hold.
func (s *suspension) see() {
	var some []*source
	for i, one := range s.release.sources {
		if s.hold.sources[i].last.stands != standsGood {
			some = append(some, one)
		}
	}
	s.release.sources = some
}

// holdShown and releaseShown judge how long sources took, lists or others.
func (s *suspension) holdShown(t *trial, lists bool, most time.Duration) {
	s.watched(t)
	s.hold.within(t, s.hold.those(t, lists), most)
}

func (s *suspension) releaseShown(t *trial, lists bool, most time.Duration) {
	s.watched(t)
	named := s.hold.those(t, lists)
	s.release.watched(t)
	some := slices.DeleteFunc(slices.Clone(s.release.sources), func(one *source) bool { return one.list != lists })
	s.release.within(t, some, most)
	if len(some) < len(named) {
		t.couldNot("the hold was not seen everywhere, and its end cannot be there: wait longer")
	}
}

// holdNamed judges the reason that sources state: who relies on a certificate
// learns by it alone that it may come back.
func holdNamed(t *trial, s *suspension) {
	s.watched(t)
	s.hold.watched(t)
	for _, one := range s.hold.sources {
		t.saw(one.evidence...)
		switch {
		case one.last.stands != standsRevoked:
		case one.last.reason < 0:
			t.should("%s says that the certificate is revoked, without a reason", one.what)
		default:
			t.fail("%s says that the certificate is revoked, with the reason %d", one.what, one.last.reason)
		}
	}
}

// holdRemoved judges the delta list after the release: a client that has any list with
// the hold must learn from it that the hold is over.
func holdRemoved(t *trial, s *suspension) {
	s.watched(t)
	s.release.watched(t)
	var full, delta *source
	for _, one := range s.release.sources {
		if one.list && full == nil {
			full = one
		} else if one.list {
			delta = one
		}
	}
	if delta == nil {
		t.skip("there is no delta list")
	}
	t.saw(full.evidence...)
	t.saw(delta.evidence...)
	now, last := full.last.list, delta.last.list
	if full.known.IsZero() || now.number == nil || last.number == nil || last.base() == nil || last.number.Cmp(now.number) < 0 {
		t.couldNot("no delta list as new as the release was seen")
	}
	if delta.last.stands != standsGood {
		t.fail("list %d has no hold any more, and delta list %d leaves it in place", now.number, last.number)
		return
	}
	for _, number := range s.heldOn() {
		if delta.last.reason != reasonRemove && last.base().Cmp(number) <= 0 && number.Cmp(last.number) < 0 {
			t.fail("the hold is on list %d, and delta list %d for list %d does not say removeFromCRL", number, last.number, last.base())
			return
		}
	}
}

// heldOn are the numbers of lists that were seen with the hold on them.
func (s *suspension) heldOn() (numbers []*big.Int) {
	for _, one := range s.hold.sources {
		if l := one.last.list; l != nil && l.number != nil && one.last.stands == standsHeld {
			numbers = append(numbers, l.number)
		}
	}
	return numbers
}

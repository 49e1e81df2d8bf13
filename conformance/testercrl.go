package conformance

import (
	"context"
	"fmt"
)

// ListTarget is a distribution point, with certificates in DER that are on its
// list or not.
type ListTarget struct {
	URL    string
	Issuer []byte
	// Leaf is a good certificate, Revoked and Held are on the list; nil when not
	// at hand.
	Leaf, Revoked, Held []byte
	// Delta is the URL of the delta list, Base of an older complete one.
	Delta, Base string
}

// List tests a distribution point.
func (t *Tester) List(ctx context.Context, target ListTarget) error {
	l, err := t.lists(target)
	if err != nil {
		return err
	}
	t.section("crl", target.URL, t.judgeLists(ctx, l, false))
	t.judgeLoad(ctx, "CRL-30", target.URL, l.underLoad)
	return nil
}

func (t *Tester) lists(target ListTarget) (*lists, error) {
	for _, u := range []string{target.URL, target.Delta, target.Base} {
		if u != "" || u == target.URL {
			if err := t.give(u); err != nil {
				return nil, err
			}
		}
	}
	c, err := certificates(map[string][]byte{"issuer's": target.Issuer, "good": target.Leaf, "revoked": target.Revoked, "held": target.Held})
	if err != nil {
		return nil, err
	}
	return &lists{client: t.client, url: target.URL, issuer: c["issuer's"], leaf: c["good"], revoked: c["revoked"], held: c["held"],
		deltaURL: target.Delta, baseURL: target.Base, watch: t.config.Watch}, nil
}

func (t *Tester) judgeLists(ctx context.Context, l *lists, offline bool) []Result {
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *lists) {
		if r.list == nil {
			return nil
		}
		return func(t *trial, s *lists) { r.list(t, s.full(t)) }
	})
	return judgeAll(ctx, append(asked(t.config.Profile, listChecks), rules...), l, t.options("CRL", offline))
}

// ListFile tests a list out of a file, with a delta and a base when they are not
// nil.
func (t *Tester) ListFile(ctx context.Context, name string, raw, delta, base, issuer []byte) error {
	i, err := optional(issuer)
	if err != nil {
		return fmt.Errorf("the issuer's certificate: %w", err)
	}
	l := &lists{issuer: i, file: t.file(name, raw)}
	if delta != nil {
		l.deltaFile = t.file(name+" (delta)", delta)
	}
	if base != nil {
		l.baseFile = t.file(name+" (base)", base)
	}
	t.section("crl file", name, t.judgeLists(ctx, l, true))
	return nil
}

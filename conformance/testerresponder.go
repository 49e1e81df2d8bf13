package conformance

import (
	"context"
	"errors"
	"fmt"
)

// OCSPTarget is a responder and certificates to ask it for, in DER.
type OCSPTarget struct {
	URL string
	// Issuer and Good are needed; the rest widens what is tested.
	Issuer, Good           []byte
	Revoked, Held, Expired []byte
	// Missing is a serial number that was never issued; nil takes a random one.
	Missing []byte
}

// OCSP tests a responder.
func (t *Tester) OCSP(ctx context.Context, target OCSPTarget) error {
	r, err := t.responder(target)
	if err != nil {
		return err
	}
	checks := append(asked(t.config.Profile, responderChecks), ruleChecks(t.config.Profile, eachAnswer)...)
	t.section("ocsp", target.URL, judgeAll(ctx, checks, r, t.options("OCSP", false)))
	t.judgeLoad(ctx, "OCSP-61", target.URL, r.underLoad)
	return nil
}

func (t *Tester) responder(target OCSPTarget) (*responder, error) {
	if err := t.give(target.URL); err != nil {
		return nil, err
	}
	if target.Issuer == nil || target.Good == nil {
		return nil, errors.New("a responder is tested with the authority's certificate and a good one")
	}
	c, err := certificates(map[string][]byte{"issuer's": target.Issuer, "good": target.Good, "revoked": target.Revoked, "held": target.Held, "expired": target.Expired})
	if err != nil {
		return nil, err
	}
	r := &responder{client: t.client, url: target.URL, issuer: c["issuer's"], good: c["good"], revoked: c["revoked"], held: c["held"], expired: c["expired"], missing: target.Missing, watch: t.config.Watch}
	if r.missing == nil {
		r.missing = append([]byte{0x2a}, random(15)...)
	}
	if string(r.good.issuer) != string(r.issuer.subject) {
		return nil, errors.New("the good certificate was not issued by the authority given as its issuer")
	}
	return r, nil
}

func eachAnswer(r ruleTest) func(*trial, *responder) {
	if r.answer == nil {
		return nil
	}
	return func(t *trial, s *responder) {
		for _, a := range s.answers(t) {
			r.answer(t, a)
		}
	}
}

// Response tests an OCSP response out of a file; issuer may be nil.
func (t *Tester) Response(ctx context.Context, name string, raw, issuer []byte) error {
	i, err := optional(issuer)
	if err != nil {
		return fmt.Errorf("the issuer's certificate: %w", err)
	}
	x := t.file(name, raw)
	a, err := parseAnswer(raw)
	if err != nil {
		t.unreadable(ctx, "response", name, "OCSP-06", x, err, responderChecks)
		return nil
	}
	a.x = x
	checks := append(asked(t.config.Profile, responderChecks), ruleChecks(t.config.Profile, eachAnswer)...)
	t.section("response", name, judgeAll(ctx, checks, &responder{file: a, issuer: i}, t.options("response", true)))
	return nil
}

// unreadable is the section of a file that is not what it was said to be.
func (t *Tester) unreadable(_ context.Context, kind, name, id string, x *Exchange, err error, all []check[*responder]) {
	for _, c := range all {
		if c.id == id {
			t.section(kind, name, []Result{{Requirement: c.requirement(), Verdict: Fail, Details: []string{err.Error()}, exchanges: []*Exchange{x}}})
		}
	}
}

package conformance

import (
	"context"
	"fmt"
)

// StampTarget is a time-stamping authority.
type StampTarget struct {
	URL string
	// Policy is one that it must accept, in dots; "" when not known.
	Policy string
	// Trust are certificates of its issuers, in DER.
	Trust [][]byte
}

// Stamps tests a time-stamping authority.
func (t *Tester) Stamps(ctx context.Context, target StampTarget) error {
	if err := t.give(target.URL); err != nil {
		return err
	}
	a := &authority{client: t.client, url: target.URL, clock: &clock{read: t.config.Clock}}
	var err error
	if target.Policy != "" {
		if a.policy, err = parseOID(target.Policy); err != nil {
			return err
		}
	}
	if a.trust, err = trusted(target.Trust); err != nil {
		return err
	}
	t.section("tsa", target.URL, t.judgeStamps(ctx, a, false))
	t.judgeLoad(ctx, "TSA-46", target.URL, a.underLoad)
	return nil
}

func trusted(raws [][]byte) (all []*certificate, err error) {
	for _, raw := range raws {
		c, err := parseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("a certificate to trust: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

func (t *Tester) judgeStamps(ctx context.Context, a *authority, offline bool) []Result {
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *authority) {
		if r.token == nil {
			return nil
		}
		return eachToken(func(t *trial, _ *authority, s *stampReply) { r.token(t, s) })
	})
	return judgeAll(ctx, append(asked(t.config.Profile, authorityChecks), rules...), a, t.options("TSA", offline))
}

// Token tests a time-stamp token, or a whole reply, out of a file.
func (t *Tester) Token(ctx context.Context, name string, raw []byte, trust [][]byte) error {
	a := &authority{}
	var err error
	if a.trust, err = trusted(trust); err != nil {
		return err
	}
	a.file, err = parseReply(raw)
	if err != nil {
		a.file = &stampReply{failDER: true, token: raw}
		a.file.tst, a.file.tokenErr = parseToken(raw)
	}
	a.file.x = t.file(name, raw)
	t.section("token", name, t.judgeStamps(ctx, a, true))
	return nil
}

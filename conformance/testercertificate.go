package conformance

import (
	"context"
	"fmt"
	"slices"
)

// Certificate tests a certificate. issuer may be nil; kind is one of [Kinds] or
// "" for what it is by itself.
func (t *Tester) Certificate(ctx context.Context, name string, raw, issuer []byte, kind string) error {
	if kind != "" && !slices.Contains(Kinds, kind) {
		return fmt.Errorf("there is no kind of certificate %q", kind)
	}
	i, err := optional(issuer)
	if err != nil {
		return fmt.Errorf("the issuer's certificate: %w", err)
	}
	h := &holder{raw: raw, x: t.file(name, raw), issuer: i, kind: kind, second: t.config.Lint}
	h.parsed, _ = parseCertificate(raw)
	if t.config.Follow != FollowNone {
		h.client = t.client
	}
	rules := ruleChecks(t.config.Profile, func(r ruleTest) func(*trial, *holder) {
		if r.certificate == nil {
			return nil
		}
		return func(t *trial, h *holder) {
			t.saw(h.x)
			if h.parsed == nil {
				t.couldNot("%v", errNoCertificate)
			}
			r.certificate(t, h.parsed)
		}
	})
	checks := append(asked(t.config.Profile, certificateChecks), rules...)
	t.section("certificate", name, judgeAll(ctx, checks, h, t.options("certificate", h.client == nil)))
	return nil
}

// Request tests a certification request.
func (t *Tester) Request(ctx context.Context, name string, raw []byte) error {
	r := parseRequest(raw)
	r.x = t.file(name, raw)
	t.section("request", name, judgeAll(ctx, asked(t.config.Profile, requestChecks), r, t.options("request", true)))
	return nil
}

package conformance

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"time"
)

// Config says how to test. The zero value is polite.
type Config struct {
	// Agent names the tester to servers. Default "altamga-conformance".
	Agent string
	// Timeout bounds one exchange. Default 10 s.
	Timeout time.Duration
	// Pace is the least time between two requests. 0 is none.
	Pace time.Duration
	// Follow says which URLs found in certificates are fetched. Default
	// FollowNone.
	Follow Follow
	// NoHostile leaves out requests that no honest client would send.
	NoHostile bool
	// Watch is how long lists and answers are watched over a roll-over. 0 is not
	// at all.
	Watch time.Duration
	// Profile adds the rules of a country; nil adds none.
	Profile *Profile
	// Lint is another linter, whose findings are shown as its own; nil for none.
	Lint func(*x509.Certificate) error
	// TrustList reads a trust list for [Tester.TrustList] and says what is wrong
	// with it; signers are those named beforehand, in DER.
	TrustList func(list []byte, signers [][]byte) []TrustListFinding
	// OnStep is told what is being tested; nil tells nobody.
	OnStep func(section, step string)
}

// Tester tests servers and files, and keeps what it saw for the report. It is
// for one goroutine.
type Tester struct {
	config Config
	client *client
	report *Report
}

// New returns a tester.
func New(c Config) (*Tester, error) {
	if c.Agent == "" {
		c.Agent = "altamga-conformance"
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Follow == "" {
		c.Follow = FollowNone
	}
	if !slices.Contains([]Follow{FollowNone, FollowGiven, FollowPublic, FollowAny}, c.Follow) {
		return nil, fmt.Errorf("there is no address policy %q", c.Follow)
	}
	if c.Timeout < 0 || c.Pace < 0 || c.Watch < 0 {
		return nil, errors.New("a time is negative")
	}
	t := &Tester{config: c, client: &client{agent: c.Agent, timeout: c.Timeout, pace: c.Pace, follow: c.Follow}}
	t.report = &Report{Tool: "altamga conformance", Started: time.Now().UTC(), Environment: map[string]string{
		"go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "agent": c.Agent, "addresses": string(c.Follow),
	}}
	if c.NoHostile {
		t.report.Environment["hostile"] = "left out"
	}
	if c.Profile != nil {
		t.report.Profile = c.Profile.Name
	}
	return t, nil
}

// Report returns what came of everything tested so far.
func (t *Tester) Report() *Report {
	t.report.Ended = time.Now().UTC()
	t.report.number(t.client.all)
	return t.report
}

// give notes the address of a URL that the user named.
func (t *Tester) give(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not an http or https URL", target)
	}
	t.client.given = append(t.client.given, hostPort(u))
	return nil
}

// file makes a file an exchange, so that reports show it as evidence.
func (t *Tester) file(name string, raw []byte) *Exchange {
	x := &Exchange{Name: "the file", Method: "FILE", URL: name, Response: raw}
	t.client.all = append(t.client.all, x)
	return x
}

// step is what a section calls before each check.
func (t *Tester) options(section string, offline bool) runOptions {
	o := runOptions{offline: offline, noHostile: t.config.NoHostile}
	if t.config.OnStep != nil {
		o.onCheck = func(id string) { t.config.OnStep(section, id) }
	}
	return o
}

func (t *Tester) section(kind, name string, results []Result) {
	t.report.Sections = append(t.report.Sections, Section{Kind: kind, Name: name, Results: results})
}

func optional(raw []byte) (*certificate, error) {
	if raw == nil {
		return nil, nil
	}
	return parseCertificate(raw)
}

// certificates parses several; an error names the one that is none.
func certificates(named map[string][]byte) (map[string]*certificate, error) {
	all := map[string]*certificate{}
	for name, raw := range named {
		c, err := optional(raw)
		if err != nil {
			return nil, fmt.Errorf("the %s certificate: %w", name, err)
		}
		all[name] = c
	}
	return all, nil
}

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
	a := &authority{client: t.client, url: target.URL}
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

// Consistency holds a responder against the list of the same authority.
func (t *Tester) Consistency(ctx context.Context, responder OCSPTarget, list ListTarget) error {
	r, err := t.responder(responder)
	if err != nil {
		return err
	}
	l, err := t.lists(list)
	if err != nil {
		return err
	}
	t.section("ocsp against crl", responder.URL+" against "+list.URL, judgeAll(ctx, consistency, &pair{r, l}, t.options("consistency", false)))
	return nil
}

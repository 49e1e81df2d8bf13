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
	// Load presses servers, with the consent of whoever runs them. The zero value
	// presses none.
	Load Load
	// Clock reads a clock that the user trusts; nil for this machine's own.
	Clock func(context.Context) (Reading, error)
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
	if err := c.Load.check(); err != nil {
		return nil, err
	}
	t := &Tester{config: c, client: &client{agent: c.Agent, timeout: c.Timeout, pace: c.Pace, follow: c.Follow}}
	t.report = &Report{Tool: "altamga conformance", Started: time.Now().UTC(), Environment: map[string]string{
		"go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "agent": c.Agent, "addresses": string(c.Follow),
	}}
	if c.NoHostile {
		t.report.Environment["hostile"] = "left out"
	}
	if c.Load.Rate > 0 {
		t.report.Environment["load"] = fmt.Sprintf("%g requests per second for %v", c.Load.Rate, c.Load.For)
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

// options say how a section is run, and whom to tell of each check.
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

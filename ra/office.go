package ra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Config says what an [Office] works with.
type Config struct {
	Store     Store
	Authority Authority
	// Staff are the persons that the API serves. None is allowed: then only
	// the public page answers.
	Staff []Person
	// HashFIN hashes a FİN in the form of [pki.ParseFIN] under a key: there are
	// few enough of them to try all where there is none. Required with staff.
	HashFIN func(fin string) [32]byte

	// Issuer is the authority's name for the centre that issues, for every
	// category that Issuers does not name.
	Issuer  string
	Issuers map[Category]string
	// SignatureProfile and AuthenticationProfile are the authority's profiles
	// for the pair. Default "citizen-signature", "citizen-authentication".
	SignatureProfile, AuthenticationProfile string
	// AuthorityTimeout bounds one question to the authority. Default 10 s.
	AuthorityTimeout time.Duration

	// Languages of the public page, out of az, en and ru; the first is given
	// to a visitor who prefers none of them. Default all three, in that order.
	Languages []string
	// Demonstration marks the page as one that shows no real certificates.
	Demonstration bool
	// ChecksPerMinute is how many certificates one network address may check on
	// the public page; a quarter of them may come at once. Failed log-ins are
	// counted alike. Default 120; negative for no limit.
	ChecksPerMinute int
	// SearchesPerMinute is how many searches by FİN one member of staff may
	// make; a quarter of them may come at once. Default 40; negative for no
	// limit.
	SearchesPerMinute int
	// ClientAddress tells whom a request comes from, for a server behind a
	// proxy; nil for the connection's own address.
	ClientAddress func(*http.Request) netip.Addr

	Log *slog.Logger
	// Audit records an action before it happens; if it errors, the action does
	// not happen. Required.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Observe counts answers by a fixed short reason; nil = none.
	Observe func(reason string, took time.Duration)
}

// Office is the registration authority, an [http.Handler]: the JSON API under
// /v1/ and the public page at /.
type Office struct {
	Config
	staff  map[[32]byte]*Person
	api    *http.ServeMux
	page   *page
	checks *limiter[netip.Prefix]
	logins *limiter[netip.Prefix]
	// failures bounds the failed log-ins that are recorded, whoever they are of.
	failures *limiter[struct{}]
	// searches bounds how many persons a member of staff looks for.
	searches *limiter[string]
	// inFlight holds the Idempotency-Keys of requests being worked on.
	inFlight sync.Map
}

// failuresOfAll is by how much more log-ins of all addresses may fail than of
// one: each is a line in the audit log, and without a log nothing is done.
const failuresOfAll = 10

// New returns an office that works with config.
func New(config Config) (*Office, error) {
	o := &Office{Config: config}
	var problems []error
	need := func(ok bool, what string) {
		if !ok {
			problems = append(problems, errors.New(what))
		}
	}
	need(o.Store != nil, "Store is missing")
	need(o.Authority != nil, "Authority is missing")
	need(o.Audit != nil, "Audit is missing")
	need(o.Issuer != "", "Issuer is missing")
	for category := range o.Issuers {
		need(slices.Contains(categories, category), fmt.Sprintf("Issuers names category %q, which there is not", category))
	}
	need(o.AuthorityTimeout >= 0, "AuthorityTimeout is negative")
	o.SignatureProfile = cmp.Or(o.SignatureProfile, "citizen-signature")
	o.AuthenticationProfile = cmp.Or(o.AuthenticationProfile, "citizen-authentication")
	o.AuthorityTimeout = cmp.Or(o.AuthorityTimeout, 10*time.Second)
	if len(o.Languages) == 0 {
		o.Languages = []string{"az", "en", "ru"}
	}
	o.ChecksPerMinute = cmp.Or(o.ChecksPerMinute, 120)
	o.SearchesPerMinute = cmp.Or(o.SearchesPerMinute, 40)
	if o.ClientAddress == nil {
		o.ClientAddress = connectionAddress
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Observe == nil {
		o.Observe = func(string, time.Duration) {}
	}
	var err error
	if o.staff, err = indexStaff(o.Staff); err != nil {
		problems = append(problems, err)
	}
	if len(o.Staff) > 0 && o.HashFIN == nil {
		problems = append(problems, errors.New("there is staff, and nothing that hashes a FİN"))
	}
	if o.page, err = newPage(o.Languages); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("configuring registration authority: %w", errors.Join(problems...))
	}
	o.checks, o.logins = newLimiter[netip.Prefix](o.ChecksPerMinute), newLimiter[netip.Prefix](o.ChecksPerMinute)
	o.failures = newLimiter[struct{}](o.ChecksPerMinute * failuresOfAll)
	o.searches = newLimiter[string](o.SearchesPerMinute)
	o.api = o.routes()
	return o, nil
}

// Ready reports whether the office can take in work: whether its store answers.
// Without the authority it still can, so that one is not asked.
func (o *Office) Ready(ctx context.Context) error {
	if _, err := o.Store.Find(ctx, "ready"); err != nil {
		return fmt.Errorf("asking store: %w", err)
	}
	return nil
}

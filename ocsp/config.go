package ocsp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Config is what a [Responder] is made of.
type Config struct {
	// Issuers are answered for; at least one. A request about any other issuer
	// is answered unauthorized.
	Issuers []Issuer
	// Source knows the statuses. Required.
	Source Source
	// Memory bounds the octets that kept answers take, about; 64 MiB when zero,
	// which is enough for 190,000 answers signed with P-256, and none are kept
	// when negative.
	Memory int64
	// Cache keeps answers behind that memory for several responders to share;
	// nil for none.
	Cache Cache
	// Path is the URL path under which clients reach the responder, as in the
	// certificates; "/" when empty.
	Path string
	// Validity is the time from thisUpdate to nextUpdate; 1 hour when zero. It
	// is how long an answer may outlive the loss of the Source, and cut short
	// by the end of the signer's certificate.
	Validity time.Duration
	// MaxAge is how long an answer is offered to HTTP caches, counted from when
	// it was made; 1 minute when zero, and less than Validity. A change is
	// visible after this time even to clients behind an HTTP cache. The
	// responder itself keeps an answer for a second less, since HTTP counts in
	// whole seconds: with MaxAge of one second it keeps none.
	MaxAge time.Duration
	// NonIssued is what to answer about a serial that was never issued:
	// "unknown", the default, or "revoked" (RFC 6960, Section 2.2: the extended
	// definition of revoked).
	NonIssued string
	// Retention is for how long revocation information is kept beyond a
	// certificate's expiry. When not zero, answers about expired certificates
	// say so as archive cutoff (RFC 6960, Section 4.4.4).
	Retention time.Duration
	// JournalGrace is how long the journal may be lost (see [Responder.Follow])
	// before the responder stops to make answers that call a certificate good;
	// Validity when zero. Those made before are sent until their nextUpdate.
	JournalGrace time.Duration
	// MaxInflight bounds how many answers are read and signed at a time; 64
	// when zero. Requests with a nonce or about several certificates, which no
	// cache helps, may be half of them.
	MaxInflight int
	// MaxWaiting bounds how many wait for that, the most urgent first: changed
	// certificates, then those without a kept answer, then the requests that
	// bypass the caches; 1024 when zero, and none when negative. A request
	// beyond it is answered tryLater at once.
	MaxWaiting int
	// MaxCertIDs bounds how many certificates one request may ask about; 16
	// when zero. A request beyond it is answered unauthorized.
	MaxCertIDs int
	// Log takes faults of Source, signer and journal; nil discards them.
	Log *slog.Logger
	// Observe is told how each request ended and how long it took; nil tells
	// nobody. The reasons are the Reason constants.
	Observe func(reason string, took time.Duration)
}

// Reasons that Config.Observe is told.
const (
	ReasonKept         = "kept"          // answered from memory
	ReasonShared       = "shared"        // answered from Config.Cache
	ReasonSigned       = "signed"        // answered with a new signature
	ReasonNonce        = "nonce"         // the same, because of a nonce
	ReasonSeveral      = "several"       // the same, about several certificates
	ReasonPreferred    = "preferred"     // the same, because of a preferred algorithm
	ReasonNotModified  = "not_modified"  // the client has the answer already
	ReasonStale        = "stale"         // answered from the cache past MaxAge, the Source being lost
	ReasonMalformed    = "malformed"     // malformedRequest
	ReasonUnauthorized = "unauthorized"  // foreign or mixed issuers, or too many certificates
	ReasonBusy         = "busy"          // tryLater: MaxInflight reached
	ReasonBehind       = "behind"        // tryLater: the Source lags behind the journal
	ReasonLost         = "lost"          // tryLater: the journal was lost too long ago
	ReasonSource       = "source"        // tryLater: the Source failed
	ReasonSigner       = "signer"        // internalError: the signer failed
	ReasonHTTP         = "http_rejected" // wrong method, media type, size or path

	// Not of requests: answers made anew ahead of time.
	ReasonRefreshed    = "refreshed"
	ReasonNotRefreshed = "not_refreshed"
)

// maxFloors bounds the memory of the floors to some ten megabytes. What
// happens beyond it: see floor.go.
const maxFloors = 1 << 16

// New checks the configuration and returns a responder.
func New(c Config) (*Responder, error) {
	r := &Responder{
		source: c.Source, cache: c.Cache, path: cmp.Or(c.Path, "/"), memory: newMemory(cmp.Or(c.Memory, 64<<20)),
		validity: cmp.Or(c.Validity, time.Hour), maxAge: cmp.Or(c.MaxAge, time.Minute), retention: c.Retention, maxCertIDs: cmp.Or(c.MaxCertIDs, 16),
		log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)), observe: c.Observe,
		byKey: make(map[issuerKey]*seat), flights: make(map[Key]*flight),
		floors: newFloors(maxFloors),
	}
	r.journalGrace = cmp.Or(c.JournalGrace, r.validity)
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf("ocsp: "+format, args...)) }
	if r.source == nil {
		add("a responder needs a source")
	}
	if r.observe == nil {
		r.observe = func(string, time.Duration) {}
	}
	if !strings.HasPrefix(r.path, "/") {
		add("path %q does not begin with a slash", r.path)
	}
	r.path = strings.TrimRight(r.path, "/")
	// RFC 9919, Section 7.2: max-age ends before nextUpdate. Below a second it
	// could not be expressed.
	if r.maxAge < time.Second || r.validity <= r.maxAge {
		add("validity (%v) must be greater than max age (%v), and that at least one second", r.validity, r.maxAge)
	}
	if r.journalGrace < 0 {
		add("journal grace is negative")
	}
	if r.retention < 0 {
		add("retention is negative")
	}
	switch c.NonIssued {
	case "", "unknown":
	case "revoked":
		r.extended = true
	default:
		add("answer for non-issued certificates is %q, neither unknown nor revoked", c.NonIssued)
	}
	if c.MaxInflight < 0 || r.maxCertIDs < 0 {
		add("bounds are negative")
	} else {
		r.makers = newQueue(cmp.Or(c.MaxInflight, 64), max(0, cmp.Or(c.MaxWaiting, 1024)))
	}
	if len(c.Issuers) == 0 {
		add("a responder needs at least one issuer")
	}
	for _, issuer := range c.Issuers {
		if err := r.addIssuer(issuer); err != nil {
			add("issuer %q: %w", issuer.ID, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Responder) addIssuer(issuer Issuer) error {
	if issuer.ID == "" || issuer.Certificate == nil || issuer.Signer == nil {
		return errors.New("an issuer has an id, a certificate and a signer")
	}
	for _, earlier := range r.issuers {
		if earlier.issuer.Load().ID == issuer.ID {
			return errors.New("the id is given twice")
		}
	}
	var err error
	if issuer.Signer, err = r.accept(issuer.Signer, &issuer); err != nil {
		return err
	}
	issuer.Others = slices.Clone(issuer.Others)
	for i, other := range issuer.Others {
		if issuer.Others[i], err = r.accept(other, &issuer); err != nil {
			return fmt.Errorf("other signer %d: %w", i+1, err)
		}
		for _, before := range append(issuer.Others[:i:i], issuer.Signer) {
			if before.algorithm.ID.Equal(issuer.Others[i].algorithm.ID) {
				return fmt.Errorf("other signer %d: another one has its algorithm, and would always sign instead", i+1)
			}
		}
	}
	taken := new(seat)
	taken.issuer.Store(&issuer)
	keys, err := issuerKeys(issuer.Certificate)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if other, ok := r.byKey[key]; ok {
			return fmt.Errorf("it has the same name and key as issuer %q", other.issuer.Load().ID)
		}
		r.byKey[key] = taken
	}
	r.issuers = append(r.issuers, taken)
	return nil
}

package tsa

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what an [Authority] is made of.
type Config struct {
	// Units make the tokens: those that may at the moment share the load. At
	// least one.
	Units []Unit
	// Policies are those that tokens can be had under; the first one is for
	// queries that do not ask for one.
	Policies []Policy
	// Clock tells the time or refuses. See [ProvenClock] and [SystemClock].
	Clock Clock
	// Since is the time of the latest token that was made before this start,
	// as the journal has it; no token gets an earlier one. Zero for none.
	Since time.Time
	// MaxInflight bounds the tokens that are being made at once; 0 means 256.
	// More queries wait up to MaxWait (0 means a second) and are then refused
	// with systemFailure.
	MaxInflight int
	MaxWait     time.Duration
	// Clients are those who may ask. Empty means everybody, counted as
	// "public" and without a limit.
	Clients []Client

	// Standing asks whether a unit's certificate is neither held nor revoked:
	// an error means that nobody knows. Nil asks nobody. [Authority.Run] calls
	// it every StandingEvery (0 means a minute). A unit makes no tokens before it
	// was first asked for, nor while its certificate is not good, nor when nobody
	// has known anything of it for StandingGrace (0 means a day).
	Standing      func(ctx context.Context, certificate *x509.Certificate) (good bool, err error)
	StandingEvery time.Duration
	StandingGrace time.Duration

	// Journal makes a statement durable before it is signed. If it errors,
	// nothing is signed. Nil keeps none.
	Journal func(context.Context, Record) error
	// Audit records that the clock was lost ("tsa.clock_lost") and found again
	// ("tsa.clock_found"), and that a unit began or ended ("tsa.unit"). If it
	// errors, nothing is signed. Nil records nothing. Refused queries are not
	// recorded, only counted.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Log gets what an operator should see; nil discards it.
	Log *slog.Logger
	// Observe is told of every query: "granted", the name of a [Failure] as in
	// "bad_alg", or "method", "media_type", "too_large", "unreadable",
	// "unauthorized", "quota" for what never became one; and of "self_verified", the
	// verification of an own token. Nil observes nothing.
	Observe func(reason string, took time.Duration)
}

// Record is what the journal keeps of a token.
type Record struct {
	// Serial is the token's serial number: value octets, at most 16.
	Serial []byte
	// GenTime is the token's time.
	GenTime time.Time
	// Statement is the SHA-256 hash of the encoded TSTInfo, which is all that
	// the signature covers besides the unit's certificate.
	Statement [32]byte
	// Unit is the SHA-256 hash of that certificate.
	Unit [32]byte
}

// Authority is a time-stamping authority. Its methods may be called by several
// goroutines at once. It is an [net/http.Handler].
type Authority struct {
	config Config
	log    *slog.Logger
	// all holds the units. A unit is added behind the others, and none goes:
	// what stands for one by its place stays right.
	all     atomic.Pointer[[]*unit]
	adding  sync.Mutex
	turn    atomic.Uint64
	clients []*client
	// places bounds the signings in flight.
	places chan struct{}
	// asked is closed when the standing of all units was asked for once.
	asked     chan struct{}
	firstTime sync.Once

	// mu guards what keeps tokens in order.
	mu sync.Mutex
	// latest is the last time that was given to a token, by policy.
	latest  []time.Time
	serials serials

	// stateMu guards what an operator is told of.
	stateMu sync.Mutex
	// clockLost by policy: what the clock can prove may do for one and not for
	// another.
	clockLost []atomic.Bool
	broken    error // why the last token could not be made, nil if it could
	brokenAt  time.Time
	// wasBroken tells the fast path that broken needs to be cleared.
	wasBroken atomic.Bool
}

// New makes an authority, or says everything that is wrong with config.
func New(config Config) (*Authority, error) {
	var errs []error
	config.Policies = slices.Clone(config.Policies)
	setDefault(&config.MaxInflight, 256)
	setDefault(&config.MaxWait, time.Second)
	setDefault(&config.StandingEvery, time.Minute)
	setDefault(&config.StandingGrace, 24*time.Hour)
	if config.MaxInflight < 0 || config.MaxWait < 0 || config.StandingEvery < 0 || config.StandingGrace < 0 {
		errs = append(errs, errors.New("a negative MaxInflight, MaxWait, StandingEvery or StandingGrace"))
	}
	if len(config.Policies) == 0 {
		errs = append(errs, errors.New("no policy"))
	}
	for i := range config.Policies {
		if err := config.Policies[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("policy %v: %w", config.Policies[i].ID, err))
		}
	}
	if config.Clock == nil {
		errs = append(errs, errors.New("no clock"))
	}
	a := &Authority{config: config, log: config.Log, latest: make([]time.Time, len(config.Policies)), clockLost: make([]atomic.Bool, len(config.Policies))}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if a.clients, err = newClients(config.Clients); err != nil {
		errs = append(errs, err)
	}
	if len(config.Units) == 0 {
		errs = append(errs, errors.New("no unit"))
	}
	a.all.Store(new([]*unit))
	for i, u := range config.Units {
		if err := a.add(u); err != nil {
			errs = append(errs, fmt.Errorf("unit %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("tsa: configuring authority: %w", err)
	}
	for i := range a.latest {
		a.latest[i] = config.Since.Truncate(resolution(config.Policies[i].Fraction))
	}
	a.places, a.asked = make(chan struct{}, config.MaxInflight), make(chan struct{})
	if config.Standing == nil {
		close(a.asked)
	}
	return a, nil
}

func setDefault[N comparable](value *N, otherwise N) {
	var zero N
	if *value == zero {
		*value = otherwise
	}
}

// Respond answers an encoded TimeStampReq with an encoded TimeStampResp.
func (a *Authority) Respond(ctx context.Context, query []byte) []byte {
	answer, _ := a.respond(ctx, query)
	return answer
}

// respond is Respond that also says the outcome in a word.
func (a *Authority) respond(ctx context.Context, query []byte) (answer []byte, reason string) {
	request, err := ParseRequest(query)
	if err == nil {
		answer, _, err = a.stamp(ctx, request)
	}
	if err != nil {
		r, ok := errors.AsType[*Rejection](err)
		if !ok {
			// Everything that refuses does so with a Rejection; were one
			// forgotten, the client still gets an answer in its own format.
			r = reject(SystemFailure, "the token could not be made")
		}
		return r.Marshal(), r.Failure.reason()
	}
	return answer, "granted"
}

// Stamp makes the token that r asks for and returns it encoded. The error is
// always a [*Rejection].
func (a *Authority) Stamp(ctx context.Context, r *Request) ([]byte, error) {
	response, start, err := a.stamp(ctx, r)
	if err != nil {
		return nil, err
	}
	return response[start:], nil
}

// stamp makes a granted TimeStampResp, whose token begins at start.
func (a *Authority) stamp(ctx context.Context, r *Request) (response []byte, start int, err error) {
	policy, _, refused := a.judge(r)
	if refused != nil {
		return nil, 0, refused
	}
	if refused := a.enter(ctx); refused != nil {
		return nil, 0, refused
	}
	defer func() { <-a.places }()
	a.awaitStanding(ctx)
	var tried uint64 // a bit for each unit
	for {
		genTime, serial, err := a.tick(ctx, policy)
		if refused, ok := errors.AsType[*Rejection](err); ok {
			return nil, 0, refused
		}
		if refused := a.noteClock(ctx, policy, err); refused != nil {
			return nil, 0, refused
		}
		u, err := a.pick(genTime, tried)
		if err != nil {
			a.log.ErrorContext(ctx, "no unit may make a token", "time", genTime, "error", err)
			return nil, 0, &Rejection{Failure: SystemFailure, Text: "no certificate of the authority allows a token now", cause: err}
		}
		response, start, err = a.seal(ctx, a.units()[u], policy, genTime, serial, r)
		a.noteToken(ctx, err)
		if err == nil {
			return response, start, nil
		}
		// A key that does not sign is given a rest, and another one tried.
		var failed *keyError
		tried |= 1 << u
		if !errors.As(err, &failed) || ctx.Err() != nil || !a.another(genTime, tried) {
			return nil, 0, &Rejection{Failure: SystemFailure, Text: "the token could not be made", cause: err}
		}
	}
}

// keyError says that a unit's key did not sign, or signed wrongly.
type keyError struct{ error }

func (e *keyError) Unwrap() error { return e.error }

// seal writes, checks, records, signs and verifies a statement, in this order:
// what is signed passed the check and is on record.
func (a *Authority) seal(ctx context.Context, u *unit, policy int, genTime time.Time, serial []byte, r *Request) (response []byte, start int, err error) {
	imprint := r.imprint
	if imprint == nil {
		if imprint, err = encodeImprint(r.Imprint); err != nil {
			return nil, 0, fmt.Errorf("encoding TSTInfo: %w", err)
		}
	}
	info := u.statements[policy].encode(imprint, serial, genTime, r.Nonce)
	if err := lint(info, a.statement(u, policy, genTime, serial, r)); err != nil {
		return nil, 0, fmt.Errorf("checking TSTInfo: %w", err)
	}
	if a.config.Journal != nil {
		if err := a.config.Journal(ctx, Record{Serial: serial, GenTime: genTime, Statement: sha256.Sum256(info), Unit: u.id}); err != nil {
			return nil, 0, fmt.Errorf("recording token: %w", err)
		}
	}
	attributes, signature, err := u.sign(ctx, info)
	if err == nil {
		response, start = u.assemble(info, attributes, signature, r.CertReq)
		if u.due() {
			err = a.verify(u, response[start:])
		}
	}
	if err != nil {
		u.restUntil.Store(time.Now().Add(rest).UnixNano())
		return nil, 0, &keyError{err}
	}
	return response, start, nil
}

// statement is what the TSTInfo of a token must say.
func (a *Authority) statement(u *unit, policy int, genTime time.Time, serial []byte, r *Request) *Info {
	p := &a.config.Policies[policy]
	info := &Info{
		Policy: p.ID, Imprint: r.Imprint, Serial: serial, GenTime: genTime,
		Accuracy: p.Accuracy, Ordering: p.Ordering, Nonce: r.Nonce, Qualified: p.Qualified,
	}
	if p.Name {
		info.Name = u.Certificate.RawSubject
	}
	return info
}

// verify reads and verifies an own token.
func (a *Authority) verify(u *unit, token []byte) error {
	began := time.Now()
	parsed, err := ParseToken(token)
	if err != nil {
		return fmt.Errorf("reading own token: %w", err)
	}
	if err := parsed.Verify(u.Certificate); err != nil {
		return fmt.Errorf("verifying own token: %w", err)
	}
	if a.config.Observe != nil {
		a.config.Observe("self_verified", time.Since(began))
	}
	return nil
}

// lint reads an encoded TSTInfo back and compares it with what it should say.
// Nothing that it rejects reaches the key.
func lint(encoded []byte, want *Info) error {
	got, err := parseInfo(encoded)
	if err != nil {
		return err
	}
	switch {
	case !got.Policy.Equal(want.Policy):
		return errors.New("tsa: the policy is not the one asked for")
	case !got.Imprint.HashAlgorithm.Equal(want.Imprint.HashAlgorithm),
		!bytes.Equal(got.Imprint.Parameters, want.Imprint.Parameters),
		!bytes.Equal(got.Imprint.HashedMessage, want.Imprint.HashedMessage):
		return errors.New("tsa: the imprint is not the query's")
	case !bytes.Equal(got.Nonce, want.Nonce), (got.Nonce == nil) != (want.Nonce == nil):
		return errors.New("tsa: the nonce is not the query's")
	case !bytes.Equal(got.Serial, want.Serial), len(got.Serial) > 20, got.Serial[0] >= 0x80:
		return errors.New("tsa: the serial number is not a positive one of at most 160 bits")
	case !got.GenTime.Equal(want.GenTime):
		return errors.New("tsa: genTime is not the time of the clock")
	case got.Accuracy != want.Accuracy, got.Ordering != want.Ordering, got.Qualified != want.Qualified, !bytes.Equal(got.Name, want.Name):
		return errors.New("tsa: the token does not promise what its policy does")
	}
	return nil
}

// enter takes a place among the signings in flight, or refuses after MaxWait.
func (a *Authority) enter(ctx context.Context) *Rejection {
	select {
	case a.places <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(a.config.MaxWait)
	defer timer.Stop()
	select {
	case a.places <- struct{}{}:
		return nil
	case <-timer.C:
		return reject(SystemFailure, "the authority is overloaded")
	case <-ctx.Done():
		return &Rejection{Failure: SystemFailure, Text: "the query was abandoned", cause: ctx.Err()}
	}
}

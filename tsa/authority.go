package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Config is what an [Authority] is made of.
type Config struct {
	// Certificate is the authority's own, for time-stamping and nothing else.
	Certificate *x509.Certificate
	// Chain holds the certificate's issuer, that one's issuer and so on,
	// without the root. It goes into tokens beside Certificate when a query
	// sets certReq.
	Chain []*x509.Certificate
	// Key is the private half of Certificate's key: ECDSA or RSA. It is asked
	// for deterministic signatures (a nil random).
	Key crypto.Signer
	// Policies are those that tokens can be had under; the first one is for
	// queries that do not ask for one.
	Policies []asn1.ObjectIdentifier
	// Accuracy is stated in every token, in whole microseconds up to a second;
	// 0 means a second. It has to cover what cutting the time to Fraction takes
	// away and the clock's own difference from UTC.
	Accuracy time.Duration
	// Fraction is the number of decimal digits of a second in genTime, 0 to 6.
	// With 0, RFC 3161's recommendation, the cut alone takes up to a second:
	// an accuracy of a second then holds only as far as the clock is never
	// behind UTC. With 3 it leaves the clock 999 ms.
	Fraction int
	// Name puts the certificate's subject into the tsa field of tokens.
	Name bool
	// Clock tells the time or refuses. See [SystemClock].
	Clock Clock
	// SHA1 also stamps SHA-1 imprints, which ETSI TS 119 312 no longer lists.
	SHA1 bool
	// MaxInflight bounds the tokens that are being made at once; 0 means 256.
	// More queries wait up to MaxWait (0 means a second) and are then refused
	// with systemFailure.
	MaxInflight int
	MaxWait     time.Duration
	// Unverified leaves out the verification of every token's signature before
	// it is sent. The statement itself is always checked before it is signed.
	Unverified bool

	// Audit records what is about to be signed ("tsa.token") and that the
	// clock was lost ("tsa.clock_lost") and found again ("tsa.clock_found").
	// If it errors, nothing is signed. Nil records nothing. Refused queries
	// are not recorded, only counted.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Log gets what an operator should see; nil discards it.
	Log *slog.Logger
	// Observe is told of every query: "granted", the name of a [Failure], or
	// "method", "mediaType", "tooLarge", "unreadable" for what never became one.
	// Nil observes nothing.
	Observe func(reason string, took time.Duration)
}

// Authority is a time-stamping authority. Its methods may be called by several
// goroutines at once. It is an [net/http.Handler].
type Authority struct {
	config Config
	log    *slog.Logger
	signer *signer
	period period
	// places bounds the signings in flight.
	places chan struct{}

	// mu guards what keeps tokens in order.
	mu      sync.Mutex
	last    time.Time // the latest time that was given to a token
	serials serials

	// stateMu guards what an operator is told of.
	stateMu   sync.Mutex
	clockLost bool
	broken    error // why the last token could not be made, nil if it could
	brokenAt  time.Time
}

// New makes an authority, or says everything that is wrong with config.
func New(config Config) (*Authority, error) {
	var errs []error
	if config.Accuracy == 0 {
		config.Accuracy = time.Second
	}
	if config.MaxInflight == 0 {
		config.MaxInflight = 256
	}
	if config.MaxWait == 0 {
		config.MaxWait = time.Second
	}
	// ETSI EN 319 422, Section 5.2: the accuracy is present and at most a second.
	if config.Accuracy < time.Microsecond || config.Accuracy > time.Second || config.Accuracy%time.Microsecond != 0 {
		errs = append(errs, fmt.Errorf("accuracy %v is not between 1µs and 1s in whole microseconds", config.Accuracy))
	}
	if config.Fraction < 0 || config.Fraction > 6 {
		errs = append(errs, fmt.Errorf("a fraction of %d digits is not between 0 and 6", config.Fraction))
	} else if config.Accuracy < resolution(config.Fraction) {
		errs = append(errs, fmt.Errorf("accuracy %v is finer than genTime with %d digits of a second", config.Accuracy, config.Fraction))
	}
	if config.MaxInflight < 0 || config.MaxWait < 0 {
		errs = append(errs, errors.New("a negative MaxInflight or MaxWait"))
	}
	if len(config.Policies) == 0 {
		errs = append(errs, errors.New("no policy"))
	}
	for _, p := range config.Policies {
		errs = append(errs, checkPolicy(p))
	}
	if config.Clock == nil {
		errs = append(errs, errors.New("no clock"))
	}
	a := &Authority{config: config, log: config.Log}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if config.Certificate == nil || config.Key == nil {
		errs = append(errs, errors.New("no certificate or no key"))
	} else {
		errs = append(errs, checkCertificate(config.Certificate, config.Chain, config.Key))
		var err error
		a.period, err = usable(config.Certificate)
		errs = append(errs, err)
		a.signer, err = newSigner(config.Certificate, config.Chain, config.Key)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("tsa: configuring authority: %w", err)
	}
	a.places = make(chan struct{}, config.MaxInflight)
	return a, nil
}

// resolution is the length of the last of n digits of a second.
func resolution(n int) time.Duration {
	d := time.Second
	for range n {
		d /= 10
	}
	return d
}

// Respond answers an encoded TimeStampReq with an encoded TimeStampResp.
func (a *Authority) Respond(ctx context.Context, query []byte) []byte {
	answer, _ := a.respond(ctx, query)
	return answer
}

// respond is Respond that also says the outcome in a word.
func (a *Authority) respond(ctx context.Context, query []byte) (answer []byte, reason string) {
	request, err := ParseRequest(query)
	var token []byte
	if err == nil {
		token, err = a.Stamp(ctx, request)
	}
	if err != nil {
		r, ok := errors.AsType[*Rejection](err)
		if !ok {
			// Everything that refuses does so with a Rejection; were one
			// forgotten, the client still gets an answer in its own format.
			r = reject(SystemFailure, "the token could not be made")
		}
		return r.Marshal(), r.Failure.String()
	}
	return granted(token), "granted"
}

// Stamp makes the token that r asks for and returns it encoded. The error is
// always a [*Rejection].
func (a *Authority) Stamp(ctx context.Context, r *Request) ([]byte, error) {
	policy, hash, refused := a.judge(r)
	if refused != nil {
		return nil, refused
	}
	if refused := a.enter(ctx); refused != nil {
		return nil, refused
	}
	defer func() { <-a.places }()

	genTime, serial, err := a.tick()
	if refused := a.noteClock(ctx, err); refused != nil {
		return nil, refused
	}
	// ETSI EN 319 421: no token outside the certificate's validity or
	// the private key's usage period.
	if !a.period.contains(genTime) {
		a.log.ErrorContext(ctx, "certificate does not cover the time", "time", genTime, "from", a.period.from, "to", a.period.to)
		return nil, reject(SystemFailure, "the authority's certificate does not cover the time")
	}
	info := &Info{
		Policy:   policy,
		Imprint:  r.Imprint,
		Serial:   serial,
		GenTime:  genTime,
		Accuracy: a.config.Accuracy,
		Nonce:    r.Nonce,
	}
	if a.config.Name {
		info.Name = a.config.Certificate.RawSubject
	}
	token, err := a.seal(ctx, info, r.CertReq, hash)
	a.noteToken(ctx, err)
	if err != nil {
		return nil, &Rejection{Failure: SystemFailure, Text: "the token could not be made", cause: err}
	}
	return token, nil
}

// seal checks, records, signs and verifies a statement, in this order: what is
// signed passed the check and is on record.
func (a *Authority) seal(ctx context.Context, info *Info, withCertificates bool, hash imprintHash) ([]byte, error) {
	encoded, err := info.marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding TSTInfo: %w", err)
	}
	if err := lint(encoded, info); err != nil {
		return nil, fmt.Errorf("checking TSTInfo: %w", err)
	}
	if a.config.Audit != nil {
		if err := a.config.Audit(ctx, "tsa.token",
			slog.String("serial", hex.EncodeToString(info.Serial)),
			slog.Time("gen_time", info.GenTime),
			slog.String("policy", info.Policy.String()),
			slog.String("hash", hash.name),
			slog.String("imprint", hex.EncodeToString(info.Imprint.HashedMessage)),
		); err != nil {
			return nil, fmt.Errorf("recording token: %w", err)
		}
	}
	data, err := a.signer.sign(encoded, withCertificates)
	if err != nil {
		return nil, err
	}
	token, err := data.marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding token: %w", err)
	}
	if a.config.Unverified {
		return token, nil
	}
	parsed, err := ParseToken(token)
	if err != nil {
		return nil, fmt.Errorf("reading own token: %w", err)
	}
	if err := parsed.Verify(a.config.Certificate); err != nil {
		return nil, fmt.Errorf("verifying own token: %w", err)
	}
	return token, nil
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
	case got.Accuracy != want.Accuracy, !bytes.Equal(got.Name, want.Name):
		return errors.New("tsa: the accuracy or the name is not the authority's")
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

// tick reads the clock and draws a serial number. Both happen under one lock,
// so that serial numbers grow in the order of the times.
func (a *Authority) tick() (genTime time.Time, serial []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, err := a.now()
	if err != nil {
		return time.Time{}, nil, err
	}
	a.last = now
	return now.Truncate(resolution(a.config.Fraction)), a.serials.next(now), nil
}

// now reads the clock for a token. The caller holds mu.
//
// The time never goes backwards (ETSI EN 319 421, Section 7.7): a clock that goes
// back by no more than the accuracy gets the last token's time until it has
// caught up, which is still a true statement within the accuracy; one that goes
// back farther is not proven.
func (a *Authority) now() (time.Time, error) {
	now, err := a.config.Clock.Now()
	if err != nil {
		return time.Time{}, err
	}
	if back := a.last.Sub(now); back > a.config.Accuracy {
		return time.Time{}, fmt.Errorf("tsa: %w: it went back by %v since the last token", ErrUnproven, back)
	}
	if now.Before(a.last) {
		now = a.last
	}
	return now.UTC(), nil
}

//go:build cgo

package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

// poolKey tells the tokens of a module apart as their users name them.
type poolKey struct {
	token, manufacturer, model, serial, pinSource string
}

// pool holds the sessions of one token. It is bounded, it opens sessions when
// they are asked for, and it heals: when a call fails in a way that is not the
// caller's fault, everything that is known of the token (slot number, sessions,
// login, object handles) is void and found anew; when that does not help, the
// library is started again; and when that does not help, callers are told
// [ErrUnavailable], at once and without asking the library, until a pause is
// over and the next caller tries again.
type pool struct {
	module *module
	uri    TokenURI
	// pin reads the user's PIN; nil when the URI names no source.
	pin func() (string, error)
	// permits bounds the sessions: one is held from before a session is taken
	// until it is back.
	permits chan struct{}

	mu   sync.Mutex
	idle []session
	// epoch grows whenever what is known of the token is void.
	epoch uint64
	// sick says that a fresh look at the token did not help either.
	sick bool
	// Until retry, callers get away instead of the token.
	retry time.Time
	pause time.Duration
	away  error

	// opening makes looking for the token and logging in one at a time. It
	// guards the fields below.
	opening sync.Mutex
	at      place
	// looked is the generation of the library that was last asked.
	looked uint64
}

// era is how long a handle is good for: one epoch of the pool in one
// generation of the library.
type era struct{ epoch, generation uint64 }

// session is an open session.
type session struct {
	handle pkcs11.SessionHandle
	slot   uint
	era
}

// place is where a token is, while its era lasts.
type place struct {
	found bool
	slot  uint
	info  pkcs11.TokenInfo
	era
}

const (
	// patience bounds a call whose caller sets no time of its own: what a
	// network HSM needs to fail over, and less than a client waits.
	patience        = 10 * time.Second
	defaultSessions = 8
	// The pause after a token was found to be away: short at first, so that a
	// token that is back is used soon.
	firstPause, longestPause = 100 * time.Millisecond, 2 * time.Second
)

// use borrows a session for calls to the library. It may run more than once,
// on another session, after a failure. It is not called when ctx ends before a
// session is free; when ctx ends in the middle, it goes on behind the caller's
// back, whose session stays taken until then.
type use func(l library, s session) error

// do has the calls of use made within the given time, and the context's.
func (p *pool) do(ctx context.Context, limit time.Duration, use use) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case p.permits <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: all %d sessions are busy: %w", ErrUnavailable, cap(p.permits), ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		err := p.attempts(ctx, use)
		<-p.permits
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: it does not answer in time: %w", ErrUnavailable, ctx.Err())
	}
}

// attempts makes the calls of use until they succeed, fail by the caller's
// fault, or the means of healing are used up.
func (p *pool) attempts(ctx context.Context, use use) error {
	for attempt := 0; ; {
		s, err := p.take(ctx)
		if err == nil {
			err = p.run(s, use)
		}
		if err == nil {
			p.put(s)
			return nil
		}
		p.drop(s)
		noObject := errors.Is(err, errNoObject)
		switch {
		case errors.Is(err, errStale):
			// The library was started again meanwhile: not a failure of this one.
			if ctx.Err() != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
			}
			continue
		case !heals(err), noObject && attempt > 0:
			// A token that was just looked at is well; the key is not on it.
			return err
		}
		lost := errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED)) || errors.Is(err, errNoToken)
		p.void(s.epoch, (lost || attempt > 0) && !noObject)
		if attempt++; attempt == 3 || ctx.Err() != nil {
			return p.giveUp(err)
		}
	}
}

var (
	// errStale says that a session is of an older generation of the library.
	errStale = errors.New("the session is stale")
	// errNoToken says that the library sees no such token.
	errNoToken = errors.New("no such token is there")
	// errNoObject says that the token has no such key.
	errNoObject = fmt.Errorf("no such key is on the token: %w", fs.ErrNotExist)
)

// run makes the calls of use with a session.
func (p *pool) run(s session, use use) error {
	defer p.module.leave()
	if p.module.enter() != s.generation {
		return errStale
	}
	return use(p.module.library, s)
}

// heals reports whether an error may be gone after looking for the token anew.
// Those that are about what was asked stay; whatever else a library may say is
// tried again.
func heals(err error) bool {
	if errors.Is(err, errNoObject) || errors.Is(err, errNoToken) {
		return true
	}
	code, ok := errors.AsType[pkcs11.Error](err)
	if !ok || errors.Is(err, ErrPIN) || errors.Is(err, ErrUnavailable) {
		return false
	}
	return !slices.Contains([]pkcs11.Error{
		pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_ATTRIBUTE_SENSITIVE, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID,
		pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE, pkcs11.CKR_DOMAIN_PARAMS_INVALID,
		pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_KEY_SIZE_RANGE,
		pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID,
		pkcs11.CKR_TEMPLATE_INCOMPLETE, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_TOKEN_WRITE_PROTECTED,
	}, code)
}

// take returns a session, an idle one or a new one.
func (p *pool) take(ctx context.Context) (session, error) {
	for {
		s, found, err := p.takeIdle()
		if found || err != nil {
			return s, err
		}
		s, err = p.open()
		if !errors.Is(err, pkcs11.Error(pkcs11.CKR_SESSION_COUNT)) {
			return s, err
		}
		// The token allows fewer sessions than we do, or others took them: wait
		// for one of ours.
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%w: it has no more sessions: %w", ErrUnavailable, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// takeIdle returns an idle session of the epoch, or the error of a token that
// is away.
func (p *pool) takeIdle() (s session, found bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil && time.Now().Before(p.retry) {
		return session{}, false, p.away
	}
	if n := len(p.idle); n > 0 {
		s, p.idle = p.idle[n-1], p.idle[:n-1]
		return s, true, nil
	}
	return session{era: era{epoch: p.epoch}}, false, nil
}

// put makes a session idle, and tells that the token is well.
func (p *pool) put(s session) {
	p.mu.Lock()
	if s.epoch == p.epoch {
		p.idle = append(p.idle, s)
		p.sick, p.away, p.pause = false, nil, 0
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.drop(s)
}

// drop closes a session. It may be in the middle of something, or gone.
func (p *pool) drop(s session) {
	if s.handle == 0 {
		return
	}
	defer p.module.leave()
	if p.module.enter() == s.generation {
		p.module.CloseSession(s.handle)
	}
}

// void forgets everything about the token, unless that was done since the
// epoch. Sick says that looking for it anew will not help.
func (p *pool) void(epoch uint64, sick bool) {
	p.mu.Lock()
	var idle []session
	if epoch == p.epoch {
		idle, p.idle = p.idle, nil
		p.epoch++
		p.sick = p.sick || sick
	}
	p.mu.Unlock()
	for _, s := range idle {
		p.drop(s)
	}
}

// giveUp begins a pause in which nobody asks the token.
func (p *pool) giveUp(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	p.retry = time.Now().Add(p.pause)
	// Told without %w: the cause is the library's own, and for whoever waits the
	// token is just not there.
	cause := fmt.Errorf("%w: %v", ErrUnavailable, err)
	if errors.Is(err, ErrUnavailable) {
		cause = err
	}
	p.away = &Error{
		err:  fmt.Errorf("using %s: %w", p.uri.name(), cause),
		hint: "is the token there? altamga keys list --uri pkcs11: lists those that are; nothing needs a restart when it is back",
	}
	return p.away
}

// open opens a session, after looking for the token and logging in if that
// has not been done in this era.
func (p *pool) open() (session, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	p.mu.Lock()
	s, sick := session{era: era{epoch: p.epoch}}, p.sick
	p.sick = false
	p.mu.Unlock()
	if sick {
		if err := p.module.start(p.looked); err != nil {
			return s, p.giveUp(err)
		}
	}
	defer p.module.leave()
	s.generation = p.module.enter()
	p.looked = s.generation
	if !p.at.found || p.at.era != s.era {
		if err := p.locate(s.era); err != nil {
			return s, err
		}
	}
	handle, err := p.module.OpenSession(p.at.slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return s, fmt.Errorf("opening session: %w", err)
	}
	if err := p.logIn(handle); err != nil {
		p.module.CloseSession(handle)
		return s, err
	}
	s.handle, s.slot = handle, p.at.slot
	return s, nil
}

// locate finds the slot that the token is in now.
func (p *pool) locate(now era) error {
	p.at = place{era: now}
	var twin string
	err := p.module.tokens(func(slot uint, info pkcs11.TokenInfo) bool {
		if !p.uri.matches(info) {
			return false
		}
		if p.at.found {
			twin = info.SerialNumber
			return true
		}
		p.at.found, p.at.slot, p.at.info = true, slot, info
		return false
	})
	switch {
	case err != nil:
		p.at.found = false
		return fmt.Errorf("looking for tokens: %w", err)
	case twin != "":
		p.at.found = false
		return &Error{
			err:  fmt.Errorf("using %s: two tokens are called that, of serial numbers %s and %s", p.uri.name(), p.at.info.SerialNumber, twin),
			hint: "add serial=NUMBER to the key's URI",
		}
	case !p.at.found:
		return errNoToken
	}
	return nil
}

// poolFor returns the pool of a token, shared by all keys that name it alike.
func (m *module) poolFor(t TokenURI, baseDir string) (*pool, error) {
	key := poolKey{t.Token, t.Manufacturer, t.Model, t.Serial, ""}
	if t.PINSource != "" {
		key.pinSource = in(baseDir, t.PINSource)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pools[key]; p != nil {
		if t.MaxSessions != 0 && t.MaxSessions != cap(p.permits) {
			return nil, &Error{
				err:  fmt.Errorf("using %s: max-sessions is %d here and %d for another of its keys", t.name(), t.MaxSessions, cap(p.permits)),
				hint: "all keys of a token share its sessions: write the same number, or leave it to one of them that is opened first",
			}
		}
		return p, nil
	}
	p := &pool{module: m, uri: t, permits: make(chan struct{}, defaultSessions)}
	if t.MaxSessions != 0 {
		p.permits = make(chan struct{}, t.MaxSessions)
	}
	if key.pinSource != "" {
		p.pin = func() (string, error) { return readPIN(key.pinSource) }
	}
	m.pools[key] = p
	return p, nil
}

// name calls the token what its URI does.
func (t TokenURI) name() string {
	switch {
	case t.Token != "":
		return fmt.Sprintf("token %q", t.Token)
	case t.Serial != "":
		return "token of serial " + t.Serial
	}
	return "token"
}

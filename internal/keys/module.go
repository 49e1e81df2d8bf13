//go:build cgo

package keys

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

// library is what this package asks of a PKCS #11 library.
type library interface {
	Initialize(...pkcs11.InitializeOption) error
	Finalize() error
	GetSlotList(tokenPresent bool) ([]uint, error)
	GetTokenInfo(slot uint) (pkcs11.TokenInfo, error)
	OpenSession(slot uint, flags uint) (pkcs11.SessionHandle, error)
	CloseSession(pkcs11.SessionHandle) error
	GetSessionInfo(pkcs11.SessionHandle) (pkcs11.SessionInfo, error)
	Login(session pkcs11.SessionHandle, user uint, pin string) error
	FindObjectsInit(pkcs11.SessionHandle, []*pkcs11.Attribute) error
	FindObjects(session pkcs11.SessionHandle, most int) ([]pkcs11.ObjectHandle, bool, error)
	FindObjectsFinal(pkcs11.SessionHandle) error
	GetAttributeValue(pkcs11.SessionHandle, pkcs11.ObjectHandle, []*pkcs11.Attribute) ([]*pkcs11.Attribute, error)
	SignInit(pkcs11.SessionHandle, []*pkcs11.Mechanism, pkcs11.ObjectHandle) error
	Sign(session pkcs11.SessionHandle, message []byte) ([]byte, error)
	GenerateKeyPair(session pkcs11.SessionHandle, mechanism []*pkcs11.Mechanism, public, private []*pkcs11.Attribute) (pkcs11.ObjectHandle, pkcs11.ObjectHandle, error)
	DestroyObject(pkcs11.SessionHandle, pkcs11.ObjectHandle) error
}

// module is a PKCS #11 library in this process. It is initialised once for
// all, and when it has lost its way it can only be started again as a whole
// (C_Finalize and C_Initialize), which ends the sessions of every token that it
// speaks for: SoftHSM never sees a token again that went away while it ran.
//
// Each start is a generation. Handles of an older generation mean nothing, or
// something else, and are dropped without closing them.
type module struct {
	path string
	library

	mu         sync.Mutex
	generation uint64        // 0: not yet initialised
	failed     error         // of the last start
	running    int           // calls inside of the library
	restarting chan struct{} // not nil while a start is under way; closed at its end
	drained    chan struct{} // closed when running falls to 0 during a start
	lastStart  time.Time

	pools map[poolKey]*pool
	// refused remembers tokens that refused their PIN, by serial and label.
	refused map[string]error
	// login makes logins one at a time: of many that begin with a wrong PIN one
	// tries it.
	login sync.Mutex
}

const (
	// drainTime is how long a start waits for calls that are inside of the
	// library. One that hangs must not hold up the rest for ever.
	drainTime = 2 * time.Second
	// startPause lies between two starts, so that tokens that are away do not
	// end the sessions of those that are there all the time.
	startPause = 200 * time.Millisecond
)

// enter begins calls to the library and returns its generation. It waits while
// the library starts.
func (m *module) enter() (generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.restarting != nil {
		over := m.restarting
		m.mu.Unlock()
		<-over
		m.mu.Lock()
	}
	m.running++
	return m.generation
}

// leave ends what enter began.
func (m *module) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running--; m.running == 0 && m.drained != nil {
		close(m.drained)
		m.drained = nil
	}
}

// start initialises the library, again when it was, unless that has been done
// since the caller saw the generation. The caller is outside of enter and leave.
//
// It takes no context: callers that cannot wait are let go by the pool.
func (m *module) start(seen uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		pause := startPause - time.Since(m.lastStart)
		switch {
		case m.restarting != nil:
			over := m.restarting
			m.mu.Unlock()
			<-over
			m.mu.Lock()
			continue
		case m.generation != seen:
			return m.failed
		case m.generation > 0 && pause > 0:
			m.mu.Unlock()
			time.Sleep(pause)
			m.mu.Lock()
			continue
		}
		break
	}
	m.restarting = make(chan struct{})
	defer func() {
		close(m.restarting)
		m.restarting = nil
	}()
	if m.running > 0 {
		drained := make(chan struct{})
		m.drained = drained
		m.mu.Unlock()
		select {
		case <-drained:
		case <-time.After(drainTime):
		}
		m.mu.Lock()
		if m.running > 0 {
			m.drained, m.lastStart = nil, time.Now()
			return fmt.Errorf("%w: a call to its library does not end", ErrUnavailable)
		}
	}
	first := m.generation == 0
	m.mu.Unlock()
	if !first {
		// It may have been finalised by another user of it: no error to us.
		m.library.Finalize()
	}
	err := m.library.Initialize()
	m.mu.Lock()
	m.generation++
	m.lastStart = time.Now()
	m.failed = nil
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		m.failed = fmt.Errorf("%w: starting %s: %v", ErrUnavailable, m.path, err)
	}
	return m.failed
}

// tokens calls look for each token that the library sees, until look says
// that it is content. The caller is between enter and leave.
func (m *module) tokens(look func(slot uint, info pkcs11.TokenInfo) (enough bool)) error {
	slots, err := m.GetSlotList(true)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		// One token that does not answer must not hide the others.
		info, err := m.GetTokenInfo(slot)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		if look(slot, trimmed(info)) {
			return nil
		}
	}
	return nil
}

// trimmed takes off the spaces that fields of a fixed size are padded with.
func trimmed(info pkcs11.TokenInfo) pkcs11.TokenInfo {
	for _, field := range []*string{&info.Label, &info.SerialNumber, &info.ManufacturerID, &info.Model} {
		*field = strings.TrimRight(*field, " \x00")
	}
	return info
}

// matches reports whether a token is one that the URI names.
func (t TokenURI) matches(info pkcs11.TokenInfo) bool {
	for _, part := range [][2]string{
		{t.Token, info.Label}, {t.Serial, info.SerialNumber}, {t.Manufacturer, info.ManufacturerID}, {t.Model, info.Model},
	} {
		if part[0] != "" && part[0] != part[1] {
			return false
		}
	}
	return true
}

// modules are the PKCS #11 libraries of this process, by path. They are a
// variable of the package because the standard makes them one of the process:
// C_Initialize counts for all of it, a login for all sessions of it, and a wrong
// PIN that one key was refused must not be tried for the next.
var modules = struct {
	mu     sync.Mutex
	byPath map[string]*module
	load   func(path string) library
}{byPath: map[string]*module{}, load: loadLibrary}

func loadLibrary(path string) library {
	if l := pkcs11.New(path); l != nil {
		return l
	}
	return nil
}

// openModule returns the module of a library, loaded and initialised.
func openModule(path string) (*module, error) {
	modules.mu.Lock()
	m := modules.byPath[path]
	if m == nil {
		l := modules.load(path)
		if l == nil {
			modules.mu.Unlock()
			return nil, &Error{
				err:  fmt.Errorf("opening PKCS #11 module %s: it cannot be loaded", path),
				hint: "is it a PKCS #11 library for this machine, and are the libraries that it needs there? ldd " + path,
			}
		}
		m = &module{path: path, library: l, pools: map[poolKey]*pool{}, refused: map[string]error{}}
		modules.byPath[path] = m
	}
	modules.mu.Unlock()
	if err := m.ready(); err != nil {
		return nil, err
	}
	return m, nil
}

// ready starts the library if it never was or its last start failed.
func (m *module) ready() error {
	m.mu.Lock()
	generation, failed := m.generation, m.failed
	m.mu.Unlock()
	if generation == 0 || failed != nil {
		return m.start(generation)
	}
	return nil
}

// RetryPINs lets every token be given its PIN again that refused it before: an
// operator has put the right PIN into the file, or unlocked the token.
func RetryPINs() {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	for _, m := range modules.byPath {
		m.login.Lock()
		clear(m.refused)
		m.login.Unlock()
	}
}

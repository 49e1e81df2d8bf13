//go:build cgo

package keys_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/altamga/altamga/internal/keys"
)

// gated is a library that nobody else calls while it is in a call, but between
// any two: SoftHSM itself reads freed memory when its sessions are closed in the
// middle of a signature.
type gated struct {
	keys.Library
	path string
	mu   sync.RWMutex
}

// harm does something to the library between two calls of ours.
func (g *gated) harm(do func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return do()
}

func (g *gated) enter() (leave func()) { g.mu.RLock(); return g.mu.RUnlock }

func (g *gated) GetSlotList(present bool) ([]uint, error) {
	defer g.enter()()
	return g.Library.GetSlotList(present)
}

func (g *gated) GetTokenInfo(slot uint) (pkcs11.TokenInfo, error) {
	defer g.enter()()
	return g.Library.GetTokenInfo(slot)
}

func (g *gated) OpenSession(slot, flags uint) (pkcs11.SessionHandle, error) {
	defer g.enter()()
	return g.Library.OpenSession(slot, flags)
}

func (g *gated) CloseSession(s pkcs11.SessionHandle) error {
	defer g.enter()()
	return g.Library.CloseSession(s)
}

func (g *gated) GetSessionInfo(s pkcs11.SessionHandle) (pkcs11.SessionInfo, error) {
	defer g.enter()()
	return g.Library.GetSessionInfo(s)
}

func (g *gated) Login(s pkcs11.SessionHandle, user uint, pin string) error {
	defer g.enter()()
	return g.Library.Login(s, user, pin)
}

func (g *gated) FindObjectsInit(s pkcs11.SessionHandle, template []*pkcs11.Attribute) error {
	defer g.enter()()
	return g.Library.FindObjectsInit(s, template)
}

func (g *gated) FindObjects(s pkcs11.SessionHandle, most int) ([]pkcs11.ObjectHandle, bool, error) {
	defer g.enter()()
	return g.Library.FindObjects(s, most)
}

func (g *gated) FindObjectsFinal(s pkcs11.SessionHandle) error {
	defer g.enter()()
	return g.Library.FindObjectsFinal(s)
}

func (g *gated) GetAttributeValue(s pkcs11.SessionHandle, o pkcs11.ObjectHandle, a []*pkcs11.Attribute) ([]*pkcs11.Attribute, error) {
	defer g.enter()()
	return g.Library.GetAttributeValue(s, o, a)
}

func (g *gated) SignInit(s pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error {
	defer g.enter()()
	return g.Library.SignInit(s, m, o)
}

func (g *gated) Sign(s pkcs11.SessionHandle, message []byte) ([]byte, error) {
	defer g.enter()()
	return g.Library.Sign(s, message)
}

// library copies SoftHSM to a path of its own, which makes it another library
// with a state of its own.
func library(t *testing.T) (path string) {
	t.Helper()
	if softHSM == "" {
		t.Skip("SoftHSM is not installed (Debian: softhsm2)")
	}
	data, err := os.ReadFile(softHSM)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, t.TempDir(), "libwrapped.so", string(data), 0o700)
}

// wrapped is a library whose answers a test changes. It is the same SoftHSM
// under a name of its own, so that other tests do not see it.
type wrapped struct {
	keys.Library
	path string

	logins   atomic.Int64
	sessions atomic.Int64
	most     atomic.Int64
	flags    atomic.Uint64
	refuse   atomic.Int64 // sessions past this number are refused; 0: none
	flip     atomic.Bool
	block    atomic.Pointer[chan struct{}]
}

// wrap returns a library under a path of its own.
func wrap(t *testing.T) *wrapped {
	t.Helper()
	w := &wrapped{path: library(t)}
	t.Cleanup(keys.WrapLibraries(func(path string, real keys.Library) keys.Library {
		// SoftHSM under its own name may be loaded for the first time here.
		if path != w.path {
			return real
		}
		w.Library = real
		return w
	}))
	return w
}

func (w *wrapped) Login(session pkcs11.SessionHandle, user uint, pin string) error {
	w.logins.Add(1)
	return w.Library.Login(session, user, pin)
}

func (w *wrapped) GetTokenInfo(slot uint) (pkcs11.TokenInfo, error) {
	info, err := w.Library.GetTokenInfo(slot)
	info.Flags |= uint(w.flags.Load())
	return info, err
}

func (w *wrapped) OpenSession(slot, flags uint) (pkcs11.SessionHandle, error) {
	if limit := w.refuse.Load(); limit > 0 && w.sessions.Load() >= limit {
		return 0, pkcs11.Error(pkcs11.CKR_SESSION_COUNT)
	}
	handle, err := w.Library.OpenSession(slot, flags)
	if err == nil {
		n := w.sessions.Add(1)
		for most := w.most.Load(); n > most && !w.most.CompareAndSwap(most, n); most = w.most.Load() {
		}
	}
	return handle, err
}

func (w *wrapped) CloseSession(session pkcs11.SessionHandle) error {
	w.sessions.Add(-1)
	return w.Library.CloseSession(session)
}

func (w *wrapped) Sign(session pkcs11.SessionHandle, message []byte) ([]byte, error) {
	if block := w.block.Load(); block != nil {
		<-*block
	}
	signature, err := w.Library.Sign(session, message)
	if err == nil && w.flip.Load() {
		signature[5] ^= 1
	}
	return signature, err
}

// uri names a key by way of the wrapped library.
func (w *wrapped) uri(token *token, object string, more ...string) string {
	return token.named(object, append([]string{"pin-source=pin", "module-path=" + w.path}, more...)...)
}

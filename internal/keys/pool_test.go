//go:build cgo

package keys_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/altamga/altamga/internal/keys"
)

// generated makes a P-256 key on a token and opens it.
func generated(t testing.TB, token *token, object string, more ...string) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(token.uri(object, more...), token.dir, "p256")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signs makes one signature and verifies it.
func signs(key crypto.Signer) error {
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
		err = errors.New("the signature does not verify")
	}
	return err
}

// load signs with several goroutines until end is called, which returns how
// many signatures were made and each error other than ErrUnavailable.
func load(key crypto.Signer) (count func() int64, end func() []error) {
	var made atomic.Int64
	var mu sync.Mutex
	var faults []error
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 6 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch err := signs(key); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, keys.ErrUnavailable):
					mu.Lock()
					faults = append(faults, err)
					mu.Unlock()
				default:
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return made.Load, func() []error { close(stop); all.Wait(); return faults }
}

// grows waits until a count has grown.
func grows(t *testing.T, count func() int64) {
	t.Helper()
	for deadline, before := time.Now().Add(time.Minute), count(); count() <= before+10; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is signed any more")
		}
	}
}

func TestTokenAwayAndBack(t *testing.T) {
	token, other := newToken(t), newToken(t)
	key, others := generated(t, token, "k"), generated(t, other, "k")
	count, end := load(key)
	otherCount, otherEnd := load(others)
	for range 3 {
		grows(t, count)
		back := token.takeAway()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			err := signs(key)
			if errors.Is(err, keys.ErrUnavailable) {
				if hint(err) == "" {
					t.Errorf("no hint for %v", err)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the token is away, and signing answers %v", err)
			}
		}
		// A server is told at once, not after a wait for each request.
		begin := time.Now()
		for range 20 {
			if err := signs(key); !errors.Is(err, keys.ErrUnavailable) {
				t.Errorf("while away: %v", err)
			}
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("20 answers took %v", took)
		}
		grows(t, otherCount)
		back()
	}
	grows(t, count)
	for _, err := range append(end(), otherEnd()...) {
		t.Error(err)
	}
}

// A second user of the library in the same process, as a plug-in would be.
func TestSecondClient(t *testing.T) {
	token := newToken(t)
	generated(t, token, "k")
	g := &gated{path: library(t)}
	t.Cleanup(keys.WrapLibraries(func(path string, real keys.Library) keys.Library {
		g.Library = real
		return g
	}))
	key, err := keys.Open(token.named("k", "pin-source=pin", "module-path="+g.path), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	second := pkcs11.New(g.path)
	if second == nil {
		t.Fatal("the library cannot be loaded twice")
	}
	var slot uint
	slots, err := second.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if info, err := second.GetTokenInfo(s); err == nil && info.Label == token.label {
			slot = s
		}
	}
	for name, harm := range map[string]func() error{
		"closes all sessions": func() error { return second.CloseAllSessions(slot) },
		"logs out": func() error {
			session, err := second.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
			if err != nil {
				return err
			}
			return errors.Join(second.Logout(session), second.CloseSession(session))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := signs(key); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if err := g.harm(harm); err != nil {
					t.Fatal(err)
				}
				// The very next signature succeeds.
				if err := signs(key); err != nil {
					t.Fatal(err)
				}
			}
			count, end := load(key)
			for range 20 {
				if err := g.harm(harm); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)) {
					t.Error(err)
				}
				grows(t, count)
			}
			for _, err := range end() {
				t.Error(err)
			}
		})
	}
	t.Run("finalises the library", func(t *testing.T) {
		for range 3 {
			if err := g.harm(second.Finalize); err != nil {
				t.Fatal(err)
			}
			if err := signs(key); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWrongPIN(t *testing.T) {
	token, w := newToken(t), wrap(t)
	generated(t, token, "a")
	generated(t, token, "b")
	write(t, token.dir, "pin", "9999", 0o600)
	var all sync.WaitGroup
	for _, object := range []string{"a", "b"} {
		for range 8 {
			all.Go(func() {
				_, err := keys.Open(w.uri(token, object), token.dir)
				if !errors.Is(err, keys.ErrPIN) || !strings.Contains(hint(err), "SIGHUP") || strings.Contains(err.Error(), "9999") {
					t.Errorf("error %v, hint %q", err, hint(err))
				}
			})
		}
	}
	all.Wait()
	if n := w.logins.Load(); n != 1 {
		t.Errorf("the wrong PIN was tried %d times", n)
	}
	// Another file's PIN is not tried, either, nor the right one in this file:
	// somebody has to say so.
	write(t, token.dir, "other", "1234", 0o600)
	write(t, token.dir, "pin", "1234", 0o600)
	for _, uri := range []string{w.uri(token, "a"), token.named("a", "pin-source=other", "module-path="+w.path)} {
		if _, err := keys.Open(uri, token.dir); !errors.Is(err, keys.ErrPIN) {
			t.Errorf("error %v", err)
		}
	}
	if n := w.logins.Load(); n != 1 {
		t.Errorf("after the refusal %d logins", n)
	}
	for _, flag := range []uint64{pkcs11.CKF_USER_PIN_FINAL_TRY, pkcs11.CKF_USER_PIN_LOCKED} {
		keys.RetryPINs()
		w.flags.Store(flag)
		if _, err := keys.Open(w.uri(token, "a"), token.dir); !errors.Is(err, keys.ErrPIN) || hint(err) == "" {
			t.Errorf("flags %x: %v", flag, err)
		}
	}
	if n := w.logins.Load(); n != 1 {
		t.Errorf("a token before its last try was tried: %d logins", n)
	}
	w.flags.Store(0)
	key, err := keys.Open(w.uri(token, "a"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := signs(key); err != nil {
		t.Error(err)
	}
	t.Run("the PIN's file", func(t *testing.T) {
		write(t, token.dir, "wide", "1234", 0o644)
		for pin, want := range map[string]string{"none": "no such file", "wide": "mode 0644", "": "names none"} {
			query := []string{"module-path=" + softHSM}
			if pin != "" {
				query = append(query, "pin-source="+pin)
			}
			// A second token, as the first one is open already.
			second := newToken(t)
			if _, err := keys.Open(second.named("a", query...), token.dir); err == nil || !strings.Contains(err.Error(), want) || hint(err) == "" {
				t.Errorf("%s: error %v, hint %q", pin, err, hint(err))
			}
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	token, w := newToken(t), wrap(t)
	generated(t, token, "k")
	key, err := keys.Open(w.uri(token, "k", "max-sessions=3"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	count, end := load(key)
	for range 5 {
		grows(t, count)
	}
	for _, err := range end() {
		t.Error(err)
	}
	if most := w.most.Load(); most > 3 || most < 2 {
		t.Errorf("%d sessions were open at once", most)
	}
	t.Run("a token that allows fewer", func(t *testing.T) {
		w.refuse.Store(1)
		key, err := keys.Open(w.uri(token, "k", "max-sessions=3"), token.dir)
		if err != nil {
			t.Fatal(err)
		}
		count, end := load(key)
		grows(t, count)
		for _, err := range end() {
			t.Error(err)
		}
		w.refuse.Store(0)
	})
	t.Run("waiters have their own time", func(t *testing.T) {
		block := make(chan struct{})
		w.block.Store(&block)
		digest := sha256.Sum256(nil)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				begin := time.Now()
				_, err := keys.SignContext(ctx, key, rand.Reader, digest[:], crypto.SHA256)
				if !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("answered after %v", took)
				}
			})
		}
		all.Wait()
		w.block.Store(nil)
		close(block)
		if err := signs(key); err != nil {
			t.Error(err)
		}
	})
}

func TestFirstSignatureIsVerified(t *testing.T) {
	token, w := newToken(t), wrap(t)
	generated(t, token, "k")
	w.flip.Store(true)
	key, err := keys.Open(w.uri(token, "k"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	for range 2 {
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err == nil || !strings.Contains(err.Error(), "does not verify") || hint(err) == "" {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
	}
	w.flip.Store(false)
	if err := signs(key); err != nil {
		t.Error(err)
	}
}

// The same key on another token under the same name, as a restored backup is,
// has another serial number and stands in another slot.
func TestOtherSlot(t *testing.T) {
	token := newToken(t)
	for _, name := range []string{"a.key", "b.key"} {
		if _, err := keys.Generate("file:"+name, token.dir, "p256"); err != nil {
			t.Fatal(err)
		}
	}
	brought := func(name string) {
		t.Helper()
		out, err := exec.Command("softhsm2-util", "--import", filepath.Join(token.dir, name), "--token", token.label, "--label", "k", "--id", "a1", "--pin", "1234").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	brought("a.key")
	key, err := keys.Open(token.uri("k"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := signs(key); err != nil {
		t.Fatal(err)
	}
	slot := func() string {
		list, err := keys.Tokens(token.named("", "module-path="+softHSM), "")
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0].Serial
	}
	before := slot()
	token.takeAway()
	token.store = token.initialise(token.label)
	brought("a.key")
	if err := eventually(func() error { return signs(key) }); err != nil {
		t.Fatal(err)
	}
	if after := slot(); after == before {
		t.Errorf("the token is the same: %s", after)
	}
	t.Run("another key under this name is refused", func(t *testing.T) {
		token.takeAway()
		token.store = token.initialise(token.label)
		brought("b.key")
		err := eventually(func() error {
			if err := signs(key); err == nil || errors.Is(err, keys.ErrUnavailable) {
				return errors.Join(errors.New("not yet"), err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := signs(key); err == nil || !strings.Contains(err.Error(), "another key") || hint(err) == "" {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
	})
}

// eventually tries for some seconds until do succeeds.
func eventually(do func() error) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := do(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// A key that asks for the PIN before each signature.
func TestAlwaysAuthenticate(t *testing.T) {
	token := newToken(t)
	generated(t, token, "other")
	l := pkcs11.New(softHSM)
	slots, err := l.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		if info, err := l.GetTokenInfo(slot); err != nil || info.Label != token.label {
			continue
		}
		session, err := l.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		// Logged in already, by the pool.
		_, _, err = l.GenerateKeyPair(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA_KEY_PAIR_GEN, nil)},
			[]*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, "7"),
				pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}),
			},
			[]*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, "7"), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "careful"),
				pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_AUTHENTICATE, true),
			})
		if err := errors.Join(err, l.CloseSession(session)); err != nil {
			t.Fatal(err)
		}
	}
	key, err := keys.Open(token.uri("careful"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := signs(key); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSign compares a token's key with one in a file.
func BenchmarkSign(b *testing.B) {
	token := newToken(b)
	onToken := generated(b, token, "k")
	inFile, err := keys.Generate("file:a.key", token.dir, "p256")
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	for name, key := range map[string]crypto.Signer{"token": onToken, "file": inFile} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
